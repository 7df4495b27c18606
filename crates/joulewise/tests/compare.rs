//! `joulewise compare`, seen from outside.

mod support;

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use serde_json::Value;
use support::{ZONE, counter, text};

/// Runs it where there is no energy counter.
fn compare(folder: &Path, arguments: &[&str]) -> Output {
    support::joulewise(folder, &[&["compare"], arguments].concat())
}

/// Counts to a number in a shell: CPU time in proportion to it.
fn counting(to: u32) -> String {
    format!("sh -c 'i=0; while [ $i -lt {to} ]; do i=$((i+1)); done'")
}

/// What `joulewise measure` writes about runs that used so many joules each.
fn recording(folder: &Path, name: &str, joules: &[f64]) {
    let energy =
        |j: f64| serde_json::json!({"value": j, "low": j * 0.95, "high": j * 1.05, "method": "measured"});
    let run = |j: &f64| serde_json::json!({"energy_j": energy(*j), "wall_s": 2.0, "cpu_s": 1.5});
    let runs: Vec<Value> = joules.iter().map(run).collect();
    let json = serde_json::json!({
        "schema": 1, "command": ["train", name], "energy_j": energy(joules[0]), "wall_s": 2.0, "cpu_s": 1.5,
        "runs": runs, "scope": "whole machine, CPU, measured", "sources": ["powercap: package-0"], "caveats": [],
    });
    fs::write(folder.join(name), json.to_string()).unwrap();
}

