//! What an inference costs: all models in turns, in the same seconds of the same machine.

use std::sync::Arc;
use std::time::Instant;

use joulewise_learn::compress::fold_batchnorm;
use joulewise_learn::engine::{Cpu, Engine as _};
use joulewise_learn::{GraphError, Model};
use joulewise_meter::{Energy, Session, cpu_time_s};

use crate::result::Ratio;
use crate::task::graph::{GraphTask, planes_of};

/// A model ready to be called with a batch size on a number of threads.
pub struct Subject {
    cpu: Cpu,
    model: Arc<Model>,
    folded: Model,
    inputs: Vec<f32>,
    outputs: Vec<f32>,
    batch: usize,
}

/// Some calls of a subject, and what they took.
#[derive(Clone, Copy, Debug)]
pub struct Slice {
    /// Images that were processed.
    pub images: usize,
    /// Calls.
    pub calls: usize,
    /// CPU time in seconds.
    pub cpu_s: f64,
    /// Wall time in seconds.
    pub wall_s: f64,
    /// Joules.
    pub energy: Energy,
}

impl Subject {
    /// Prepares `model` for calls of `batch` training images on `threads` threads.
    pub fn new(
        task: &GraphTask,
        model: &Arc<Model>,
        batch: usize,
        threads: usize,
    ) -> Result<Self, GraphError> {
        let mut inputs = Vec::new();
        for index in task.splits.train.iter().cycle().take(batch) {
            planes_of(&task.normalise, &task.data.train, *index, &mut inputs);
        }
        let outputs = vec![0.0; batch * task.classes()];
        let cpu = Cpu::with_isa(threads, task.cpu.isa());
        let folded = fold_batchnorm(model);
        cpu.compile(&folded, batch)?;
        Ok(Self { cpu, model: Arc::clone(model), folded, inputs, outputs, batch })
    }

    /// The model as it was given.
    pub fn model(&self) -> &Arc<Model> {
        &self.model
    }

    /// Images per call.
    pub fn batch(&self) -> usize {
        self.batch
    }

    /// Threads of the engine.
    pub fn threads(&self) -> usize {
        self.cpu.threads()
    }

    /// Calls the model until `slice_s` of CPU time have passed; one call first, which does not count.
    pub fn run(&mut self, session: &Session, slice_s: f64) -> Result<Slice, GraphError> {
        let mut plan = self.cpu.compile(&self.folded, self.batch)?;
        plan.run(&self.inputs, &mut self.outputs);
        let before = session.reading();
        let (cpu, wall) = (cpu_time_s(), Instant::now());
        let mut calls = 0;
        while calls < 3 || cpu_time_s() - cpu < slice_s {
            plan.run(&self.inputs, &mut self.outputs);
            calls += 1;
        }
        let (cpu_s, wall_s) = (cpu_time_s() - cpu, wall.elapsed().as_secs_f64());
        let after = session.reading();
        let energy = Energy {
            value: after.energy.value - before.energy.value,
            low: after.energy.low - before.energy.low,
            high: after.energy.high - before.energy.high,
            method: after.energy.method,
        };
        Ok(Slice { images: calls * self.batch, calls, cpu_s, wall_s, energy })
    }
}

/// What one inference of a subject costs, over all rounds.
#[derive(Clone, Debug)]
pub struct Price {
    /// Joules per image.
    pub energy: Energy,
    /// CPU-seconds per image: median of the rounds.
    pub cpu_s: f64,
    /// What an image took in each round.
    pub rounds: Vec<Round>,
}

/// What an image took in one round.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Round {
    /// CPU-seconds.
    pub cpu_s: f64,
    /// Joules, where a counter was read; a model of CPU time says nothing that `cpu_s` does not.
    pub counted_j: Option<f64>,
}

/// One price over another, paired round by round.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ratios {
    /// Of CPU time.
    pub cpu: Ratio,
    /// Of joules; none where they were not counted in every round of both.
    pub energy: Option<Ratio>,
}

/// Runs every subject for a slice in each of `rounds` rounds, in turns.
pub fn price(
    subjects: &mut [Subject],
    session: &Session,
    rounds: usize,
    slice_s: f64,
) -> Result<Vec<Price>, GraphError> {
    let mut slices: Vec<Vec<Slice>> = subjects.iter().map(|_| Vec::new()).collect();
    for round in 0..rounds {
        // Every other round runs backwards, so that a drift of the machine favours nobody.
        let mut order: Vec<usize> = (0..subjects.len()).collect();
        if round % 2 == 1 {
            order.reverse();
        }
        for index in order {
            slices[index].push(subjects[index].run(session, slice_s)?);
        }
    }
    let counted = session.has_counter();
    Ok(slices.iter().map(|slices| Price::of(slices, counted)).collect())
}

