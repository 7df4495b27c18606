//! `joulewise tune replay`: whether a study's suggestions can be derived again.

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Result;
use joulewise_tune::{TrialId, replay};

use super::place::Named;
use crate::exit;
use crate::tune::plan::Plan;

/// Derive every suggestion of a study again, from its seed and what was known when it was made.
///
/// Exits with 1 where one of them is another now.
#[derive(Debug, clap::Args)]
pub(super) struct Replay {
    #[command(flatten)]
    study: Named,
    /// Up to this trial
    #[arg(long, value_name = "N")]
    upto: Option<u64>,
}

impl Replay {
    pub(super) fn run(self) -> Result<ExitCode> {
        let mut storage = self.study.place.open()?;
        let name = self.study.name(&mut *storage)?;
        let mut journal = storage.open(&name)?;
        let plan = Plan::of(journal.definition(), &name)?;
        let mut out = io::stdout().lock();
        let (mut all, mut same) = (0_usize, 0_usize);
        let mut written = Ok(());
        replay(journal.as_mut(), plan.sampler.build(&plan), self.upto.map(TrialId), |replayed| {
            all += 1;
            if replayed.agrees() {
                same += 1;
            } else if written.is_ok() {
                let derived = replayed.derived.map_or("nothing".to_owned(), |point| point.to_string());
                written = writeln!(out, "trial {}: was {}, is {derived}", replayed.id.0, replayed.recorded);
            }
        })?;
        written?;
        writeln!(out, "{same} of {all} suggestions are derived again, bit for bit")?;
        Ok(ExitCode::from(if same == all { exit::OK } else { exit::NO }))
    }
}
