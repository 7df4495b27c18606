//! `joulewise tune tell`: what came of a trial.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::{Result, anyhow};
use joulewise_tune::{Claim, Outcome, Report, State, Told, TrialId};

use super::place::Named;
use crate::exit;
use crate::hint::Hint as _;
use crate::tune::objective::ENERGY;

/// Tell what came of a trial that was asked for.
///
/// The values of metrics are given as NAME=VALUE; `energy_j=` is also what the trial has cost. Exits with 1 where the
/// result came too late to count.
#[derive(Debug, clap::Args)]
pub(super) struct Tell {
    /// The number of the trial
    #[arg(long, value_name = "N")]
    trial: u64,
    /// The fence that came with it; without, the result counts as that of whoever runs the trial now
    #[arg(long, value_name = "N")]
    fence: Option<u64>,
    /// It gave no values
    #[arg(long, conflicts_with_all = ["step"])]
    failed: bool,
    /// These are its values after so many steps, and it goes on
    #[arg(long, value_name = "N")]
    step: Option<u64>,
    /// A metric and its value
    #[arg(long = "value", value_name = "NAME=VALUE", required_unless_present = "failed")]
    values: Vec<String>,
    #[command(flatten)]
    study: Named,
}

impl Tell {
    pub(super) fn run(self) -> Result<ExitCode> {
        let (mut study, plan) = self.study.study()?;
        let metrics = self.metrics()?;
        let cost = metrics.get(ENERGY).copied().unwrap_or(0.0);
        if !cost.is_finite() || cost < 0.0 {
            return Err(anyhow!("{cost} J is nothing that a trial could have cost"))
                .hint(format!("write its joules, or leave {ENERGY} out where they are not known"));
        }
        let id = TrialId(self.trial);
        let trial = study.trials().get(self.trial as usize);
        let trial = trial
            .ok_or_else(|| anyhow!("study `{}` has no trial {}", plan.name, self.trial))
            .hint("the trials are numbered from 0; `joulewise tune trials` lists them")?;
        let fence = self.fence.or_else(|| Some(study.record(id)?.fence)).unwrap_or_default();
        let claim = Claim { id, point: trial.point.clone(), fence };
        let known = |metric: &String| plan.objectives.iter().any(|objective| objective.metric == *metric);
        if let Some(stranger) = metrics.keys().find(|metric| !known(metric) && *metric != ENERGY) {
            let all: Vec<&str> = plan.objectives.iter().map(|objective| objective.metric.as_str()).collect();
            return Err(anyhow!("`{stranger}` is no metric of the study"))
                .hint(format!("its metrics are {}", all.join(", ")));
        }
        let value = |metric: &String| metrics.get(metric).copied().unwrap_or(f64::NAN);
        let values: Vec<f64> = plan.objectives.iter().map(|objective| value(&objective.metric)).collect();
        let told = match self.step {
            Some(step) => study.report(&claim, &Report { step, values, cost })?,
            None if self.failed => study.tell(&claim, State::Failed { cost })?,
            None => study.tell(&claim, State::Done(Outcome { values, cost }))?,
        };
        if told == Told::Orphan {
            writeln!(
                io::stderr(),
                "the trial had ended, or was given to another worker: the result is kept apart"
            )?;
            return Ok(ExitCode::from(exit::NO));
        }
        Ok(ExitCode::from(exit::OK))
    }

    fn metrics(&self) -> Result<BTreeMap<String, f64>> {
        let one = |text: &String| {
            let (name, value) = text.split_once('=')?;
            Some((name.to_owned(), value.parse().ok()?))
        };
        let mut metrics = BTreeMap::new();
        for text in &self.values {
            let (name, value) = one(text)
                .ok_or_else(|| anyhow!("--value {text} is no metric and its value"))
                .hint("write a name and a number, as in accuracy=0.9")?;
            if let Some(before) = metrics.insert(name.clone(), value) {
                return Err(anyhow!("`{name}` has two values, {before} and {value}")).hint(
                    "a trial has one value of each metric; what it had on the way is told with --step",
                );
            }
        }
        Ok(metrics)
    }
}
