//! `joulewise measure`, seen from outside.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// Runs it where there is no energy counter.
fn measure(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_joulewise"))
        .arg("measure")
        .args(arguments)
        .env("JOULEWISE_SYSFS", folder)
        .env("CUDA_VISIBLE_DEVICES", "")
        .current_dir(folder)
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> &str {
    str::from_utf8(bytes).unwrap()
}

#[test]
fn the_command_keeps_its_streams_and_its_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    let output = measure(folder.path(), &["--", "sh", "-c", "echo out; echo err >&2; exit 3"]);
    assert_eq!(output.status.code(), Some(3));
    assert_eq!(text(&output.stdout), "out\n");
    let stderr: Vec<&str> = text(&output.stderr).lines().collect();
    assert_eq!(stderr.len(), 4, "{stderr:?}");
    assert_eq!(stderr[0], "err");
    assert!(stderr[1].starts_with("joulewise: ") && stderr[1].contains(", modelled), "), "{stderr:?}");
    assert!(stderr[3].contains("process tree, CPU, modelled (model: "), "{stderr:?}");
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
    assert!(!folder.path().join("ran").exists());
}

#[test]
fn counters_are_read_where_there_are_any() {
    let folder = tempfile::tempdir().unwrap();
    let zone = folder.path().join("class/powercap/intel-rapl:0");
    fs::create_dir_all(&zone).unwrap();
    fs::write(zone.join("name"), "package-0\n").unwrap();
    fs::write(zone.join("max_energy_range_uj"), "262143328850\n").unwrap();
    fs::write(zone.join("energy_uj"), "1000000\n").unwrap();
    let script = "echo 3500000 > class/powercap/intel-rapl:0/energy_uj";
    let output = measure(folder.path(), &["--json", "--strict", "--", "sh", "-c", script]);
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["energy_j"]["value"], 2.5, "{json}");
    assert_eq!(json["energy_j"]["method"], "measured");
    assert_eq!(json["caveats"].as_array().unwrap().len(), 0, "{json}");
}

#[test]
fn a_request_to_end_is_passed_on() {
    let folder = tempfile::tempdir().unwrap();
    let script = "trap 'exit 7' TERM; echo ready; while :; do sleep 0.01; done";
    let mut measuring = Command::new(env!("CARGO_BIN_EXE_joulewise"))
        .args(["measure", "--json", "--", "sh", "-c", script])
        .env("JOULEWISE_SYSFS", folder.path())
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
