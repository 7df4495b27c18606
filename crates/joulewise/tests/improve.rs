//! `joulewise improve` on its own engine, seen from outside: the run folder, what scripts read, and determinism.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use joulewise_learn::{Model, Values, builders, onnx};
use serde_json::Value;

/// A task that a debug build trains in a second.
const TINY: &str = "--set data.train=600 --set data.test=100 --set model.width=0.25 --epochs 1";

/// Runs it where there is no energy counter.
fn joulewise(arguments: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_joulewise"));
    command.args(arguments.split_whitespace()).env("JOULEWISE_SYSFS", "/nonexistent");
    command.env("CUDA_VISIBLE_DEVICES", "").current_dir(env!("CARGO_TARGET_TMPDIR"));
    command
}

fn output(arguments: &str) -> Output {
    joulewise(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    str::from_utf8(bytes).unwrap()
}

/// An empty folder of this name for the runs of one test.
fn out(name: &str) -> PathBuf {
    let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&out);
    out
}

/// The only run in `out`.
fn run_in(out: &Path) -> PathBuf {
    let runs: Vec<PathBuf> = fs::read_dir(out).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(runs.len(), 1, "{runs:?}");
    runs[0].clone()
}

/// A run of every practice: its folder, and what it wrote to stdout.
fn every_practice() -> &'static (PathBuf, String) {
    static RUN: OnceLock<(PathBuf, String)> = OnceLock::new();
    RUN.get_or_init(|| {
        let out = out("every-practice");
        let ended = output(&format!("improve {TINY} --budget 30 --threads 1 --json --out {}", out.display()));
        assert_eq!(ended.status.code(), Some(0), "{}", text(&ended.stderr));
        (run_in(&out), text(&ended.stdout).to_owned())
    })
}

fn result() -> Value {
    serde_json::from_str(&every_practice().1).unwrap()
}

fn models(result: &Value) -> Vec<&Value> {
    std::iter::once(&result["baseline"]).chain(result["candidates"].as_array().unwrap()).collect()
}

fn numbers(list: &Value) -> BTreeSet<u64> {
    list.as_array().unwrap().iter().map(|number| number.as_u64().unwrap()).collect()
}

fn assert_is_energy(energy: &Value) {
    let [low, value, high] = ["low", "value", "high"].map(|end| energy[end].as_f64().unwrap());
    assert!(0.0 < low && low <= value && value <= high, "{energy}");
    assert_eq!(energy["method"], "modelled", "there is no counter to read");
}

#[test]
fn json_is_the_file_byte_for_byte() {
    let (run, stdout) = every_practice();
    assert_eq!(*stdout, fs::read_to_string(run.join("result.json")).unwrap());
}

#[test]
fn the_result_has_every_field_that_readers_rely_on() {
    let result = result();
    assert_eq!(result["schema"], 1);
    assert_eq!(result["state"], "complete");
    assert_eq!(result["id"].as_str(), every_practice().0.file_name().unwrap().to_str());
    assert_is_energy(&result["choosing_j"]);
    assert!(result["scope"].as_str().unwrap().contains("modelled"), "{}", result["scope"]);
    assert_eq!(result["caveats"][0]["code"], "modelled-energy");
    assert!(result["host"]["threads"].as_u64() > Some(0), "{}", result["host"]);

    let entries = result["ledger"]["entries"].as_array().unwrap();
    let ids: BTreeSet<u64> = entries.iter().map(|entry| entry["id"].as_u64().unwrap()).collect();
    assert_eq!(ids.len(), entries.len(), "ids are unique");
    for entry in entries {
        assert!(!entry["stage"].as_str().unwrap().is_empty());
        assert!(entry["cpu_s"].as_f64() >= Some(0.0) && entry["wall_s"].as_f64() >= Some(0.0), "{entry}");
        assert!(numbers(&entry["depends_on"]).is_subset(&ids), "{entry}");
    }

    let mut names = BTreeSet::new();
    for model in models(&result) {
        let name = model["name"].as_str().unwrap();
        assert!(names.insert(name), "{name} is there twice");
        assert!(!model["reason"].as_str().unwrap().is_empty(), "{name} has no reason");
        assert!(numbers(&model["depends_on"]).is_subset(&ids), "{model}");
        let status = model["status"].as_str().unwrap();
        assert!(["holds", "drops", "failed", "skipped"].contains(&status), "{status}");
        assert_ne!(status, "failed", "{name}: {}", model["reason"]);
        if status == "skipped" {
            continue;
        }
        let accuracy = &model["metrics"]["accuracy"];
        for split in ["select", "judge", "test"] {
            assert!((0.0..=1.0).contains(&accuracy[split].as_f64().unwrap()), "{name}: {accuracy}");
        }
        assert!(accuracy["low"].as_f64() <= accuracy["test"].as_f64(), "{accuracy}");
        assert!(accuracy["test"].as_f64() <= accuracy["high"].as_f64(), "{accuracy}");
        assert!(model["parameters"].as_u64() > Some(0) && model["macs"].as_u64() > Some(0), "{model}");
        for batch in ["1", "64"] {
            assert_is_energy(&model["energy_per_inference_j"]["by_batch"][batch]);
        }
        assert_is_energy(&model["training_j"]);
        assert_is_energy(&model["cost_to_make_j"]);
        assert!(model["break_even"]["kind"].is_string(), "{model}");
        let file = every_practice().0.join(model["model"].as_str().unwrap());
        assert_eq!(fs::metadata(file).unwrap().len(), model["bytes"].as_u64().unwrap(), "{name}");
    }
    assert!(names.len() > 9, "every practice has a line: {names:?}");
}

