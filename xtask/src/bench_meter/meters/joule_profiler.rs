//! `joule-profiler profile`, by powercap.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value;

use super::{Launched, Meter, Site, Told, followed_by, program};
use crate::bench_meter::curve::Curve;

pub(crate) struct JouleProfiler {
    pub(crate) program: PathBuf,
}

impl Meter for JouleProfiler {
    fn name(&self) -> String {
        "joule-profiler".to_owned()
    }

    /// It ends where it may not read the counters.
    fn reads(&self, curve: &Curve) -> bool {
        !curve.is_denied
    }

    fn command(&self, site: &Site, probe: Command) -> Command {
        const OPTIONS: [&str; 6] =
            ["-D", "profiler.rapl_backend=powercap", "--output-format", "json", "-o", "told.json"];
        let program = program(&self.program);
        let words = [program.as_str()].into_iter().chain(OPTIONS).chain(["profile", "--use-root", "--"]);
        let mut command = followed_by(words, &probe);
        command.current_dir(&site.folder);
        site.mounted(&command)
    }

    fn told(&self, site: &Site, launched: &Launched) -> Result<Told> {
        let text = fs::read(site.folder.join("told.json"))
            .with_context(|| format!("joule-profiler left no result: {}", launched.stderr))?;
        Ok(parse(&serde_json::from_slice(&text)?))
    }
}

/// It sums nothing: what it counts in all are packages and memory here, as for any reader of its table.
fn parse(result: &Value) -> Told {
    let sum_j = |prefixes: &[&str]| {
        let metrics = result["phases"][0]["metrics"].as_array()?.iter();
        let wanted = metrics.filter(|metric| {
            let name = metric["name"].as_str().unwrap_or_default();
            metric["unit"] == "µJ" && prefixes.iter().any(|prefix| name.starts_with(prefix))
        });
        Some(wanted.filter_map(|metric| metric["value"].as_f64()).sum::<f64>() * 1e-6)
    };
    Told { energy_j: sum_j(&["PACKAGE", "DRAM"]), packages_j: sum_j(&["PACKAGE"]), ..Told::default() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn domains_are_summed() {
        let metric = |name: &str, value: u64| json!({"name": name, "value": value, "unit": "µJ"});
        let metrics = [metric("PACKAGE-0", 2_000_000), metric("CORE-0", 1), metric("DRAM-0", 500_000)];
        let told = parse(&json!({"phases": [{"metrics": metrics}]}));
        assert_eq!((told.energy_j, told.packages_j), (Some(2.5), Some(2.0)));
        assert_eq!(parse(&json!({})).energy_j, None);
    }
}
