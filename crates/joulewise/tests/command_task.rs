//! `joulewise improve` on a training that is the user's own command, from the baseline to the report.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use serde_json::Value;

/// An accuracy per epoch that is best at a learning rate of 0.1 and flat after the third epoch, and a little work.
const TRAIN: &str = r#"
lr=$1 epochs=$2 model=$3
awk -v lr="$lr" -v epochs="$epochs" 'BEGIN {
    for (epoch = 1; epoch <= epochs; epoch++) {
        for (i = 0; i < 100000; i++) work += i
        off = log(lr / 0.1) / log(10)
        reached = epoch < 3 ? epoch : 3
        printf "{\"epoch\": %d, \"loss\": %.4f, \"accuracy\": %.4f}\n", epoch, 1 / epoch, 0.6 + 0.1 * reached - 0.05 * off * off
    }
}'
echo "weights of $lr" > "$model"
"#;

const EVAL: &str = r#"
test -s "$1" && echo '{"accuracy": 0.87}'
"#;

const DEPLOY: &str = r#"
test -s "$1" && awk 'BEGIN { for (i = 0; i < 200000; i++) work += i; print "{\"inferences\": 500}" }'
"#;

const RECIPE: &str = r#"
[train]
command = "sh train.sh {lr} {epochs} {model}"
lr = 0.1
epochs = 6
"#;

struct Project {
    folder: tempfile::TempDir,
}

impl Project {
    fn new(recipe: &str, train: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in
            [("recipe.toml", recipe), ("train.sh", train), ("eval.sh", EVAL), ("deploy.sh", DEPLOY)]
        {
            fs::write(folder.path().join(name), text).unwrap();
        }
        Self { folder }
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_joulewise"));
        command.current_dir(self.folder.path()).args(["improve", "recipe.toml", "--out", "runs"]).args(args);
        command.env("JOULEWISE", env!("CARGO_BIN_EXE_joulewise"));
        command
    }

    fn improve(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// The result of a run that went well.
    fn result(&self, args: &[&str]) -> Value {
        let output = self.improve(&[&["--json"], args].concat());
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{stderr}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// The error of a run that ended with exit code 2 and left nothing behind.
    fn error(&self, args: &[&str]) -> String {
        let output = self.improve(args);
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        assert!(output.stdout.is_empty());
        assert_eq!(self.runs(), Vec::<PathBuf>::new(), "a half-written run was left behind");
        stderr
    }

    /// The process of a training that has written its id to `waiting`.
    fn waiting(&self) -> PathBuf {
        let text = eventually(|| {
            let text = fs::read_to_string(self.folder.path().join("waiting")).ok()?;
            text.ends_with('\n').then_some(text)
        });
        PathBuf::from(format!("/proc/{}", text.trim()))
    }

    fn runs(&self) -> Vec<PathBuf> {
        let Ok(entries) = fs::read_dir(self.folder.path().join("runs")) else { return Vec::new() };
        entries.map(|entry| entry.unwrap().path()).collect()
    }
}

fn candidate<'a>(result: &'a Value, name: &str) -> &'a Value {
    let candidates = result["candidates"].as_array().unwrap();
    candidates.iter().find(|c| c["name"] == name).unwrap_or_else(|| panic!("no {name} in {result:#}"))
}

fn assert_partition(result: &Value) {
    let entries = result["ledger"]["entries"].as_array().unwrap();
    let sum: f64 = entries.iter().map(|entry| entry["energy_j"]["value"].as_f64().unwrap()).sum();
    let total = result["ledger"]["total_j"]["value"].as_f64().unwrap();
    let rest = result["ledger"]["unattributed_j"].as_f64().unwrap();
    assert!((sum + rest - total).abs() <= 1e-9 * total, "{sum} + {rest} is not {total}");
    assert!(total > 0.0);
}

