//! The stoppers by the names that users know.

use anyhow::{Result, anyhow};
use joulewise_tune::stoppers::{
    Extrapolation, Hyperband, ParetoHalving, Patience, Percentile, Resource, SuccessiveHalving, Thrift,
    Wilcoxon,
};
use serde::{Deserialize, Serialize};

use super::plan::{Plan, Work};
use crate::hint::Hint as _;

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
    pub min: f64,
    /// The last step, or the most joules, of a trial. Without, the rungs of `asha` have no end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<f64>,
    /// One in so many goes on from a rung.
    #[serde(default = "three")]
    pub eta: u64,
    /// The first so many trials of the study end at the first rung of `asha`: with them it learns what to expect.
    #[serde(default)]
    pub screen: u64,
    /// The percentage of trials that are ahead of a trial when it ends; 50 is the median.
    #[serde(default = "half")]
    pub percentile: f64,
    /// Steps without a gain after which a trial ends.
    #[serde(default = "three")]
    pub patience: u64,
    /// The probability of being so much worse by chance below which `wilcoxon` ends a trial.
    #[serde(default = "tenth")]
    pub p: f64,
}

/// The stoppers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
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
    /// Twice the joules of what another trial needed to be as good.
    Thrift,
    /// Worse than the best on the same folds, seeds or data sets, beyond chance.
    Wilcoxon,
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

fn one() -> f64 {
    1.0
}
fn three() -> u64 {
    3
}
fn half() -> f64 {
    50.0
}
fn tenth() -> f64 {
    0.1
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
            screen: 0,
            percentile: half(),
            patience: three(),
            p: tenth(),
        }
    }

    /// The stopper for the objectives of `plan`.
    ///
    /// Fails where its numbers make no sense, or its rungs or its forecast need to know how long a trial is at most.
    pub fn build(&self, plan: &Plan) -> Result<Box<dyn joulewise_tune::Stopper + Send>> {
        self.check()?;
        let first = plan.objectives.iter().next().and_then(|objective| objective.goal.direction());
        let direction = first
            .ok_or_else(|| anyhow!("a stopper goes by the first objective, which is a bound"))
            .hint("write what is to be maximised or minimised first")?;
        let resource = match self.unit {
            Unit::Epochs => Resource::Steps,
            Unit::Joules => Resource::Cost,
        };
        let max = || {
            self.max
                .ok_or_else(|| anyhow!("the stopper does not know how long a trial is"))
                .hint("write its last step, as in stopper = { name = \"asha\", max = 27 }")
        };
        let (eta, min) = (self.eta, self.min);
        let end = self.max.unwrap_or(f64::MAX);
        let warm_up = self.min.ceil() as u64;
        if self.screen > 0 && (self.name != StopperName::Asha || plan.objectives.optimised() > 1) {
            return Err(anyhow!("`screen` is of `asha` with one objective"))
                .hint("leave `screen` out, or write name = \"asha\"");
        }
        if plan.limits.trials.is_some_and(|trials| trials <= self.screen) && self.screen > 0 {
            return Err(anyhow!(
                "the stopper ends the first {} trials, and there are no others",
                self.screen
            ))
            .hint("write more `trials` or a smaller `screen`");
        }
        Ok(match self.name {
            StopperName::Percentile => {
                Box::new(Percentile::new(direction, self.percentile / 100.0).warm_up(warm_up))
            }
            StopperName::Median => Box::new(Percentile::median(direction).warm_up(warm_up)),
            StopperName::Asha if plan.objectives.optimised() > 1 => {
                Box::new(ParetoHalving::in_resource(&plan.objectives, resource, eta, min, end))
            }
            StopperName::Asha => {
                let halving = SuccessiveHalving::in_resource(direction, resource, eta, min, end);
                Box::new(halving.screening(self.screen))
            }
            StopperName::Hyperband => Box::new(Hyperband::in_resource(direction, resource, eta, min, max()?)),
            StopperName::Patience => Box::new(Patience::new(direction, self.patience, 0.0)),
            StopperName::Extrapolation => Box::new(Extrapolation::new(direction, max()? as u64)),
            StopperName::Thrift => Box::new(Thrift::new(direction, 2.0)),
            StopperName::Wilcoxon => {
                if let Work::Recipe { .. } = plan.trial {
                    return Err(anyhow!(
                        "`wilcoxon` compares instances, and what a recipe's training reports are epochs"
                    ))
                    .hint("write stopper = \"asha\", or a command that reports folds or seeds");
                }
                Box::new(Wilcoxon::new(direction, self.p).min_instances(warm_up as usize))
            }
        })
    }

    fn check(&self) -> Result<()> {
        let is_whole = |end: f64| end.is_finite() && end.fract() == 0.0;
        let problem = match self {
            Self { eta: 0 | 1, .. } => "`eta` is below 2, so that everything goes on",
            Self { min, .. } if !(*min > 0.0 && min.is_finite()) => {
                "`min` is not above 0, where nothing is known of a trial"
            }
            Self { unit: Unit::Epochs, min, max, .. } if !is_whole(*min) || !max.is_none_or(is_whole) => {
                return Err(anyhow!("the stopper's `min` and `max` are epochs, of which there are no parts"))
                    .hint("write whole numbers, or in = \"joules\" for rungs of joules");
            }
            Self { max: Some(max), min, .. } if !(max.is_finite() && max > min) => "`max` is not above `min`",
            Self { percentile, .. } if !(*percentile > 0.0 && *percentile < 100.0) => {
                "`percentile` is not between 0 and 100"
            }
            Self { p, .. } if !(*p > 0.0 && *p < 1.0) => "`p` is not between 0 and 1",
            Self { patience: 0, .. } => "`patience` is 0, so that nothing goes on",
            _ => return Ok(()),
        };
        Err(anyhow!("the stopper's {problem}")).hint(
            "leave it out for its default, or write it as in stopper = { name = \"asha\", min = 1, max = 27, eta = 3 }",
        )
    }
}
