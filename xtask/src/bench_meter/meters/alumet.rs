//! `alumet-agent exec`, with its plugins for RAPL and CSV.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use super::{Launched, Meter, Site, Told, followed_by, program};
use crate::bench_meter::curve::Curve;

pub(crate) struct Alumet {
    pub(crate) program: PathBuf,
}

impl Meter for Alumet {
    fn name(&self) -> String {
        "Alumet".to_owned()
    }

    /// It ends where it may not read the counters.
    fn reads(&self, curve: &Curve) -> bool {
        !curve.is_denied
    }

    fn command(&self, site: &Site, probe: Command) -> Command {
        const OPTIONS: [&str; 6] = [
            "--plugins",
            "rapl,csv",
            "--config-override",
            "plugins.rapl.poll_interval = \"100ms\"",
            "--config-override",
            "plugins.rapl.no_perf_events = true",
        ];
        let program = program(&self.program);
        let words = [program.as_str()].into_iter().chain(OPTIONS).chain(["exec", "--"]);
        let mut command = followed_by(words, &probe);
        command.current_dir(&site.folder);
        site.mounted(&command)
    }

    fn told(&self, site: &Site, launched: &Launched) -> Result<Told> {
        let table = fs::read_to_string(site.folder.join("alumet-output.csv"))
            .with_context(|| format!("alumet left no table: {}", launched.stderr))?;
        Ok(Told {
            energy_j: sum_j(&table, &["package", "dram"]),
            packages_j: sum_j(&table, &["package"]),
            ..Told::default()
        })
    }
}

/// The sum over all rows of those domains.
fn sum_j(table: &str, domains: &[&str]) -> Option<f64> {
    let mut lines = table.lines();
    let columns: Vec<&str> = lines.next()?.split(';').collect();
    let column = |name: &str| columns.iter().position(|column| *column == name);
    let (metric, domain, value) = (column("metric")?, column("domain")?, column("value")?);
    let mut sum_j = None;
    for line in lines {
        let fields: Vec<&str> = line.split(';').collect();
        let is_energy = fields.get(metric)?.starts_with("rapl_consumed_energy");
        if is_energy && domains.contains(fields.get(domain)?) {
            *sum_j.get_or_insert(0.0) += fields.get(value)?.parse::<f64>().ok()?;
        }
    }
    sum_j
}

#[cfg(test)]
mod tests {
    use super::sum_j;

    #[test]
    fn rows_of_the_domains_are_summed() {
        let table = "metric;value;domain\nrapl_consumed_energy_J;1.5;package\nrapl_consumed_energy_J;0.5;dram\n\
                     rapl_consumed_energy_J;2;package\nrapl_consumed_energy_J;3.5;package_total\nother;9;package\n";
        assert_eq!(sum_j(table, &["package"]), Some(3.5));
        assert_eq!(sum_j(table, &["package", "dram"]), Some(4.0));
        assert_eq!(sum_j("metric;value;domain\n", &["package"]), None);
    }
}