#[test]
fn what_needs_no_cooperation_works_and_the_rest_says_what_it_needs() {
    let project = Project::new(RECIPE, TRAIN);
    let result = project.result(&[]);
    assert_partition(&result);
    for name in ["tune", "early-stopping"] {
        let made = candidate(&result, name);
        assert_eq!(made["status"], "holds", "{made:#}");
        assert!(made["training_j"]["value"].as_f64().unwrap() > 0.0);
        assert!(made["cost_to_make_j"]["value"].as_f64() >= made["training_j"]["value"].as_f64());
        assert!(made["life_cost_j"]["value"].as_f64().unwrap() > 0.0);
        let run = project.runs().remove(0);
        assert!(run.join(made["model"].as_str().unwrap()).is_file());
    }
    let epochs = candidate(&result, "early-stopping")["notes"].to_string();
    assert!(epochs.contains("3 of 6"), "{epochs}");
    let skipped = [
        ("smaller-network", "the command has no {width} and no {depth}"),
        ("distil", "the command has no {teacher}"),
        ("transfer", "the command has no {init}"),
        ("prune", "needs a network of our own engine; this training is a command"),
        ("quantise", "the command has no {precision}"),
        ("combine", "needs a network of our own engine; this training is a command"),
    ];
    for (name, reason) in skipped {
        let skipped = candidate(&result, name);
        assert_eq!((skipped["status"].as_str(), skipped["reason"].as_str()), (Some("skipped"), Some(reason)));
    }
    let caveats = result["caveats"].to_string();
    assert!(caveats.contains("metric-of-the-training") && caveats.contains("inference-not-priced"));
    assert!(fs::read_to_string(project.runs()[0].join("report.html")).unwrap().contains("early-stopping"));
    let events = fs::read_to_string(project.runs()[0].join("events.jsonl")).unwrap();
    assert!(events.contains(r#""type":"trial""#) && events.contains(r#""name":"accuracy""#));
}

#[test]
fn eval_stands_for_the_test_and_deploy_prices_inference() {
    let recipe = format!(
        "{RECIPE}\n[eval]\ncommand = 'sh eval.sh {{model}}'\n[deploy]\ncommand = 'sh deploy.sh {{model}}'\n"
    );
    let project = Project::new(&recipe, TRAIN);
    let result = project.result(&["--practices", "early-stopping"]);
    assert_partition(&result);
    for model in [&result["baseline"], candidate(&result, "early-stopping")] {
        assert_eq!(model["metrics"]["accuracy"]["test"], 0.87);
        assert_eq!(model["metrics"]["accuracy"]["select"], 0.9);
        assert!(model["energy_per_inference_j"]["by_batch"]["64"]["value"].as_f64().unwrap() > 0.0);
    }
    let ratio = &candidate(&result, "early-stopping")["cpu_ratio"];
    assert_eq!((ratio["low"].as_f64(), ratio["high"].as_f64()), (Some(1.0), Some(1.0)), "{ratio}");
}

/// Tells of spans, and leaves one of them open.
const TALKATIVE: &str = r#"
$JOULEWISE span begin training
for epoch in 1 2; do
    $JOULEWISE span begin epoch
    awk 'BEGIN { for (i = 0; i < 300000; i++) work += i }'
    $JOULEWISE span end epoch
done
echo weights > "$3"
echo '{"accuracy": 0.9}'
"#;

#[test]
fn spans_of_commands_are_parts_of_their_stages() {
    let deploy = "$JOULEWISE span begin serve; echo '{\"inferences\": 500}'; $JOULEWISE span end serve";
    let recipe = format!("{RECIPE}\n[deploy]\ncommand = 'sh deploy.sh'\n");
    let project = Project::new(&recipe, TALKATIVE);
    fs::write(project.folder.path().join("deploy.sh"), deploy).unwrap();
    let result = project.result(&["--practices", "early-stopping,smaller-network"]);
    assert_partition(&result);
    let entries = result["ledger"]["entries"].as_array().unwrap();
    let spans = |stage: &str| {
        let entry = entries.iter().find(|entry| entry["stage"] == stage);
        let entry = entry.unwrap_or_else(|| panic!("no {stage} in {entries:#?}"));
        let spans = entry["spans"].as_array().unwrap().iter();
        let seen = spans.map(|span| {
            let inside = span["energy_j"]["value"].as_f64() <= entry["energy_j"]["value"].as_f64();
            assert!(inside && span["energy_j"]["value"].as_f64() > Some(0.0), "{entry:#}");
            let number = |key: &str| span[key].as_u64().unwrap_or_default();
            (span["name"].as_str().unwrap(), number("parent"), number("count"), number("unclosed"))
        });
        seen.collect::<Vec<_>>()
    };
    assert_eq!(spans("baseline/train"), [("training", 0, 1, 1), ("epoch", 1, 2, 0)]);
    assert_eq!(spans("baseline/deploy"), [("serve", 0, 1, 0)]);
    let [(_, _, turns, 0)] = spans("benchmark-inference")[..] else { panic!("{entries:#?}") };
    assert!(turns >= 6, "{turns}");

    let run = project.runs().remove(0);
    let events = fs::read_to_string(run.join("events.jsonl")).unwrap();
    let closed = events.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["kind"].take());
    let closed = closed.filter(|kind| kind["type"] == "stage-closed" && kind["name"] == "baseline/train");
    let closed: Vec<Value> = closed.collect();
    assert_eq!(closed.len(), 1);
    let entry = entries.iter().find(|entry| entry["stage"] == "baseline/train").unwrap();
    assert_eq!(closed[0]["spans"], entry["spans"]);
    assert!(fs::read_to_string(run.join("report.html")).unwrap().contains("training › epoch"));
    let mut ledger = Command::new(env!("CARGO_BIN_EXE_joulewise"));
    let shown = ledger.args(["ledger", "@last"]).current_dir(project.folder.path()).output().unwrap();
    assert!(String::from_utf8(shown.stdout).unwrap().contains("training › epoch"));
}

/// As TRAIN, with everything that a practice can change.
const COOPERATIVE: &str = r#"
while [ $# -gt 0 ]; do eval "${1#--}=\$2"; shift 2; done
test -z "$subset" || test -s "$subset" || exit 3
test -z "$teacher" || test -s "$teacher" || exit 4
case $precision in fp32|bf16) ;; *) exit 5 ;; esac
case $width$depth in *.*) exit 6 ;; esac
awk -v epochs="$epochs" -v width="$width" 'BEGIN {
    for (i = 0; i < 2000 * epochs * width; i++) work += i
    print "{\"accuracy\": 0.9}"
}'
echo "$width x $depth in $precision" > "$model"
"#;

