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
    /// CPU-seconds per image in each round.
    pub rounds: Vec<f64>,
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
    Ok(slices.iter().map(|slices| Price::of(slices)).collect())
}

impl Price {
    /// The price that `slices`, one of each round, show.
    pub(super) fn of(slices: &[Slice]) -> Self {
        let images: f64 = slices.iter().map(|s| s.images as f64).sum();
        let sum = |of: fn(&Slice) -> f64| slices.iter().map(of).sum::<f64>();
        let rounds: Vec<f64> = slices.iter().map(|s| s.cpu_s / s.images as f64).collect();
        let cpu_s = median(rounds.clone());
        // Joules follow the median of the rounds, so that one disturbed round does not count.
        let scale = cpu_s / (sum(|s| s.cpu_s) / images) / images;
        let energy = Energy {
            value: sum(|s| s.energy.value) * scale,
            low: sum(|s| s.energy.low) * scale,
            high: sum(|s| s.energy.high) * scale,
            method: slices[0].energy.method,
        };
        Self { energy, cpu_s, rounds }
    }

    /// This price over `other`'s, round by round, with the interval of the median at about 95 %
    /// (order statistics of the sign test).
    pub fn ratio(&self, other: &Self) -> Ratio {
        let mut ratios: Vec<f64> = self.rounds.iter().zip(&other.rounds).map(|(a, b)| a / b).collect();
        ratios.sort_by(f64::total_cmp);
        let n = ratios.len();
        let skip = ((n as f64 - 1.96 * (n as f64).sqrt()) / 2.0).floor().max(0.0) as usize;
        Ratio { value: median(ratios.clone()), low: ratios[skip], high: ratios[n - 1 - skip] }
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
        let energy = Energy { value: 1.0, low: 1.0, high: 1.0, method: Method::Modelled };
        Price { energy, cpu_s: median(rounds.to_vec()), rounds: rounds.to_vec() }
    }

    #[test]
    fn a_ratio_is_paired_round_by_round() {
        // The machine doubles its speed in the middle; the ratio does not notice.
        let slow = priced(&[4.0, 4.0, 4.0, 2.0, 2.0, 2.0, 2.0]);
        let fast = priced(&[1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.5]);
        assert_eq!(fast.ratio(&slow), Ratio { value: 0.25, low: 0.25, high: 0.25 });
    }

    #[test]
    fn the_interval_leaves_out_single_outliers_only_when_there_are_rounds_enough() {
        let noisy = priced(&[1.0, 1.0, 1.0, 1.0, 9.0, 1.0, 1.0, 1.0, 1.0]);
        assert_eq!(noisy.ratio(&priced(&[1.0; 9])).high, 1.0);
        assert_eq!(priced(&[1.0, 9.0, 1.0]).ratio(&priced(&[1.0; 3])).high, 9.0);
    }
}
