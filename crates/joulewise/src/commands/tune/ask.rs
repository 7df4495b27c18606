//! `joulewise tune ask`: the next trial of a study, for whoever evaluates it.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use serde_json::json;

use super::place::Named;
use crate::exit;
use crate::tune::plan::Needs;

/// Begin the next trial of a study and write it as JSON.
///
/// Exits with 1 where the study is over. What came of the trial is told with `joulewise tune tell`.
#[derive(Debug, clap::Args)]
pub(super) struct Ask {
    #[command(flatten)]
    study: Named,
    /// The file of the study, which is begun if it is not there
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Trials in all, if not as the study's file says
    #[arg(long, value_name = "N")]
    trials: Option<u64>,
    /// Who evaluates the trial
    #[arg(long, value_name = "NAME", default_value = "ask")]
    worker: String,
}

impl Ask {
    pub(super) fn run(self) -> Result<ExitCode> {
        let mut named = self.study;
        if let Some(file) = &self.file {
            named.begin(file, Needs::Space)?;
        }
        let (mut study, mut plan) = named.study()?;
        plan.limits.trials = self.trials.or(plan.limits.trials);
        study.limit(plan.limits.of_study());
        let Some(claim) = study.ask(&self.worker)? else {
            writeln!(
                io::stderr(),
                "the study is over: a limit is reached (--trials extends it), or every point was tried or is being tried"
            )?;
            return Ok(ExitCode::from(exit::NO));
        };
        let parameters = crate::tune::trial::json(&claim.point);
        let told = json!({ "trial": claim.id.0, "fence": claim.fence, "parameters": parameters });
        writeln!(io::stdout().lock(), "{told}")?;
        Ok(ExitCode::from(exit::OK))
    }
}
