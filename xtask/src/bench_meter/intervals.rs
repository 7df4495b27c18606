//! Whether the truth lies in the interval, on curves drawn by chance.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use anyhow::Result;

use super::Bench;
use super::curve::Curve;
use super::trial::{self, Trial};
use crate::process::say;
use crate::quantile::{median, quantile};

const RUNS: u64 = 1000;
/// Commands that sleep leave room for others.
const AT_ONCE: usize = 4;

/// Short commands on curves with any power, range, wraps and resets.
pub(crate) fn measure(bench: &Bench) -> Result<Vec<Trial>> {
    let next = AtomicU64::new(0);
    let lane = || {
        let mut trials = Vec::new();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= RUNS {
                return Ok(trials);
            }
            if seed.is_multiple_of(100) {
                say(&format!("intervals, {seed} of {RUNS}"));
            }
            let curve = Curve::random(seed);
            trials.push(trial::run(&bench.joulewise, &curve, 0.0, &["sleep", &curve.length_s.to_string()])?);
        }
    };
    let lanes: Result<Vec<Vec<Trial>>> = thread::scope(|scope| {
        let running: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(lane)).collect();
        let ended = running
            .into_iter()
            .map(|lane| lane.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        ended.collect()
    });
    Ok(lanes?.into_iter().flatten().collect())
}

/// What was found.
pub(crate) fn section(trials: &[Trial]) -> String {
    let error = |trial: &&Trial| Some(100.0 * (trial.told.energy_j? / trial.truth_j - 1.0).abs());
    let inside = trials.iter().filter(|trial| trial.is_inside()).count();
    let (clean, flagged): (Vec<&Trial>, Vec<&Trial>) =
        trials.iter().partition(|trial| trial.told.flags.is_empty());
    let mut errors: Vec<f64> = clean.iter().filter_map(error).collect();
    let within = errors.iter().filter(|error| **error <= 1.0).count();
    format!(
        "## The truth and the interval\n\n{} commands of 0.3 to 1.5 s, {AT_ONCE} at a time, on curves drawn by chance: a \
         square wave of any power, period and phase, counters with a range of 262 kJ or of 200 J that start anywhere, and in \
         some the counter is set back. These are real runs of `joulewise measure`; the library's own test simulates as many \
         with pauses on a simulated clock. The truth while the command ran lay inside `low` to `high` in {inside} \
         ({:.1} %). {} runs came with a caveat. The median error of the {} without was {:.2} %, the 90th percentile {:.2} %, \
         and {within} were within 1 %: the meter's window begins before the command does and ends after it, which weighs on \
         commands so short.\n",
        trials.len(),
        100.0 * inside as f64 / trials.len() as f64,
        flagged.len(),
        clean.len(),
        median(&mut errors),
        quantile(&mut errors, 0.9),
    )
}
