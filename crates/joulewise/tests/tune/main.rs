//! `joulewise tune`, seen from outside.

mod exports;
mod failures;
mod mistakes;
#[path = "../support/mod.rs"]
mod support;

use std::fs;
use std::path::Path;
use std::process::Output;
use std::time::{Duration, Instant};

use serde_json::Value;
use support::text;

/// A training of five epochs in a shell: accuracy depends on the parameters, and diverges for one of them.
const TRAIN: &str = r#"
if [ "$1" = diverge ]; then echo '{"epoch": 1, "accuracy": NaN}'; sleep 30; fi
i=0
while [ $i -lt 5 ]; do
    i=$((i+1))
    echo "{\"epoch\": $i, \"accuracy\": 0.$i$2}"
    [ -n "$SLOW" ] && sleep 0.15
done
exit 0
"#;

const STUDY: &str = r#"
command = "sh train.sh {kind} {digit} --only={extra}"
objectives = ["max accuracy", "min energy_j"]
trials = 6

[parameters]
kind = ["plain", "deep"]
digit = { low = 0, high = 9 }
extra = { values = ["a", "b"], when = "kind == deep" }
"#;

fn folder(study: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("train.sh"), TRAIN).unwrap();
    fs::write(folder.path().join("s.toml"), study).unwrap();
    folder
}

fn tune(folder: &Path, arguments: &[&str]) -> Output {
    support::joulewise(folder, &[&["tune"], arguments].concat())
}

