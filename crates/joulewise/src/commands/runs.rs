//! `joulewise runs`: the runs in a folder.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use serde::Serialize;

use crate::exit;
use crate::report::quantity;
use crate::result::{RunResult, RunState};
use crate::run::Run;

/// List the runs in a folder, the newest last.
#[derive(Debug, clap::Args)]
pub struct Runs {
    /// The folder that run folders are made in.
    #[arg(long, value_name = "DIR", default_value = "runs")]
    pub out: PathBuf,
    /// Write an array of objects instead of a table.
    #[arg(long)]
    pub json: bool,
}

/// A line of the list. Fields are absent where the run has no result yet.
#[derive(Serialize)]
struct Line {
    id: String,
    folder: PathBuf,
    task: Option<String>,
    state: Option<RunState>,
    best: Option<String>,
    total_j: Option<f64>,
    verdict: Option<String>,
}

impl Runs {
    /// Runs the command.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let runs = Run::list(&self.out)?;
        let lines: Vec<Line> = runs.iter().map(line).collect();
        let mut out = io::stdout().lock();
        if self.json {
            serde_json::to_writer_pretty(&mut out, &lines).map_err(io::Error::from)?;
            writeln!(out)?;
        } else {
            table(&mut out, &lines)?;
            if lines.is_empty() {
                writeln!(
                    io::stderr().lock(),
                    "no runs in {}; `joulewise improve` makes one",
                    self.out.display()
                )?;
            }
        }
        Ok(ExitCode::from(exit::OK))
    }
}

fn line(run: &Run) -> Line {
    // A list is the place to see broken runs in, not to fail on them.
    let result: Option<RunResult> = run.result().ok();
    Line {
        id: run.id().to_owned(),
        folder: run.folder().to_owned(),
        task: result.as_ref().map(|result| result.task.clone()),
        state: result.as_ref().map(|result| result.state),
        best: result.as_ref().map(|result| result.best().name.clone()),
        total_j: result.as_ref().map(|result| result.ledger.total_j.value),
        verdict: result.map(|result| result.verdict),
    }
}

fn table(out: &mut impl Write, lines: &[Line]) -> io::Result<()> {
    let text = |text: &Option<String>| text.clone().unwrap_or_else(|| "–".to_owned());
    let width = lines.iter().map(|line| text(&line.task).chars().count()).max().unwrap_or(0);
    for line in lines {
        let state = match line.state {
            Some(RunState::Complete) => "complete",
            Some(RunState::Partial) => "partial",
            None => "no result",
        };
        let joules = line.total_j.map_or("–".to_owned(), quantity::joules);
        writeln!(
            out,
            "{}  {:width$}  {state:9}  {joules:>8}  {}",
            line.id,
            text(&line.task),
            text(&line.best)
        )?;
    }
    Ok(())
}
