//! Search the hyperparameters, most settings only briefly.
//!
//! # What it does
//! Spreads learning rate and weight decay over orders of magnitude and the batch size over a few, trains all
//! settings briefly on a part of the images, lets the best third train for three times as long, and trains the
//! winner in full. As long as that finds something better and the budget lasts, it begins again, with settings that
//! are likely by what came of those before (tree-structured Parzen estimators, which also weigh what a setting costs).
//!
//! # Why it saves energy
//! A bad setting can use several times the energy for the same accuracy. Stopping bad trials early pays for
//! looking.
//!
//! # When it costs
//! Every trial is on the ledger and in the cost of choosing, the losers and those that break too. Where today's setting is good
//! already, the search is a loss, and the report says so.
//!
//! # Evidence
//! Bergstra et al. (2011) for the estimators, Jamieson and Talwalkar (2016) for successive halving, Falkner et al.
//! (2018) for both together. On a linear scale most learning rates are too large, which is how grids lose in Yarally et al. (2023).
//!
//! # How to check
//! The trials in the run's events: setting, metric and joules of each.

mod command;
mod past;
mod search;
mod tally;

use joulewise_learn::data::stratified_subset;
use joulewise_learn::train::{Control, Hyperparameters, Split, TrainError};
use joulewise_meter::EventKind;
use joulewise_tune::stoppers::SuccessiveHalving;
use joulewise_tune::{Direction, Point, Space, TrialId, Value};
use search::{Search, Shape, Trained, Training};
use tally::Ended;

use super::{Card, Practice, Setback};
use crate::candidate::Candidate;
use crate::context::Context;
use crate::task::Task;
use crate::task::graph::GraphTask;
use crate::task::template::Placeholder;

/// Brackets of trials: the sampler has seen enough after the first one to know better than chance.
const BRACKETS: Shape = Shape { trials: 12, least: 2, brackets: 3, ends_without_gain: true };
/// A rung keeps one trial in so many, for so many times as long.
const ETA: u64 = 3;
/// Share of the training images that trials see.
const IMAGES: f64 = 0.25;
/// Decades around today's learning rate and weight decay that are searched.
const DECADES: f64 = 0.7;

/// See the module's documentation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tune;

impl Practice for Tune {
    fn card(&self) -> Card {
        Card::of_source("tune", include_str!("tune.rs"))
    }

    fn apply(&self, _from: &Candidate, task: &Task, cx: &mut Context<'_>) -> Result<Vec<Candidate>, Setback> {
        match task {
            Task::Graph(task) => search(task, cx),
            Task::Commands(task) => command::search(task, cx),
        }
    }

    fn needs(&self) -> Option<&'static [&'static [Placeholder]]> {
        Some(&[&[Placeholder::Lr]])
    }
}

fn search(task: &GraphTask, cx: &mut Context<'_>) -> Result<Vec<Candidate>, Setback> {
    let model = task.network(1.0, cx.seed)?;
    let subset = stratified_subset(
        &task.splits.train,
        &task.data.train.labels,
        part(task.splits.train.len()),
        cx.seed,
    );
    let epoch = task.cost_in_epochs(cx.costs, &model, subset.len())?;
    let full = task.hyper.epochs as f64;
    let left = cx.budget.left(&cx.practice);
    let halving = SuccessiveHalving::new(Direction::Max, ETA, 1, ETA);
    let pays = |cx: &Context<'_>, steps: u64| {
        steps as f64 * epoch + full <= cx.budget.left(&cx.practice) * (1.0 + 1e-9)
    };
    if !pays(cx, halving.total_steps(BRACKETS.least)) {
        return Err(Setback::Skipped(format!(
            "its share of the budget, {left:.1} epochs of the baseline, does not pay for two trials and a training"
        )));
    }

    let search = Search::new(space(&task.hyper)?, Direction::Max, cx.seed, left - full, halving, BRACKETS);
    let found =
        search.starting_with(today(&task.hyper)).run(cx, pays, |cx, Training { id, point, step }| {
            let mut hyper = setting(&task.hyper, point);
            hyper.epochs = step as usize;
            let name = past::stage(id, step);
            let split = Split { train: &subset, select: &task.splits.select };
            let (before, left) = (cx.session.reading(), cx.budget.left(&cx.practice));
            let attempt = cx.attempt(
                &name,
                &[],
                task,
                &model,
                &task.pictures(&hyper),
                split,
                &hyper,
                None,
                &mut |_| Control::Continue,
            )?;
            let energy_j = cx.session.reading().energy.value - before.energy.value;
            let updates = cx.costs.updates(&model, hyper.batch)?;
            let cost = (left - cx.budget.left(&cx.practice)) * (1.0 + updates);
            let result = match attempt.result {
                Ok(fitted) => {
                    fitted.select().ok_or_else(|| (Ended::Failed, "no epoch was watched".to_owned()))
                }
                Err(error @ TrainError::Diverged { .. }) => Err((Ended::Diverged, error.to_string())),
                Err(error) => Err((Ended::Failed, error.to_string())),
            };
            cx.session.emit(trial_event(attempt.entry, id, point, &result, energy_j));
            Ok(Trained { entry: attempt.entry, result, cost, model: None, curve: Vec::new() })
        })?;
    let hyper = setting(&task.hyper, &found.point);
    let trained = cx.train("train-winner", &found.entries, task, &model, &hyper, None)?;
    let mut candidate = Candidate::trained("tune", trained.fitted.model);
    candidate.made_by(trained.entry);
    candidate.note("trials", found.tally.to_string());
    candidate.note("sampler", found.sampler);
    candidate.note("learning rate", format!("{:.4} (was {})", hyper.lr, task.hyper.lr));
    candidate
        .note("weight decay", format!("{:.1e} (was {:.1e})", hyper.weight_decay, task.hyper.weight_decay));
    candidate.note("batch", format!("{} (was {})", hyper.batch, task.hyper.batch));
    candidate.hyper = Some(hyper);
    Ok(vec![candidate])
}