fn json(output: &Output) -> Value {
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn a_study_is_run_shown_and_continued() {
    let folder = folder(STUDY);
    let path = folder.path();
    let study = json(&tune(path, &["run", "s.toml", "--json"]));
    let trials = study["trials"].as_array().unwrap();
    assert_eq!(trials.len(), 6);
    for trial in trials {
        let parameters = &trial["parameters"];
        let accuracy = 0.5 + parameters["digit"].as_f64().unwrap() / 100.0;
        assert!((trial["metrics"]["accuracy"].as_f64().unwrap() - accuracy).abs() < 1e-9, "{trial}");
        assert_eq!(parameters["kind"] == "deep", parameters.get("extra").is_some(), "{trial}");
        assert_eq!(trial["curve"].as_array().unwrap().len(), 5);
        assert!(trial["energy_j"].as_f64().unwrap() > 0.0);
        assert_eq!(trial["energy_method"], "modelled");
    }
    let sum: f64 = trials.iter().map(|trial| trial["energy_j"].as_f64().unwrap()).sum();
    assert!((study["energy_j"].as_f64().unwrap() - sum).abs() < 1e-9);
    assert!(study["overhead_cpu_s"].as_f64().unwrap() > 0.0);
    assert_eq!(study["caveats"][0]["code"], "modelled-energy");
    let shown = tune(path, &["show"]);
    let caveat =
        "caveat: no energy counter can be read: joules are modelled from the CPU time of the process tree";
    assert!(text(&shown.stdout).contains(caveat), "{}", text(&shown.stdout));

    let page = fs::read_to_string(path.join("runs/s/report.html")).unwrap();
    for part in [
        "The best of 6 trials is trial",
        "id=\"history\"",
        "id=\"front\"",
        "id=\"parallel\"",
        "id=\"timeline\"",
        "no energy counter can be read",
    ] {
        assert!(page.contains(part), "{part}");
    }
    assert!(!page.contains("http"), "the page needs a network");
    let best = json(&tune(path, &["best", "--json"]));
    assert_eq!(best[0]["trial"], study["best"]["trial"]);
    assert!(!json(&tune(path, &["front", "--json"])).as_array().unwrap().is_empty());
    let again = tune(path, &["run", "s.toml", "--trials", "8", "--json"]);
    assert!(text(&again.stderr).contains("continuing after 6 trials"), "{}", text(&again.stderr));
    let again = json(&again);
    assert_eq!(again["trials"].as_array().unwrap().len(), 8);
    assert_eq!(again["trials"][3]["parameters"], trials[3]["parameters"]);
    let replayed = tune(path, &["replay"]);
    assert_eq!(text(&replayed.stdout), "8 of 8 suggestions are derived again, bit for bit\n");
}

#[test]
fn a_grid_is_done_exactly_once_by_several_workers() {
    let folder = folder(&STUDY.replace("trials = 6", "sampler = \"grid\"").replace("high = 9", "high = 3"));
    let study = json(&tune(folder.path(), &["run", "s.toml", "--workers", "3", "--json"]));
    let trials = study["trials"].as_array().unwrap();
    let mut points: Vec<String> = trials.iter().map(|trial| trial["parameters"].to_string()).collect();
    points.sort();
    points.dedup();
    assert_eq!((trials.len(), points.len()), (12, 12), "4 plain cells and 8 deep ones");
    assert!(trials.iter().all(|trial| trial["state"] == "done"));
}

#[test]
fn a_trial_sees_the_gpus_of_its_worker_alone() {
    let folder = folder(&STUDY.replace("sh train.sh", "sh gpus.sh"));
    let path = folder.path();
    fs::write(
        path.join("gpus.sh"),
        "echo $CUDA_VISIBLE_DEVICES >> seen; echo '{\"accuracy\": 0.5}'; sleep 0.1",
    )
    .unwrap();
    let seen = |arguments: &[&str]| {
        json(&tune(path, &[&["run", "s.toml", "--json"], arguments].concat()));
        let text = fs::read_to_string(path.join("seen")).unwrap();
        fs::remove_file(path.join("seen")).unwrap();
        let mut seen: Vec<String> = text.lines().map(str::to_owned).collect();
        seen.sort();
        seen.dedup();
        seen
    };
    assert_eq!(seen(&["--name", "one", "--gpus", "1"]), ["1"]);
    assert_eq!(seen(&["--name", "two", "--gpus", "0,GPU-8f2a"]), ["0", "GPU-8f2a"]);
}

#[test]
fn a_trial_that_diverges_is_ended_and_the_search_goes_on() {
    let study = STUDY
        .replace("\"plain\", \"deep\"", "\"plain\", \"diverge\"")
        .replace("kind == deep", "kind == plain");
    let folder = folder(&study);
    let started = Instant::now();
    let study = json(&tune(folder.path(), &["run", "s.toml", "--json"]));
    assert!(started.elapsed() < Duration::from_secs(25), "the trials that diverge sleep for 30 s each");
    let state = |kind: &str| {
        let of_kind = study["trials"].as_array().unwrap().iter().filter(|t| t["parameters"]["kind"] == kind);
        of_kind.map(|trial| trial["state"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert!(!state("diverge").is_empty() && state("diverge").iter().all(|state| state == "failed"));
    assert!(!state("plain").is_empty() && state("plain").iter().all(|state| state == "done"));
}

#[test]
fn a_stopper_ends_trials_and_what_it_saves_is_told() {
    let study = format!("stopper = {{ name = \"asha\", max = 5, eta = 2 }}\n{STUDY}")
        .replace(", \"min energy_j\"", "");
    let folder = folder(&study);
    let output = support::command(folder.path(), &["tune", "run", "s.toml", "--trials", "12", "--json"])
        .env("SLOW", "1")
        .output()
        .unwrap();
    let study = json(&output);
    let trials = study["trials"].as_array().unwrap();
    let stopped: Vec<&Value> = trials.iter().filter(|trial| trial["state"] == "stopped").collect();
    assert!(!stopped.is_empty(), "{study}");
    assert!(stopped.iter().all(|trial| trial["curve"].as_array().unwrap().len() < 5));
    assert_eq!(study["best"]["state"], "done");
}

/// Each line is a fold, and whoever has the smaller digit is worse on all of them.
#[test]
fn what_is_worse_than_the_best_on_the_same_folds_is_ended() {
    let study = format!(
        "{}digit = {{ low = 0, high = 9 }}\n",
        "command = \"sh train.sh plain {digit}\"\nobjectives = [\"max accuracy\"]\nsampler = \"random\"\n\
         trials = 12\nstopper = { name = \"wilcoxon\", p = 0.3 }\n[parameters]\n"
    );
    let folder = folder(&study);
    let mut command = support::command(folder.path(), &["tune", "run", "s.toml", "--json"]);
    let study = json(&command.env("SLOW", "1").output().unwrap());
    let trials = study["trials"].as_array().unwrap();
    let mut best = -1.0;
    for trial in trials {
        let digit = trial["parameters"]["digit"].as_f64().unwrap();
        assert_eq!(trial["state"] == "stopped", digit < best, "{trial} after {best}");
        best = digit.max(best);
    }
    assert!(trials.iter().any(|trial| trial["state"] == "stopped"), "{study}");
}

#[test]
fn asking_and_telling_are_for_whoever_evaluates() {
    let folder = folder(STUDY);
    let path = folder.path();
    fs::write(path.join("s.toml"), STUDY.replace("command", "# command")).unwrap();
    assert_eq!(json(&tune(path, &["ask", "--file", "s.toml"]))["trial"], 0);
    let asked = json(&tune(path, &["ask"]));
    assert_eq!(asked["trial"], 1);
    let late = tune(path, &["tell", "--trial", "1", "--fence", "1", "--value", "accuracy=0.9"]);
    assert_eq!(late.status.code(), Some(1), "another fence is another claim");
    let values = ["tell", "--trial", "1", "--value", "accuracy=0.93", "--value", "energy_j=2"];
    assert_eq!(tune(path, &values).status.code(), Some(0));
    let best = json(&tune(path, &["best", "--json"]));
    assert_eq!((&best[0]["trial"], &best[0]["energy_j"]), (&Value::from(1), &Value::from(2.0)));
    let stranger = tune(path, &["tell", "--trial", "0", "--value", "acuracy=1"]);
    assert!(
        text(&stranger.stderr).contains("`acuracy` is no metric of the study"),
        "{}",
        text(&stranger.stderr)
    );
    let missing = tune(path, &["tell", "--trial", "77", "--failed"]);
    assert!(text(&missing.stderr).contains("has no trial 77"));
}

#[test]
fn a_study_of_the_same_name_has_to_be_the_same() {
    let folder = folder(STUDY);
    let path = folder.path();
    json(&tune(path, &["run", "s.toml", "--json"]));
    fs::write(path.join("s.toml"), STUDY.replace("high = 9", "high = 5")).unwrap();
    let other = tune(path, &["run", "s.toml"]);
    assert_eq!(other.status.code(), Some(2));
    assert!(text(&other.stderr).contains("there is a study `s` already, and its space is another"));
    assert!(text(&other.stderr).contains("hint: call this one something else with --name"));
    json(&tune(path, &["run", "s.toml", "--name", "narrow", "--json"]));
    let which = tune(path, &["best"]);
    assert!(text(&which.stderr).contains("holds several studies: narrow, s"), "{}", text(&which.stderr));
    json(&tune(path, &["best", "narrow", "--json"]));
}

#[test]
fn trainings_of_our_own_are_trials_too() {
    let folder = folder(
        "recipe = \"r.toml\"\nobjectives = [\"max accuracy\", \"min energy_j\", \"macs <= 400000\"]\ntrials = 3\n\
         [parameters]\ntrain.lr = { low = 1e-3, high = 0.1, log = true }\nmodel.width = { low = 0.1, high = 1.0 }",
    );
    let recipe = "[data]\ntrain = 400\ntest = 100\n[train]\nepochs = 2\nbatch = 16\nthreads = 1\n";
    fs::write(folder.path().join("r.toml"), recipe).unwrap();
    let study = json(&tune(folder.path(), &["run", "s.toml", "--json"]));
    for trial in study["trials"].as_array().unwrap() {
        assert_eq!(trial["state"], "done", "{trial}");
        assert_eq!(trial["curve"].as_array().unwrap().len(), 2);
    }
    fs::write(
        folder.path().join("s.toml"),
        "recipe = \"r.toml\"\nobjectives = [\"max accuracy\"]\n[parameters]\ntrain.lrr = 1.0",
    )
    .unwrap();
    let typo = tune(folder.path(), &["run", "s.toml", "--name", "typo"]);
    assert!(text(&typo.stderr).contains("unknown key `lrr`"), "{}", text(&typo.stderr));
    fs::write(
        folder.path().join("s.toml"),
        "recipe = \"r.toml\"\nobjectives = [\"max accuracy\"]\n[parameters]\ntrain.beta2 = { low = 0.8, high = 0.99 }",
    )
    .unwrap();
    let elsewhere =
        tune(folder.path(), &["run", "s.toml", "--name", "elsewhere", "--data", "no-such-folder"]);
    assert_eq!(elsewhere.status.code(), Some(2));
    assert!(text(&elsewhere.stderr).contains("no-such-folder"), "{}", text(&elsewhere.stderr));
    let left = tune(folder.path(), &["best", "elsewhere"]);
    assert!(text(&left.stderr).contains("no study"), "a study that could not begin: {}", text(&left.stderr));
}

#[test]
fn a_sweep_ends_at_its_target_and_flags_say_what_it_cannot() {
    let folder = folder(STUDY);
    let path = folder.path();
    let sweep = "program: train.sh\nmethod: grid\nmetric: {name: accuracy, goal: maximize, target: 0.54}\n\
                 command: [sh, \"${program}\", plain, \"${args_no_hyphens}\"]\nparameters:\n  \
                 net: {parameters: {layers: {values: [[64, 32], [128]]}}}\n  digit: {min: 0, max: 9}\n";
    fs::write(path.join("s.yaml"), sweep).unwrap();
    fs::write(
        path.join("train.sh"),
        "echo \"params: $JOULEWISE_PARAMETERS\"; echo \"acc=0.5$JOULEWISE_TRIAL\"",
    )
    .unwrap();
    let flags = ["--metrics", "acc=([0-9.]+)", "--timeout", "1min", "--stopper", "asha"];
    let study = json(&tune(path, &[&["run", "s.yaml", "--json"], &flags[..]].concat()));
    let trials = study["trials"].as_array().unwrap();
    assert_eq!(trials.len(), 5, "the fifth comes to 0.54: {study}");
    assert!(trials[0]["parameters"]["net.layers"].is_array(), "{}", trials[0]);
    assert_eq!(study["plan"]["limits"]["target"], 0.54);
    assert_eq!(study["plan"]["stopper"]["name"], "asha");
    assert_eq!(study["plan"]["trial"]["command"]["timeout_s"], 60.0);
    // It goes on where another target is given.
    let again = json(&tune(path, &[&["run", "s.yaml", "--json", "--target", "0.56"], &flags[..]].concat()));
    assert_eq!(again["trials"].as_array().unwrap().len(), 7);

    let table = "{ name = \"asha\", max = 27 }";
    let study = json(&tune(
        path,
        &["run", "s.toml", "--name", "t", "--stopper", table, "--metrics", "acc=(.*)", "--json"],
    ));
    assert_eq!(study["plan"]["stopper"]["max"], 27.0);
}

#[test]
fn every_trial_failing_ends_the_search() {
    let folder = folder(&STUDY.replace("sh train.sh", "sh absent.sh"));
    let output = tune(folder.path(), &["run", "s.toml"]);
    assert_eq!(output.status.code(), Some(2));
    let said = text(&output.stderr);
    assert!(said.contains("error: the first 3 trials all failed:"), "{said}");
    assert!(said.contains("absent.sh"), "{said}");
    let silent = STUDY.replace("sh train.sh", "true");
    let folder = self::folder(&silent);
    let said = tune(folder.path(), &["run", "s.toml"]);
    assert!(
        text(&said.stderr).contains("reported no `accuracy`, nor anything else")
            && text(&said.stderr).contains("hint: let it print a line as {\"accuracy\": 0.9}, or say where"),
        "{}",
        text(&said.stderr)
    );
}

#[test]
fn an_interrupted_search_goes_on_where_it_was() {
    let folder = folder(&STUDY.replace("sh train.sh", "sh slow.sh"));
    let path = folder.path();
    fs::write(path.join("slow.sh"), "sleep 0.5; echo '{\"accuracy\": 0.5}'").unwrap();
    let mut child = support::command(path, &["tune", "run", "s.toml"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_millis(1200));
    let interrupted =
        std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(interrupted.success());
    let mut said = String::new();
    std::io::Read::read_to_string(&mut child.stderr.take().unwrap(), &mut said).unwrap();
    assert!(said.contains("asking what runs to end and keeping what is done; press Ctrl-C again"), "{said}");
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let study = json(&tune(path, &["run", "s.toml", "--json"]));
    let done = study["trials"].as_array().unwrap().iter().filter(|trial| trial["state"] == "done").count();
    assert_eq!(done, 6, "{study}");
}

/// Whether `found` becomes true soon: a test that waits for it has no other end.
fn soon(mut found: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + Duration::from_secs(30);
    while !found() && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(10));
    }
    found()
}

#[test]
fn nothing_of_a_killed_search_runs_on() {
    // A training with a daemon, which ignores what it is asked.
    let train = "trap '' TERM HUP\necho $$ > training-$JOULEWISE_TRIAL\n\
                 setsid sh -c 'trap \"\" TERM HUP; echo $$ > daemon-'$JOULEWISE_TRIAL'; sleep 600' &\nsleep 600";
    for workers in ["1", "2"] {
        let folder = folder(&STUDY.replace("sh train.sh", "sh long.sh"));
        let path = folder.path();
        fs::write(path.join("long.sh"), train).unwrap();
        let mut search = support::command(path, &["tune", "run", "s.toml", "--workers", workers])
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let running = || -> Vec<String> {
            let names = ["training-0", "daemon-0", "training-1", "daemon-1"];
            let of_workers = &names[..2 * workers.parse::<usize>().unwrap()];
            let pids = of_workers.iter().filter_map(|name| fs::read_to_string(path.join(name)).ok());
            pids.filter(|pid| !pid.is_empty() && Path::new("/proc").join(pid.trim()).exists()).collect()
        };
        let all = 2 * workers.parse::<usize>().unwrap();
        assert!(soon(|| running().len() == all), "{:?}", running());
        search.kill().unwrap();
        search.wait().unwrap();
        assert!(soon(|| running().is_empty()), "{workers} workers: {:?} run on", running());
        assert_eq!(fs::read_dir(path).unwrap().count(), 4 + all, "nobody has begun another trial");
    }
}

#[test]
fn values_that_are_no_numbers_end_no_search() {
    let folder = folder(&STUDY.replace("sh train.sh", "sh nan.sh"));
    fs::write(
        folder.path().join("nan.sh"),
        "[ $JOULEWISE_TRIAL -lt 4 ] && value=NaN || value=0.5; echo \"{\\\"accuracy\\\": $value}\"",
    )
    .unwrap();
    let study = json(&tune(folder.path(), &["run", "s.toml", "--json"]));
    let states: Vec<&str> =
        study["trials"].as_array().unwrap().iter().map(|trial| trial["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["failed", "failed", "failed", "failed", "done", "done"]);
}

#[test]
fn a_study_of_a_tool_without_joules_tells_of_seconds() {
    let folder = folder(STUDY);
    let path = folder.path();
    let database = rusqlite::Connection::open(path.join("o.db")).unwrap();
    database.pragma_update(None, "foreign_keys", false).unwrap();
    database.execute_batch(include_str!("../../../joulewise-tune/tests/optuna/optuna-5.0.0.sql")).unwrap();
    drop(database);
    let unnamed = tune(path, &["import", "optuna", "o.db"]);
    assert!(text(&unnamed.stderr).contains("--study 'energy/3' --name NAME"), "{}", text(&unnamed.stderr));
    assert!(!path.join("runs").exists(), "something was left behind");
    let named = ["import", "optuna", "o.db", "--study", "energy/3", "--name", "three", "--cost", "joules"];
    assert_eq!(tune(path, &named).status.code(), Some(0));
    let three = json(&tune(path, &["show", "three", "--json"]));
    assert_eq!(three["saved_j"], 0.0, "nobody knows what the stopped one cost");
    assert!(three["trials"][1]["energy_j"].is_null() && three["trials"][0]["energy_j"] == 10.0);
    assert_eq!(tune(path, &["import", "optuna", "o.db", "--study", "two"]).status.code(), Some(0));
    let shown = tune(path, &["trials", "two"]);
    let (table, json_) = (text(&shown.stdout), json(&tune(path, &["show", "two", "--json"])));
    assert!(table.contains("duration") && !table.contains("energy") && !table.contains(" J"), "{table}");
    assert!(json_["duration_s"].as_f64() > Some(0.0) && json_.get("energy_j").is_none(), "{json_}");
    let html = tune(path, &["show", "two", "--html", "two.html"]);
    assert_eq!(html.status.code(), Some(0));
    let html = fs::read_to_string(path.join("two.html")).unwrap();
    assert!(html.contains("seconds spent") && !html.contains("joules spent"));
}

#[test]
fn a_report_has_a_front_for_each_objective_with_intervals() {
    let folder =
        folder(&STUDY.replace(
            "\"max accuracy\", \"min energy_j\"",
            "\"min energy_j\", \"max accuracy\", \"min time_s\"",
        ));
    let run = tune(folder.path(), &["run", "s.toml"]);
    assert_eq!(run.status.code(), Some(0), "{}", text(&run.stderr));
    assert!(text(&run.stdout).contains(", modelled from CPU time\nsampler: "), "{}", text(&run.stdout));
    let page = fs::read_to_string(folder.path().join("runs/s/report.html")).unwrap();
    assert!(page.contains("<title>energy_j against accuracy</title>"));
    assert!(page.contains("<title>energy_j against time_s</title>"));
    let bars = page.split("<path class=\"interval ").skip(1);
    let heights = bars.map(|bar| {
        let (from, to) = bar.split_once('V').unwrap();
        let from = from.rsplit(' ').next().unwrap().parse::<f64>().unwrap();
        to.split('"').next().unwrap().parse::<f64>().unwrap() - from
    });
    assert!(heights.fold(0.0, f64::max) > 5.0, "the joules of a trial have no interval");
}

#[test]
fn a_parameter_may_be_called_seed_and_a_choice_commands_no_terminal() {
    let study = "command = \"echo accuracy={seed}\"\nobjectives = [\"max accuracy\"]\nmetrics = \"accuracy=(.*)\"\n\
                 [parameters]\nseed = [41, 42]\ncolour = [\"\\u001b[31mred\", \"two\\nlines\"]\n";
    let folder = folder(study);
    let run = tune(folder.path(), &["run", "s.toml"]);
    assert_eq!(run.status.code(), Some(0), "{}", text(&run.stderr));
    assert!(text(&run.stdout).contains("accuracy 42.0000"), "{}", text(&run.stdout));
    let trials = tune(folder.path(), &["trials"]);
    assert!(text(&trials.stdout).contains("\\u{1b}[31mred"), "{}", text(&trials.stdout));
    let shown = [&run.stdout, &run.stderr, &trials.stdout].map(|shown| text(shown).to_owned()).concat();
    assert!(!shown.contains('\u{1b}') && text(&trials.stdout).lines().count() == 5, "{shown}");
}

/// Two numbers, of which one is whole.
const NUMBERS: &str = r#"
command = "sh train.sh plain {digit} --lr={lr}"
objectives = ["max accuracy"]
trials = 40

[parameters]
digit = { low = 0, high = 9 }
lr = { low = 1e-4, high = 0.1, log = true }
"#;

#[test]
fn generations_are_searched_and_derived_again() {
    let folder = folder(&format!("sampler = {{ name = \"cma-es\", population = 5 }}{NUMBERS}"));
    let study = json(&tune(folder.path(), &["run", "s.toml", "--workers", "2", "--json"]));
    assert_eq!(study["plan"]["sampler"]["population"], 5);
    assert_eq!(study["best"]["parameters"]["digit"], 9, "{}", study["best"]);
    // The script looks at nothing else.
    assert_eq!(study["importances"][0]["parameters"][0], "digit");
    assert!(study["importances"][0]["share"].as_f64() > Some(0.8), "{}", study["importances"]);
    let shown = tune(folder.path(), &["show"]);
    assert!(text(&shown.stdout).contains("what decides: digit "), "{}", text(&shown.stdout));
    let replayed = tune(folder.path(), &["replay"]);
    assert_eq!(text(&replayed.stdout), "40 of 40 suggestions are derived again, bit for bit\n");

    // Two objectives, choices and conditions.
    let several =
        STUDY.replace("trials = 6", "trials = 16\nsampler = { name = \"nsga-ii\", population = 4 }");
    let several = self::folder(&several);
    let study = json(&tune(several.path(), &["run", "s.toml", "--workers", "2", "--json"]));
    assert_eq!(study["trials"].as_array().unwrap().len(), 16);
    let replayed = tune(several.path(), &["replay"]);
    assert_eq!(text(&replayed.stdout), "16 of 16 suggestions are derived again, bit for bit\n");
}
