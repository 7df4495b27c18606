//! Stop training when another epoch no longer pays.
//!
//! # What it does
//! Trains at a constant rate until the accuracy on the select images has not grown for an epoch, then cools
//! the rate down to zero in a short last phase. A training by command is run again with the number of epochs
//! at which its own curve flattened.
//!
//! # Why it saves energy
//! The epochs after the plateau cost as much as those before it and change little.
//!
//! # When it costs
//! The evaluation after each epoch. A curve that pauses before it rises again is cut too early.
//!
//! # Evidence
//! Energy per training hardly depends on the other hyperparameters (Yarally et al. 2023: 1 % across settings),
//! so the number of epochs is what a training pays for.
//!
//! # How to check
//! The training curve in the report: the metric after the stop against the baseline's last epochs.

use joulewise_learn::train::schedule::Schedule;
use joulewise_learn::train::{Control, Epoch};
use joulewise_tune::{Direction, Patience, Stopper, TrialId, Verdict};

use super::command::{self, Variation};
use super::{Card, Practice, Setback};
use crate::candidate::Candidate;
use crate::context::Context;
use crate::task::graph::GraphTask;
use crate::task::template::Placeholder;
use crate::task::{CommandTask, Task};

/// Epochs without a gain before the rate cools down.
const PATIENCE: u64 = 1;
/// Least gain of an epoch that counts, as a fraction of the metric.
const LEAST_GAIN: f64 = 0.002;
/// Share of the baseline's epochs that the first phase may take at the most.
const LONGEST: f64 = 0.4;
/// The rate of the first phase, relative to the baseline's peak: it is held much longer than a peak is.
const RATE: f64 = 0.5;

/// See the module's documentation.
#[derive(Clone, Copy, Debug)]
pub(super) struct EarlyStopping;

impl Practice for EarlyStopping {
    fn card(&self) -> Card {
        Card::of_source("early-stopping", include_str!("early_stopping.rs"))
    }

    fn apply(&self, from: &Candidate, task: &Task, cx: &mut Context<'_>) -> Result<Vec<Candidate>, Setback> {
        match task {
            Task::Graph(task) => train_until_plateau(task, cx),
            Task::Commands(task) => train_again(from, task, cx),
        }
    }

    fn needs(&self) -> Option<&'static [&'static [Placeholder]]> {
        Some(&[&[Placeholder::Epochs]])
    }
}

fn train_until_plateau(task: &GraphTask, cx: &mut Context<'_>) -> Result<Vec<Candidate>, Setback> {
    let model = task.network(1.0, cx.seed)?;
    let most = ((task.hyper.epochs as f64 * LONGEST).round() as usize).max(1);
    let affordable = cx.affordable_epochs(task, &model, task.splits.train.len(), task.hyper.epochs)?;
    let mut hyper = task.hyper.clone();
    hyper.schedule = Schedule::Constant;
    hyper.warmup = 0.02;
    hyper.lr *= RATE;
    hyper.epochs = most.min(affordable.saturating_sub(1)).max(1);

    let mut patience = Patience::new(Direction::Max, PATIENCE, LEAST_GAIN);
    let mut watch = |epoch: &Epoch| match epoch.select {
        Some(select) if patience.report(TrialId(0), epoch.epoch as u64, select) == Verdict::Stop => {
            Control::Stop
        }
        _ => Control::Continue,
    };
    let pictures = task.pictures(&hyper);
    let first = cx.train_on("train", &[], task, &model, &pictures, task.split(), &hyper, None, &mut watch)?;
    let ran = first.fitted.epochs.len();

    let mut cooling = hyper.clone();
    cooling.schedule = Schedule::Cosine;
    cooling.warmup = 0.0;
    cooling.epochs = 1;
    cooling.seed = hyper.seed.wrapping_add(1);
    let last = cx.train("cool-down", &[first.entry], task, &first.fitted.model, &cooling, None)?;

    let mut candidate = Candidate::trained("early-stopping", last.fitted.model);
    candidate.made_by(first.entry);
    candidate.made_by(last.entry);
    candidate.note("epochs", format!("{} of {}", ran + cooling.epochs, task.hyper.epochs));
    candidate.hyper = Some(hyper);
    Ok(vec![candidate])
}

/// A training by command cannot be cooled down: it is run again with as many epochs as its curve needed.
fn train_again(
    from: &Candidate,
    task: &CommandTask,
    cx: &mut Context<'_>,
) -> Result<Vec<Candidate>, Setback> {
    let epochs = task.epochs() as usize;
    if from.curve.len() < 2 {
        return Err(Setback::Skipped(format!(
            "the command reports {} once per training and not per epoch, so nothing shows where it flattens",
            task.goal()
        )));
    }
    // Half of the admitted loss: a schedule that is fitted into fewer epochs changes the curve a little.
    let near = 0.5 * task.admitted(cx.max_drop, from.select.unwrap_or_default());
    let flat = plateau(&from.curve, task.direction(), near);
    // Some commands report several times per epoch, some every few epochs.
    let enough = (flat * epochs).div_ceil(from.curve.len());
    if enough >= epochs {
        return Err(Setback::Skipped(format!("{} still improved in the last epoch", task.goal())));
    }
    let variation = Variation::from([(Placeholder::Epochs, enough.to_string())]);
    // Without the baseline's curve nobody would know where to stop.
    let mut candidate = command::retrain("early-stopping", "train", &from.depends_on, task, &variation, cx)?;
    candidate.note("epochs", format!("{enough} of {epochs}"));
    Ok(vec![candidate])
}

/// How many reports it took to come within `near` of the best one.
fn plateau(curve: &[f64], direction: Direction, near: f64) -> usize {
    let best = curve.iter().copied().min_by(|&a, &b| direction.compare(a, b)).unwrap_or(f64::NAN);
    curve.iter().position(|&value| direction.gain(best, value) <= near).map_or(curve.len(), |i| i + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_is_flat_where_it_comes_near_its_best() {
        let accuracy = [0.5, 0.8, 0.9, 0.896, 0.903, 0.902];
        assert_eq!(plateau(&accuracy, Direction::Max, 0.005), 3);
        assert_eq!(plateau(&accuracy, Direction::Max, 0.0), 5);
        assert_eq!(plateau(&[2.0, 1.0, 0.5], Direction::Min, 0.1), 3);
        assert_eq!(plateau(&[f64::NAN, 1.0], Direction::Min, 0.1), 2);
    }
}
