//! `joulewise tune best` and `front`: the trials to take.

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Result;
use joulewise_tune::Trial;

use super::place::Named;
use super::{show, trials};
use crate::exit;
use crate::tune::plan::Plan;
use crate::tune::worker::Study;

/// Show the best trial of a study. Exits with 1 where no trial has a value that keeps the bounds
#[derive(Debug, clap::Args)]
pub(super) struct Best {
    #[command(flatten)]
    study: Named,
    /// Write JSON instead of a table
    #[arg(long)]
    json: bool,
}

/// Show the trials than which no other is better in one thing and not worse in another.
///
/// With one objective, the joules of the trial are the second. Exits with 1 where no trial has a value that keeps the bounds.
#[derive(Debug, clap::Args)]
pub(super) struct Front {
    #[command(flatten)]
    study: Named,
    /// Write JSON instead of a table
    #[arg(long)]
    json: bool,
}

impl Best {
    pub(super) fn run(self) -> Result<ExitCode> {
        let (study, plan) = self.study.study()?;
        let best: Vec<&Trial> = study.best().into_iter().collect();
        write(&plan, &study, &best, self.json)
    }
}

impl Front {
    pub(super) fn run(self) -> Result<ExitCode> {
        let (study, plan) = self.study.study()?;
        write(&plan, &study, &study.front(), self.json)
    }
}

fn write(plan: &Plan, study: &Study, chosen: &[&Trial], as_json: bool) -> Result<ExitCode> {
    let mut out = io::stdout().lock();
    if as_json {
        trials::json(&mut out, study, chosen)?;
    } else if chosen.is_empty() {
        writeln!(io::stderr(), "no trial of study {} {}", plan.name, show::lack(study))?;
    } else {
        trials::table(&mut out, study, chosen)?;
    }
    Ok(ExitCode::from(if chosen.is_empty() { exit::NO } else { exit::OK }))
}
