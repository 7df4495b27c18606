//! The PyTorch examples: ordinary scripts, improved by their recipes.

use std::ffi::OsString;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

use super::{Check, folder, joulewise};
use crate::process::{command, json, output, root, show};
use crate::venv;

/// A recipe and what must come of it.
struct Example {
    name: &'static str,
    recipe: &'static str,
    /// Practices of which a candidate must have been made.
    made: &'static [&'static str],
}

const EXAMPLES: [Example; 2] = [
    Example { name: "pytorch example", recipe: "recipe.toml", made: &["tune", "early-stopping"] },
    Example {
        name: "pytorch example of every practice",
        recipe: "every_practice.toml",
        made: &["tune", "early-stopping", "smaller-network", "distil", "data-subset", "quantise"],
    },
];

/// Runs the examples' recipes with the environment's Python first in the path.
pub(super) fn run() -> Result<Vec<Check>> {
    let scripts = root().join("examples/pytorch");
    let python = venv::python("examples/pytorch/requirements.txt")?;
    let bin = python.parent().context("the Python interpreter has no folder")?;
    let mut path = bin.as_os_str().to_owned();
    if let Some(rest) = std::env::var_os("PATH") {
        path.push(":");
        path.push(rest);
    }
    let mut features = command(&python, ["features.py"]);
    features.current_dir(&scripts);
    show(features)?;
    let mut checks = Vec::new();
    for example in &EXAMPLES {
        checks.extend(verify(example, &scripts, &path)?);
    }
    Ok(checks)
}

fn verify(example: &Example, scripts: &Path, path: &OsString) -> Result<Vec<Check>> {
    let name = example.name;
    let mut improve = command(joulewise(), ["improve"]);
    improve
        .arg(scripts.join(example.recipe))
        .arg("--out")
        .arg(folder("pytorch"))
        .arg("--json")
        .env("PATH", path);
    let result = json(improve)?;
    let accuracy = accuracy(&result["baseline"]).unwrap_or(0.0);
    let candidates = result["candidates"].as_array().context("no candidates")?;
    let holding: Vec<&Value> = candidates.iter().filter(|c| c["status"] == "holds").collect();
    let skipped: Vec<&Value> = candidates.iter().filter(|c| c["status"] == "skipped").collect();
    let made = |practice: &&str| {
        candidates
            .iter()
            .any(|c| c["practices"][0] == **practice && (c["status"] == "holds" || c["status"] == "drops"))
    };
    let missing: Vec<&str> = example.made.iter().copied().filter(|practice| !made(practice)).collect();
    let mut checks = vec![
        Check::new(
            format!("{name}: baseline accuracy at least 90 %"),
            format!("{:.1} %", 100.0 * accuracy),
            accuracy >= 0.9,
        ),
        Check::new(
            format!("{name}: {} make a candidate", example.made.join(", ")),
            if missing.is_empty() { "all of them".to_owned() } else { format!("not {}", missing.join(", ")) },
            missing.is_empty(),
        ),
        Check::new(format!("{name}: a candidate holds"), holding.len().to_string(), !holding.is_empty()),
        Check::new(
            format!("{name}: every skipped practice says why"),
            format!("{} skipped", skipped.len()),
            skipped.iter().all(|c| c["reason"].as_str().is_some_and(|reason| !reason.is_empty())),
        ),
    ];
    if let Some(best) = holding.first() {
        checks.push(by_hand(name, best, scripts, path)?);
    }
    Ok(checks)
}

/// Whether the command that a candidate recommends gives what the candidate promises.
fn by_hand(name: &str, candidate: &Value, scripts: &Path, path: &OsString) -> Result<Check> {
    let line = candidate["command"].as_str().context("the candidate names no command")?;
    // Where it leaves its model, which nobody wants among the scripts.
    let model = folder("pytorch").join("by-hand");
    let line = line.replace("--out model", &format!("--out '{}'", model.display()));
    let promised = candidate["metrics"]["accuracy"]["select"].as_f64().unwrap_or(f64::NAN);
    let mut shell = command("sh", ["-c", &line]);
    shell.current_dir(scripts).env("PATH", path);
    let ran = output(shell)?;
    let last = String::from_utf8_lossy(&ran.stdout).lines().last().unwrap_or_default().to_owned();
    let row: Value = serde_json::from_str(&last).unwrap_or_default();
    let found = row["accuracy"].as_f64().unwrap_or(f64::NAN);
    Ok(Check::new(
        format!(
            "{name}: the command of `{}`, run by hand, gives its accuracy",
            candidate["name"].as_str().unwrap_or("")
        ),
        format!("{:.2} %, promised {:.2} %", 100.0 * found, 100.0 * promised),
        (found - promised).abs() <= 0.01,
    ))
}

/// The accuracy that a model is reported with.
fn accuracy(model: &Value) -> Option<f64> {
    let accuracy = &model["metrics"]["accuracy"];
    accuracy["test"].as_f64().or(accuracy["judge"].as_f64())
}
