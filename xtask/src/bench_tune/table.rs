//! Searches replayed on a table of learning curves: CPU-seconds until they have found what others found.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::bootstrap;
use crate::process::{cargo, command, json, root, show};
use crate::results;

const TABLE: &str = "benches/tune/yarally-2023-curves.csv";
/// Trials of the searches that set the mark; others may take as many more to reach it.
const ROUNDS: usize = 64;
const MOST_ROUNDS: &str = "128";
/// The search of ours that is compared with each of the others.
const OURS: &str = "TPE + ASHA, 10 screened";

/// Of each seed, the trials.
type Searches = BTreeMap<String, Vec<Vec<Trial>>>;

#[derive(Deserialize)]
struct Trial {
    /// CPU-seconds of the search so far, trainings and its own.
    cpu_s: f64,
    accuracy: f64,
    is_done: bool,
}

/// What a search found in its first rounds.
struct Found {
    accuracy: f64,
    /// When it had found it, and when it ended.
    cpu_s: f64,
    end_cpu_s: f64,
}

/// Runs the comparison and keeps its page.
pub(super) fn run(python: &Path, seeds: usize) -> Result<()> {
    show(cargo(&["build", "--release", "--package", "joulewise-tune", "--example", "replay"]))?;
    let seeds = seeds.to_string();
    let mut searches: Searches =
        typed(command(root().join("target/release/examples/replay"), [TABLE, &seeds, MOST_ROUNDS]))?;
    searches
        .extend(typed::<Searches>(command(python, ["benches/tune/search.py", TABLE, &seeds, MOST_ROUNDS]))?);
    let ours = searches.get(OURS).with_context(|| format!("no search is called `{OURS}`"))?;
    let mut page = format!(
        "`cargo xtask bench tune --parts table`. {seeds} replays of each search on the table of `{TABLE}`; medians, and 95 % \
         intervals of the ratio of two medians by bootstrap over the replays. CPU-seconds are those of the trainings and of \
         the search itself; trainings that were stopped count as far as they came. What is found is the accuracy of trials \
         that came to their end.\n\n\
         ## What {ROUNDS} trials find, and how soon `{OURS}` finds as much\n\n\
         | search | best | CPU-s to it | CPU-s of all {ROUNDS} | ours, CPU-s | ours ÷ to it | 95 % | ours ÷ all | not reached |\n\
         |---|---:|---:|---:|---:|---:|---|---:|---:|\n"
    );
    for (name, replays) in &searches {
        let found: Vec<Found> = replays.iter().map(|trials| found(trials)).collect();
        let reached: Vec<f64> =
            ours.iter().zip(&found).map(|(trials, found)| reached(trials, found.accuracy)).collect();
        let to_it: Vec<f64> = found.iter().map(|found| found.cpu_s).collect();
        let all: Vec<f64> = found.iter().map(|found| found.end_cpu_s).collect();
        let ratio = |places: &[usize]| median_at(&reached, places) / median_at(&to_it, places);
        let (low, high) = bootstrap::interval(found.len(), ratio);
        let places: Vec<usize> = (0..found.len()).collect();
        let accuracies: Vec<f64> = found.iter().map(|found| found.accuracy).collect();
        let (ours, own) = (median_at(&reached, &places), median_at(&to_it, &places));
        let all = median_at(&all, &places);
        writeln!(
            page,
            "| {name} | {:.4} | {own:.0} | {all:.0} | {ours:.0} | {:.2} | {} | {:.2} | {} |",
            median_at(&accuracies, &places),
            ours / own,
            range(low, high),
            ours / all,
            reached.iter().filter(|cpu_s| cpu_s.is_infinite()).count(),
        )?;
    }
    for mark in ["linear random", "log random"] {
        section(&mut page, &searches, mark)?;
    }
    results::keep("bench-tune-table", "Searches replayed on learning curves", &page)?;
    Ok(())
}

/// How soon each search finds as much as `mark` in its rounds, the soonest first.
fn section(page: &mut String, searches: &Searches, mark: &str) -> Result<()> {
    let marks = searches.get(mark).with_context(|| format!("no search is called `{mark}`"))?;
    let found: Vec<Found> = marks.iter().map(|trials| found(trials)).collect();
    let to_it: Vec<f64> = found.iter().map(|found| found.cpu_s).collect();
    write!(
        page,
        "\n## CPU-seconds to the best that {ROUNDS} trials of {mark} found\n\n\
         | search | CPU-s | ÷ {mark} | 95 % | not reached |\n|---|---:|---:|---|---:|\n"
    )?;
    let mut lines: Vec<(f64, String)> = Vec::new();
    for (name, replays) in searches {
        let reached: Vec<f64> =
            replays.iter().zip(&found).map(|(trials, found)| reached(trials, found.accuracy)).collect();
        let ratio = |places: &[usize]| median_at(&reached, places) / median_at(&to_it, places);
        let (low, high) = bootstrap::interval(found.len(), ratio);
        let places: Vec<usize> = (0..found.len()).collect();
        let never = reached.iter().filter(|cpu_s| cpu_s.is_infinite()).count();
        let cpu_s = median_at(&reached, &places);
        let line = if cpu_s.is_finite() {
            format!("| {name} | {cpu_s:.0} | {:.2} | {} | {never} |\n", ratio(&places), range(low, high))
        } else {
            format!("| {name} | – | – | – | {never} |\n")
        };
        lines.push((cpu_s, line));
    }
    lines.sort_by(|a, b| a.0.total_cmp(&b.0));
    page.extend(lines.into_iter().map(|(_, line)| line));
    Ok(())
}

fn found(trials: &[Trial]) -> Found {
    let rounds = &trials[..trials.len().min(ROUNDS)];
    let nothing = Found { accuracy: f64::NEG_INFINITY, cpu_s: f64::INFINITY, end_cpu_s: 0.0 };
    rounds.iter().fold(nothing, |found, trial| {
        if trial.is_done && trial.accuracy > found.accuracy {
            Found { accuracy: trial.accuracy, cpu_s: trial.cpu_s, end_cpu_s: trial.cpu_s }
        } else {
            Found { end_cpu_s: trial.cpu_s, ..found }
        }
    })
}

/// The CPU-seconds after which a search has found `accuracy`; infinite where it never does.
fn reached(trials: &[Trial], accuracy: f64) -> f64 {
    let reached = trials.iter().find(|trial| trial.is_done && trial.accuracy >= accuracy);
    reached.map_or(f64::INFINITY, |trial| trial.cpu_s)
}

/// An interval whose upper end may be unknown, since too few replays came so far.
fn range(low: f64, high: f64) -> String {
    if high.is_finite() { format!("{low:.2}–{high:.2}") } else { format!("{low:.2} or more") }
}

/// The median of the values at these places; of two middle ones the upper, so that it may be infinite.
fn median_at(values: &[f64], places: &[usize]) -> f64 {
    let mut values: Vec<f64> = places.iter().map(|&place| values[place]).collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn typed<T: DeserializeOwned>(command: std::process::Command) -> Result<T> {
    serde_json::from_value(json(command)?).context("the searches are not written as expected")
}
