//! `cargo xtask bench tune`: searches against Optuna and others, part by part.

mod evolution;
mod latency;
mod peers;
mod quality;
mod ratio;
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
    /// Seeds of searches whose quality is compared.
    #[arg(long, default_value_t = 30)]
    seeds: u64,
    /// Seeds of those of the peers' searches that take minutes.
    #[arg(long, default_value_t = 10)]
    slow_seeds: u64,
}

/// A part of the comparison.
#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Part {
    /// Trials a second through one SQLite file and a PostgreSQL server, grids under kills, memory of a long study.
    Storage,
    /// CPU-seconds of searches that are replayed on a table of learning curves.
    Table,
    /// Milliseconds of a suggestion.
    Latency,
    /// How near searches come to the optimum.
    Quality,
    /// How near they come to fronts of two objectives.
    Hypervolume,
    /// How near evolution comes to either, with more evaluations.
    Evolution,
}

/// Runs the parts and keeps a page of each.
pub(crate) fn run(options: &Options) -> Result<()> {
    ensure!(options.rounds > 0, "--rounds must be at least 1");
    ensure!(options.replays > 0, "--replays must be at least 1");
    ensure!(options.seeds > 0 && options.slow_seeds > 0, "--seeds and --slow-seeds must be at least 1");
    let seeds = quality::Seeds { all: options.seeds, slow: options.slow_seeds.min(options.seeds) };
    // The evolution strategies are compared without what the others need, which is large.
    let python = || venv::python("benches/tune/requirements.txt");
    for part in &options.parts {
        match part {
            Part::Storage => storage::run(&python()?, options.rounds)?,
            Part::Table => table::run(&python()?, options.replays)?,
            Part::Latency => latency::run(&python()?, options.rounds)?,
            Part::Quality => quality::regrets(&python()?, seeds)?,
            Part::Evolution => evolution::run(options.seeds)?,
            Part::Hypervolume => quality::hypervolumes(&python()?, seeds)?,
        }
    }
    Ok(())
}
