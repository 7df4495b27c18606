//! Stop training when another epoch no longer pays.
//!
//! # What it does
//! Trains at a constant rate for as long as another epoch gains enough accuracy on the select images for its cost:
//! half of the admitted loss per epoch of the baseline's cost. Then it cools the rate down to zero in one last
//! epoch. Both together never take more epochs than the baseline; the share of the budget may end the first part
//! before the plateau, and the candidate's notes say what ended it. A training by command is run again with the
//! number of epochs at which its own curve came within half of the admitted loss of its best.
//!
//! # Why it saves energy
//! The epochs after the plateau cost as much as those before it and change little.
//!
//! # When it costs
//! The evaluation after each epoch. A curve that pauses before it rises again is cut too early. A baseline of one
//! or two epochs has no plateau to stop at.
//!
//! # Evidence
//! What an epoch costs hardly depends on the other hyperparameters (Yarally et al. 2023: 1 % across settings), so
//! the number of epochs is what a training pays for. Most of the accuracy is gained in the first of them.
//!
//! # How to check
//! The training curve in the report, and the metric gained per epoch at the stop in the candidate's notes.

use joulewise_learn::train::schedule::Schedule;
use joulewise_learn::train::{Control, Epoch};
use joulewise_tune::stoppers::Patience;
use joulewise_tune::{Direction, Report, Stopper, TrialId, Verdict};

use super::command::{self, Variation};
use super::{Card, Practice, Setback};
use crate::candidate::Candidate;
use crate::context::Context;
use crate::task::graph::GraphTask;
use crate::task::template::Placeholder;
use crate::task::{CommandTask, Task};

/// Epochs that may pass without a gain that pays.
const PATIENCE: u64 = 1;
/// What an epoch of the baseline's cost has to gain at least, and how near to its best a curve is flat, as a part of
/// the loss that the goal admits.
pub(crate) const LEAST_GAIN: f64 = 0.5;
/// Epochs of the cool-down, which are part of the training's cost.
const COOL_DOWN: usize = 1;
/// Fewest epochs of which some can be a plateau: one to learn, one to see that nothing is gained, and the cool-down.
const FEWEST: usize = 2 + COOL_DOWN;
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
        let epochs = match task {
            Task::Graph(task) => task.hyper.epochs,
            Task::Commands(task) => task.epochs() as usize,
        };
        if epochs < FEWEST {
            let plural = if epochs == 1 { "" } else { "s" };
            return Err(Setback::Skipped(format!(
                "a training of {epochs} epoch{plural} has no plateau to stop at"
            )));
        }
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
    let planned = task.hyper.epochs;
    let model = task.network(1.0, cx.seed)?;
    let affordable = cx.affordable_epochs(task, &model, task.splits.train.len(), planned)?;
    if affordable < FEWEST {
        return Err(Setback::Skipped(format!(
            "its share of the budget, {:.1} epochs of the baseline, does not pay for the {FEWEST} that show a plateau",
            cx.budget.left(&cx.practice)
        )));
    }
    let mut hyper = task.hyper.clone();
    hyper.schedule = Schedule::Constant;
    hyper.warmup = 0.02;
    hyper.lr *= RATE;
    hyper.epochs = affordable - COOL_DOWN;

    let cost = task.cost_in_epochs(cx.costs, &model, task.splits.train.len())?;
    let mut plateau = Plateau::new(cost, LEAST_GAIN * cx.max_drop);
    let mut watch = |epoch: &Epoch| plateau.after(epoch);
    let pictures = task.pictures(&hyper);
    let first = cx.train_on("train", &[], task, &model, &pictures, task.split(), &hyper, None, &mut watch)?;
    let ran = first.fitted.epochs.len();

    let mut cooling = hyper.clone();
    cooling.schedule = Schedule::Cosine;
    cooling.warmup = 0.0;
    cooling.epochs = COOL_DOWN;
    cooling.seed = hyper.seed.wrapping_add(1);
    let last = cx.train("cool-down", &[first.entry], task, &first.fitted.model, &cooling, None)?;

    let mut candidate = Candidate::trained("early-stopping", last.fitted.model);
    candidate.made_by(first.entry);
    candidate.made_by(last.entry);
    candidate.note("epochs", format!("{} of {planned}", ran + COOL_DOWN));
    candidate.note("stopped by", plateau.stopped_by(affordable == planned));
    candidate.note(GAINED, per_epoch(plateau.gained));
    hyper.epochs = ran + COOL_DOWN;
    candidate.hyper = Some(hyper);
    Ok(vec![candidate])
}

/// The metric that the last epoch gained for its cost.
const GAINED: &str = "metric gained per epoch at the stop";

/// A gain of the metric per epoch of the baseline's cost, as in `+0.0012`.
fn per_epoch(gain: f64) -> String {
    format!("{gain:+.4}")
}

/// Watches a training until an epoch gains less than it has to for what it costs.
struct Plateau {
    /// Of an epoch, in epochs of the baseline.
    cost: f64,
    patience: Patience,
    best: Option<f64>,
    /// What the last epoch gained over the best before it, per epoch of the baseline's cost.
    gained: f64,
    reached: bool,
}

