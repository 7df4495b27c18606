//! The raw data of a part: one JSON document of a line per trial, beside the page.

use std::fmt::Write;
use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::trial::Trial;
use crate::results;

/// Writes the trials of a part, in the place of earlier ones of the same day.
pub(crate) fn keep(part: &str, trials: &[Trial]) -> Result<()> {
    let path = path(part)?;
    let mut text = format!("{{\"commit\": {}, \"trials\": [\n", json!(results::commit()?));
    for (i, trial) in trials.iter().enumerate() {
        let end = if i + 1 == trials.len() { "" } else { "," };
        writeln!(text, "{}{end}", rounded(serde_json::to_value(trial)?))?;
    }
    text += "]}\n";
    fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
}

/// The trials of a part that was run on this day, and the commit that it was run at.
pub(crate) fn kept(part: &str) -> Result<Option<(Vec<Trial>, String)>> {
    let path = path(part)?;
    let text = match fs::read(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        text => text.with_context(|| format!("cannot read {}", path.display()))?,
    };
    let mut raw: Value = serde_json::from_slice(&text).with_context(|| format!("in {}", path.display()))?;
    let trials = serde_json::from_value(raw["trials"].take())?;
    Ok(Some((trials, raw["commit"].as_str().unwrap_or_default().to_owned())))
}

fn path(part: &str) -> Result<PathBuf> {
    Ok(results::folder()?.join(format!("{}-bench-meter-{part}.json", results::date()?)))
}

/// Microjoules and microseconds are enough.
fn rounded(value: Value) -> Value {
    match value {
        Value::Number(number) if number.is_f64() => {
            json!(number.as_f64().map(|number| (number * 1e6).round() / 1e6))
        }
        Value::Array(values) => values.into_iter().map(rounded).collect(),
        Value::Object(fields) => fields.into_iter().map(|(name, value)| (name, rounded(value))).collect(),
        other => other,
    }
}
