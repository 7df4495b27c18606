//! `joulewise bench`, `predict` and `practice`, seen from outside.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use joulewise_learn::builders::build;
use joulewise_learn::engine::{Cpu, Engine as _};
use joulewise_learn::npy::{self, Array, Numbers};
use joulewise_learn::onnx;
use serde_json::Value;

/// Runs it where there is no energy counter.
fn joulewise(folder: &Path, arguments: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_joulewise"))
        .args(arguments.split_whitespace())
        .env("JOULEWISE_SYSFS", "/nonexistent")
        .env("CUDA_VISIBLE_DEVICES", "")
        .current_dir(folder)
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> &str {
    str::from_utf8(bytes).unwrap()
}

/// Asserts that it is refused with exit code 2 and an error that begins so.
fn refused(folder: &Path, arguments: &str, error: &str) {
    let ended = joulewise(folder, arguments);
    let stderr = text(&ended.stderr);
    assert_eq!(ended.status.code(), Some(2), "{arguments}: {stderr}");
    assert!(stderr.contains("error: "), "{arguments}: {stderr}");
    assert_eq!(stderr.matches(error).count(), 1, "{arguments}: {error} once in {stderr}");
    assert!(stderr.matches("(os error ").count() < 2, "{arguments}: {stderr}");
    assert!(ended.stdout.is_empty(), "{arguments}");
}

#[test]
fn a_benchmark_has_the_fields_that_scripts_read() {
    let folder = tempfile::tempdir().unwrap();
    for mode in ["--mode train", "--mode infer", "--mode infer --precision int8"] {
        let arguments = format!("bench mlp {mode} --batch 8 --threads 1 --seconds 0.05 --json");
        let ended = joulewise(folder.path(), &arguments);
        assert_eq!(ended.status.code(), Some(0), "{}", text(&ended.stderr));
        assert_eq!(text(&ended.stdout).lines().count(), 1, "one JSON object on one line");
        let figures: Value = serde_json::from_slice(&ended.stdout).unwrap();
        for field in ["images_per_s", "cpu_ms_per_step", "rss_mb"] {
            assert!(figures[field].as_f64() > Some(0.0), "{mode}: {field} in {figures}");
        }
        assert!(figures["steps"].as_u64() > Some(0), "{figures}");
        let energy = &figures["energy_per_step_j"];
        let [low, value, high] = ["low", "value", "high"].map(|end| energy[end].as_f64().unwrap());
        assert!(0.0 < low && low < value && value < high && energy["method"] == "modelled", "{figures}");
    }
}

#[test]
fn a_benchmark_of_something_else_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("broken.onnx"), b"no model").unwrap();
    refused(folder.path(), "bench lenett", "give one of mlp");
    refused(folder.path(), "bench none.onnx", "none.onnx");
    refused(folder.path(), "bench broken.onnx", "broken.onnx");
    refused(folder.path(), "bench mlp --mode train --precision int8", "training in int8 is not possible");
    refused(folder.path(), "bench mlp --threads 0", "invalid value '0'");
    refused(folder.path(), "bench mlp --seconds NaN", "--seconds");
}

/// A model in `net.onnx`, five inputs for it in `x.npy`, and what it makes of them.
fn inputs(folder: &Path) -> Vec<f32> {
    let model = build("lenet", [1, 28, 28], 10, 0.25, 7).unwrap();
    onnx::save(&model, &folder.join("net.onnx")).unwrap();
    let x: Vec<f32> = (0..5 * 28 * 28).map(|i| ((i * 37 % 101) as f32 - 50.0) / 50.0).collect();
    let mut y = vec![0.0; 5 * 10];
    Cpu::new(1).unwrap().compile(&model, 5).unwrap().run(&x, &mut y);
    npy::write(&folder.join("x.npy"), &Array { shape: vec![5, 1, 28, 28], numbers: Numbers::F32(x) })
        .unwrap();
    y
}

#[test]
fn predictions_are_those_of_the_engine() {
    let folder = tempfile::tempdir().unwrap();
    let expected = inputs(folder.path());
    let ended = joulewise(folder.path(), "predict net.onnx --input x.npy --output y.npy");
    assert_eq!(ended.status.code(), Some(0), "{}", text(&ended.stderr));
    assert!(ended.stdout.is_empty());
    let Array { shape, numbers } = npy::read(&folder.path().join("y.npy")).unwrap();
    assert_eq!((shape, numbers), (vec![5, 10], Numbers::F32(expected.clone())));

    let ended = joulewise(folder.path(), "predict net.onnx --input x.npy --threads 2");
    let largest = |row: &[f32]| (0..10).max_by(|&a, &b| row[a].total_cmp(&row[b])).unwrap();
    let classes: Vec<String> = expected.chunks(10).map(|row| largest(row).to_string()).collect();
    assert_eq!(text(&ended.stdout).lines().collect::<Vec<_>>(), classes);
}

#[test]
fn predictions_for_something_else_are_refused_and_leave_no_file() {
    let folder = tempfile::tempdir().unwrap();
    inputs(folder.path());
    let write = |name: &str, shape: &[usize], numbers: Numbers| {
        npy::write(&folder.path().join(name), &Array { shape: shape.to_vec(), numbers }).unwrap();
    };
    write("narrow.npy", &[5, 1, 28, 27], Numbers::F32(vec![0.0; 5 * 28 * 27]));
    write("none.npy", &[0, 1, 28, 28], Numbers::F32(Vec::new()));
    fs::write(folder.path().join("text.npy"), "1 2 3").unwrap();
    let cases = [
        ("net.onnx --input narrow.npy", "narrow.npy: the shape [5, 1, 28, 27] does not hold examples of"),
        ("net.onnx --input none.npy", "none.npy: the shape [0, 1, 28, 28] does not hold examples of"),
        ("net.onnx --input text.npy", "text.npy"),
        ("net.onnx --input missing.npy", "missing.npy"),
        ("x.npy --input x.npy", "x.npy"),
    ];
    for (arguments, error) in cases {
        refused(folder.path(), &format!("predict {arguments} --output y.npy"), error);
        assert!(!folder.path().join("y.npy").exists(), "{arguments}");
    }
    refused(folder.path(), "predict net.onnx --input x.npy --output no/y.npy", "no/y.npy");
}

#[test]
fn every_practice_explains_itself() {
    let folder = tempfile::tempdir().unwrap();
    let ended = joulewise(folder.path(), "practice");
    let names: Vec<&str> =
        text(&ended.stdout).lines().filter_map(|line| line.split_whitespace().next()).collect();
    for name in ["tune", "early-stopping", "prune", "distil", "quantise", "smaller-network", "transfer"] {
        assert!(names.contains(&name), "{names:?}");
    }
    for name in names {
        let ended = joulewise(folder.path(), &format!("practice {name}"));
        let card = text(&ended.stdout);
        assert!(card.starts_with(&format!("{name}\n")), "{card}");
        for heading in ["What it does", "Why it saves energy", "When it costs", "Evidence", "How to check"] {
            assert!(card.contains(&format!("\n{heading}\n  ")), "{name}: {heading}");
        }
    }
}
