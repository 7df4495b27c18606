//! `joulewise measure`, seen from outside.

mod support;

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use support::{counter, text};

/// Runs it where there is no energy counter.
fn measure(folder: &Path, arguments: &[&str]) -> Output {
    support::joulewise(folder, &[&["measure"], arguments].concat())
}

#[test]
fn the_command_keeps_its_streams_and_its_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    let output = measure(folder.path(), &["--", "sh", "-c", "echo out; echo err >&2; exit 3"]);
    assert_eq!(output.status.code(), Some(3));
    assert_eq!(text(&output.stdout), "out\n");
    let stderr: Vec<&str> = text(&output.stderr).lines().collect();
    assert_eq!(stderr.len(), 6, "{stderr:?}");
    assert_eq!(stderr[0], "err");
    assert!(stderr[1].starts_with("joulewise: ") && stderr[1].contains(", modelled), "), "{stderr:?}");
    assert!(stderr[3].contains("process tree, CPU, modelled (model: "), "{stderr:?}");
    assert!(stderr[4].contains("caveat: ") && stderr[5].contains("  hint: "), "{stderr:?}");
}

#[test]
fn json_is_the_last_line_and_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let script = "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; echo out";
    let output = measure(folder.path(), &["--json", "-o", "energy.json", "sh", "-c", script]);
    let (first, json) = text(&output.stdout).trim_end().split_once('\n').unwrap();
    assert_eq!(first, "out");
    assert_eq!(json, fs::read_to_string(folder.path().join("energy.json")).unwrap().trim_end());
    let json: Value = serde_json::from_str(json).unwrap();
    assert_eq!(json["exit_code"], 0);
    assert_eq!(json["command"][0], "sh");
    assert_eq!(json["caveats"][0]["code"], "modelled-energy");
    let [low, value, high] = ["low", "value", "high"].map(|end| json["energy_j"][end].as_f64().unwrap());
    assert!(0.0 < low && low < value && value < high, "{json}");
    assert!(json["cpu_s"].as_f64() > json["own_cpu_s"].as_f64(), "{json}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left behind");
}

#[test]
fn a_command_that_cannot_be_run_ends_as_in_a_shell() {
    let folder = tempfile::tempdir().unwrap();
    let missing = measure(folder.path(), &["-o", "energy.json", "--", "joulewise-no-such-program"]);
    assert_eq!(missing.status.code(), Some(127));
    assert!(text(&missing.stderr).starts_with("error: cannot run `joulewise-no-such-program`: "));
    assert!(text(&missing.stderr).contains("\nhint: "));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left behind");
    assert_eq!(measure(folder.path(), &["--", "./"]).status.code(), Some(126));
    assert_eq!(measure(folder.path(), &["--", "sh", "-c", "kill -TERM $$"]).status.code(), Some(128 + 15));
}

#[test]
fn a_path_that_cannot_be_written_is_told_before_the_command_runs() {
    let folder = tempfile::tempdir().unwrap();
    let output = measure(folder.path(), &["-o", "no/such/folder.json", "--", "touch", "ran"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).starts_with("error: cannot write no/such/folder.json: "));
    assert!(text(&output.stderr).contains("\nhint: name a file in a folder that exists"));
    assert!(!folder.path().join("ran").exists());
}

#[test]
fn a_result_replaces_what_a_link_means_and_nothing_that_is_protected() {
    let folder = tempfile::tempdir().unwrap();
    let [file, link] = ["energy.json", "link.json"].map(|name| folder.path().join(name));
    fs::write(&file, "old").unwrap();
    std::os::unix::fs::symlink("energy.json", &link).unwrap();
    assert_eq!(measure(folder.path(), &["-o", "link.json", "--", "true"]).status.code(), Some(0));
    let written = fs::read_to_string(&file).unwrap();
    assert!(link.is_symlink() && written.starts_with('{'), "{written}");
    let output = measure(folder.path(), &["-o", "-", "--", "true"]);
    assert!(text(&output.stdout).starts_with('{') && !folder.path().join("-").exists());

    let mut permissions = fs::metadata(&file).unwrap().permissions();
    permissions.set_readonly(true);
    fs::set_permissions(&file, permissions).unwrap();
    let output = measure(folder.path(), &["-o", "link.json", "--", "touch", "ran"]);
    assert!(text(&output.stderr).contains("the file is write-protected"), "{}", text(&output.stderr));
    assert!(!folder.path().join("ran").exists());
    assert_eq!(fs::read_to_string(&file).unwrap(), written);
}

