//! Train a narrower network from the start.
//!
//! # What it does
//! Builds the same network at a half and at a quarter of its width and trains each like the baseline. A command is
//! given such a `{width}`, and half of its `{depth}`.
//!
//! # Why it saves energy
//! The work of a convolution grows with the square of its width: half the channels are about a quarter of
//! the multiplications, in training and in every inference.
//!
//! # When it costs
//! Nothing beyond its own training, which is cheaper than the baseline's. It loses accuracy where the task
//! needs the width.
//!
//! # Evidence
//! Yarally et al. (CAIN 2023) halved the training energy of a Fashion-MNIST network at equal accuracy by
//! leaving layers out. Parameters did not predict energy there, so it is measured here.
//!
//! # How to check
//! Compare the CPU time per inference and the accuracy on the judging images with the baseline's.

use super::command::{self, Variation};
use super::{Card, Practice, Setback};
use crate::candidate::Candidate;
use crate::context::Context;
use crate::task::template::Placeholder;
use crate::task::{CommandTask, Task};

/// Widths that are tried, relative to the baseline.
const WIDTHS: [f32; 2] = [0.5, 0.25];
/// Depths that a command is given, relative to the baseline.
const DEPTHS: [f32; 1] = [0.5];

/// See the module's documentation.
#[derive(Clone, Copy, Debug)]
pub(super) struct SmallerNetwork;

impl Practice for SmallerNetwork {
    fn card(&self) -> Card {
        Card::of_source("smaller-network", include_str!("smaller_network.rs"))
    }

    fn apply(&self, _from: &Candidate, task: &Task, cx: &mut Context<'_>) -> Result<Vec<Candidate>, Setback> {
        let task = match task {
            Task::Graph(task) => task,
            Task::Commands(task) => return by_command(task, cx),
        };
        let mut candidates = Vec::new();
        for width in WIDTHS {
            let model = task.network(width, cx.seed)?;
            let mut hyper = task.hyper.clone();
            let examples = task.splits.train.len();
            hyper.epochs = match cx.affordable_epochs(task, &model, examples, hyper.epochs) {
                Ok(epochs) => epochs,
                Err(_) if !candidates.is_empty() => break,
                Err(setback) => return Err(setback),
            };
            let trained = cx.train(&format!("train-width-{width}"), &[], task, &model, &hyper, None)?;
            let mut candidate = Candidate::trained("smaller-network", trained.fitted.model);
            candidate.name = format!("smaller-network-{width}");
            candidate.made_by(trained.entry);
            candidate.note("width", format!("{width} of the baseline's"));
            candidate.note("epochs", hyper.epochs.to_string());
            candidate.hyper = Some(hyper);
            candidates.push(candidate);
        }
        Ok(candidates)
    }

    fn needs(&self) -> Option<&'static [&'static [Placeholder]]> {
        Some(&[&[Placeholder::Width, Placeholder::Depth]])
    }
}

fn by_command(task: &CommandTask, cx: &mut Context<'_>) -> Result<Vec<Candidate>, Setback> {
    let sizes = [(Placeholder::Width, "width", &WIDTHS[..]), (Placeholder::Depth, "depth", &DEPTHS)];
    let sizes = sizes.into_iter().filter(|(placeholder, ..)| task.has(*placeholder));
    let mut candidates = Vec::new();
    for (placeholder, size, factor) in
        sizes.flat_map(|(p, s, factors)| factors.iter().map(move |f| (p, s, f)))
    {
        let value = command::scaled(task, placeholder, f64::from(*factor));
        let variation = Variation::from([(placeholder, value.clone())]);
        let name = format!("train-{size}-{factor}");
        let mut candidate = match command::retrain("smaller-network", &name, &[], task, &variation, cx) {
            Ok(candidate) => candidate,
            // What the first size has shown is worth keeping.
            Err(Setback::Failed(_) | Setback::Skipped(_)) if !candidates.is_empty() => break,
            Err(setback) => return Err(setback),
        };
        candidate.name = match placeholder {
            Placeholder::Depth => format!("smaller-network-depth-{factor}"),
            _ => format!("smaller-network-{factor}"),
        };
        candidate.note(size, format!("{value} instead of {}", task.number(placeholder)));
        candidates.push(candidate);
    }
    Ok(candidates)
}
