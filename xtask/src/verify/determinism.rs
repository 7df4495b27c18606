//! The same seed and cost table give byte-identical models, with one thread and with two.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::{Check, folder, joulewise};
use crate::process::{command, json};

/// A search small enough to be made three times.
const SMALL: [&str; 6] = ["--epochs", "2", "--set", "data.train=4000", "--set", "data.test=1000"];

/// Makes the same search with two threads, with the cost table of the first, and with one thread.
pub(super) fn run() -> Result<Vec<Check>> {
    let out = folder("determinism");
    if out.exists() {
        fs::remove_dir_all(&out)?;
    }
    let first = search(&out.join("first"), 2, None)?;
    let costs = first.join("costs.json");
    let again = search(&out.join("again"), 2, Some(&costs))?;
    let single = search(&out.join("single"), 1, Some(&costs))?;
    let expected = models(&first)?;
    Ok([("again with 2 threads", again), ("with 1 thread", single)]
        .into_iter()
        .map(|(how, run)| match models(&run) {
            Ok(found) => {
                let differing: Vec<&str> = expected
                    .keys()
                    .filter(|&name| found.get(name) != expected.get(name))
                    .map(String::as_str)
                    .collect();
                let holds = differing.is_empty() && found.len() == expected.len() && !expected.is_empty();
                let found = if holds {
                    format!("{} models identical", expected.len())
                } else {
                    format!(
                        "{} and {} models, differing: {}",
                        expected.len(),
                        found.len(),
                        differing.join(", ")
                    )
                };
                Check::new(format!("glyphs, same seed and costs.json, {how}: identical models"), found, holds)
            }
            Err(error) => Check::new(format!("glyphs {how}: leaves models"), error.to_string(), false),
        })
        .collect())
}

/// Runs `improve`; returns the run's folder.
fn search(out: &Path, threads: usize, costs: Option<&Path>) -> Result<PathBuf> {
    let mut improve = command(joulewise(), ["improve"]);
    improve.args(SMALL).arg("--threads").arg(threads.to_string());
    if let Some(costs) = costs {
        improve.arg("--costs").arg(costs);
    }
    improve.arg("--out").arg(out).arg("--json");
    let result = json(improve)?;
    let id = result["id"].as_str().context("the result has no id")?;
    Ok(out.join(id))
}

/// The exported models of a run by file name.
fn models(run: &Path) -> Result<BTreeMap<String, Vec<u8>>> {
    let folder = run.join("models");
    fs::read_dir(&folder)
        .with_context(|| format!("no models in {}", folder.display()))?
        .map(|entry| {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            Ok((name, fs::read(path)?))
        })
        .collect()
}
