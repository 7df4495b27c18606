//! Ctrl-C and full disks: `joulewise improve` keeps what is done, and `--resume` goes on from there.
#![cfg(unix)]

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

/// A run that takes a debug build some seconds.
const TASK: &str = "improve --epochs 1 --budget 40 --threads 1 --set data.train=600 --set data.test=50 \
                    --set model.width=0.25 --practices smaller-network,distil,quantise";

/// A run of which every training takes long enough to be told on stderr.
fn longer() -> String {
    TASK.replace("data.train=600", "data.train=6000")
}

fn joulewise(out: &Path, arguments: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_joulewise"));
    command.args(arguments.split_whitespace()).arg("--out").arg(out);
    command.env("JOULEWISE_SYSFS", "/nonexistent").env("CUDA_VISIBLE_DEVICES", "");
    command
}

fn interrupt(child: &Child) {
    assert!(Command::new("kill").arg("-INT").arg(child.id().to_string()).status().unwrap().success());
}

/// Starts `arguments` and interrupts it once, as soon as a line of stderr contains `line`.
fn interrupted_at(line: &str, out: &Path, arguments: &str) -> (Output, String) {
    let mut command = joulewise(out, arguments);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut said = String::new();
    while !said.lines().last().unwrap_or_default().contains(line) {
        assert!(stderr.read_line(&mut said).unwrap() > 0, "no {line} in {said}");
    }
    interrupt(&child);
    stderr.read_to_string(&mut said).unwrap();
    (child.wait_with_output().unwrap(), said)
}

fn result(run: &Path) -> Value {
    serde_json::from_slice(&fs::read(run.join("result.json")).unwrap()).unwrap()
}

fn only_run(out: &Path) -> std::path::PathBuf {
    let mut runs = fs::read_dir(out).unwrap();
    let run = runs.next().unwrap().unwrap().path();
    assert!(runs.next().is_none());
    run
}

fn entries(result: &Value) -> Vec<Value> {
    result["ledger"]["entries"].as_array().unwrap().clone()
}

fn assert_partition(result: &Value) {
    let attributed: f64 = entries(result).iter().map(|e| e["energy_j"]["value"].as_f64().unwrap()).sum();
    let total = result["ledger"]["total_j"]["value"].as_f64().unwrap();
    let unattributed = result["ledger"]["unattributed_j"].as_f64().unwrap();
    assert!((attributed + unattributed - total).abs() <= 1e-9 * total && unattributed >= 0.0);
}

fn names(result: &Value) -> Vec<&str> {
    result["candidates"].as_array().unwrap().iter().map(|c| c["name"].as_str().unwrap()).collect()
}

#[test]
fn an_interrupted_run_reports_and_is_resumed_to_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path();
    let (ended, said) = interrupted_at("quantise: ", out, &format!("{TASK} --json"));
    assert_eq!(ended.status.code(), Some(130), "{said}");
    assert!(said.contains("stopping at the next batch"), "{said}");
    let run = only_run(out);
    let partial = result(&run);
    assert_eq!(ended.stdout, fs::read(run.join("result.json")).unwrap());
    assert_eq!(partial["state"], "partial");
    // On a busy machine more may be done by the time that the interrupt arrives.
    assert_eq!(names(&partial)[0], "quantise");
    assert!(partial["verdict"].as_str().unwrap().starts_with("So far, "), "{}", partial["verdict"]);
    assert!(fs::read_to_string(run.join("report.html")).unwrap().contains("So far, "));
    assert_partition(&partial);
    let kept = fs::read(run.join("models/quantise.onnx")).unwrap();

    let resumed = joulewise(out, "improve --resume @last").output().unwrap();
    let said = String::from_utf8_lossy(&resumed.stderr);
    assert_eq!(resumed.status.code(), Some(0), "{said}");
    assert!(!said.contains("baseline/train"), "the baseline is not trained again: {said}");
    let complete = result(&only_run(out));
    assert_eq!((&complete["state"], &complete["id"]), (&Value::from("complete"), &partial["id"]));
    assert_eq!(entries(&complete)[..entries(&partial).len()], entries(&partial)[..], "earlier entries stay");
    assert_partition(&complete);
    let found = names(&complete);
    assert!(found.len() > 2, "{found:?}");
    assert!(found.iter().enumerate().all(|(i, name)| !found[..i].contains(name)), "{found:?}");
    assert_eq!(fs::read(run.join("models/quantise.onnx")).unwrap(), kept);

    let again = joulewise(out, "improve --resume @last").output().unwrap();
    let said = String::from_utf8_lossy(&again.stderr);
    assert_eq!(again.status.code(), Some(2), "{said}");
    assert!(said.contains("is complete: nothing is left to resume"), "{said}");

    // What came of it is what an uninterrupted run finds.
    let straight = tempfile::tempdir().unwrap();
    let arguments = format!("{TASK} --costs {}", run.join("costs.json").display());
    assert_eq!(joulewise(straight.path(), &arguments).output().unwrap().status.code(), Some(0));
    let straight = only_run(straight.path());
    for model in fs::read_dir(straight.join("models")).unwrap() {
        let (path, name) = (model.as_ref().unwrap().path(), model.as_ref().unwrap().file_name());
        assert!(fs::read(path).unwrap() == fs::read(run.join("models").join(&name)).unwrap(), "{name:?}");
    }
}

