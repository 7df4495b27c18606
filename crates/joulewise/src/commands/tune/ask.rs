//! `joulewise tune ask`: the next trial of a study, for whoever evaluates it.

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Result;
use serde_json::json;

use super::place::Named;
use crate::exit;

/// Begin the next trial of a study and write it as JSON.
///
/// Exits with 1 where the search is over. What came of the trial is told with `joulewise tune tell`.
#[derive(Debug, clap::Args)]
pub(super) struct Ask {
    #[command(flatten)]
    study: Named,
    /// Who evaluates the trial
    #[arg(long, value_name = "NAME", default_value = "ask")]
    worker: String,
}

impl Ask {
    pub(super) fn run(self) -> Result<ExitCode> {
        let (mut study, plan) = self.study.study()?;
        study.limit(plan.limits.of_study());
        let Some(claim) = study.ask(&self.worker)? else {
            writeln!(io::stderr(), "the search is over")?;
            return Ok(ExitCode::from(exit::NO));
        };
        let parameters = crate::tune::trial::json(&claim.point);
        let told = json!({ "trial": claim.id.0, "fence": claim.fence, "parameters": parameters });
        writeln!(io::stdout().lock(), "{told}")?;
        Ok(ExitCode::from(exit::OK))
    }
}
