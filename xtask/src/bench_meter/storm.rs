//! The CPU time of many short children.

use anyhow::{Context, Result};

use super::Bench;
use super::curve::Curve;
use super::trial::{self, Trial};
use crate::process::say;
use crate::quantile::median;

const CHILDREN: u32 = 2000;
const CHILD_MS: u32 = 5;

/// A command that starts them one after the other.
pub(crate) fn measure(bench: &Bench, rounds: usize) -> Result<Vec<Trial>> {
    let curve = Curve::named("C1").context("there is a first curve")?;
    let (children, length) = (CHILDREN.to_string(), CHILD_MS.to_string());
    (0..rounds)
        .map(|round| {
            say(&format!("storm, round {} of {rounds}", round + 1));
            trial::run(&bench.joulewise, &curve, 0.0, &["storm", &children, &length])
        })
        .collect()
}

/// What was found.
pub(crate) fn section(trials: &[Trial]) -> String {
    let share = |trial: &Trial| Some(100.0 * trial.told.command_cpu_s? / trial.truth_cpu_s?);
    let mut shares: Vec<f64> = trials.iter().filter_map(share).collect();
    let middle = median(&mut shares);
    let (low, high) = (shares.first().unwrap_or(&f64::NAN), shares.last().unwrap_or(&f64::NAN));
    format!(
        "## CPU time of short children\n\nA command starts {CHILDREN} children of {CHILD_MS} ms one after the other. Of the \
         CPU time that the kernel tells their parent about them, and of the parent's own until it tells, Joulewise \
         attributes {middle:.2} % to the command ({low:.2}–{high:.2} %, {} rounds): more than all, since it also sees the \
         parent end.\n",
        shares.len()
    )
}
