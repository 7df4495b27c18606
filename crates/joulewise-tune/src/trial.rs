//! Trials: points that were evaluated, and what came of it.

use serde::{Deserialize, Serialize};

use crate::number;
use crate::point::Point;

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
    /// What was reported on the way, as in the accuracy after each epoch.
    pub curve: Vec<Report>,
}

/// What a trial reports on the way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// How far it was, in epochs or whatever the study counts in; it grows.
    pub step: u64,
    /// A value for each objective; NaN where it is not known yet.
    #[serde(with = "number::list")]
    pub values: Vec<f64>,
    /// What the trial had cost so far.
    #[serde(with = "number")]
    pub cost: f64,
}

/// How far a trial is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Being evaluated.
    Running,
    /// Evaluated to the end.
    Done(Outcome),
    /// Ended by a stopper; the values are those of its last step.
    Stopped(Outcome),
    /// It gave no value; what it cost is spent all the same.
    Failed {
        /// In the unit of the study.
        #[serde(with = "number")]
        cost: f64,
    },
    /// Nobody knows what became of it: its worker went silent. What it is known to have cost is spent.
    Lost {
        /// In the unit of the study.
        #[serde(with = "number")]
        cost: f64,
    },
}

/// What evaluating a point gave.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// A value for each objective of the study, in their order.
    #[serde(with = "number::list")]
    pub values: Vec<f64>,
    /// What it cost, in any unit that is the same for all trials of a study, as in joules; NaN where nobody knows.
    #[serde(with = "number")]
    pub cost: f64,
}

impl Report {
    /// Of a study with one objective, costs aside.
    pub fn of(step: u64, value: f64) -> Self {
        Self { step, values: vec![value], cost: 0.0 }
    }

    /// The value of the first objective; NaN where there is none.
    pub fn value(&self) -> f64 {
        self.values.first().copied().unwrap_or(f64::NAN)
    }
}

impl State {
    /// Its name: `running`, `done`, `stopped`, `failed` or `lost`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Done(_) => "done",
            Self::Stopped(_) => "stopped",
            Self::Failed { .. } => "failed",
            Self::Lost { .. } => "lost",
        }
    }
}

impl Outcome {
    /// Of a study with one objective.
    pub fn of(value: f64, cost: f64) -> Self {
        Self { values: vec![value], cost }
    }
}

impl Trial {
    /// A trial that begins.
    pub fn running(id: TrialId, point: Point) -> Self {
        Self { id, point, state: State::Running, curve: Vec::new() }
    }

    /// What it gave, to the end or until it was stopped.
    pub fn outcome(&self) -> Option<&Outcome> {
        match &self.state {
            State::Done(outcome) | State::Stopped(outcome) => Some(outcome),
            _ => None,
        }
    }

    /// Its first value, if it has any.
    pub fn value(&self) -> Option<f64> {
        self.outcome()?.values.first().copied()
    }

    /// What it has cost, as far as it told; 0 where nobody knows.
    pub fn cost(&self) -> f64 {
        self.known_cost().unwrap_or(0.0)
    }

    /// What it has cost; `None` where nobody knows, as of trials of other tools.
    pub fn known_cost(&self) -> Option<f64> {
        let cost = match &self.state {
            State::Running => self.curve.last().map_or(0.0, |report| report.cost),
            State::Done(outcome) | State::Stopped(outcome) => outcome.cost,
            State::Failed { cost } | State::Lost { cost } => *cost,
        };
        Some(cost).filter(|cost| !cost.is_nan())
    }
}
