//! Joules of commands on the nine curves, and what starting and ending takes.

use std::fmt::Write;
use std::panic::resume_unwind;
use std::thread;

use anyhow::{Result, ensure};

use super::Bench;
use super::curve::Curve;
use super::meters::Meter;
use super::trial::{self, Trial};
use crate::process::say;
use crate::quantile::median;

/// Commands that take longer are measured by all meters side by side, each with counters of its own.
const LONG_S: f64 = 10.0;

/// A meter, and how long it takes to start a command.
type Ready<'a> = (&'a (dyn Meter + Sync), f64);

/// Every meter on every curve, in turns; the order changes from round to round.
pub(crate) fn measure(bench: &Bench, rounds: usize) -> Result<Vec<Trial>> {
    let curves = Curve::all();
    let meters: Vec<Ready> = bench.meters().map(|meter| ready(meter, &curves[0])).collect::<Result<_>>()?;
    let mut trials = Vec::new();
    for curve in &curves {
        let mut turn: Vec<Ready> = meters.iter().copied().filter(|(meter, _)| meter.reads(curve)).collect();
        for round in 0..rounds {
            say(&format!("{}, round {} of {rounds}", curve.name, round + 1));
            trials.extend(if curve.length_s < LONG_S {
                in_turns(&turn, curve)
            } else {
                at_once(&turn, curve)
            }?);
            turn.rotate_left(1);
        }
    }
    Ok(trials)
}

/// The first of two runs warms up.
fn ready<'a>(meter: &'a (dyn Meter + Sync), curve: &Curve) -> Result<Ready<'a>> {
    let trial = || trial::run(meter, curve, 0.0, &["sleep", "0.3"]);
    ensure!(trial()?.exit_code == 0, "{} fails", meter.name());
    Ok((meter, trial()?.start_ms / 1e3))
}

fn run(&(meter, lead_s): &Ready<'_>, curve: &Curve) -> Result<Trial> {
    trial::run(meter, curve, lead_s, &["sleep", &curve.length_s.to_string()])
}

fn in_turns(meters: &[Ready<'_>], curve: &Curve) -> Result<Vec<Trial>> {
    meters.iter().map(|meter| run(meter, curve)).collect()
}

fn at_once(meters: &[Ready<'_>], curve: &Curve) -> Result<Vec<Trial>> {
    thread::scope(|scope| {
        let running: Vec<_> = meters.iter().map(|meter| scope.spawn(|| run(meter, curve))).collect();
        running
            .into_iter()
            .map(|running| running.join().unwrap_or_else(|panic| resume_unwind(panic)))
            .collect()
    })
}

/// The tables: errors by meter, and what was flagged.
pub(crate) fn section(trials: &[Trial]) -> String {
    let mut page = String::from(
        "## Joules of a command\n\nErrors against the truth while the command ran (`sleep`): the median of the rounds, and in \
         brackets the worst. The total is held against all that the curve counts, and where a meter's figure for the packages \
         has another error, that against the packages alone. CodeCarbon reads once a second, its shortest interval, and adds a \
         guess for memory. EnergiBridge counts the first package. Alumet sums nothing: all rows of its table are added, among \
         them those that it takes after the command has ended. –: no sum was printed, or the meter does not run here.\n\n",
    );
    let mut meters: Vec<&str> = Vec::new();
    for trial in trials {
        if !meters.contains(&trial.meter.as_str()) {
            meters.push(&trial.meter);
        }
    }
    let _ = writeln!(page, "| curve | {} |", meters.join(" | "));
    let _ = writeln!(page, "|---|{}", "---:|".repeat(meters.len()));
    for curve in Curve::all() {
        let cells: Vec<String> = meters.iter().map(|meter| cell(&of(trials, meter, &curve))).collect();
        let _ = writeln!(page, "| {}: {} | {} |", curve.name, curve.what, cells.join(" | "));
    }
    page += "\nWhat the meters said against their own figures (runs), and in how many the truth lay between the `low` and \
             `high` that Joulewise gave:\n\n| curve | meter | flags | inside |\n|---|---|---|---:|\n";
    for curve in Curve::all() {
        for meter in &meters {
            let of = of(trials, meter, &curve);
            let inside = of.iter().filter(|trial| trial.is_inside()).count();
            let has_interval = of.iter().any(|trial| trial.told.low_j.is_some());
            let inside = if has_interval { format!("{inside} of {}", of.len()) } else { "–".to_owned() };
            let flags = flags(&of);
            if has_interval || !flags.is_empty() {
                let _ = writeln!(page, "| {} | {meter} | {} | {inside} |", curve.name, flags.join("; "));
            }
        }
    }
    page
}

fn of<'a>(trials: &'a [Trial], meter: &str, curve: &Curve) -> Vec<&'a Trial> {
    trials.iter().filter(|trial| trial.meter == meter && trial.curve == curve.name).collect()
}

/// The error of the total, and that of the packages where it is another figure.
fn cell(trials: &[&Trial]) -> String {
    let total = errors(trials, |trial| trial.told.energy_j, |trial| trial.truth_j);
    let packages = errors(trials, |trial| trial.told.packages_j, |trial| trial.truth_packages_j);
    match (total, packages) {
        (Some(total), Some(packages)) if total != packages => format!("{total}; packages {packages}"),
        (total, packages) => total.or(packages).unwrap_or_else(|| "–".to_owned()),
    }
}

/// The median error and the worst, in percent.
fn errors(trials: &[&Trial], told: fn(&Trial) -> Option<f64>, truth: fn(&Trial) -> f64) -> Option<String> {
    let error = |trial: &&Trial| Some(100.0 * (told(trial)? / truth(trial) - 1.0));
    let mut errors: Vec<f64> = trials.iter().filter_map(error).collect();
    let worst = errors.iter().copied().max_by(|a, b| a.abs().total_cmp(&b.abs()))?;
    Some(format!("{} ({})", percent(median(&mut errors)), percent(worst)))
}

fn percent(value: f64) -> String {
    let digits = if value.abs() < 10.0 { 2 } else { 0 };
    format!("{value:+.digits$} %").replace('-', "−")
}

/// The flags, each with the number of trials that came with it.
fn flags(trials: &[&Trial]) -> Vec<String> {
    let mut counts = std::collections::BTreeMap::<&str, usize>::new();
    for flag in trials.iter().flat_map(|trial| &trial.told.flags) {
        *counts.entry(flag).or_default() += 1;
    }
    counts.into_iter().map(|(flag, count)| format!("{flag} ({count})")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_have_a_sign() {
        assert_eq!(percent(-0.456), "−0.46 %");
        assert_eq!(percent(11.6), "+12 %");
    }
}
