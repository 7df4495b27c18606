//! Joules of short spans.

use std::fmt::Write;

use anyhow::{Context, Result};

use super::Bench;
use super::curve::Curve;
use super::trial::{self, Trial};
use crate::process::say;
use crate::quantile::{median, quantile};

const CURVES: [&str; 5] = ["C1", "C2", "C3", "C4", "C7"];
const COUNT: u32 = 20;
const LENGTH_MS: u32 = 5;
/// A span in a pause of the bursts uses nothing: errors are shares of what a span of that many watts uses at least.
const LEAST_W: f64 = 10.0;

/// Commands that name spans.
pub(crate) fn measure(bench: &Bench, rounds: usize) -> Result<Vec<Trial>> {
    let mut trials = Vec::new();
    let (count, length) = (COUNT.to_string(), LENGTH_MS.to_string());
    for round in 0..rounds {
        say(&format!("spans, round {} of {rounds}", round + 1));
        for name in CURVES {
            let curve = Curve::named(name).context("there is such a curve")?;
            trials.push(trial::run(&bench.joulewise, &curve, 0.0, &["spans", &count, &length])?);
        }
    }
    Ok(trials)
}

/// The table.
pub(crate) fn section(trials: &[Trial]) -> String {
    let mut page = format!(
        "## Spans of {LENGTH_MS} ms\n\nErrors of single spans that a program names through Joulewise's socket, {COUNT} in \
         each run, against the truth between the moments that it named. Shares of the truth, of spans with more than \
         {LEAST_W} W; the others are those in the pauses of the bursts. Flagged: runs with a caveat.\n\n\
         | curve | spans | median | 90th percentile | within 5 % | median, mJ | flagged |\n\
         |---|---:|---:|---:|---:|---:|---:|\n"
    );
    for curve in Curve::all() {
        let of: Vec<&Trial> = trials.iter().filter(|trial| trial.curve == curve.name).collect();
        let pairs = of.iter().flat_map(|trial| trial.told.spans_j.iter().zip(&trial.truth_spans_j));
        let (mut errors, mut errors_mj) = (Vec::new(), Vec::new());
        for (told_j, truth_j) in pairs {
            errors_mj.push(1e3 * (told_j - truth_j).abs());
            if *truth_j > LEAST_W * f64::from(LENGTH_MS) / 1e3 {
                errors.push(100.0 * (told_j / truth_j - 1.0).abs());
            }
        }
        if errors.is_empty() {
            continue;
        }
        let within = errors.iter().filter(|error| **error <= 5.0).count();
        let _ = writeln!(
            page,
            "| {}: {} | {} | {:.2} % | {:.2} % | {:.0} % | {:.2} | {} |",
            curve.name,
            curve.what,
            errors.len(),
            median(&mut errors),
            quantile(&mut errors, 0.9),
            100.0 * within as f64 / errors.len() as f64,
            median(&mut errors_mj),
            of.iter().filter(|trial| !trial.told.flags.is_empty()).count(),
        );
    }
    page
}
