//! Compute in a cheaper number format: 8-bit integers.
//!
//! # What it does
//! Folds batch normalisation into the convolutions, observes the range of every activation on training
//! images, and turns weights into signed and activations into unsigned bytes (static, per-channel weights). A
//! command is trained in the cheaper `{precision}` that the recipe names.
//!
//! # Why it saves energy
//! A vector unit multiplies four times as many bytes as floats per instruction, and moves a quarter of the
//! memory.
//!
//! # When it costs
//! One pass over a few hundred images. On a processor without byte instructions it may be slower than
//! floats, and tiny networks gain little: it is measured, not assumed.
//!
//! # Evidence
//! Per-channel weights keep the accuracy of most convolutional networks without training (Krishnamoorthi 2018;
//! Jacob et al. 2018 for the arithmetic). Unsigned activations with signed weights are the form that x86 runtimes
//! fuse; other forms fall back to floats there.
//!
//! # How to check
//! Open the exported model in ONNX Runtime: the labels agree, and every convolution runs in integers.

use joulewise_learn::Model;
use joulewise_learn::compress::{self, Calibration, Calibrator};
use joulewise_learn::engine::Inference;
use joulewise_learn::train::Examples as _;

use super::command::{self, Variation};
use super::{Card, Practice, Setback, one_of_several};
use crate::candidate::Candidate;
use crate::context::Context;
use crate::task::graph::GraphTask;
use crate::task::template::Placeholder;
use crate::task::{CommandTask, Task};

/// Training images that ranges are observed on.
const CALIBRATION_IMAGES: usize = 512;

/// See the module's documentation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Quantise;

impl Practice for Quantise {
    fn card(&self) -> Card {
        Card::of_source("quantise", include_str!("quantise.rs"))
    }

    fn apply(&self, from: &Candidate, task: &Task, cx: &mut Context<'_>) -> Result<Vec<Candidate>, Setback> {
        let task = match task {
            Task::Graph(task) => task,
            Task::Commands(task) => return by_command(task, cx),
        };
        let Some(model) = &from.model else {
            return Err(Setback::Skipped(format!("`{}` has no network to quantise", from.name)));
        };
        let ((quantised, images), entry) = cx.stage(
            &if from.practices.is_empty() { String::new() } else { from.name.clone() },
            &from.depends_on,
            |_| quantised(task, model),
        )?;
        let mut candidate = Candidate::after(from, "quantise", quantised);
        candidate.made_by(entry);
        candidate.note("calibration", format!("{images} training images"));
        Ok(vec![candidate])
    }

    fn needs(&self) -> Option<&'static [&'static [Placeholder]]> {
        Some(&[&[Placeholder::Precision]])
    }
}

/// A command is trained anew in each cheaper number format, because only it knows how to compute in one.
fn by_command(task: &CommandTask, cx: &mut Context<'_>) -> Result<Vec<Candidate>, Setback> {
    let precisions = task.cheaper_precisions();
    if precisions.is_empty() {
        return Err(Setback::Skipped("`train.precisions` names no number format but today's".into()));
    }
    let candidates = precisions.iter().map(|precision| {
        let variation = Variation::from([(Placeholder::Precision, precision.clone())]);
        // A format may be chosen by a flag, as in --amp.
        let called = precision.trim_start_matches('-');
        let name = format!("train-{called}");
        let mut made = command::retrain("quantise", &name, &[], task, &variation, cx);
        if let Ok(candidate) = &mut made {
            candidate.note("precision", precision);
        }
        one_of_several("quantise", format!("quantise-{called}"), made)
    });
    candidates.collect()
}

/// The 8-bit form of `model`, and how many images it was calibrated on.
fn quantised(task: &GraphTask, model: &Model) -> Result<(Model, usize), Setback> {
    let folded = compress::fold_batchnorm(model);
    let wanted = compress::values_to_calibrate(&folded);
    let images = CALIBRATION_IMAGES.min(task.splits.train.len());
    let stride = task.splits.train.len() / images;
    let pictures = task.pictures(&task.hyper);
    let mut calibrator = Calibrator::default();
    let mut plan = Inference::new(&task.cpu, &folded, 1)?;
    for index in task.splits.train.iter().step_by(stride).take(images) {
        plan.run_fed(1, |_, layout, into| pictures.fill(*index, None, layout, into));
        plan.visit(&mut |name, numbers| {
            if wanted.iter().any(|value| value == name) {
                calibrator.observe(name, numbers);
            }
        });
    }
    let ranges = calibrator.ranges(Calibration::MinMax);
    Ok((compress::quantise(&folded, &ranges)?, images))
}
