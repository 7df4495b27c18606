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
use super::{Card, Practice, Setback, one_of_several};
use crate::candidate::Candidate;
use crate::context::Context;
use crate::task::graph::GraphTask;
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
        let candidates = WIDTHS.iter().map(|&width| {
            one_of_several("smaller-network", format!("smaller-network-{width}"), trained(task, width, cx))
        });
        candidates.collect()
    }

    fn needs(&self) -> Option<&'static [&'static [Placeholder]]> {
        Some(&[&[Placeholder::Width, Placeholder::Depth]])
    }
}

/// The network at `width` times the baseline's.
fn trained(task: &GraphTask, width: f32, cx: &mut Context<'_>) -> Result<Candidate, Setback> {
    let model = task.network(width, cx.seed)?;
    let mut hyper = task.hyper.clone();
    hyper.epochs = cx.affordable_epochs(task, &model, task.splits.train.len(), hyper.epochs)?;
    let trained = cx.train(&format!("train-width-{width}"), &[], task, &model, &hyper, None)?;
    let mut candidate = Candidate::trained("smaller-network", trained.fitted.model);
    candidate.made_by(trained.entry);
    candidate.note("width", format!("{width} of the baseline's"));
    candidate.note("epochs", hyper.epochs.to_string());
    candidate.hyper = Some(hyper);
    Ok(candidate)
}

fn by_command(task: &CommandTask, cx: &mut Context<'_>) -> Result<Vec<Candidate>, Setback> {
    let widths = WIDTHS.map(|factor| (Placeholder::Width, format!("smaller-network-{factor}"), factor));
    let depths = DEPTHS.map(|factor| (Placeholder::Depth, format!("smaller-network-depth-{factor}"), factor));
    let sizes = widths.into_iter().chain(depths).filter(|(placeholder, ..)| task.has(*placeholder));
    let candidates = sizes.map(|(placeholder, name, factor)| {
        let value = command::scaled(task, placeholder, f64::from(factor));
        let variation = Variation::from([(placeholder, value.clone())]);
        let stage = format!("train-{}-{factor}", placeholder.name());
        let mut made = command::retrain("smaller-network", &stage, &[], task, &variation, cx);
        if let Ok(candidate) = &mut made {
            let today = task.number(placeholder);
            candidate.note(placeholder.name(), format!("{value} instead of {today}"));
        }
        one_of_several("smaller-network", name, made)
    });
    candidates.collect()
}
