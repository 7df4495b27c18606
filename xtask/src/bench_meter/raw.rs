//! The raw data of a part, beside the page: one JSON document with the names of the columns and a row for each trial.

use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};

use super::trial::Trial;
use crate::results;

/// Writes the trials of a part, in the place of earlier ones of the same day.
pub(crate) fn keep(part: &str, trials: &[Trial]) -> Result<()> {
    let path = path(part)?;
    let trials: Vec<Value> = trials.iter().map(serde_json::to_value).collect::<Result<_, _>>()?;
    let columns: Vec<&String> =
        trials.iter().filter_map(Value::as_object).take(1).flat_map(Map::keys).collect();
    let rows =
        trials.iter().map(|trial| columns.iter().map(|column| rounded(&trial[*column])).collect::<Value>());
    let rows: Vec<String> = rows.map(|row| row.to_string()).collect();
    let (commit, columns) = (json!(results::commit()?), json!(columns));
    let text =
        format!("{{\"commit\": {commit}, \"columns\": {columns}, \"rows\": [\n{}\n]}}\n", rows.join(",\n"));
    fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
}

/// The trials of a part that was run on this day, and the commit that it was run at.
pub(crate) fn kept(part: &str) -> Result<Option<(Vec<Trial>, String)>> {
    let path = path(part)?;
    let text = match fs::read(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        text => text.with_context(|| format!("cannot read {}", path.display()))?,
    };
    let raw: Value = serde_json::from_slice(&text).with_context(|| format!("in {}", path.display()))?;
    Ok(Some((trials(&raw)?, raw["commit"].as_str().unwrap_or_default().to_owned())))
}

fn trials(raw: &Value) -> Result<Vec<Trial>> {
    let columns: Vec<String> = serde_json::from_value(raw["columns"].clone())?;
    let rows: Vec<Vec<Value>> = serde_json::from_value(raw["rows"].clone())?;
    let trial = |row: Vec<Value>| {
        Ok(serde_json::from_value(columns.iter().cloned().zip(row).collect::<Map<_, _>>().into())?)
    };
    rows.into_iter().map(trial).collect()
}

fn path(part: &str) -> Result<PathBuf> {
    Ok(results::folder()?.join(format!("{}-bench-meter-{part}.json", results::date()?)))
}

/// Ten microjoules and microseconds are enough.
fn rounded(value: &Value) -> Value {
    match value {
        Value::Number(number) if number.is_f64() => {
            json!(number.as_f64().map(|number| (number * 1e5).round() / 1e5))
        }
        Value::Array(values) => values.iter().map(rounded).collect(),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_become_trials_again() {
        let raw = json!({
            "commit": "0",
            "columns": ["meter", "curve", "exit_code", "start_ms", "tail_ms", "wall_s", "cpu_s", "meter_cpu_s", "rss_mib",
                "truth_j", "truth_packages_j", "truth_cpu_s", "truth_spans_j", "energy_j", "low_j", "high_j", "packages_j",
                "command_cpu_s", "flags", "spans_j"],
            "rows": [["Joulewise", "C1", 0, 3, 1, 2.5, 0.01, 0.01, 6, 250, 250, null, [], 251, 240, 260, 251, 0.001, ["x"], []]],
        });
        let trial = trials(&raw).unwrap().remove(0);
        assert_eq!((trial.truth_j, trial.told.energy_j, trial.truth_cpu_s), (250.0, Some(251.0), None));
        assert!(trial.is_inside());
        assert!(trials(&json!({"columns": ["meter"], "rows": [["x"]]})).is_err());
    }

    #[test]
    fn numbers_are_rounded_wherever_they_are() {
        assert_eq!(rounded(&json!([1.234_567_8, 3, "x", null])), json!([1.23457, 3, "x", null]));
    }
}
