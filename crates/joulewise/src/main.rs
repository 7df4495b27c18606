//! The `joulewise` command.

use std::process::ExitCode;

use clap::Parser as _;
use joulewise::commands::attach::Attach;
use joulewise::commands::bench::Bench;
use joulewise::commands::compare::Compare;
use joulewise::commands::data::Data;
use joulewise::commands::doctor::Doctor;
use joulewise::commands::improve::Improve;
use joulewise::commands::ledger::Ledger;
use joulewise::commands::measure::Measure;
use joulewise::commands::practice::Practice;
use joulewise::commands::predict::Predict;
use joulewise::commands::report::Report;
use joulewise::commands::runs::Runs;
use joulewise::commands::span::Span;
use joulewise::commands::tune::Tune;
use joulewise::commands::waste::Waste;
use joulewise::{exit, hint};

/// Energy as a metric equal to accuracy: measure, search, compress, and one ledger of every joule.
#[derive(clap::Parser)]
#[command(name = "joulewise", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    Improve(Box<Improve>),
    Measure(Measure),
    Tune(Tune),
    Compare(Compare),
    Doctor(Doctor),
    Span(Span),
    Attach(Attach),
    Waste(Waste),
    Bench(Bench),
    Predict(Predict),
    Data(Data),
    Practice(Practice),
    Runs(Runs),
    Report(Report),
    Ledger(Ledger),
}

impl Command {
    fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Improve(improve) => improve.run(),
            Self::Measure(measure) => measure.run(),
            Self::Tune(tune) => tune.run(),
            Self::Compare(compare) => compare.run(),
            Self::Doctor(doctor) => doctor.run(),
            Self::Span(span) => span.run(),
            Self::Attach(attach) => attach.run(),
            Self::Waste(waste) => waste.run(),
            Self::Bench(bench) => bench.run(),
            Self::Predict(predict) => predict.run(),
            Self::Data(data) => data.run(),
            Self::Practice(practice) => practice.run(),
            Self::Runs(runs) => runs.run(),
            Self::Report(report) => report.run(),
            Self::Ledger(ledger) => ledger.run(),
        }
    }
}

fn main() -> ExitCode {
    match Cli::parse().command.run() {
        Ok(code) => code,
        Err(error) if hint::is_broken_pipe(&error) => ExitCode::from(exit::OK),
        Err(error) => {
            // Nobody is left to tell when stderr is closed as well.
            let _ = hint::print(&error, &mut std::io::stderr().lock());
            ExitCode::from(exit::ERROR)
        }
    }
}
