//! What measuring takes: time before and after the command, CPU time, memory.

use std::fmt::Write;
use std::thread;

use anyhow::{Context, Result};

use super::Bench;
use super::curve::Curve;
use super::meters::{Bare, Joulewise, Meter};
use super::trial::{self, Trial};
use crate::process::say;
use crate::quantile::{median, quantile};

const SHORT_S: f64 = 0.25;
const LONG_S: f64 = 20.0;

/// Short commands one after the other for what comes before and after them, then long ones side by side for what the time
/// between takes.
pub(crate) fn measure(bench: &Bench, rounds: usize) -> Result<Vec<Trial>> {
    let curve = Curve::named("C1").context("there is a first curve")?;
    let every = |interval_ms| Joulewise { program: bench.joulewise.program.clone(), interval_ms };
    let (seldom, often) = (every(1000), every(10));
    let mut meters: Vec<&(dyn Meter + Sync)> = vec![&Bare, &seldom, &often];
    meters.extend(bench.meters());
    let mut trials = Vec::new();
    for round in 0..=rounds {
        say(&format!("overhead, round {round} of {rounds}"));
        meters.rotate_left(1);
        let mut turn = Vec::new();
        for meter in &meters {
            turn.push(trial::run(*meter, &curve, 0.0, &["sleep", &SHORT_S.to_string()])?);
        }
        // The first round warms up.
        if round == 0 {
            continue;
        }
        let long = thread::scope(|scope| {
            let run = |meter| trial::run(meter, &curve, 0.0, &["sleep", &LONG_S.to_string()]);
            let running: Vec<_> = meters.iter().map(|meter| scope.spawn(move || run(*meter))).collect();
            let ended = running
                .into_iter()
                .map(|trial| trial.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
            ended.collect::<Result<Vec<_>>>()
        });
        trials.extend(turn);
        trials.extend(long?);
    }
    Ok(trials)
}

/// The table.
pub(crate) fn section(trials: &[Trial]) -> String {
    let mut page = format!(
        "## What measuring takes\n\nMedians, and in brackets the 90th percentile. Start: from the meter's start to that of the \
         command; tail: from the command's end to the meter's; both of commands of {SHORT_S} s that ran alone, and with what \
         the command itself takes (no meter). CPU of a run: of the meter and the command for {SHORT_S} s. CPU per minute: of the \
         meter alone while a command of {LONG_S} s ran, all meters side by side. Memory: the meter's peak then. Joulewise reads every 100 ms where nothing is said, EnergiBridge every 200 ms, CodeCarbon every \
         second, Alumet every 100 ms (its default is a second), and joule-profiler at the ends alone.\n\n\
         | meter | rounds | start, ms | tail, ms | CPU of a run, ms | CPU per minute, s | memory, MiB |\n\
         |---|---:|---:|---:|---:|---:|---:|\n"
    );
    let mut names: Vec<&str> = trials.iter().map(|trial| trial.meter.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    for name in names {
        let of = |is_long: bool| -> Vec<&Trial> {
            trials.iter().filter(|trial| trial.meter == name && (trial.wall_s > 1.0) == is_long).collect()
        };
        let (short, long) = (of(false), of(true));
        let _ = writeln!(
            page,
            "| {name} | {} | {} | {} | {} | {:.3} | {:.1} |",
            short.len(),
            spread(&short, |trial| trial.start_ms),
            spread(&short, |trial| trial.tail_ms),
            spread(&short, |trial| trial.cpu_s * 1e3),
            middle(&long, |trial| 60.0 * trial.meter_cpu_s / trial.wall_s),
            middle(&long, |trial| trial.rss_mib),
        );
    }
    page
}

fn spread(trials: &[&Trial], of: fn(&Trial) -> f64) -> String {
    let mut values: Vec<f64> = trials.iter().copied().map(of).collect();
    let (middle, high) = (median(&mut values), quantile(&mut values, 0.9));
    let digits = usize::from(middle < 100.0);
    format!("{middle:.digits$} ({high:.digits$})")
}

fn middle(trials: &[&Trial], of: fn(&Trial) -> f64) -> f64 {
    median(&mut trials.iter().copied().map(of).collect::<Vec<_>>())
}
