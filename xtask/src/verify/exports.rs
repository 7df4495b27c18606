//! Exported models against ONNX Runtime.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use super::{Check, folder, joulewise};
use crate::process::{command, json, show};
use crate::venv;

/// Least share of equal labels of an f32 model.
const FLOAT: f64 = 0.9995;
/// Least share of equal labels of a model with int8 operators, whose roundings may fall on either side of a tie.
const INT8: f64 = 0.998;

/// Runs of `improve`, and the data set whose test images their models are compared on.
const RUNS: [(&str, &str); 4] =
    [("glyphs", "mnist"), ("fashion-mnist", "fashion-mnist"), ("mnist", "mnist"), ("cifar10", "cifar10")];

/// Compares every model that the runs of `improve` exported.
pub(super) fn run(data: &Path) -> Result<Vec<Check>> {
    let python = venv::python("benches/onnxruntime/requirements.txt")?;
    fs::create_dir_all(folder("exports"))?;
    let mut checks = Vec::new();
    for (name, images_of) in RUNS {
        let models = models(&folder("improve").join(name))?;
        ensure!(!models.is_empty(), "no exported models of {name}: run `cargo xtask verify improve` first");
        let images = folder("exports").join(format!("{images_of}.npy"));
        let mut extract = command(&python, ["benches/onnxruntime/images.py"]);
        extract.arg(data.join(images_of)).arg(&images);
        show(extract)?;
        for model in models {
            checks.push(compare(&python, name, &images, &model)?);
        }
    }
    Ok(checks)
}

/// The ONNX files in the run folders below `runs`, in order.
fn models(runs: &Path) -> Result<Vec<PathBuf>> {
    let mut models = Vec::new();
    for run in fs::read_dir(runs).into_iter().flatten() {
        for model in fs::read_dir(run?.path().join("models")).into_iter().flatten() {
            models.push(model?.path());
        }
    }
    models.retain(|model| model.extension().is_some_and(|extension| extension == "onnx"));
    models.sort();
    Ok(models)
}

fn compare(python: &Path, name: &str, images: &Path, model: &Path) -> Result<Check> {
    let logits = folder("exports").join("logits.npy");
    let mut predict = command(joulewise(), ["predict"]);
    predict.arg(model).arg("--input").arg(images).arg("--output").arg(&logits);
    show(predict)?;
    let mut agree = command(python, ["benches/onnxruntime/agree.py"]);
    agree.arg(model).arg(images).arg(&logits);
    let found = json(agree)?;
    let agreement = found["agreement"].as_f64().context("agree.py gave no agreement")?;
    let quantised = fs::read(model)?.windows(b"DequantizeLinear".len()).any(|w| w == b"DequantizeLinear");
    let (kind, wanted) = if quantised { ("int8", INT8) } else { ("f32", FLOAT) };
    let file = model.file_stem().unwrap_or_default().to_string_lossy();
    Ok(Check::new(
        format!("{name}: {file} ({kind}) agrees with ONNX Runtime on {:.2} % of labels", 100.0 * wanted),
        format!("{:.3} % of {} images", 100.0 * agreement, found["images"]),
        agreement >= wanted,
    ))
}
