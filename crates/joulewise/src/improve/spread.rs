//! How far chance alone moves the metric: the baseline's training, repeated with other seeds.

use std::fmt;

use crate::context::Context;
use crate::practice::Setback;
use crate::practice::command::{self, Variation};
use crate::task::Task;
use crate::task::template::Placeholder;

/// The metrics of the same training with several seeds, on what the baseline is selected with.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Spread {
    metrics: Vec<f64>,
}

impl Spread {
    /// Trains `seeds - 1` times more than the training that gave `first`.
    pub(super) fn over_seeds(
        task: &Task,
        first: Option<f64>,
        seeds: usize,
        cx: &mut Context<'_>,
    ) -> Result<Self, Setback> {
        let mut metrics: Vec<f64> = first.into_iter().collect();
        for repetition in 1..seeds as u64 {
            // Beyond 2^63 there are no seeds: TOML could not hold them.
            let seed = (cx.seed + repetition) & (u64::MAX >> 1);
            let name = format!("train-seed-{seed}");
            metrics.extend(match task {
                Task::Graph(task) => {
                    let mut hyper = task.hyper.clone();
                    hyper.seed = seed;
                    let model = task.network(1.0, seed)?;
                    cx.train(&name, &[], task, &model, &hyper, None)?.fitted.select()
                }
                Task::Commands(task) => {
                    let variation = Variation::from([(Placeholder::Seed, seed.to_string())]);
                    let trained = command::train(&name, &[], task, &variation, cx)?.result?;
                    trained.metrics.get(task.goal()).copied()
                }
            });
        }
        Ok(Self { metrics })
    }

    fn mean(&self) -> f64 {
        self.metrics.iter().sum::<f64>() / self.metrics.len() as f64
    }

    /// The sample's standard deviation.
    fn deviation(&self) -> f64 {
        let mean = self.mean();
        let squares: f64 = self.metrics.iter().map(|metric| (metric - mean).powi(2)).sum();
        (squares / (self.metrics.len() as f64 - 1.0)).sqrt()
    }
}

impl fmt::Display for Spread {
    /// As in `3 trainings: 0.9241 on average, deviation 0.0021`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} trainings", self.metrics.len())?;
        if self.metrics.len() < 2 {
            return f.write_str(", too few to tell how far chance moves the metric");
        }
        write!(f, ": {:.4} on average, deviation {:.4}", self.mean(), self.deviation())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_deviation_is_the_samples() {
        let spread = Spread { metrics: vec![0.90, 0.92, 0.94] };
        assert_eq!(spread.to_string(), "3 trainings: 0.9200 on average, deviation 0.0200");
        let lonely = Spread { metrics: vec![0.9] };
        assert!(lonely.to_string().contains("too few"));
    }
}
