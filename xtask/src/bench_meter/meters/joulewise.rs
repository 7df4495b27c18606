//! `joulewise measure`.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value;

use super::{Launched, Meter, Site, Told, followed_by, program};

pub(crate) struct Joulewise {
    pub(crate) program: PathBuf,
    /// Milliseconds between two readings.
    pub(crate) interval_ms: u32,
}

impl Meter for Joulewise {
    fn name(&self) -> String {
        match self.interval_ms {
            100 => "Joulewise".to_owned(),
            interval => format!("Joulewise, every {interval} ms"),
        }
    }

    fn command(&self, site: &Site, probe: Command) -> Command {
        let (program, interval) = (program(&self.program), format!("{}ms", self.interval_ms));
        let words = [&program, "measure", "--interval", &interval, "-o", "told.json", "--"];
        let mut command = followed_by(words, &probe);
        command.current_dir(&site.folder).env("JOULEWISE_SYSFS", &site.sysfs);
        site.restricted(command)
    }

    fn told(&self, site: &Site, launched: &Launched) -> Result<Told> {
        let path = site.folder.join("told.json");
        let text =
            fs::read(path).with_context(|| format!("joulewise left no result: {}", launched.stderr))?;
        parse(&serde_json::from_slice(&text)?).context("not what joulewise writes")
    }
}

fn parse(result: &Value) -> Option<Told> {
    let energy = |field: &str| result["energy_j"][field].as_f64();
    let domains = result["domains"].as_array()?.iter();
    let packages = domains.filter(|domain| {
        domain["name"].as_str().is_some_and(|name| name.starts_with("package"))
            && domain["method"] == "measured"
    });
    let packages_j: Vec<f64> = packages.filter_map(|domain| domain["energy_j"].as_f64()).collect();
    let mut spans: Vec<(u64, f64)> = result["spans"]
        .as_array()?
        .iter()
        .filter_map(|span| {
            let number = span["name"].as_str()?.strip_prefix("span-")?.parse().ok()?;
            Some((number, span["energy_j"]["value"].as_f64()?))
        })
        .collect();
    spans.sort_by_key(|(number, _)| *number);
    Some(Told {
        energy_j: Some(energy("value")?),
        low_j: Some(energy("low")?),
        high_j: Some(energy("high")?),
        packages_j: (!packages_j.is_empty()).then(|| packages_j.iter().sum()),
        command_cpu_s: Some(result["cpu_s"].as_f64()? - result["own_cpu_s"].as_f64()?),
        flags: result["caveats"]
            .as_array()?
            .iter()
            .filter_map(|caveat| Some(caveat["code"].as_str()?.to_owned()))
            .collect(),
        spans_j: spans.into_iter().map(|(_, joules)| joules).collect(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_result_is_understood() {
        let told = parse(&json!({
            "energy_j": {"value": 3.0, "low": 2.0, "high": 4.0, "method": "measured"},
            "domains": [
                {"name": "package-0", "energy_j": 2.5, "method": "measured"},
                {"name": "dram-0", "energy_j": 0.5, "method": "measured"},
            ],
            "cpu_s": 1.5, "own_cpu_s": 0.5,
            "caveats": [{"code": "counter-reset"}],
            "spans": [
                {"name": "span-10", "energy_j": {"value": 2.0}}, {"name": "span-9", "energy_j": {"value": 1.0}},
            ],
        }));
        let told = told.unwrap();
        assert_eq!((told.energy_j, told.low_j, told.high_j), (Some(3.0), Some(2.0), Some(4.0)));
        assert_eq!((told.packages_j, told.command_cpu_s), (Some(2.5), Some(1.0)));
        assert_eq!((told.flags, told.spans_j), (vec!["counter-reset".to_owned()], vec![1.0, 2.0]));
        assert!(parse(&json!({})).is_none());
    }
}