impl Price {
    /// The price that `slices`, one of each round, show; `counted` says whether their joules are a counter's.
    pub(super) fn of(slices: &[Slice], counted: bool) -> Self {
        let images: f64 = slices.iter().map(|s| s.images as f64).sum();
        let rounds: Vec<Round> = slices
            .iter()
            .map(|s| Round {
                cpu_s: s.cpu_s / s.images as f64,
                counted_j: counted.then_some(s.energy.value / s.images as f64),
            })
            .collect();
        let cpu_s = median(rounds.iter().map(|round| round.cpu_s).collect());
        let total: Energy = slices.iter().map(|s| s.energy).sum();
        // One disturbed round does not count: joules are the median of the rounds, or follow that of CPU time.
        let per_image = match rounds.iter().map(|round| round.counted_j).collect::<Option<Vec<f64>>>() {
            Some(joules) => median(joules),
            None => total.value / slices.iter().map(|s| s.cpu_s).sum::<f64>() * cpu_s,
        };
        let scale = if total.value > 0.0 { per_image / total.value } else { 1.0 / images };
        Self { energy: total.scaled(scale), cpu_s, rounds }
    }

    /// This price over `other`'s.
    pub fn over(&self, other: &Self) -> Ratios {
        let pairs = || self.rounds.iter().zip(&other.rounds);
        let joules = pairs().map(|(a, b)| Some(a.counted_j? / b.counted_j.filter(|&joules| joules > 0.0)?));
        Ratios {
            cpu: middle(pairs().map(|(a, b)| a.cpu_s / b.cpu_s).collect()),
            energy: joules.collect::<Option<Vec<f64>>>().map(middle),
        }
    }
}

/// The median of `ratios` with an interval that holds it in at least 95 % of all cases, by the sign test; of five or
/// fewer none does, and the interval is their range.
fn middle(mut ratios: Vec<f64>) -> Ratio {
    ratios.sort_by(f64::total_cmp);
    let n = ratios.len();
    let skip = outside(n);
    Ratio { low: ratios[skip], high: ratios[n - 1 - skip], value: median(ratios) }
}

/// How many of `n` values on either side an interval of the median may leave out: the most of which the chance that
/// it lies beyond them is at most 2.5 %.
fn outside(n: usize) -> usize {
    let mut skip = 0;
    let (mut term, mut below) = (0.5f64.powi(n as i32), 0.5f64.powi(n as i32));
    loop {
        term *= (n - skip) as f64 / (skip + 1) as f64;
        below += term;
        if below > 0.025 {
            return skip;
        }
        skip += 1;
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let n = values.len();
    if n % 2 == 1 { values[n / 2] } else { f64::midpoint(values[n / 2 - 1], values[n / 2]) }
}

#[cfg(test)]
mod tests {
    use joulewise_meter::Method;

    use super::*;

    fn priced(rounds: &[f64]) -> Price {
        Price::of(&rounds.iter().map(|&cpu_s| slice(cpu_s, 10.0 * cpu_s)).collect::<Vec<_>>(), false)
    }

    /// One image that took `cpu_s` and `joules`.
    fn slice(cpu_s: f64, joules: f64) -> Slice {
        let energy = Energy { value: joules, low: joules, high: joules, method: Method::Modelled };
        Slice { images: 1, calls: 1, cpu_s, wall_s: cpu_s, energy }
    }

    #[test]
    fn a_ratio_is_paired_round_by_round() {
        // The machine doubles its speed in the middle; the ratio does not notice.
        let slow = priced(&[4.0, 4.0, 4.0, 2.0, 2.0, 2.0, 2.0]);
        let fast = priced(&[1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.5]);
        assert_eq!(fast.over(&slow).cpu, Ratio { value: 0.25, low: 0.25, high: 0.25 });
        assert_eq!(fast.over(&slow).energy, None, "modelled joules say nothing more");
    }

    #[test]
    fn counted_joules_have_a_ratio_of_their_own() {
        // The same CPU time at half the power.
        let price = |watts: f64| Price::of(&[1.0, 2.0, 1.5].map(|s| slice(s, watts * s)), true);
        let ratios = price(5.0).over(&price(10.0));
        assert_eq!((ratios.cpu.value, ratios.energy.unwrap().value), (1.0, 0.5));
        assert_eq!(price(10.0).energy.value, 15.0, "the median of 10, 15 and 20 J");
    }

    #[test]
    fn the_interval_leaves_out_what_the_sign_test_allows() {
        assert_eq!([3, 5, 6, 8, 9, 11, 15, 20].map(outside), [0, 0, 0, 0, 1, 1, 3, 5]);
        let noisy = priced(&[1.0, 1.0, 1.0, 1.0, 9.0, 1.0, 1.0, 1.0, 1.0]);
        assert_eq!(noisy.over(&priced(&[1.0; 9])).cpu.high, 1.0);
        assert_eq!(priced(&[1.0, 9.0, 1.0]).over(&priced(&[1.0; 3])).cpu.high, 9.0);
    }
}
