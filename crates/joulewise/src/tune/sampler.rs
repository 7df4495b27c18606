//! The samplers by the names that users know.

use joulewise_tune::samplers::{Auto, Gp, Grid, LinearRandom, Paper, Random, Sobol, Tpe};
use serde::{Deserialize, Serialize};

use super::plan::Plan;

/// Where to look next.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Sampler {
    /// Which one.
    pub name: SamplerName,
    /// Values per continuous parameter of a grid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub levels: Option<u32>,
    /// Whether cheap trials are preferred to equally promising ones.
    #[serde(default)]
    pub cost_aware: bool,
}

/// The samplers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum SamplerName {
    /// Whichever suits the space.
    #[default]
    Auto,
    /// Every combination, once.
    Grid,
    /// At random; orders of magnitude are equally likely where a parameter is logarithmic.
    Random,
    /// At random on a linear scale, whatever the parameters say.
    LinearRandom,
    /// Evenly spread over the space.
    Sobol,
    /// Where good trials are denser than bad ones (tree-structured Parzen estimator).
    Tpe,
    /// Where a Gaussian process expects the most.
    Gp,
    /// The Gaussian process of Yarally et al. (2023), as it was.
    Paper,
}

/// Values per continuous parameter of a grid.
const LEVELS: u32 = 5;

/// A thousand times what a suggestion of a Gaussian process takes: below 50 ms of one core on average, half a joule.
const DEAR_J: f64 = 500.0;

impl Sampler {
    /// The sampler for the space and the objectives of `plan`.
    pub fn build(&self, plan: &Plan) -> Box<dyn joulewise_tune::Sampler + Send> {
        match self.name {
            SamplerName::Auto => Box::new(self.auto(plan)),
            SamplerName::Tpe => {
                let tpe = Tpe::new(&plan.objectives);
                let tpe = if plan.noisy { tpe.noisy() } else { tpe };
                Box::new(if self.cost_aware { tpe.cost_aware(plan.limits.energy_j) } else { tpe })
            }
            SamplerName::Grid => Box::new(Grid::new(u64::from(self.levels.unwrap_or(LEVELS)))),
            SamplerName::LinearRandom => Box::new(LinearRandom),
            SamplerName::Sobol => Box::new(Sobol),
            SamplerName::Gp => {
                let gp = Gp::new(&plan.objectives);
                let gp = if self.cost_aware { gp.cost_aware(plan.limits.energy_j) } else { gp };
                Box::new(match plan.limits.worth_j {
                    Some(worth_j) => gp.worth(1.0 / worth_j),
                    None => gp,
                })
            }
            SamplerName::Paper => Box::new(Paper::new(&plan.objectives)),
            SamplerName::Random => Box::new(Random),
        }
    }

    /// Which sampler it is for `plan`, and why, where nobody has chosen.
    pub fn reason(&self, plan: &Plan) -> Option<String> {
        (self.name == SamplerName::Auto).then(|| self.auto(plan).why().to_owned())
    }

    /// Which sampler `auto` is for `plan`.
    fn auto(&self, plan: &Plan) -> Auto {
        let auto = Auto::new(&plan.space, &plan.objectives).dear_from(DEAR_J);
        let auto = if plan.noisy { auto.noisy() } else { auto };
        if self.cost_aware { auto.cost_aware(plan.limits.energy_j) } else { auto }
    }
}
