//! The samplers by the names that users know.

use anyhow::{Result, anyhow};
use joulewise_tune::samplers::{Auto, CmaEs, Gp, Grid, LinearRandom, NsgaIi, Paper, Random, Sobol, Tpe};
use serde::{Deserialize, Serialize};

use super::plan::Plan;
use crate::hint::Hint as _;

/// Where to look next.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Sampler {
    /// Which one.
    pub name: SamplerName,
    /// Values per continuous parameter of a grid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub levels: Option<u32>,
    /// Trials of a generation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub population: Option<u32>,
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
    /// Where good trials were, and on in the direction in which they got better (covariance matrix adaptation).
    CmaEs,
    /// Children of the trials that no other beats (a genetic algorithm for several objectives).
    NsgaIi,
    /// The Gaussian process of Yarally et al. (2023), as it was.
    Paper,
}

/// Values per continuous parameter of a grid.
const LEVELS: u32 = 5;

/// As the samplers have it.
const LEAST_POPULATION: u32 = 4;

/// A thousand times what a suggestion of a Gaussian process takes: below 50 ms of one core on average, half a joule.
const DEAR_J: f64 = 500.0;

impl Sampler {
    /// Fails where the sampler is not for the space or the objectives of `plan`, or is set what it does not have.
    pub fn check(&self, plan: &Plan) -> Result<()> {
        let has_population = matches!(self.name, SamplerName::CmaEs | SamplerName::NsgaIi);
        if self.population.is_some() && !has_population {
            return Err(anyhow!("only `cma-es` and `nsga-ii` have a `population`"))
                .hint("leave `population` out, or write sampler = { name = \"cma-es\", population = 20 }");
        }
        if self.population.is_some_and(|trials| trials < LEAST_POPULATION) {
            return Err(anyhow!("a `population` of less than {LEAST_POPULATION} trials teaches nothing"))
                .hint("leave it out for its default");
        }
        if self.name == SamplerName::CmaEs {
            let several = plan.objectives.optimised();
            if several > 1 {
                return Err(anyhow!("`cma-es` is for one objective, and the study has {several}")).hint(
                    "write sampler = \"nsga-ii\", or make bounds of all but one, as in \"energy_j <= 5000\"",
                );
            }
            if let Some((name, _)) = plan.space.parameters().find(|(_, domain)| domain.is_categorical()) {
                return Err(anyhow!("`cma-es` is for numbers, and `{name}` is a choice"))
                    .hint("write sampler = \"tpe\", or give the choice a value for this study");
            }
            if let Some((name, _)) = plan.space.parameters().find(|(name, _)| plan.space.has_condition(name))
            {
                return Err(anyhow!("`cma-es` knows no conditions, and `{name}` has one"))
                    .hint("write sampler = \"tpe\", or leave the condition out");
            }
        }
        Ok(())
    }

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
            SamplerName::CmaEs => {
                let cma_es = CmaEs::new(&plan.objectives);
                Box::new(match self.population {
                    Some(trials) => cma_es.population(trials as usize),
                    None => cma_es,
                })
            }
            SamplerName::NsgaIi => {
                let nsga_ii = NsgaIi::new(&plan.objectives);
                let nsga_ii = if plan.noisy { nsga_ii.noisy() } else { nsga_ii };
                Box::new(match self.population {
                    Some(trials) => nsga_ii.population(trials as usize),
                    None => nsga_ii,
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
        let auto = Auto::new(&plan.space, &plan.objectives).dear_from(DEAR_J, "J");
        let auto = if plan.noisy { auto.noisy() } else { auto };
        if self.cost_aware { auto.cost_aware(plan.limits.energy_j) } else { auto }
    }
}
