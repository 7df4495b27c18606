//! Replays searches over a table of learning curves: what each spends until it has found what it found.
//!
//! `cargo run --release --example replay -- benches/tune/yarally-2023-curves.csv 200 128` has every strategy search the
//! table with 200 seeds, in at most 128 trials. A trial is answered by the nearest setting of the table that the search has
//! not evaluated yet; if none of those has a learning rate within a factor of two, by the nearest of all, once more and
//! at full cost. (Else a search among bad learning rates would be led to better ones as soon as the bad ones of the table
//! ran out.) It prints a JSON object: by strategy and seed, the trials as `[CPU-seconds so far, accuracy, whether it came
//! to its end]`. The CPU-seconds are those that were recorded for the epochs that ran, and those of the search itself.

use std::collections::BTreeMap;
use std::error::Error;
use std::io::Write;
use std::{env, fs, io};

use joulewise_tune::samplers::{Gp, Grid, LinearRandom, Paper, Random, Sobol, Tpe};
use joulewise_tune::stoppers::{Hyperband, SuccessiveHalving};
use joulewise_tune::{
    Direction, Objectives, Outcome, Point, Report, Sampler, Space, State, Stopper, Study, Verdict,
};

/// A setting that was trained once.
struct Row {
    at: [f64; 3],
    /// Accuracy after each epoch.
    accuracy: Vec<f64>,
    /// CPU-seconds from the start to the end of each epoch.
    cpu_s: Vec<f64>,
}

/// Decades of learning rates.
const DECADES: f64 = 4.0;

type Trace = Vec<(f64, f64, bool)>;
type Arm = (&'static str, Box<dyn Sampler>, Option<Box<dyn Stopper>>);

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [file, seeds, trials] = &arguments[..] else { return Err("usage: replay TABLE SEEDS TRIALS".into()) };
    let (seeds, trials) = (seeds.parse::<u64>()?, trials.parse::<usize>()?);
    let table = read(&fs::read_to_string(file)?)?;
    let epochs = table.iter().map(|row| row.accuracy.len()).max().unwrap_or(1) as u64;
    let space = Space::new().log_float("train.lr", 1e-5, 1e-1)?.float("train.beta1", 0.1, 0.999)?.float(
        "train.beta2",
        0.8,
        0.9999,
    )?;
    let goal = Objectives::single(Direction::Max);
    let halving = || SuccessiveHalving::new(Direction::Max, 3, 1, epochs);
    let tpe = || Tpe::new(&goal).noisy();
    let mut all: BTreeMap<&str, Vec<Trace>> = BTreeMap::new();
    for seed in 0..seeds {
        // Interleaved, so that a busy moment of the machine meets all of them.
        let arms: [Arm; 12] = [
            ("grid as published", Box::new(Grid::as_published(5).shuffled()), None),
            ("linear random", Box::new(LinearRandom), None),
            ("log random", Box::new(Random), None),
            ("Sobol", Box::new(Sobol), None),
            ("the paper's GP", Box::new(Paper::new(&goal)), None),
            ("TPE", Box::new(tpe()), None),
            ("GP", Box::new(Gp::new(&goal)), None),
            ("log random + ASHA", Box::new(Random), Some(Box::new(halving()))),
            ("GP + ASHA", Box::new(Gp::new(&goal)), Some(Box::new(halving()))),
            (
                "TPE + Hyperband",
                Box::new(tpe()),
                Some(Box::new(Hyperband::new(Direction::Max, 3, 1, epochs))),
            ),
            ("TPE + ASHA", Box::new(tpe()), Some(Box::new(halving()))),
            ("TPE + ASHA, 10 screened", Box::new(tpe()), Some(Box::new(halving().screening(10)))),
        ];
        for (name, sampler, stopper) in arms {
            let study = Study::new(space.clone(), goal.clone(), seed, sampler);
            all.entry(name).or_default().push(search(study, stopper, &table, trials)?);
        }
    }
    serde_json::to_writer(io::stdout().lock(), &all)?;
    writeln!(io::stdout().lock())?;
    Ok(())
}

