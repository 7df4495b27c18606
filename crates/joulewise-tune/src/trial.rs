//! Trials: points that were evaluated, and what came of it.

use serde::{Deserialize, Serialize};

use crate::space::Point;

/// The number of a trial in its study, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TrialId(pub u64);

/// A point and what came of evaluating it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    /// Its number.
    pub id: TrialId,
    /// What was evaluated.
    pub point: Point,
    /// How far it is.
    pub state: State,
    /// Intermediate values by step, as in the accuracy after each epoch.
    pub curve: Vec<(u64, f64)>,
}

/// How far a trial is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Being evaluated.
    Running,
    /// Evaluated, in whole or until a stopper ended it.
    Done(Outcome),
    /// It gave no value; what it cost is spent all the same.
    Failed {
        /// In the unit of the study.
        cost: f64,
    },
}

/// What evaluating a point gave.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// The value, in the study's direction; NaN when the trial failed.
    pub value: f64,
    /// What it cost, in any unit that is the same for all trials of a study, as in joules.
    pub cost: f64,
}

impl Trial {
    /// Its value, if it is done.
    pub fn value(&self) -> Option<f64> {
        match self.state {
            State::Done(outcome) => Some(outcome.value),
            _ => None,
        }
    }

    /// What it has cost; 0 while it runs.
    pub fn cost(&self) -> f64 {
        match self.state {
            State::Running => 0.0,
            State::Done(Outcome { cost, .. }) | State::Failed { cost } => cost,
        }
    }
}

impl State {
    /// What became of a trial with this outcome.
    pub(crate) fn after(outcome: Outcome) -> Self {
        if outcome.value.is_nan() { Self::Failed { cost: outcome.cost } } else { Self::Done(outcome) }
    }
}