#[test]
fn commands_are_run_in_turns_and_compared() {
    let folder = tempfile::tempdir().unwrap();
    let few = counting(4_000);
    let many = counting(80_000);
    let output = compare(folder.path(), &[&many, &few, "--json", "--warmup", "0"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["sides"][0]["runs"].as_array().unwrap().len(), 5);
    assert_eq!((&json["is_paired"], &json["is_modelled"]), (&Value::Bool(true), &Value::Bool(true)));
    let cpu = &json["against_first"][0]["ratios"]["cpu_s"];
    assert!(cpu["ratio"].as_f64() < Some(0.9), "a twentieth of the work and the start of a shell: {cpu}");
    assert!(cpu["low"].as_f64() <= cpu["ratio"].as_f64() && cpu["ratio"].as_f64() <= cpu["high"].as_f64());
}

#[test]
fn counters_are_compared_where_there_are_any() {
    let folder = tempfile::tempdir().unwrap();
    counter(folder.path());
    // Written whole and renamed: a counter is never empty.
    let using = |joules: u32| {
        let counter = format!("{ZONE}/energy_uj");
        format!("sh -c 'echo $(($(cat {counter}) + {joules}000000)) > next; mv next {counter}'")
    };
    let output = compare(folder.path(), &[&using(2), &using(1), "--json"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    let energy = &json["against_first"][0]["ratios"]["energy_j"];
    assert!((energy["ratio"].as_f64().unwrap() - 0.5).abs() < 1e-9, "{energy}");
    assert_eq!((&energy["is_shown"], &json["is_modelled"]), (&Value::Bool(true), &Value::Bool(false)));
    let codes: Vec<&str> =
        json["caveats"].as_array().unwrap().iter().map(|caveat| caveat["code"].as_str().unwrap()).collect();
    assert_eq!(codes, ["short-window"]);
}

#[test]
fn every_round_takes_the_other_order() {
    let folder = tempfile::tempdir().unwrap();
    let note = |letter: &str| format!("sh -c 'printf {letter} >> order'");
    let rounds = ["--repeat", "3", "--warmup", "1", "--prepare", "printf . >> order"];
    let (a, b) = (note("a"), note("b"));
    let arguments = [&[a.as_str(), b.as_str()][..], &rounds].concat();
    let output = compare(folder.path(), &arguments);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(fs::read_to_string(folder.path().join("order")).unwrap(), ".a.b.b.a.a.b.b.a");
    assert!(text(&output.stdout).contains("a side has 3 runs"), "{}", text(&output.stdout));
    assert!(text(&output.stdout).contains("Joules are modelled from CPU time"));
}

#[test]
fn a_pipeline_fails_on_what_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    recording(folder.path(), "before.json", &[100.0, 101.0, 99.0, 100.5, 99.5]);
    recording(folder.path(), "after.json", &[110.0, 111.0, 109.0, 110.5, 109.5]);
    let code = |rule: &str| {
        let output = compare(folder.path(), &["before.json", "after.json", "--fail-if", rule]);
        output.status.code().unwrap()
    };
    assert_eq!(code("energy_j > +5%"), 1);
    assert_eq!(code("energy_j > +15%"), 0);
    assert_eq!(code("energy_j > -5%"), 1);
    assert_eq!(code("wall_s > +1%"), 0);
    assert_eq!(code("energy_j < -1%"), 0);
    assert_eq!(code("joules > +5%"), 2);

    let json =
        compare(folder.path(), &["before.json", "after.json", "--json", "--fail-if", "energy_j > +5%"]);
    let json: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(json["rulings"][0]["rule"], "energy_j > +5%");
    assert_eq!(json["rulings"][0]["is_violated"], true);
}

#[test]
fn what_cannot_be_decided_is_an_error_and_not_a_pass() {
    let folder = tempfile::tempdir().unwrap();
    recording(folder.path(), "before.json", &[100.0]);
    recording(folder.path(), "after.json", &[200.0]);
    let output = compare(folder.path(), &["before.json", "after.json", "--fail-if", "energy_j > +5%"]);
    assert_eq!(output.status.code(), Some(2));
    let stderr = text(&output.stderr);
    assert!(
        stderr.contains("cannot decide whether energy_j > +5% holds of B") && stderr.contains("--repeat 5")
    );
    assert!(text(&output.stdout).contains("too few runs"), "the table is shown all the same");
}

#[test]
fn a_table_can_be_markdown() {
    let folder = tempfile::tempdir().unwrap();
    recording(folder.path(), "a.json", &[100.0; 5]);
    recording(folder.path(), "b.json", &[90.0; 5]);
    let output = compare(folder.path(), &["a.json", "b.json", "--format", "markdown"]);
    let page = text(&output.stdout);
    assert!(page.contains("| energy | 100") && page.contains("−10.0"), "{page}");
}

#[test]
fn what_is_no_side_is_explained() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("notes.json"), "{}").unwrap();
    fs::create_dir(folder.path().join("empty")).unwrap();
    let told = |sides: [&str; 2]| {
        let output = compare(folder.path(), &sides);
        assert_eq!(output.status.code(), Some(2), "{sides:?}");
        assert!(output.stdout.is_empty());
        text(&output.stderr).to_owned()
    };
    assert!(told(["missing.json", "true"]).starts_with("error: cannot read missing.json: "));
    assert!(told(["notes.json", "true"]).contains("is not what `joulewise measure --output` writes"));
    assert!(told(["empty", "true"]).contains("empty is not the folder of a run"));
    assert!(told(["@last", "true"]).contains("no run in runs"));
    assert!(told(["joulewise-no-such-program", "true"]).contains("cannot run `joulewise-no-such-program`"));
    let failed = told(["sh -c 'echo something broke; exit 3'", "true"]);
    assert!(failed.contains("ended with 3") && failed.contains("something broke"), "{failed}");
    assert_eq!(compare(folder.path(), &["true"]).status.code(), Some(2), "one side is no comparison");
}

#[test]
fn an_interrupted_comparison_ends_as_such() {
    let folder = tempfile::tempdir().unwrap();
    let mut comparing = Command::new(env!("CARGO_BIN_EXE_joulewise"))
        .args(["compare", "sh -c ': > started; exec sleep 600'", "true"])
        .env("JOULEWISE_SYSFS", folder.path())
        .current_dir(folder.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    while !folder.path().join("started").exists() {
        std::thread::sleep(Duration::from_millis(5));
    }
    Command::new("kill").arg("-INT").arg(comparing.id().to_string()).status().unwrap();
    assert_eq!(comparing.wait().unwrap().code(), Some(130));
}