#[test]
fn entries_and_what_is_unattributed_are_the_total() {
    let ledger = &result()["ledger"];
    let entries = ledger["entries"].as_array().unwrap();
    let attributed: f64 = entries.iter().map(|entry| entry["energy_j"]["value"].as_f64().unwrap()).sum();
    let total = ledger["total_j"]["value"].as_f64().unwrap();
    let unattributed = ledger["unattributed_j"].as_f64().unwrap();
    assert!((attributed + unattributed - total).abs() <= 1e-9 * total, "{ledger:#}");
    // To start, to log and to write are milliseconds, but so short a run of a build that is not optimised feels them.
    assert!(unattributed >= 0.0 && unattributed <= 0.05 * total, "{unattributed} of {total} J: {ledger:#}");
}

#[test]
fn making_a_model_is_part_of_the_total_and_training_it_part_of_making_it() {
    let result = result();
    let value = |energy: &Value| energy["value"].as_f64().unwrap();
    let total = value(&result["ledger"]["total_j"]);
    for model in models(&result).into_iter().filter(|model| model["model"].is_string()) {
        let (training, making) = (value(&model["training_j"]), value(&model["cost_to_make_j"]));
        assert!(training <= making * (1.0 + 1e-9) && making < total, "{model:#}");
    }
    assert!(value(&result["choosing_j"]) < total);
}

#[test]
fn the_folder_holds_what_it_should_and_nothing_half_written() {
    let (run, _) = every_practice();
    let names = |folder: &Path| -> BTreeSet<String> {
        fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect()
    };
    let files = names(run);
    for file in ["recipe.toml", "host.json", "costs.json", "events.jsonl", "result.json", "report.html"] {
        assert!(files.contains(file), "{files:?}");
    }
    let expected: BTreeSet<String> = models(&result())
        .iter()
        .filter_map(|model| Some(model["model"].as_str()?.strip_prefix("models/")?.to_owned()))
        .collect();
    assert_eq!(names(&run.join("models")), expected);
    assert!(!files.iter().chain(&expected).any(|name| name.contains(".part")), "{files:?}");
}

#[test]
fn runs_report_and_ledger_read_it() {
    let (run, json) = every_practice();
    let out = run.parent().unwrap().display();
    let read = |arguments: &str| {
        let ended = output(&format!("{arguments} --out {out}"));
        assert_eq!(ended.status.code(), Some(0), "{arguments}: {}", text(&ended.stderr));
        text(&ended.stdout).to_owned()
    };
    assert!(read("runs").contains(run.file_name().unwrap().to_str().unwrap()));
    assert_eq!(read("report @last --json"), *json);
    let verdict = result()["verdict"].as_str().unwrap().to_owned();
    // The terminal wraps lines and shows names without their backticks.
    let words = |text: &str| text.replace('`', "").split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words(&read("report @last")).contains(&words(&verdict)));
    let ledger: Value = serde_json::from_str(&read("ledger @last --json")).unwrap();
    assert_eq!(ledger["total_j"], result()["ledger"]["total_j"]);
    assert!(read("ledger @last").contains("baseline/train"));
}

