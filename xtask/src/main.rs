//! Development tasks: `cargo xtask ci | wheel | verify | bench train | bench meter | bench tune`.

mod bench_meter;
mod bench_train;
mod bench_tune;
mod bootstrap;
mod ci;
mod process;
mod quantile;
mod results;
#[path = "../../crates/joulewise-tune/tests/server/mod.rs"]
mod server;
mod services;
mod sys;
mod venv;
mod verify;
mod wheel;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Development tasks.
#[derive(Parser)]
#[command(name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// What every change must pass: format, lints, documentation, tests on every instruction set.
    Ci,
    /// The Python wheel, built and tested as `ci` does.
    Wheel,
    /// What is too long for `ci`; keeps its output under benches/results/.
    Verify(verify::Options),
    /// Side-by-side comparisons with peers; keep their output under benches/results/.
    #[command(subcommand)]
    Bench(Bench),
    /// What `bench meter` has the meters measure.
    #[command(subcommand, hide = true)]
    Probe(bench_meter::Probe),
}

#[derive(Subcommand)]
enum Bench {
    /// CPU time of a training step, against PyTorch.
    Train(bench_train::Options),
    /// Joules, start, cost and memory of meters on simulated counters, against CodeCarbon.
    Meter(bench_meter::Options),
    /// Searches, against Optuna and others.
    Tune(bench_tune::Options),
}

fn main() -> ExitCode {
    let done = match Cli::parse().task {
        Task::Ci => ci::run(),
        Task::Wheel => wheel::test(),
        Task::Verify(options) => verify::run(&options),
        Task::Bench(Bench::Train(options)) => bench_train::run(&options),
        Task::Bench(Bench::Meter(options)) => bench_meter::run(&options),
        Task::Bench(Bench::Tune(options)) => bench_tune::run(&options),
        Task::Probe(probe) => probe.run(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            process::say(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}
