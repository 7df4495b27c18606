//! `joulewise tune export`: a study for other tools.

mod parquet;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, anyhow};
use joulewise_learn::atomic;
use joulewise_tune::export::{self, Table};

use super::place::Named;
use crate::exit;
use crate::hint::Hint as _;
use crate::tune::worker::Study;

/// Write a study for other tools.
///
/// CSV goes to stdout where no format is chosen.
#[derive(Debug, clap::Args)]
pub(super) struct Export {
    #[command(flatten)]
    study: Named,
    /// The trials as CSV
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// The trials as Parquet
    #[arg(long, value_name = "FILE")]
    parquet: Option<PathBuf>,
    /// The study, its trials and their curves as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// An SQLite file that Optuna loads and optuna-dashboard opens
    #[arg(long, value_name = "FILE")]
    optuna: Option<PathBuf>,
}

impl Export {
    pub(super) fn run(self) -> Result<ExitCode> {
        let (study, plan) = self.study.study()?;
        if [&self.csv, &self.parquet, &self.json, &self.optuna].iter().all(|file| file.is_none()) {
            Table::of(&study).write_csv(&mut io::stdout().lock())?;
            return Ok(ExitCode::from(exit::OK));
        }
        if let Some(file) = &self.csv {
            let mut bytes = Vec::new();
            Table::of(&study).write_csv(&mut bytes)?;
            write(file, &bytes)?;
        }
        if let Some(file) = &self.parquet {
            write(file, &parquet::written(&Table::of(&study))?)?;
        }
        if let Some(file) = &self.json {
            write(file, json(&study, &plan.name)?.as_bytes())?;
        }
        if let Some(file) = &self.optuna {
            if self.study.place.database()?.is_file(file) {
                return Err(anyhow!("{} holds the studies themselves", file.display()))
                    .hint("write the Optuna file elsewhere");
            }
            export::optuna(&study, &plan.name, file)?;
            told(file)?;
        }
        Ok(ExitCode::from(exit::OK))
    }
}

fn json(study: &Study, name: &str) -> Result<String> {
    Ok(serde_json::to_string_pretty(&export::json(study, name)?)? + "\n")
}

fn write(file: &Path, bytes: &[u8]) -> Result<()> {
    atomic::write(file, bytes).with_context(|| format!("cannot write {}", file.display()))?;
    told(file)
}

fn told(file: &Path) -> Result<()> {
    Ok(writeln!(io::stderr(), "wrote {}", file.display())?)
}
