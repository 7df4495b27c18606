//! `codecarbon monitor`, with the shortest interval that it takes.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use super::{Launched, Meter, Site, Told, followed_by, program};

pub(crate) struct CodeCarbon {
    pub(crate) program: PathBuf,
}

const JOULES_PER_KWH: f64 = 3.6e6;
/// Said on every run.
const USUAL: &str = "Multiple instances of codecarbon are allowed to run at the same time.";

impl Meter for CodeCarbon {
    fn name(&self) -> String {
        "CodeCarbon".to_owned()
    }

    fn command(&self, site: &Site, probe: Command) -> Command {
        const OPTIONS: [&str; 7] =
            ["--offline", "--country-iso-code", "FRA", "--measure-power-secs", "1", "--log-level", "warning"];
        let program = program(&self.program);
        let words = [&program, "monitor"].into_iter().chain(OPTIONS).chain(["--"]);
        let mut command = site.restricted(followed_by(words, &probe));
        command.current_dir(&site.folder);
        site.mounted(&command)
    }

    fn told(&self, site: &Site, launched: &Launched) -> Result<Told> {
        let (out, err) = (&launched.stdout, &launched.stderr);
        let table = fs::read_to_string(site.folder.join("emissions.csv"))
            .with_context(|| format!("codecarbon left no table: {out}{err}"))?;
        let joules = |name| column(&table, name).map(|kwh| kwh * JOULES_PER_KWH);
        Ok(Told {
            energy_j: joules("energy_consumed"),
            packages_j: joules("cpu_energy"),
            flags: warnings(&format!("{out}{err}")),
            ..Told::default()
        })
    }
}

/// A number of the last row. The columns of joules come before any that holds text with commas.
fn column(table: &str, name: &str) -> Option<f64> {
    let mut lines = table.lines();
    let at = lines.next()?.split(',').position(|column| column == name)?;
    lines.next_back()?.split(',').nth(at)?.parse().ok()
}

/// The warnings and errors in its log, without what they say in brackets.
fn warnings(log: &str) -> Vec<String> {
    let message = |line: &str| {
        let (head, message) = line.strip_prefix("[codecarbon ")?.split_once("] ")?;
        let is_wanted = head.starts_with("WARNING") || head.starts_with("ERROR");
        let said = message.split(" (").next()?.trim();
        (is_wanted && said != USUAL).then(|| said.chars().take(70).collect())
    };
    log.lines().filter_map(message).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_read_by_its_columns() {
        let table = "timestamp,cpu_energy,energy_consumed,cpu_model\n1,2,3,x\n4,1e-6,2e-6,\"Intel, fast\"\n";
        assert_eq!((column(table, "cpu_energy"), column(table, "energy_consumed")), (Some(1e-6), Some(2e-6)));
        assert_eq!(column(table, "gpu_energy"), None);
        assert_eq!(column("cpu_energy\n", "cpu_energy"), None);
    }

    #[test]
    fn warnings_are_found_in_the_log() {
        let log = format!(
            "🌱 CodeCarbon\n[codecarbon WARNING @ 07:06:07] {USUAL}\n[codecarbon ERROR @ 07:06:08] lost (pid=1)\n\
             [codecarbon INFO @ 07:06:09] fine\n"
        );
        assert_eq!(warnings(&log), ["lost"]);
    }
}
