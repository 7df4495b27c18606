//! `joulewise tune`: searches whose trials are metered one by one.

mod ask;
mod best;
mod export;
mod import;
mod place;
mod replay;
mod run;
mod show;
mod tell;
mod trials;
mod worker;
mod workers;

use std::process::ExitCode;

/// Search hyperparameters, with the joules of every trial
#[derive(Debug, clap::Args)]
pub struct Tune {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Run(Box<run::Run>),
    Worker(worker::Worker),
    Ask(ask::Ask),
    Tell(tell::Tell),
    Best(best::Best),
    Front(best::Front),
    Trials(trials::Trials),
    Show(show::Show),
    Export(export::Export),
    Import(import::Import),
    Replay(replay::Replay),
}

impl Tune {
    /// Runs the command.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        match self.command {
            Command::Run(run) => run.run(),
            Command::Worker(worker) => worker.run(),
            Command::Ask(ask) => ask.run(),
            Command::Tell(tell) => tell.run(),
            Command::Best(best) => best.run(),
            Command::Front(front) => front.run(),
            Command::Trials(trials) => trials.run(),
            Command::Show(show) => show.run(),
            Command::Export(export) => export.run(),
            Command::Import(import) => import.run(),
            Command::Replay(replay) => replay.run(),
        }
    }
}
