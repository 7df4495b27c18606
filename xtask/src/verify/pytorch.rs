//! The PyTorch example: an ordinary script, improved by its recipe.

use anyhow::{Context, Result};

use super::{Check, folder, joulewise};
use crate::process::{command, json, root};
use crate::venv;

/// Runs the example's recipe with the environment's Python first in the path.
pub(super) fn run() -> Result<Vec<Check>> {
    let python = venv::python("examples/pytorch/requirements.txt")?;
    let bin = python.parent().context("the Python interpreter has no folder")?;
    let mut path = bin.as_os_str().to_owned();
    if let Some(rest) = std::env::var_os("PATH") {
        path.push(":");
        path.push(rest);
    }
    let out = folder("pytorch");
    let mut improve = command(joulewise(), ["improve"]);
    improve
        .arg(root().join("examples/pytorch/recipe.toml"))
        .arg("--out")
        .arg(out)
        .arg("--json")
        .env("PATH", path);
    let result = json(improve)?;
    let accuracy = &result["baseline"]["metrics"]["accuracy"];
    let accuracy = accuracy["test"].as_f64().or(accuracy["judge"].as_f64()).unwrap_or(0.0);
    let candidates = result["candidates"].as_array().context("no candidates")?;
    let with = |status: &str| candidates.iter().filter(|c| c["status"] == status).count();
    let reasons =
        candidates.iter().filter(|c| c["status"] == "skipped").all(|c| c["reason"].as_str() != Some(""));
    Ok(vec![
        Check::new(
            "pytorch example: baseline accuracy at least 90 %",
            format!("{:.1} %", 100.0 * accuracy),
            accuracy >= 0.9,
        ),
        Check::new("pytorch example: a candidate holds", with("holds").to_string(), with("holds") > 0),
        Check::new(
            "pytorch example: every skipped practice says why",
            format!("{} skipped", with("skipped")),
            reasons && with("skipped") > 0,
        ),
    ])
}
