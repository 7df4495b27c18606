//! Which of the trials that have ended are better.

use std::cmp::Ordering;

use crate::objective::Objectives;
use crate::trial::{State, Trial};

/// What sorts trials that have ended: the lesser one is better.
#[derive(Clone, Debug)]
pub(crate) struct Rank {
    pub(crate) class: Class,
    /// Within a class, first by this.
    pub(crate) first: f64,
    pub(crate) losses: Vec<f64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Class {
    /// Keeps the bounds.
    Feasible,
    /// Misses them by `first`.
    Infeasible,
    /// Was stopped, at step `−first`: the later, the better.
    Stopped,
    /// Gave no value.
    Failed,
}

impl Rank {
    pub(crate) fn of(trial: &Trial, objectives: &Objectives) -> Self {
        let rank =
            |class, first, values: &[f64]| Self { class, first, losses: objectives.losses(values).collect() };
        match &trial.state {
            State::Done(outcome) if objectives.violation(&outcome.values) <= 0.0 => {
                rank(Class::Feasible, 0.0, &outcome.values)
            }
            State::Done(outcome) => {
                rank(Class::Infeasible, objectives.violation(&outcome.values), &outcome.values)
            }
            State::Stopped(outcome) => {
                let step = trial.curve.last().map_or(0, |report| report.step);
                rank(Class::Stopped, -(step as f64), &outcome.values)
            }
            _ => Self { class: Class::Failed, first: 0.0, losses: Vec::new() },
        }
    }

    /// By the first loss within a class.
    pub(crate) fn compare(&self, other: &Self) -> Ordering {
        let loss = |rank: &Self| rank.losses.first().copied().unwrap_or(f64::NAN);
        let number = |a: f64, b: f64| a.is_nan().cmp(&b.is_nan()).then((a + 0.0).total_cmp(&(b + 0.0)));
        self.class
            .cmp(&other.class)
            .then(number(self.first, other.first))
            .then(number(loss(self), loss(other)))
    }
}
