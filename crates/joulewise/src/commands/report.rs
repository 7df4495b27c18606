//! `joulewise report`: what a run found, in the terminal and as a page.

use std::io::{self, StdoutLock, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use crate::result::RunResult;
use crate::run::{self, Run};
use crate::{events, exit, practice, report};

/// Show what a run found, and write its report again.
#[derive(Debug, clap::Args)]
pub struct Report {
    /// The run's id or the beginning of it, or @last.
    pub run: String,
    /// The folder that run folders are made in.
    #[arg(long, value_name = "DIR", default_value = "runs")]
    pub out: PathBuf,
    /// Write result.json as it is in the run's folder.
    #[arg(long)]
    pub json: bool,
}

impl Report {
    /// Runs the command.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let run = Run::open(&self.out, &self.run)?;
        let mut out = io::stdout().lock();
        if self.json {
            out.write_all(run.text(run::RESULT)?.as_bytes())?;
            return Ok(ExitCode::from(exit::OK));
        }
        let result = run.result()?;
        write(&run, &result)?;
        print(&mut out, &run, &result)?;
        Ok(ExitCode::from(exit::OK))
    }
}

/// Writes `report.html` from the run's folder and `result`. A run without a log or a recipe has a report too.
pub fn write(run: &Run, result: &RunResult) -> anyhow::Result<()> {
    let events = run.text(run::EVENTS).map(|log| events::parse(&log)).unwrap_or_default();
    let recipe = run.recipe().unwrap_or_default();
    let cards: Vec<_> = practice::ALL.iter().map(|planned| planned.practice.card()).collect();
    run.write_atomic(run::REPORT, report::html(result, &events, &recipe, &cards).as_bytes())
}

/// Writes the table, the verdict and where the page is to stdout.
pub fn print(out: &mut StdoutLock<'_>, run: &Run, result: &RunResult) -> io::Result<()> {
    let colour = report::terminal::is_coloured(out);
    out.write_all(report::terminal::table(result, report::terminal::width(), colour).as_bytes())?;
    writeln!(out, "\nreport  {}", run.path(run::REPORT).display())?;
    match &result.best().command {
        Some(command) => writeln!(out, "train   {command}"),
        None => Ok(()),
    }
}
