//! `joulewise tune export`: a study for other tools.

mod parquet;

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, anyhow};
use joulewise_tune::export::{self, Table};

use super::place::Named;
use crate::exit;
use crate::hint::Hint as _;
use crate::output;
use crate::tune::worker::Study;

/// Write a study for other tools.
///
/// CSV goes to stdout where no format is chosen, and any format where its FILE is `-`.
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
        if self.files().next().is_none() {
            Table::of(&study).write_csv(&mut io::stdout().lock())?;
            return Ok(ExitCode::from(exit::OK));
        }
        self.check()?;
        if let Some(file) = &self.csv {
            let mut bytes = Vec::new();
            Table::of(&study).write_csv(&mut bytes)?;
            output::write(file, &bytes)?;
            told(file)?;
        }
        if let Some(file) = &self.parquet {
            output::write_binary(file, &parquet::written(&Table::of(&study))?)?;
            told(file)?;
        }
        if let Some(file) = &self.json {
            output::write(file, json(&study, &plan.name)?.as_bytes())?;
            told(file)?;
        }
        if let Some(file) = &self.optuna {
            optuna(&study, &plan.name, file)?;
            told(file)?;
        }
        Ok(ExitCode::from(exit::OK))
    }

    fn files(&self) -> impl Iterator<Item = &Path> {
        [&self.csv, &self.parquet, &self.json, &self.optuna].into_iter().filter_map(Option::as_deref)
    }

    /// Fails before anything is written where a file would be the end of another.
    fn check(&self) -> Result<()> {
        let database = self.study.place.database()?;
        for (i, file) in self.files().enumerate() {
            database.spare(file)?;
            if self.files().take(i).any(|other| other == file) {
                return Err(anyhow!("{} cannot hold two formats", file.display()))
                    .hint("name a file for each of them");
            }
        }
        Ok(())
    }
}

fn json(study: &Study, name: &str) -> Result<String> {
    Ok(serde_json::to_string_pretty(&export::json(study, name)?)? + "\n")
}

/// SQLite writes files only, so that stdout gets a copy.
fn optuna(study: &Study, name: &str, file: &Path) -> Result<()> {
    if !output::is_stdout(file) {
        return Ok(export::optuna(study, name, file)?);
    }
    let folder = tempfile::tempdir().context("cannot make a folder for temporary files")?;
    let whole = folder.path().join("optuna.db");
    export::optuna(study, name, &whole)?;
    output::write_binary(file, &fs::read(&whole)?)
}

fn told(file: &Path) -> Result<()> {
    if !output::is_stdout(file) {
        writeln!(io::stderr(), "wrote {}", file.display())?;
    }
    Ok(())
}
