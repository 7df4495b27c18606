//! `energibridge --summary`, which reads the registers of the first package.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use super::{Launched, Meter, Site, Told, followed_by, program};
use crate::bench_meter::curve::Curve;

pub(crate) struct EnergiBridge {
    pub(crate) program: PathBuf,
}

impl Meter for EnergiBridge {
    fn name(&self) -> String {
        "EnergiBridge".to_owned()
    }

    /// Registers have a range of 262 kJ, and it ends where it may not read them.
    fn reads(&self, curve: &Curve) -> bool {
        curve.range_uj > 2_000_000_000 && !curve.is_denied
    }

    fn command(&self, site: &Site, probe: Command) -> Command {
        let words = [&program(&self.program), "--summary", "--output", "energibridge.csv", "--"];
        let mut command = followed_by(words, &probe);
        command.current_dir(&site.folder);
        site.mounted(&command)
    }

    fn told(&self, _: &Site, launched: &Launched) -> Result<Told> {
        let joules = joules(&launched.stdout);
        Ok(Told { energy_j: joules, packages_j: joules, ..Told::default() })
    }
}

/// The sum that it prints, and prints only if it is positive.
fn joules(stdout: &str) -> Option<f64> {
    let line = stdout.lines().find_map(|line| line.strip_prefix("Energy consumption in joules: "))?;
    line.split(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::joules;

    #[test]
    fn the_sum_is_found_among_other_output() {
        assert_eq!(
            joules("hello\nEnergy consumption in joules: 12.5 for 2.1 sec of execution.\n"),
            Some(12.5)
        );
        assert_eq!(joules("hello\n"), None);
    }
}
