//! Sides that were measured earlier: the JSON of `joulewise measure`, and the folders of runs.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, anyhow};
use joulewise_meter::{Caveat, Energy};
use serde::Deserialize;

use super::{Run, Side};
use crate::hint::Hint as _;
use crate::result::RunResult;

/// What a side is read from. Fields that a comparison does not need are left alone.
#[derive(Deserialize)]
struct Measurement {
    #[serde(default)]
    label: Option<String>,
    command: Vec<String>,
    /// The mean over the runs.
    energy_j: Energy,
    wall_s: f64,
    cpu_s: f64,
    /// Missing where there was one.
    #[serde(default)]
    runs: Vec<MeasuredRun>,
    scope: String,
    sources: Vec<String>,
    caveats: Vec<Caveat>,
}

#[derive(Deserialize)]
struct MeasuredRun {
    energy_j: Energy,
    wall_s: f64,
    cpu_s: f64,
}

/// Reads the file that `joulewise measure --output` writes.
pub fn measurement(name: &str, path: &Path) -> Result<Side> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let measurement: Measurement = serde_json::from_str(&text)
        .with_context(|| format!("{} is not what `joulewise measure --output` writes", path.display()))
        .hint("give such a file, a run, or a command in quotes")?;
    let run = |energy_j: Energy, wall_s, cpu_s| Run { energy_j: energy_j.value, wall_s, cpu_s };
    let mut runs: Vec<Run> =
        measurement.runs.iter().map(|each| run(each.energy_j, each.wall_s, each.cpu_s)).collect();
    if runs.is_empty() {
        runs.push(run(measurement.energy_j, measurement.wall_s, measurement.cpu_s));
    }
    let what = measurement.label.unwrap_or_else(|| measurement.command.join(" "));
    Ok(Side {
        name: name.to_owned(),
        what: format!("{what} ({})", path.display()),
        runs,
        method: measurement.energy_j.method,
        scale: scale(measurement.energy_j),
        sources: measurement.sources,
        scope: measurement.scope,
        caveats: measurement.caveats,
    })
}

/// What a whole run used: the total of its ledger.
pub fn whole_run(name: &str, result: &RunResult) -> Result<Side> {
    let ledger = &result.ledger;
    let wall_s = ledger.entries.iter().map(|entry| entry.wall_s).sum();
    let cpu_s = ledger.entries.iter().map(|entry| entry.cpu_s).sum();
    if ledger.entries.is_empty() {
        return Err(anyhow!("run {} has an empty ledger", result.id))
            .hint("compare runs that came to their end");
    }
    Ok(Side {
        name: name.to_owned(),
        what: format!("{} (run {})", result.task, result.id),
        runs: vec![Run { energy_j: ledger.total_j.value, wall_s, cpu_s }],
        method: ledger.total_j.method,
        scale: scale(ledger.total_j),
        sources: result.host.sources.clone(),
        scope: result.scope.clone(),
        caveats: result.caveats.clone(),
    })
}

/// Factors to the ends of an energy's interval. What differs from reading to reading is in them too, so they are rather
/// too wide than too narrow.
pub(super) fn scale(energy: Energy) -> (f64, f64) {
    if energy.value > 0.0 { (energy.low / energy.value, energy.high / energy.value) } else { (1.0, 1.0) }
}

#[cfg(test)]
mod tests {
    use joulewise_meter::Method;

    use super::*;
    use crate::report::fixture;

    fn read(json: &str) -> Result<Side> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("a.json");
        fs::write(&path, json)?;
        measurement("A", &path)
    }

    const ENERGY: &str = r#"{"value":2.0,"low":1.2,"high":3.4,"method":"modelled"}"#;

    #[test]
    fn a_measurement_of_one_run_or_many_is_a_side() {
        let one = format!(
            r#"{{"schema":1,"command":["python","a.py"],"energy_j":{ENERGY},"wall_s":4.0,"cpu_s":3.0,"scope":"s",
               "sources":["model"],"caveats":[],"exit_code":0}}"#
        );
        let side = read(&one).unwrap();
        assert_eq!(side.runs, [Run { energy_j: 2.0, wall_s: 4.0, cpu_s: 3.0 }]);
        assert_eq!((side.method, side.scale), (Method::Modelled, (0.6, 1.7)));
        assert!(side.what.starts_with("python a.py ("), "{}", side.what);

        let run =
            |wall_s: f64| format!(r#"{{"energy_j":{ENERGY},"wall_s":{wall_s},"cpu_s":3.0,"coverage":1.0}}"#);
        let many =
            one.replace(r#""exit_code":0"#, &format!(r#""label":"mine","runs":[{},{}]"#, run(4.0), run(5.0)));
        let side = read(&many).unwrap();
        assert_eq!(side.runs.iter().map(|run| run.wall_s).collect::<Vec<_>>(), [4.0, 5.0]);
        assert!(side.what.starts_with("mine ("), "{}", side.what);
    }

    #[test]
    fn what_is_no_measurement_is_refused() {
        for wrong in ["", "{}", "[1,2]", r#"{"command":[],"energy_j":1}"#] {
            let error = format!("{:#}", read(wrong).unwrap_err());
            assert!(error.contains("a.json is not what `joulewise measure --output` writes"), "{error}");
        }
    }

    #[test]
    fn a_run_is_the_total_of_its_ledger() {
        let result = fixture::result();
        let side = whole_run("A", &result).unwrap();
        assert_eq!(side.runs[0].energy_j, result.ledger.total_j.value);
        assert!(side.runs[0].cpu_s > 0.0 && side.what.contains(&result.id));
        let mut empty = result;
        empty.ledger.entries.clear();
        assert!(whole_run("A", &empty).is_err());
    }
}