#[test]
fn an_interrupted_search_goes_on_with_what_it_has_learned() {
    let folder = tempfile::tempdir().unwrap();
    let task = longer().replace("smaller-network,distil,quantise", "tune");
    let (ended, said) = interrupted_at("tune/trial-", folder.path(), &task);
    assert_eq!(ended.status.code(), Some(130), "{said}");
    let resumed = joulewise(folder.path(), "improve --resume @last").output().unwrap();
    let again = String::from_utf8_lossy(&resumed.stderr);
    assert_eq!(resumed.status.code(), Some(0), "{again}");
    let run = only_run(folder.path());
    let complete = result(&run);
    assert_partition(&complete);
    let stages: Vec<Value> = entries(&complete).iter().map(|entry| entry["stage"].clone()).collect();
    assert_eq!(stages.iter().filter(|stage| *stage == "tune/trial-0-1").count(), 1, "{stages:?}");

    let straight = tempfile::tempdir().unwrap();
    let arguments = format!("{task} --costs {}", run.join("costs.json").display());
    assert_eq!(joulewise(straight.path(), &arguments).output().unwrap().status.code(), Some(0));
    let straight = only_run(straight.path());
    let (made, wanted) = (&complete["candidates"][0], &result(&straight)["candidates"][0]);
    for field in ["name", "status", "reason", "metrics", "notes"] {
        assert_eq!(made[field], wanted[field], "{field}");
    }
    assert!(
        fs::read(run.join("models/tune.onnx")).unwrap()
            == fs::read(straight.join("models/tune.onnx")).unwrap()
    );
}

#[test]
fn an_interrupt_before_the_baseline_leaves_no_run() {
    let folder = tempfile::tempdir().unwrap();
    let long = format!("{TASK} --epochs 4000");
    let (ended, said) =
        interrupted_at("no energy counter", folder.path(), &long.replacen("--epochs 1 ", "", 1));
    assert_eq!(ended.status.code(), Some(130), "{said}");
    assert!(
        said.contains("interrupted before the baseline was trained: there is nothing to report"),
        "{said}"
    );
    assert!(ended.stdout.is_empty() && !said.contains("error"), "{said}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "a run is left behind");
}

#[test]
fn a_second_interrupt_stops_at_once() {
    let folder = tempfile::tempdir().unwrap();
    // Drawing as many pictures takes minutes, and only a second interrupt ends it.
    let arguments = TASK.replace("data.train=600", "data.train=900000");
    let mut command = joulewise(folder.path(), &arguments);
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    for expected in ["no energy counter", "", "", "press Ctrl-C again to stop now"] {
        let mut line = String::new();
        stderr.read_line(&mut line).unwrap();
        assert!(line.contains(expected), "{line}");
        if !expected.is_empty() {
            // What comes at once after the first is taken for the same one.
            std::thread::sleep(std::time::Duration::from_millis(600));
            interrupt(&child);
        }
    }
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let mut rest = String::new();
    stderr.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "a run is left behind");
}

/// Runs `arguments` with files limited to `blocks` of 512 bytes.
fn limited(blocks: u32, out: &Path, arguments: &str) -> Output {
    let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
    Command::new("sh")
        .args(["-c", &script, env!("CARGO_BIN_EXE_joulewise")])
        .args(arguments.split_whitespace())
        .arg("--out")
        .arg(out)
        .env("JOULEWISE_SYSFS", "/nonexistent")
        .env("CUDA_VISIBLE_DEVICES", "")
        .output()
        .unwrap()
}

#[test]
fn a_disk_without_room_for_a_model_is_one_error_and_leaves_nothing_half_written() {
    let folder = tempfile::tempdir().unwrap();
    // The recipe fits and the baseline's model does not.
    let ended = limited(16, folder.path(), TASK);
    let said = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(2), "{said}");
    assert_eq!(said.matches("error: ").count(), 1, "{said}");
    assert!(said.contains("cannot ") && said.contains("choose another folder with --out"), "{said}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "a run is left behind");
}

#[test]
fn an_interrupt_between_seeds_keeps_the_baseline() {
    let folder = tempfile::tempdir().unwrap();
    let (ended, said) =
        interrupted_at("baseline/train-seed-2", folder.path(), &format!("{} --seeds 4", longer()));
    assert_eq!(ended.status.code(), Some(130), "{said}");
    assert_eq!(result(&only_run(folder.path()))["state"], "partial");
    let resumed = joulewise(folder.path(), "improve --resume @last").output().unwrap();
    let said = String::from_utf8_lossy(&resumed.stderr);
    assert_eq!(resumed.status.code(), Some(0), "{said}");
    assert!(!said.contains("baseline/train "), "the baseline is not trained again: {said}");
    let complete = result(&only_run(folder.path()));
    let notes = complete["baseline"]["notes"].to_string();
    assert!(notes.contains("4 trainings"), "{notes}");
    assert_partition(&complete);
}

/// A machine with one counter, which does not move.
fn sysfs(folder: &Path) -> std::path::PathBuf {
    let zone = folder.join("class/powercap/intel-rapl:0");
    fs::create_dir_all(&zone).unwrap();
    for (file, text) in
        [("name", "package-0"), ("energy_uj", "1000000"), ("max_energy_range_uj", "262143328850")]
    {
        fs::write(zone.join(file), format!("{text}\n")).unwrap();
    }
    zone
}

#[test]
fn a_strict_run_ends_when_its_counter_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let zone = sysfs(folder.path());
    let out = folder.path().join("runs");
    let mut command = joulewise(&out, &format!("{} --strict", longer()));
    command.env("JOULEWISE_SYSFS", folder.path()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut said = String::new();
    while !said.contains("baseline/train") {
        assert!(stderr.read_line(&mut said).unwrap() > 0, "{said}");
    }
    fs::remove_dir_all(zone).unwrap();
    stderr.read_to_string(&mut said).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(2), "{said}");
    assert!(said.contains("lost an energy source") && said.contains("--resume"), "{said}");
    assert_eq!(result(&only_run(&out))["state"], "partial");
}