impl Plateau {
    /// For epochs that cost `cost` epochs of the baseline, each of which has to gain `least`.
    fn new(cost: f64, least: f64) -> Self {
        let patience = Patience::new(Direction::Max, PATIENCE, least * cost);
        Self { cost, patience, best: None, gained: 0.0, reached: false }
    }

    fn after(&mut self, epoch: &Epoch) -> Control {
        let Some(select) = epoch.select else { return Control::Continue };
        self.gained = (select - self.best.unwrap_or(0.0)) / self.cost;
        self.best = Some(self.best.map_or(select, |best| best.max(select)));
        self.reached =
            self.patience.report(TrialId(0), &Report::of(epoch.epoch as u64, select)) == Verdict::Stop;
        if self.reached { Control::Stop } else { Control::Continue }
    }

    /// In words; `whole` says whether the budget pays for as many epochs as the baseline has.
    fn stopped_by(&self, whole: bool) -> &'static str {
        match (self.reached, whole) {
            (true, _) => "the plateau",
            (false, true) => "the baseline's number of epochs, before a plateau",
            (false, false) => "its share of the budget, before a plateau",
        }
    }
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
    // Not all of the admitted loss: a schedule that is fitted into fewer epochs changes the curve a little.
    let near = LEAST_GAIN * task.admitted(cx.max_drop, from.select.unwrap_or_default());
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
    let remaining = &from.curve[flat - 1..];
    let reports = remaining.len().saturating_sub(1).max(1) as f64;
    let gained = task.direction().gain(best(remaining, task.direction()), remaining[0]);
    let per_report = gained / reports * from.curve.len() as f64 / epochs as f64;
    candidate.note("metric gained per epoch after the stop", per_epoch(per_report));
    Ok(vec![candidate])
}

/// How many reports it took to come within `near` of the best one.
pub(crate) fn plateau(curve: &[f64], direction: Direction, near: f64) -> usize {
    let best = best(curve, direction);
    curve.iter().position(|&value| direction.gain(best, value) <= near).map_or(curve.len(), |i| i + 1)
}

fn best(curve: &[f64], direction: Direction) -> f64 {
    curve.iter().copied().min_by(|&a, &b| direction.compare(a, b)).unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::Budget;
    use crate::practice::fixture::Bench;

    #[test]
    fn a_curve_is_flat_where_it_comes_near_its_best() {
        let accuracy = [0.5, 0.8, 0.9, 0.896, 0.903, 0.902];
        assert_eq!(plateau(&accuracy, Direction::Max, 0.005), 3);
        assert_eq!(plateau(&accuracy, Direction::Max, 0.0), 5);
        assert_eq!(plateau(&[2.0, 1.0, 0.5], Direction::Min, 0.1), 3);
        assert_eq!(plateau(&[f64::NAN, 1.0], Direction::Min, 0.1), 2);
    }

    /// After how many epochs a training with these accuracies stops, and why.
    fn stops(accuracies: &[f64], cost: f64) -> (usize, String, String) {
        let mut plateau = Plateau::new(cost, 0.002);
        let of = accuracies.len();
        let epochs = accuracies.iter().enumerate().map(|(i, &accuracy)| Epoch {
            epoch: i + 1,
            of,
            loss: 1.0,
            select: Some(accuracy),
        });
        let ran = epochs.take_while(|epoch| plateau.after(epoch) == Control::Continue).count();
        let ran = if plateau.reached { ran + 1 } else { ran };
        (ran, plateau.stopped_by(false).to_owned(), per_epoch(plateau.gained))
    }

    #[test]
    fn a_training_stops_where_an_epoch_gains_too_little_for_its_cost() {
        let accuracies = [0.5, 0.8, 0.9, 0.901, 0.95];
        assert_eq!(stops(&accuracies, 1.0), (4, "the plateau".into(), "+0.0010".into()));
        // A tenth of the cost pays for a tenth of the gain.
        let (ran, by, gained) = stops(&accuracies, 0.1);
        assert_eq!((ran, &*gained), (5, "+0.4900"));
        assert_eq!(by, "its share of the budget, before a plateau");
        assert_eq!(stops(&[0.5, 0.4, 0.9], 1.0), (2, "the plateau".into(), "-0.1000".into()));
    }

    #[test]
    fn it_never_trains_for_longer_than_the_baseline_or_its_share() {
        for (epochs, share) in [(1, 9.0), (2, 9.0), (4, 2.5), (4, 3.5), (3, 9.0)] {
            let mut bench = Bench::new(&[&format!("train.epochs={epochs}")]);
            bench.budget = Budget::divide(share, [("early-stopping", 1.0)]);
            let tried = bench.apply("early-stopping", &EarlyStopping, &[]);
            let spent = bench.budget.shares["early-stopping"].spent;
            assert!(spent <= share.min(f64::from(epochs)) + 1e-9, "{epochs} epochs, {share}: {spent} spent");
            match tried {
                Ok(made) => {
                    assert!(epochs >= 3 && share >= 3.0);
                    assert_eq!(made[0].notes[0].1, format!("{spent:.0} of {epochs}"));
                }
                Err(Setback::Skipped(reason)) if epochs < 3 => {
                    assert!(reason.contains("no plateau"), "{reason}");
                }
                Err(Setback::Skipped(reason)) => assert!(reason.contains("share of the budget"), "{reason}"),
                Err(other) => panic!("{other}"),
            }
        }
    }
}