/// Sets the counter, and runs for so long that the last readings find it unchanged.
fn set(energy_uj: u64) -> String {
    format!("echo {energy_uj} > class/powercap/intel-rapl:0/energy_uj; sleep 0.3")
}

#[test]
fn counters_are_read_where_there_are_any() {
    let folder = tempfile::tempdir().unwrap();
    counter(folder.path());
    let output = measure(folder.path(), &["--json", "--strict", "--", "sh", "-c", &set(3_500_000)]);
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["energy_j"]["value"], 2.5, "{json}");
    assert_eq!(json["energy_j"]["method"], "measured");
    assert_eq!(json["shares"], serde_json::json!({"measured": 1.0, "modelled": 0.0, "assumed": 0.0}));
    assert_eq!(json["attribution"]["machine_j"]["value"], 2.5);
    assert!(json["attribution"]["unknown"]["marginal_j"].as_str().unwrap().contains("--idle"));
    assert_eq!(json["caveats"].as_array().unwrap().len(), 0, "{json}");
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn idling_is_subtracted_where_it_was_measured() {
    let folder = tempfile::tempdir().unwrap();
    counter(folder.path());
    let output = measure(folder.path(), &["--json", "--idle", "50ms", "--", "sh", "-c", &set(3_500_000)]);
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    let part = |name: &str| json["attribution"][name]["value"].as_f64().unwrap();
    assert_eq!((part("machine_j"), part("marginal_j")), (2.5, 2.5), "the counter stands while nothing runs");
    assert!(part("process_tree_j") <= 2.5);
    assert_eq!(json["attribution"]["idle_w"], serde_json::json!({"before": 0.0, "after": 0.0}));
}

#[test]
fn a_caveat_is_told_in_every_output_and_fails_a_strict_run() {
    let folder = tempfile::tempdir().unwrap();
    counter(folder.path());
    fs::write(folder.path().join("class/powercap/intel-rapl:0/energy_uj"), "90000000\n").unwrap();
    for (format, told) in [
        ("json", "\"counter-reset\""),
        ("csv", "counter-reset"),
        ("codecarbon-csv", "counter-reset"),
        ("energibridge-csv", "counter-reset"),
        ("markdown", "**counter-reset**"),
    ] {
        fs::write(folder.path().join("class/powercap/intel-rapl:0/energy_uj"), "90000000\n").unwrap();
        let output = measure(folder.path(), &["--format", format, "--strict", "--", "sh", "-c", &set(5)]);
        assert_eq!(output.status.code(), Some(3), "{}", text(&output.stderr));
        assert!(text(&output.stdout).contains(told), "{format}: {}", text(&output.stdout));
        assert!(text(&output.stderr).contains("caveat: the counter of package-0 was set back"));
        assert!(text(&output.stderr).contains("hint: "));
    }
    let failed = measure(folder.path(), &["--strict", "--", "sh", "-c", "exit 7"]);
    assert_eq!(failed.status.code(), Some(7), "the command's own failure comes first");
}

#[test]
fn runs_are_repeated_after_warm_up_and_preparation() {
    let folder = tempfile::tempdir().unwrap();
    let log = |word: &str| format!("echo {word} >> log");
    let (prepare, run) = (log("prepared"), log("run"));
    let arguments = [
        "--repeat",
        "3",
        "--warmup",
        "1",
        "--prepare",
        &prepare,
        "--label",
        "three",
        "--json",
        "--",
        "sh",
        "-c",
    ];
    let output = measure(folder.path(), &[&arguments[..], &[&run]].concat());
    let logged = fs::read_to_string(folder.path().join("log")).unwrap();
    assert_eq!(logged, "prepared\nrun\n".repeat(4));
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((json["label"].as_str(), json["repeat"]["runs"].as_u64()), (Some("three"), Some(3)));
    assert_eq!(json["runs"].as_array().unwrap().len(), 3);
    let wall = &json["repeat"]["wall_s"];
    assert!(wall["low"].as_f64() <= wall["mean"].as_f64() && wall["mean"].as_f64() <= wall["high"].as_f64());
    assert!(text(&output.stderr).contains("mean of 3 runs: "));
}

#[test]
fn a_run_that_fails_is_the_last_one() {
    let folder = tempfile::tempdir().unwrap();
    let script = "echo run >> log; exit $(($(wc -l < log) - 1))";
    let output = measure(folder.path(), &["--repeat", "5", "--json", "--", "sh", "-c", script]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(fs::read_to_string(folder.path().join("log")).unwrap(), "run\n".repeat(2));
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["runs"].as_array().unwrap().len(), 2);
    let failed = measure(folder.path(), &["--prepare", "exit 4", "--", "touch", "ran"]);
    assert_eq!(failed.status.code(), Some(2));
    assert!(text(&failed.stderr).contains("error: the preparation `exit 4` ended with exit code 4"));
    assert!(!folder.path().join("ran").exists());
}

