//! The stoppers by the names that users know.

use joulewise_tune::stoppers::Patience;
use serde::{Deserialize, Serialize};

use super::plan::Plan;

/// When a trial is not worth going on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Stopper {
    /// Which one.
    pub name: StopperName,
    /// What its rungs and steps count.
    #[serde(default, rename = "in")]
    pub unit: Unit,
    /// The first step, or the first joules, at which a trial may end.
    #[serde(default = "one")]
    pub min: u64,
    /// The last step, or the most joules, of a trial.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<u64>,
    /// One in so many goes on from a rung.
    #[serde(default = "three")]
    pub eta: u64,
    /// The percentile below which a trial ends; 50 is the median.
    #[serde(default = "half")]
    pub percentile: f64,
    /// Steps without a gain after which a trial ends.
    #[serde(default = "three")]
    pub patience: u64,
}

/// The stoppers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StopperName {
    /// Worse than most others at the same step.
    Percentile,
    /// Worse than half of the others at the same step.
    Median,
    /// Asynchronous successive halving.
    Asha,
    /// Successive halving in brackets that begin at different steps.
    Hyperband,
    /// No gain for a while.
    Patience,
    /// The curve, continued, will not reach the best.
    Extrapolation,
}

/// What a stopper counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    /// Lines of metrics, as one per epoch.
    #[default]
    Epochs,
    /// Joules that the trial has used.
    Joules,
}

fn one() -> u64 {
    1
}
fn three() -> u64 {
    3
}
fn half() -> f64 {
    50.0
}

impl Stopper {
    /// One with all its defaults.
    pub(super) fn of(name: StopperName) -> Self {
        Self {
            name,
            unit: Unit::Epochs,
            min: one(),
            max: None,
            eta: three(),
            percentile: half(),
            patience: three(),
        }
    }

    /// The stopper for the objectives of `plan`.
    pub fn build(&self, plan: &Plan) -> Box<dyn joulewise_tune::Stopper + Send> {
        let direction =
            plan.objectives.iter().find_map(|objective| objective.goal.direction()).unwrap_or_default();
        Box::new(Patience::new(direction, self.patience, 0.0))
    }
}