/// One search of at most so many trials.
fn search(
    mut study: Study<Box<dyn Sampler>>,
    mut stopper: Option<Box<dyn Stopper>>,
    table: &[Row],
    trials: usize,
) -> Result<Trace, Box<dyn Error>> {
    let (start, mut trained, mut trace) = (cpu_s()?, 0.0, Trace::new());
    let mut is_left = vec![true; table.len()];
    while trace.len() < trials && !study.is_exhausted() {
        let (_, proposed) = study.ask();
        let at = unit(&proposed);
        let Some(row) = answer(table, &mut is_left, at) else { break };
        let id = joulewise_tune::TrialId(trace.len() as u64);
        let (mut ran, mut was_stopped) = (0, false);
        for (step, (accuracy, cost)) in row.accuracy.iter().zip(&row.cpu_s).enumerate() {
            ran = step;
            let report = Report { step: step as u64 + 1, values: vec![*accuracy], cost: *cost };
            let verdict = stopper.as_mut().map_or(Verdict::Continue, |stopper| stopper.report(id, &report));
            study.report(id, report);
            if verdict == Verdict::Stop && step + 1 < row.accuracy.len() {
                was_stopped = true;
                break;
            }
        }
        let outcome = Outcome::of(row.accuracy[ran], row.cpu_s[ran]);
        trained += row.cpu_s[ran];
        study.end(id, if was_stopped { State::Stopped(outcome) } else { State::Done(outcome) });
        trace.push((trained + cpu_s()? - start, row.accuracy[ran], !was_stopped));
    }
    Ok(trace)
}

/// The setting that stands for the one at `at`.
fn answer<'a>(table: &'a [Row], is_left: &mut [bool], at: [f64; 3]) -> Option<&'a Row> {
    let distance = |row: usize| table[row].at.iter().zip(at).map(|(a, b)| (a - b) * (a - b)).sum::<f64>();
    let nearest = |a: &usize, b: &usize| distance(*a).total_cmp(&distance(*b));
    let is_like = |row: &usize| (table[*row].at[0] - at[0]).abs() <= 2_f64.log10() / DECADES;
    let new = (0..table.len()).filter(|&row| is_left[row]).filter(is_like).min_by(nearest);
    let row = new.or_else(|| (0..table.len()).min_by(nearest))?;
    is_left[row] = false;
    Some(&table[row])
}

/// The table: a line for each epoch of each setting, in the order in which they were run.
fn read(text: &str) -> Result<Vec<Row>, Box<dyn Error>> {
    let mut rows: Vec<(u64, Row)> = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with('#')).skip(1) {
        let numbers = line.split(',').map(str::parse).collect::<Result<Vec<f64>, _>>()?;
        let [setting, lr, beta1, beta2, _, accuracy, cpu_s] = numbers[..] else {
            return Err(format!("seven columns are expected in {line}").into());
        };
        if rows.last().is_none_or(|(last, _)| *last != setting as u64) {
            let at = coordinates(lr, beta1, beta2);
            rows.push((setting as u64, Row { at, accuracy: Vec::new(), cpu_s: Vec::new() }));
        }
        let (_, row) = rows.last_mut().ok_or("no row")?;
        row.accuracy.push(accuracy);
        row.cpu_s.push(cpu_s);
    }
    Ok(rows.into_iter().map(|(_, row)| row).collect())
}

fn unit(point: &Point) -> [f64; 3] {
    let of = |name| point.float(name).unwrap_or(f64::NAN);
    coordinates(of("train.lr"), of("train.beta1"), of("train.beta2"))
}

/// In the unit cube; the learning rate by its logarithm.
fn coordinates(lr: f64, beta1: f64, beta2: f64) -> [f64; 3] {
    [(lr.log10() + 5.0) / DECADES, (beta1 - 0.1) / 0.899, (beta2 - 0.8) / 0.1999]
}

/// CPU time of this thread, in seconds.
fn cpu_s() -> Result<f64, Box<dyn Error>> {
    let text = fs::read_to_string("/proc/thread-self/schedstat")?;
    Ok(text.split_whitespace().next().ok_or("empty schedstat")?.parse::<f64>()? / 1e9)
}
