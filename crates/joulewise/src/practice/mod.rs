//! The practices: each is one way to cut energy, in one file whose documentation is also its card.

mod combine;
pub mod command;
mod data_subset;
mod distil;
pub(crate) mod early_stopping;
#[cfg(test)]
mod fixture;
mod inference;
mod prune;
mod quantise;
mod smaller_network;
mod transfer;
mod tune;

use std::fmt;

pub use crate::card::Card;

use crate::candidate::{Candidate, Status};
use crate::context::Context;
use crate::task::Task;
use crate::task::template::Placeholder;

/// One way to cut the energy of a model's life.
pub trait Practice: Sync {
    /// What it is, for the command line and the report.
    fn card(&self) -> Card;

    /// Tries it on `from`, which is the baseline or another practice's candidate.
    ///
    /// Everything that it computes happens in stages of `cx`, so that its cost is on the ledger.
    fn apply(&self, from: &Candidate, task: &Task, cx: &mut Context<'_>) -> Result<Vec<Candidate>, Setback>;

    /// What it has to change about a training that is a command: one placeholder of each list. None where it needs
    /// our own engine.
    fn needs(&self) -> Option<&'static [&'static [Placeholder]]> {
        None
    }
}

/// Why a practice has no candidate.
#[derive(Debug)]
pub enum Setback {
    /// It does not apply here, for this reason.
    Skipped(String),
    /// It was tried and broke, for this reason; the others go on.
    Failed(String),
    /// The user asked to stop.
    Cancelled,
}

impl fmt::Display for Setback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Skipped(reason) | Self::Failed(reason) => f.write_str(reason),
            Self::Cancelled => f.write_str("interrupted"),
        }
    }
}

impl std::error::Error for Setback {}

impl From<joulewise_learn::train::TrainError> for Setback {
    fn from(error: joulewise_learn::train::TrainError) -> Self {
        match error {
            joulewise_learn::train::TrainError::Cancelled => Self::Cancelled,
            other => Self::Failed(other.to_string()),
        }
    }
}

impl From<joulewise_learn::GraphError> for Setback {
    fn from(error: joulewise_learn::GraphError) -> Self {
        Self::Failed(error.to_string())
    }
}

/// One of several candidates of `practice`: where it could not be made, it says why, and the others are worth keeping.
fn one_of_several(
    practice: &str,
    name: String,
    made: Result<Candidate, Setback>,
) -> Result<Candidate, Setback> {
    let mut candidate = match made {
        Ok(candidate) => candidate,
        Err(Setback::Cancelled) => return Err(Setback::Cancelled),
        Err(Setback::Skipped(reason)) => Candidate::without_model(practice, Status::Skipped, reason),
        Err(Setback::Failed(reason)) => Candidate::without_model(practice, Status::Failed, reason),
    };
    candidate.name = name;
    Ok(candidate)
}

/// A practice and its weight when the budget is divided.
pub struct Planned {
    /// The practice.
    pub practice: &'static dyn Practice,
    /// Share of the budget on our own engine, relative to the others'.
    weight: f64,
}

/// The weight where a practice that costs next to nothing here is a training.
const WEIGHT_OF_A_TRAINING: f64 = 0.1;

impl Planned {
    /// Share of the budget on `task`, relative to the others'.
    pub fn weight(&self, task: &Task) -> f64 {
        match task {
            Task::Commands(_) if self.weight == 0.0 => WEIGHT_OF_A_TRAINING,
            _ => self.weight,
        }
    }

    /// Fails, with the reason, where the practice cannot work on `task`.
    pub fn applies(&self, task: &Task) -> Result<(), Setback> {
        match (task, self.practice.needs()) {
            (Task::Graph(_), _) => Ok(()),
            (Task::Commands(_), None) => task.graph().map(drop),
            (Task::Commands(task), Some(needs)) => {
                match needs.iter().find(|any| !any.iter().any(|placeholder| task.has(*placeholder))) {
                    Some(missing) => {
                        let names: Vec<String> = missing.iter().map(ToString::to_string).collect();
                        Err(Setback::Skipped(format!("the command has no {}", names.join(" and no "))))
                    }
                    None => Ok(()),
                }
            }
        }
    }
}

/// Every practice, in the order in which they are tried: `inference` and `combine` build on what the
/// others found.
pub const ALL: [Planned; 10] = [
    Planned { practice: &quantise::Quantise, weight: 0.0 },
    Planned { practice: &smaller_network::SmallerNetwork, weight: 0.11 },
    Planned { practice: &early_stopping::EarlyStopping, weight: 0.14 },
    Planned { practice: &prune::Prune, weight: 0.07 },
    Planned { practice: &distil::Distil, weight: 0.10 },
    Planned { practice: &data_subset::DataSubset, weight: 0.18 },
    Planned { practice: &transfer::Transfer, weight: 0.10 },
    Planned { practice: &tune::Tune, weight: 0.30 },
    Planned { practice: &inference::Inference, weight: 0.0 },
    Planned { practice: &combine::Combine, weight: 0.0 },
];

/// The names of all practices.
pub fn names() -> Vec<String> {
    ALL.iter().map(|planned| planned.practice.card().name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_practice_says_what_the_headings_ask() {
        for planned in &ALL {
            let card = planned.practice.card();
            let sections = [&card.what, &card.why, &card.when, &card.evidence, &card.check];
            assert!(sections.iter().all(|text| text.len() > 20), "{}: {card:?}", card.name);
        }
    }

    #[test]
    fn the_weights_divide_the_budget() {
        assert!((ALL.iter().map(|p| p.weight).sum::<f64>() - 1.0).abs() < 1e-9);
    }
}