#[test]
fn the_same_seed_and_costs_give_the_same_models_with_any_threads() {
    let (first, _) = every_practice();
    let again = out("again");
    let costs = first.join("costs.json");
    let arguments = format!("improve {TINY} --budget 30 --threads 2 --costs {}", costs.display());
    let ended = output(&format!("{arguments} --out {}", again.display()));
    assert_eq!(ended.status.code(), Some(0), "{}", text(&ended.stderr));
    let contents = |run: &Path| -> BTreeMap<PathBuf, Vec<u8>> {
        let files = fs::read_dir(run.join("models")).unwrap().map(|entry| entry.unwrap().path());
        files.map(|path| (path.file_name().unwrap().into(), fs::read(path).unwrap())).collect()
    };
    let (first, again) = (contents(first), contents(&run_in(&again)));
    assert_eq!(first.keys().collect::<Vec<_>>(), again.keys().collect::<Vec<_>>());
    for (name, model) in &first {
        assert!(*model == again[name], "{} differs", name.display());
    }
    assert!(first.len() > 5, "{:?}", first.keys());
}

#[test]
fn no_practice_spends_more_than_its_share_and_the_baseline_has_none() {
    let out = out("budget");
    let arguments =
        "--practices smaller-network,early-stopping,prune,distil,data-subset,tune --epochs 3 --json";
    let ended =
        output(&format!("improve {TINY} {arguments} --out {}", out.display()).replace("--epochs 1 ", ""));
    assert_eq!(ended.status.code(), Some(0), "{}", text(&ended.stderr));
    let result: Value = serde_json::from_slice(&ended.stdout).unwrap();
    let shares = result["budget"]["shares"].as_object().unwrap();
    assert!(!shares.contains_key("baseline"), "{shares:?}");
    let figures = |name: &str| ["epochs", "spent"].map(|key| shares[name][key].as_f64().unwrap());
    for name in shares.keys() {
        let [epochs, spent] = figures(name);
        assert!(spent <= epochs + 1e-6, "{name}: {spent} of {epochs}");
    }
    assert!(figures("smaller-network")[1] > 0.0, "{shares:?}");
}

#[test]
fn a_plan_writes_nothing() {
    let out = out("plan");
    let ended = output(&format!("improve {TINY} --dry-run --out {}", out.display()));
    assert_eq!(ended.status.code(), Some(0), "{}", text(&ended.stderr));
    let plan = text(&ended.stdout);
    assert!(plan.contains("baseline") && plan.contains("at most"), "{plan}");
    let ended = output(&format!("improve {TINY} --dry-run --json --out {}", out.display()));
    assert_eq!(ended.status.code(), Some(0), "{}", text(&ended.stderr));
    let plan: Value = serde_json::from_slice(&ended.stdout).unwrap();
    assert_eq!(plan["stages"][0]["stage"], "baseline");
    assert!(plan["at_most"]["energy_j"].as_f64() > Some(0.0), "{plan:#}");
    assert!(!out.exists());
}

#[test]
fn a_reader_that_leaves_early_is_no_error() {
    let mut command = joulewise(&format!("improve {TINY} --dry-run"));
    let mut plan = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(plan.stdout.take());
    let ended = plan.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(0), "{}", text(&ended.stderr));
    assert!(!text(&ended.stderr).contains("error"), "{}", text(&ended.stderr));
}

#[test]
fn a_misspelt_name_has_a_hint() {
    let cases = [
        ("improve --practices quantize", "no practice is called `quantize`", "did you mean `quantise`?"),
        ("improve --model lenett", "lenett", "did you mean `lenet`?"),
        ("improve --set goal.inference=3", "goal", "did you mean `goal.inferences`?"),
        ("practice distill", "no practice is called `distill`", "did you mean `distil`?"),
    ];
    for (arguments, error, hint) in cases {
        let ended = output(arguments);
        let stderr = text(&ended.stderr);
        assert_eq!(ended.status.code(), Some(2), "{arguments}: {stderr}");
        assert!(stderr.contains(error) && stderr.contains(&format!("hint: {hint}")), "{arguments}: {stderr}");
    }
}

#[test]
fn what_cannot_be_meant_is_refused_with_a_hint() {
    let cases = [
        ("improve --practices=", "`search.practices` is []", "leave it out"),
        ("improve --metric loss", "`goal.metric` is \"loss\"", "leave it out, or give `train.command`"),
        ("improve --set train.command=train.sh --seeds 2", "has no {seed}", "put {seed} where"),
    ];
    for (arguments, error, hint) in cases {
        let ended = output(arguments);
        let stderr = text(&ended.stderr);
        assert_eq!(ended.status.code(), Some(2), "{arguments}: {stderr}");
        assert!(stderr.contains(error) && stderr.contains(&format!("hint: {hint}")), "{arguments}: {stderr}");
    }
}

