//! How far chance alone moves the metric: the baseline's training, repeated with other seeds.

use std::fmt;

use crate::context::Context;
use crate::practice::Setback;
use crate::practice::command::{self, Variation};
use crate::report::quantity;
use crate::task::Task;
use crate::task::template::Placeholder;

/// The metrics of the same training with several seeds, on what the baseline is selected with.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Spread {
    metrics: Vec<f64>,
    /// Whether the metric is written in percent.
    is_fraction: bool,
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
        let is_fraction = match task {
            Task::Graph(_) => true,
            Task::Commands(task) => metrics.iter().all(|&metric| task.is_fraction(metric)),
        };
        Ok(Self { metrics, is_fraction })
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
    /// As in `92.41 % on average over 3 trainings, standard deviation 0.21 pp`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.metrics.len() < 2 {
            return f
                .write_str("too few trainings came to their end to tell how far chance moves the metric");
        }
        let (mean, deviation) = (self.mean(), self.deviation());
        let (mean, deviation) = if self.is_fraction {
            (format!("{:.2}\u{a0}%", 100.0 * mean), format!("{:.2}\u{a0}pp", 100.0 * deviation))
        } else {
            (quantity::three_figures(mean), quantity::three_figures(deviation))
        };
        write!(f, "{mean} on average over {} trainings, standard deviation {deviation}", self.metrics.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_deviation_is_the_samples() {
        let metrics = vec![0.90, 0.92, 0.94];
        let spread = Spread { metrics: metrics.clone(), is_fraction: true };
        let expected = "92.00\u{a0}% on average over 3 trainings, standard deviation 2.00\u{a0}pp";
        assert_eq!(spread.to_string(), expected);
        let loss = Spread { metrics, is_fraction: false };
        assert_eq!(loss.to_string(), "0.920 on average over 3 trainings, standard deviation 0.0200");
        let lonely = Spread { metrics: vec![0.9], is_fraction: true };
        assert!(lonely.to_string().contains("too few"));
    }
}
