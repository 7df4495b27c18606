//! What runs the trials of a study: the user's command, or our own engine with the data loaded once.

use anyhow::Result;

use super::command::Commands;
use super::plan::{Plan, Work};
use super::training::Trainings;
use super::trial::{Ending, Run, See};
use crate::task::Supervision;

/// What runs the trials of a study.
pub enum Workshop {
    /// The user's command.
    Commands(Commands),
    /// Our own trainings, in this process.
    Trainings(Box<Trainings>),
}

impl Workshop {
    /// That of the plan.
    pub fn of(plan: &Plan) -> Result<Self> {
        Ok(match &plan.trial {
            Work::Command { words, folder, metrics, timeout_s } => {
                Self::Commands(Commands::new(words, folder, metrics.as_deref(), *timeout_s, &plan.space)?)
            }
            Work::Recipe { file, data } => {
                Self::Trainings(Box::new(Trainings::new(file.as_deref(), data.as_deref(), &plan.space)?))
            }
        })
    }

    /// Does what all trials share, so that the first does not pay for it.
    pub(super) fn prepare(&mut self) -> Result<()> {
        match self {
            Self::Commands(_) => Ok(()),
            Self::Trainings(trainings) => trainings.prepare(),
        }
    }

    pub(super) fn run(&mut self, run: &Run<'_>, see: &mut See<'_>, by: Supervision<'_>) -> Result<Ending> {
        match self {
            Self::Commands(commands) => commands.run(run, see, by),
            Self::Trainings(trainings) => trainings.run(run, see, by.cancel),
        }
    }
}
