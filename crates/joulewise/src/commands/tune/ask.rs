//! `joulewise tune ask`: the next trial of a study, for whoever evaluates it.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use serde_json::json;

use super::place::Named;
use super::run::begin;
use crate::exit;
use crate::tune::plan::{Needs, Plan};

/// Begin the next trial of a study and write it as JSON.
///
/// Exits with 1 where a grid is done. What came of the trial is told with `joulewise tune tell`.
#[derive(Debug, clap::Args)]
pub(super) struct Ask {
    #[command(flatten)]
    study: Named,
    /// The file of the study, which is begun if it is not there
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Who evaluates the trial
    #[arg(long, value_name = "NAME", default_value = "ask")]
    worker: String,
}

impl Ask {
    pub(super) fn run(self) -> Result<ExitCode> {
        let mut named = self.study;
        if let Some(file) = &self.file {
            let mut plan = Plan::load(file)?;
            plan.name = named.name.unwrap_or(plan.name);
            let plan = plan.finish(Needs::Space).with_context(|| file.display().to_string())?;
            named.place.folder(&plan.name)?;
            begin(&mut named.place.create()?, &plan)?;
            named.name = Some(plan.name);
        }
        let (mut study, _) = named.study()?;
        let Some(claim) = study.ask(&self.worker)? else {
            writeln!(io::stderr(), "every point of the study was tried or is being tried")?;
            return Ok(ExitCode::from(exit::NO));
        };
        let parameters = crate::tune::trial::json(&claim.point);
        let told = json!({ "trial": claim.id.0, "fence": claim.fence, "parameters": parameters });
        writeln!(io::stdout().lock(), "{told}")?;
        Ok(ExitCode::from(exit::OK))
    }
}
