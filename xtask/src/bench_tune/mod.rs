//! `cargo xtask bench tune`: searches against Optuna and others, part by part.

mod storage;
mod table;

use anyhow::{Result, ensure};
use clap::{Args, ValueEnum};

use crate::venv;

/// What to compare.
#[derive(Args)]
pub(crate) struct Options {
    /// Parts of the comparison.
    #[arg(long, value_delimiter = ',', default_values_t = [Part::Storage], value_enum)]
    parts: Vec<Part>,
    /// Interleaved rounds; the medians are reported.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Replays of each search on the table.
    #[arg(long, default_value_t = 200)]
    replays: usize,
}

/// A part of the comparison.
#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Part {
    /// Trials a second through one SQLite file, grids under kills, memory of a long study.
    Storage,
    /// CPU-seconds of searches that are replayed on a table of learning curves.
    Table,
}

/// Runs the parts and keeps a page of each.
pub(crate) fn run(options: &Options) -> Result<()> {
    ensure!(options.rounds > 0, "--rounds must be at least 1");
    ensure!(options.replays > 0, "--replays must be at least 1");
    let python = venv::python("benches/tune/requirements.txt")?;
    for part in &options.parts {
        match part {
            Part::Storage => storage::run(&python, options.rounds)?,
            Part::Table => table::run(&python, options.replays)?,
        }
    }
    Ok(())
}