#[test]
fn a_command_whose_time_is_over_is_ended_and_reported() {
    let folder = tempfile::tempdir().unwrap();
    let output =
        measure(folder.path(), &["--timeout", "100ms", "-o", "e.json", "--", "sh", "-c", "sleep 600; :"]);
    assert_eq!(output.status.code(), Some(124));
    assert!(text(&output.stderr).contains("its time was over"));
    let json: Value = serde_json::from_slice(&fs::read(folder.path().join("e.json")).unwrap()).unwrap();
    assert_eq!((json["exit_code"].as_u64(), json["timed_out"].as_bool()), (Some(124), Some(true)));
}

#[test]
fn a_command_that_is_killed_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    let output = measure(folder.path(), &["--json", "--", "sh", "-c", "kill -KILL $$"]);
    assert_eq!(output.status.code(), Some(128 + 9));
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((json["signal"].as_u64(), json["exit_code"].as_u64()), (Some(9), Some(137)));
    assert!(text(&output.stderr).contains("ended by signal 9"));
}

#[test]
fn carbon_is_told_where_it_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    counter(folder.path());
    let told = |arguments: &[&str], energy_uj: u64| -> Value {
        counter(folder.path());
        let command = set(energy_uj);
        let output = measure(folder.path(), &[arguments, &["--json", "--", "sh", "-c", &command]].concat());
        serde_json::from_slice(&output.stdout).unwrap()
    };
    assert_eq!(told(&[], 2_000_000)["carbon"], Value::Null);
    let given = told(&["--carbon-intensity", "360", "--pue", "1.5"], 3_000_000);
    let grams = given["carbon"]["co2e_g"]["value"].as_f64().unwrap();
    assert!((grams - 2.0 / 3.6e6 * 360.0 * 1.5).abs() < 1e-12, "{given}");
    let zone = &told(&["--zone", "fr"], 3_000_000)["carbon"]["intensity"];
    assert_eq!((zone["zone"].as_str(), zone["g_per_kwh"].as_f64()), (Some("FRA"), Some(44.0)));
    let world = told(&["--pue", "1.2"], 3_000_000);
    assert_eq!(world["carbon"]["intensity"]["zone"], "WORLD");
    assert_eq!(world["caveats"][0]["code"], "carbon-zone-unknown");
    let unknown = measure(folder.path(), &["--zone", "XYZ", "--", "touch", "ran"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(text(&unknown.stderr).contains("hint: known are AUS, "), "{}", text(&unknown.stderr));
    assert!(!folder.path().join("ran").exists());
}

#[test]
fn a_full_disk_is_told_and_the_result_is_not_lost() {
    let folder = tempfile::tempdir().unwrap();
    let output = measure(folder.path(), &["-o", "/dev/full", "--", "true"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).starts_with("joulewise: "));
    assert!(text(&output.stderr).contains("error: cannot write /dev/full: "), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("hint: the figures are above"));
}

#[test]
fn a_request_to_end_is_passed_on() {
    let folder = tempfile::tempdir().unwrap();
    let script = "trap 'exit 7' TERM; echo ready; while :; do sleep 0.01; done";
    let mut measuring = support::command(folder.path(), &["measure", "--json", "--", "sh", "-c", script])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(measuring.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "ready");
    Command::new("kill").arg("-TERM").arg(measuring.id().to_string()).status().unwrap();
    let json: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
    assert_eq!(json["exit_code"], 7);
    assert_eq!(measuring.wait().unwrap().code(), Some(7));
}

#[test]
fn signals_reach_the_whole_group_of_the_command() {
    let folder = tempfile::tempdir().unwrap();
    for signal in ["INT", "TERM", "HUP", "QUIT", "USR1", "USR2", "WINCH"] {
        // The inner shell is the one that answers; the outer one survives the signal and reports its answer.
        let inner = format!("trap \"exit 9\" {signal}; echo ready; while :; do sleep 0.01; done");
        let script = format!("trap : {signal}; sh -c '{inner}'; exit $?");
        let mut measuring = support::command(folder.path(), &["measure", "--", "sh", "-c", &script])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(measuring.stdout.take().unwrap()).lines();
        assert_eq!(lines.next().unwrap().unwrap(), "ready");
        Command::new("kill").args([&format!("-{signal}"), &measuring.id().to_string()]).status().unwrap();
        assert_eq!(measuring.wait().unwrap().code(), Some(9), "{signal}");
    }
}