const COOPERATIVE_RECIPE: &str = r#"
    [train]
    command = """sh train.sh --lr {lr} --epochs {epochs} --width {width} --depth {depth} --subset {subset} \
        --teacher {teacher} --precision {precision} --model {model}"""
    lr = 0.1
    epochs = 4
    precisions = ["fp32", "bf16"]

    [model]
    width = 64
    depth = 6

    [data]
    features = "features.npy"

    [distil]
    command = "sh teach.sh {model} {teacher}"

    [eval]
    command = "sh eval.sh {model} {width}"

    [deploy]
    command = "sh deploy.sh {model} {width} {precision}"
"#;

/// The file that `numpy.save` writes for a column of so many rows.
fn features(rows: usize) -> Vec<u8> {
    let mut header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, 1), }}");
    header.push_str(&" ".repeat(117 - header.len()));
    header.push('\n');
    let numbers = (0..rows).flat_map(|row| (row as f32).to_le_bytes());
    [b"\x93NUMPY\x01\0\x76\0", header.as_bytes()].concat().into_iter().chain(numbers).collect()
}

fn cooperative() -> Project {
    let project = Project::new(COOPERATIVE_RECIPE, COOPERATIVE);
    let write = |name: &str, bytes: &[u8]| fs::write(project.folder.path().join(name), bytes).unwrap();
    write("features.npy", &features(100));
    let header = r#"{"logits": {"dtype": "F32", "shape": [100, 2], "data_offsets": [0, 800]}}"#;
    let logits = [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &[0; 800]].concat();
    write("logits", &logits);
    write("teach.sh", br#"test -s "$1" && cp logits "$2""#);
    write("deploy.sh", br#"test "$(cat "$1")" = "$2 x 6 in $3" && echo '{"inferences": 500}'"#);
    project
}

#[test]
fn each_practice_hands_over_what_the_command_takes() {
    let project = cooperative();
    let result =
        project.result(&["--budget", "30", "--practices", "smaller-network,quantise,distil,data-subset"]);
    assert_partition(&result);
    let value = |name: &str, placeholder: &str| {
        let made = candidate(&result, name);
        assert_eq!(made["status"], "holds", "{made:#}");
        made["values"][placeholder].as_str().unwrap_or_else(|| panic!("{made:#}")).to_owned()
    };
    assert_eq!(value("smaller-network-0.5", "width"), "32");
    assert_eq!(value("smaller-network-0.25", "width"), "16");
    assert_eq!(value("smaller-network-depth-0.5", "depth"), "3");
    assert_eq!(value("quantise-bf16", "precision"), "bf16");
    assert_eq!(value("distil", "width"), "32");
    assert!(Path::new(&value("distil", "teacher")).exists());
    for method in ["coreset", "random"] {
        let indices = fs::read(value(&format!("data-subset-{method}"), "subset")).unwrap();
        assert_eq!(indices.len(), 128 + 8 * 45, "45 of 100 numbers");
    }
    // A model of another width is evaluated and run as one: the commands are given its width.
    for name in ["smaller-network-0.5", "quantise-bf16"] {
        assert!(candidate(&result, name)["cpu_ratio"].is_object(), "{:#}", candidate(&result, name));
    }
    let upstream = |name: &str| candidate(&result, name)["depends_on"].as_array().unwrap().len();
    assert!(upstream("distil") > upstream("smaller-network-0.5"), "the teacher is upstream of the student");
}

#[test]
fn the_command_of_a_candidate_can_be_run_by_hand() {
    let project = cooperative();
    let result = project.result(&["--budget", "6", "--practices", "smaller-network"]);
    let command = candidate(&result, "smaller-network-0.25")["command"].as_str().unwrap().to_owned();
    assert!(command.contains("--width 16") && command.contains("--subset ''"), "{command}");
    let ended =
        Command::new("sh").args(["-c", &command]).current_dir(project.folder.path()).status().unwrap();
    assert!(ended.success());
    assert_eq!(fs::read_to_string(project.folder.path().join("model")).unwrap(), "16 x 6 in fp32\n");
}

#[test]
fn a_size_that_fails_says_so_beside_the_others() {
    let project = cooperative();
    let picky = COOPERATIVE.replace("awk", "test \"$width\" != 32 || exit 7\nawk");
    fs::write(project.folder.path().join("train.sh"), picky).unwrap();
    let result = project.result(&["--budget", "12", "--practices", "smaller-network"]);
    let failed = candidate(&result, "smaller-network-0.5");
    assert_eq!(failed["status"], "failed");
    assert!(failed["reason"].as_str().unwrap().contains("exit code 7"), "{failed:#}");
    for name in ["smaller-network-0.25", "smaller-network-depth-0.5"] {
        assert_eq!(candidate(&result, name)["status"], "holds");
    }
}

#[test]
fn a_teacher_that_leaves_no_logits_fails_alone() {
    let project = cooperative();
    let recipe = COOPERATIVE_RECIPE.replace("sh teach.sh", "true");
    fs::write(project.folder.path().join("recipe.toml"), recipe).unwrap();
    let result = project.result(&["--budget", "12", "--practices", "distil,smaller-network"]);
    assert_eq!(candidate(&result, "smaller-network-0.5")["status"], "holds");
    let distil = candidate(&result, "distil");
    assert_eq!(distil["status"], "failed");
    assert!(distil["reason"].as_str().unwrap().contains("no logits were written"), "{distil:#}");
}

#[test]
fn without_epochs_every_trial_is_a_training() {
    let recipe = "[train]\ncommand = \"sh train.sh {lr} 1 {model}\"\nlr = 0.001\n";
    let project = Project::new(recipe, TRAIN);
    let result = project.result(&["--budget", "4"]);
    let tune = candidate(&result, "tune");
    assert_eq!(tune["status"], "holds");
    let value = |model: &Value| model["metrics"]["accuracy"]["select"].as_f64().unwrap();
    assert!(value(tune) > value(&result["baseline"]), "a rate nearer to the best one was found");
    assert_eq!(candidate(&result, "early-stopping")["reason"], "the command has no {epochs}");
}

#[test]
fn a_baseline_that_fails_is_one_error_and_leaves_nothing() {
    let failing = Project::new(RECIPE, "echo no such dataset >&2; exit 3");
    let error = failing.error(&[]);
    assert!(error.contains("failed with exit code 3") && error.contains("no such dataset"), "{error}");
    assert!(!error.contains("output.log"), "the output is gone with the run: {error}");

    let silent = Project::new(RECIPE, "echo trained; echo weights > $3");
    assert!(silent.error(&[]).contains("reported no `accuracy`"));

    let hanging = Project::new(RECIPE, "sleep 60");
    assert!(hanging.error(&["--set", "train.timeout_s=1"]).contains("did not end within 1 s"));

    let deploy = format!("{RECIPE}\n[deploy]\ncommand = 'sh -c \"exit 5\"'\n");
    let error = Project::new(&deploy, TRAIN).error(&[]);
    assert!(error.contains("the baseline's model cannot be run") && error.contains("exit code 5"), "{error}");

    let nan = Project::new(RECIPE, r#"echo '{"accuracy": NaN}'"#);
    assert!(nan.error(&[]).contains("at learning rate 0.1"));
}

#[test]
fn a_candidate_that_fails_does_not_stop_the_others() {
    let fails_when_short = format!("if [ \"$2\" = 3 ]; then echo out of luck >&2; exit 7; fi\n{TRAIN}");
    let result = Project::new(RECIPE, &fails_when_short).result(&["--practices", "early-stopping,tune"]);
    let failed = candidate(&result, "early-stopping");
    assert_eq!(failed["status"], "failed");
    assert!(failed["reason"].as_str().unwrap().contains("out of luck"));
    assert_eq!(candidate(&result, "tune")["status"], "holds");
    assert_partition(&result);
}

#[test]
fn an_interrupt_stops_the_command_and_leaves_a_report_that_can_be_continued() {
    // Every training but the first writes its process id and waits.
    let waits = format!("if [ -e once ]; then echo $$ > waiting; exec sleep 60; fi; touch once\n{TRAIN}");
    let project = Project::new(RECIPE, &waits);
    let args = ["--practices", "early-stopping"];
    let child = project.command(&args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let training = project.waiting();
    interrupt(&child);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(!training.exists(), "the training goes on");

    let run = project.runs().remove(0);
    let partial: Value = serde_json::from_slice(&fs::read(run.join("result.json")).unwrap()).unwrap();
    assert_eq!(partial["state"], "partial");
    assert_partition(&partial);
    assert!(run.join("report.html").is_file());

    fs::write(project.folder.path().join("train.sh"), TRAIN).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_joulewise"))
        .current_dir(project.folder.path())
        .args(["improve", "--out", "runs", "--resume", "@last", "--json"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let result: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(result["state"], "complete");
    assert_eq!(candidate(&result, "early-stopping")["status"], "holds");
    assert_partition(&result);
}

#[test]
fn an_interrupted_search_repeats_no_training() {
    for recipe in [RECIPE.to_owned(), RECIPE.replace("{epochs}", "6").replace("epochs = 6\n", "")] {
        let logs = format!("echo \"$1 $2\" >> trained\n{TRAIN}");
        let straight = Project::new(&recipe, &logs);
        let expected = straight.result(&["--practices", "tune"]);
        // The fifth training, the baseline's included, does not end.
        let waits = "[ $(wc -l < trained) = 5 ] && echo $$ > waiting && exec sleep 60\n";
        let project = Project::new(&recipe, &logs.replacen('\n', &format!("\n{waits}"), 1));
        let args = ["--practices", "tune"];
        let child = project.command(&args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        project.waiting();
        interrupt(&child);
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(130), "{}", String::from_utf8_lossy(&output.stderr));
        let resumed = Command::new(env!("CARGO_BIN_EXE_joulewise"))
            .current_dir(project.folder.path())
            .args(["improve", "--out", "runs", "--resume", "@last", "--json"])
            .output()
            .unwrap();
        assert!(resumed.status.success(), "{}", String::from_utf8_lossy(&resumed.stderr));
        let result: Value = serde_json::from_slice(&resumed.stdout).unwrap();
        assert_partition(&result);

        let trained = |project: &Project| {
            let text = fs::read_to_string(project.folder.path().join("trained")).unwrap();
            text.lines().map(str::to_owned).collect::<Vec<_>>()
        };
        let (mut with, without) = (trained(&project), trained(&straight));
        assert_eq!(with.remove(4), with[4], "only what was interrupted is run again");
        assert_eq!(with, without);
        let (made, wanted) = (candidate(&result, "tune"), candidate(&expected, "tune"));
        for field in ["status", "reason", "metrics", "notes"] {
            assert_eq!(made[field], wanted[field], "{field}");
        }
        let stages = |made: &Value| made["depends_on"].as_array().unwrap().len();
        assert_eq!(stages(made), stages(wanted), "all trials are upstream");
    }
}

#[test]
fn a_second_interrupt_ends_a_command_that_does_not_want_to_end() {
    let stubborn = "trap '' TERM; echo $$ > waiting; while :; do sleep 0.1; done";
    let project = Project::new(RECIPE, stubborn);
    let mut child = project.command(&[]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let training = project.waiting();
    interrupt(&child);
    // The first interrupt is answered, so that the second cannot be taken for it.
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("press Ctrl-C again")));
    interrupt(&child);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    eventually(|| (!training.exists() || is_dead(&training)).then_some(()));
}

/// What `look` sees, once it sees it.
fn eventually<T>(look: impl Fn() -> Option<T>) -> T {
    for _ in 0..3000 {
        if let Some(seen) = look() {
            return seen;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("it never came");
}

fn interrupt(child: &Child) {
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
}

/// Whether a process has ended and only waits to be reaped by whoever adopted it.
fn is_dead(process: &Path) -> bool {
    fs::read_to_string(process.join("stat")).is_ok_and(|stat| stat.contains(") Z"))
}

/// As TRAIN, with a model to start from and a seed that moves the accuracy.
const SEEDED: &str = r#"
seed=$1 epochs=$2 init=$3 model=$4
test -z "$init" || test -s "$init" || exit 3
awk -v seed="$seed" -v epochs="$epochs" -v init="$init" 'BEGIN {
    for (i = 0; i < 100000 * epochs; i++) work += i
    printf "{\"accuracy\": %.4f}\n", 0.9 + 0.01 * seed + (init == "" ? 0 : 0.005)
}'
echo "weights" > "$model"
"#;

const SEEDED_RECIPE: &str = r#"
[train]
command = "sh train.sh {seed} {epochs} {init} {model}"
epochs = 8
"#;

#[test]
fn a_training_starts_from_what_the_recipe_names() {
    let project = Project::new(&format!("{SEEDED_RECIPE}[transfer]\ntrunk = \"trunk.pt\"\n"), SEEDED);
    fs::write(project.folder.path().join("trunk.pt"), "trained elsewhere").unwrap();
    let unknown = project.result(&["--practices", "transfer"]);
    let made = candidate(&unknown, "transfer");
    assert_eq!(made["status"], "holds", "{made:#}");
    assert!(made["imported"]["file"].as_str().unwrap().ends_with("/trunk.pt"), "{made:#}");
    assert!(made["cost_to_make_j"].is_null() && made["life_cost_j"].is_null(), "{made:#}");
    assert!(made["training_j"]["value"].as_f64() < unknown["baseline"]["training_j"]["value"].as_f64());

    let stated = project.result(&["--practices", "transfer", "--set", "transfer.trunk_j=1e6"]);
    let made = candidate(&stated, "transfer");
    assert!(made["cost_to_make_j"]["value"].as_f64() > Some(1e6), "{made:#}");
    assert_partition(&stated);
}

#[test]
fn a_training_that_cannot_start_from_anything_says_so() {
    let project = Project::new(SEEDED_RECIPE, SEEDED);
    let result = project.result(&["--practices", "transfer"]);
    let skipped = candidate(&result, "transfer");
    assert_eq!(skipped["status"], "skipped");
    assert!(skipped["reason"].as_str().unwrap().contains("transfer.trunk"), "{skipped:#}");
}

#[test]
fn other_seeds_show_how_far_chance_moves_the_metric() {
    let project = Project::new(SEEDED_RECIPE, SEEDED);
    let result = project.result(&["--practices", "tune", "--seeds", "3"]);
    let notes = result["baseline"]["notes"].as_array().unwrap();
    let note = notes.iter().find(|note| note[0] == "other seeds").unwrap();
    assert_eq!(note[1], "92.00\u{a0}% on average over 3 trainings, standard deviation 1.00\u{a0}pp");
    assert_partition(&result);
}
