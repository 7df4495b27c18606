//! The search where the training is the user's own command.

use joulewise_tune::stoppers::SuccessiveHalving;
use joulewise_tune::{Point, Space, Value};

use super::search::{Search, Shape, Trained, Training};
use super::{BRACKETS, DECADES, ETA, Ended, past, trial_event};
use crate::candidate::Candidate;
use crate::context::Context;
use crate::practice::{Setback, command};
use crate::task::template::{Placeholder, Values};
use crate::task::{CommandTask, TaskErrorKind};

/// Trials of which each is a whole training: the next one is drawn when the last one is done.
const WHOLE: Shape = Shape { trials: 1, least: 1, brackets: 9, ends_without_gain: false };
/// Placeholders that are searched, where the command has them.
const SEARCHED: [Placeholder; 3] = [Placeholder::Lr, Placeholder::WeightDecay, Placeholder::Batch];

/// Trials of a few epochs, of which the best go on to more, and the winner in full. Without `{epochs}` every trial
/// is a whole training, and the best of them is the winner.
pub(super) fn search(task: &CommandTask, cx: &mut Context<'_>) -> Result<Vec<Candidate>, Setback> {
    let halves = task.has(Placeholder::Epochs);
    let full = task.epochs() as u64;
    let part = |share: u64| if halves { full.div_ceil(share) } else { 1 };
    let halving = SuccessiveHalving::new(task.direction(), ETA, part(ETA * ETA), part(ETA));
    let last = if halves { full } else { 0 };
    let shape = if halves { BRACKETS } else { WHOLE };
    let left = cx.budget.left(&cx.practice);
    let pays = |cx: &Context<'_>, steps: u64| (steps + last) as f64 <= cx.budget.left(&cx.practice) + 1e-9;
    if !pays(cx, halving.total_steps(shape.least)) {
        return Err(Setback::Skipped(format!(
            "its share of the budget, {left:.1} epochs of the baseline, does not pay for its trials and a training"
        )));
    }

    let mut search = Search::new(space(task)?, task.direction(), cx.seed, left - last as f64, halving, shape);
    if halves {
        // Without `{epochs}` today's setting is the baseline itself, which has run already.
        search = search.starting_with(today(task));
    }
    let mut found = search.run(cx, pays, |cx, Training { id, point, step }| {
        let mut values = values(point);
        if halves {
            values.insert(Placeholder::Epochs, step.to_string());
        }
        let before = cx.session.reading();
        let attempt = command::train(&past::stage(id, step), &[], task, &values.into(), cx)?;
        let energy_j = cx.session.reading().energy.value - before.energy.value;
        let (mut model, mut curve) = (None, Vec::new());
        let result = match &attempt.result {
            Ok(trained) => {
                let candidate = command::candidate("tune", task, trained, &attempt.out);
                let value = candidate.select.unwrap_or(f64::NAN);
                if halves {
                    // Nobody needs the models of short trials, and some are gigabytes.
                    candidate.artifact.iter().for_each(|model| discard(&cx.absolute(model)));
                } else {
                    (model, curve) = (candidate.artifact, candidate.curve);
                }
                if value.is_finite() {
                    Ok(value)
                } else {
                    Err((Ended::Diverged, format!("the metric is {value}")))
                }
            }
            Err(error) if error.kind() == TaskErrorKind::NotANumber => {
                Err((Ended::Diverged, error.to_string()))
            }
            Err(error) => Err((Ended::Failed, error.to_string())),
        };
        cx.session.emit(trial_event(attempt.entry, id, point, &result, energy_j));
        Ok(Trained { entry: attempt.entry, result, cost: step as f64, model, curve })
    })?;

    let mut candidate = if halves {
        let attempt = command::train("train-winner", &found.entries, task, &values(&found.point).into(), cx)?;
        let mut candidate = command::candidate("tune", task, &attempt.result?, &attempt.out);
        candidate.made_by(attempt.entry);
        candidate
    } else {
        let Some(trained) = found.trained.remove(&found.id) else {
            return Err(Setback::Failed("the best trial left nothing".into()));
        };
        for loser in found.trained.values() {
            loser.model.iter().for_each(|model| discard(&cx.absolute(model)));
        }
        let mut candidate = Candidate::by_command("tune", trained.model, trained.curve);
        candidate.has_own_network = false;
        candidate.made_by(trained.entry);
        candidate
    };
    found.entries.iter().for_each(|&entry| candidate.upstream(entry));
    candidate.values = values(&found.point);
    candidate.note("trials", found.tally.to_string());
    candidate.note("sampler", found.sampler);
    for (placeholder, value) in values(&found.point) {
        let was = task.baseline().get(&placeholder).map_or("", String::as_str);
        candidate.note(placeholder.name(), format!("{value} (was {was})"));
    }
    Ok(vec![candidate])
}

fn space(task: &CommandTask) -> Result<Space, Setback> {
    let mut space = Space::new();
    for placeholder in SEARCHED.into_iter().filter(|&placeholder| task.has(placeholder)) {
        let value = task.number(placeholder);
        let name = placeholder.name();
        space = match placeholder {
            Placeholder::Batch => {
                let batches = [value / 2.0, value, value * 2.0].map(|b| b.floor().max(1.0).to_string());
                let mut batches: Vec<&str> = batches.iter().map(String::as_str).collect();
                batches.dedup();
                space.choice(name, &batches)
            }
            // A decay of zero is a choice, and no point of a logarithmic scale.
            _ if value == 0.0 => continue,
            _ => space.log_float(name, value * 10f64.powf(-DECADES), value * 10f64.powf(DECADES)),
        }
        .map_err(|error| Setback::Failed(error.to_string()))?;
    }
    Ok(space)
}

/// The baseline's setting as a point of the space.
fn today(task: &CommandTask) -> Point {
    let searched = SEARCHED.into_iter().filter(|&placeholder| task.has(placeholder));
    let value = |placeholder| match (placeholder, task.number(placeholder)) {
        (Placeholder::Batch, batch) => Some(Value::Choice(batch.to_string())),
        (_, 0.0) => None,
        (_, value) => Some(Value::Float(value)),
    };
    searched.filter_map(|placeholder| Some((placeholder.name().to_owned(), value(placeholder)?))).collect()
}

/// What the command is given; three figures are finer than any search.
fn values(point: &Point) -> Values {
    let text = |value: &Value| match value {
        Value::Float(value) => format!("{value:.2e}").parse().unwrap_or(*value).to_string(),
        Value::Int(value) => value.to_string(),
        Value::Choice(value) => value.clone(),
    };
    let named = |placeholder: &Placeholder| point.values().find(|(name, _)| *name == placeholder.name());
    SEARCHED.into_iter().filter_map(|placeholder| Some((placeholder, text(named(&placeholder)?.1)))).collect()
}

/// Removes a model. One that cannot be removed only takes up space.
fn discard(model: &std::path::Path) {
    let _ = if model.is_dir() { std::fs::remove_dir_all(model) } else { std::fs::remove_file(model) };
}