/// The ONNX file of a network for glyphs, with `change` made to its parameters.
fn onnx_file(name: &str, change: impl Fn(&mut f32)) -> PathBuf {
    let mut model: Model = builders::build("lenet", [1, 28, 28], 6, 0.25, 5).unwrap();
    for tensor in model.weights.0.values_mut() {
        if let Values::F32(values) = &mut tensor.values {
            values.iter_mut().for_each(&change);
        }
    }
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    onnx::save(&model, &path).unwrap();
    path
}

fn improved(name: &str, arguments: &str) -> Value {
    let out = out(name);
    let ended = output(&format!("improve {TINY} --budget 30 --json --out {} {arguments}", out.display()));
    assert_eq!(ended.status.code(), Some(0), "{}", text(&ended.stderr));
    serde_json::from_slice(&ended.stdout).unwrap()
}

fn candidate<'a>(result: &'a Value, name: &str) -> &'a Value {
    let named = |model: &&Value| model["name"] == name;
    result["candidates"].as_array().unwrap().iter().find(named).unwrap_or_else(|| panic!("{result:#}"))
}

#[test]
fn the_architecture_can_be_that_of_an_onnx_file() {
    let file = onnx_file("architecture.onnx", |_| {});
    let arguments = format!("--model {} --set model.width=1 --practices smaller-network", file.display());
    let given = improved("architecture", &arguments);
    let named = improved("named", "--practices smaller-network");
    for index in [0, 1] {
        let (given, named) = (models(&given)[index], models(&named)[index]);
        assert_eq!(given["parameters"], named["parameters"]);
        assert_eq!(given["metrics"], named["metrics"], "trained from the same parameters");
    }
}

#[test]
fn a_trunk_from_an_onnx_file_costs_what_is_stated_or_is_unknown() {
    let file = onnx_file("trunk.onnx", |_| {});
    let arguments = format!("--practices transfer --set transfer.trunk={:?}", file.display().to_string());
    let unknown = improved("trunk-unknown", &arguments);
    let made = candidate(&unknown, "transfer");
    assert!(made["model"].is_string() && made["training_j"].is_object(), "{made:#}");
    assert!(made["cost_to_make_j"].is_null() && made["life_cost_j"].is_null(), "{made:#}");
    let stages: Vec<&str> =
        unknown["ledger"]["entries"].as_array().unwrap().iter().filter_map(|e| e["stage"].as_str()).collect();
    assert!(stages.contains(&"transfer/probe") && !stages.contains(&"transfer/pretrain"), "{stages:?}");

    let stated = improved("trunk-stated", &format!("{arguments} --set transfer.trunk_j=5000"));
    let made = candidate(&stated, "transfer");
    assert!(made["cost_to_make_j"]["value"].as_f64() > Some(5000.0), "{made:#}");
}

#[test]
fn what_diverges_fails_alone_and_names_step_and_learning_rate() {
    let file = onnx_file("diverging.onnx", |value| *value *= 1e12);
    let arguments = format!("--set transfer.trunk={:?}", file.display().to_string());
    let result = improved("diverging", &format!("{arguments} --practices transfer,smaller-network"));
    let failed = candidate(&result, "transfer");
    assert_eq!(failed["status"], "failed", "{failed:#}");
    let reason = failed["reason"].as_str().unwrap();
    assert!(reason.contains("step") && reason.contains("learning rate"), "{reason}");
    assert!(candidate(&result, "smaller-network-0.5")["model"].is_string(), "the others go on");
    assert_eq!(result["state"], "complete");
}

#[test]
fn the_same_work_has_the_same_price() {
    let result = result();
    let (baseline, models) = (&result["baseline"], models(&result));
    let same =
        |model: &&&Value| ["early-stopping", "transfer", "tune"].iter().any(|name| model["name"] == *name);
    let same: Vec<_> = models.iter().filter(same).filter(|model| model["model"].is_string()).collect();
    assert!(!same.is_empty());
    for model in same {
        assert_eq!(model["energy_per_inference_j"], baseline["energy_per_inference_j"], "{model:#}");
        assert_eq!((&model["cpu_ratio"]["low"], &model["cpu_ratio"]["high"]), (&1.0.into(), &1.0.into()));
        assert!(model["notes"].to_string().contains("priced as `baseline`"), "{model:#}");
    }
    assert!(models.iter().any(|m| m["name"] == "quantise" && m["cpu_ratio"]["value"] != 1.0));
}