fn part(examples: usize) -> usize {
    (examples as f64 * IMAGES) as usize
}

fn space(hyper: &Hyperparameters) -> Result<Space, Setback> {
    let around = |value: f64| (value * 10f64.powf(-DECADES), value * 10f64.powf(DECADES));
    let (low, high) = around(hyper.lr);
    let (decay_low, decay_high) = around(hyper.weight_decay.max(1e-5));
    let batches = [hyper.batch / 2, hyper.batch, hyper.batch * 2].map(|b| b.max(1).to_string());
    let batches: Vec<&str> = batches.iter().map(String::as_str).collect();
    Space::new()
        .log_float("lr", low, high)
        .and_then(|space| space.log_float("weight_decay", decay_low, decay_high))
        .and_then(|space| space.choice("batch", &batches))
        .map_err(|error| Setback::Failed(error.to_string()))
}

fn today(hyper: &Hyperparameters) -> Point {
    Point::from_iter([
        ("lr".to_owned(), Value::Float(hyper.lr)),
        ("weight_decay".to_owned(), Value::Float(hyper.weight_decay.max(1e-5))),
        ("batch".to_owned(), Value::Choice(hyper.batch.to_string())),
    ])
}

fn setting(hyper: &Hyperparameters, point: &Point) -> Hyperparameters {
    let mut hyper = hyper.clone();
    hyper.lr = point.float("lr").unwrap_or(hyper.lr);
    hyper.weight_decay = point.float("weight_decay").unwrap_or(hyper.weight_decay);
    hyper.batch = point.choice("batch").and_then(|b| b.parse().ok()).unwrap_or(hyper.batch);
    hyper
}

fn text(value: &Value) -> String {
    match value {
        Value::Float(value) => format!("{value:.3e}"),
        Value::Int(value) => value.to_string(),
        Value::Choice(value) => value.clone(),
    }
}

fn trial_event(
    stage: u32,
    id: TrialId,
    point: &Point,
    result: &Result<f64, (Ended, String)>,
    energy_j: f64,
) -> EventKind {
    let ended = result.as_ref().err().map_or(Ended::Complete, |(ended, _)| *ended);
    EventKind::Trial {
        stage,
        number: id.0,
        params: point.values().map(|(name, value)| (name.to_owned(), text(value))).collect(),
        value: result.as_ref().ok().copied(),
        energy_j: Some(energy_j),
        state: ended.word().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::Budget;
    use crate::practice::fixture::Bench;

    fn tried(sets: &[&str]) -> (Result<Vec<Candidate>, Setback>, Bench) {
        let mut bench = Bench::new(sets);
        bench.budget = Budget::divide(30.0, [("tune", 1.0)]);
        (bench.apply("tune", &Tune, &[]), bench)
    }

    #[test]
    fn trials_that_fail_are_paid_for_by_the_winner() {
        // A quarter of the images fills no batch of 64 or 128, but one of 32.
        let (made, bench) = tried(&[]);
        let made = made.unwrap().remove(0);
        let note = &made.notes.iter().find(|(name, _)| name == "trials").unwrap().1;
        assert!(
            note.contains("stopped early") && note.contains("failed") && !note.contains("diverged"),
            "{note}"
        );
        assert!(note.contains("do not fill one batch"), "{note}");
        assert!(made.notes.iter().any(|(name, why)| name == "sampler" && why.starts_with("tpe")));
        let winner = bench.ledger.last().unwrap();
        assert_eq!(winner.name, "tune/train-winner");
        let trials = bench.ledger.iter().filter(|stage| stage.name.starts_with("tune/trial-"));
        let trials: Vec<u32> = trials.map(|stage| stage.id).collect();
        assert!(
            trials.len() > BRACKETS.trials && winner.depends_on == trials,
            "{trials:?}, {:?}",
            winner.depends_on
        );
    }

    #[test]
    fn settings_that_diverge_are_called_so() {
        let (tried, bench) = tried(&["train.batch=8", "train.lr=1e25"]);
        let reason = tried.unwrap_err().to_string();
        assert!(reason.starts_with("every trial diverged; the last: the loss became"), "{reason}");
        let spent = bench.budget.shares["tune"].spent;
        assert!(spent > 0.0 && spent < 9.0 * IMAGES, "only what was trained is charged: {spent}");
    }
}
