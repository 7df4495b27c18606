//! What `improve` does differently where the training is the user's own commands.

use std::path::Path;
use std::time::Instant;

use joulewise_meter::{Energy, StageRecord};

use super::benchmark::{Price, Slice};
use super::outcome::Tested;
use super::search::Priced;
use crate::candidate::{Candidate, Status};
use crate::context::Context;
use crate::practice::{Setback, command};
use crate::recipe::Budget;
use crate::task::template::Values;
use crate::task::{CommandTask, Deployed, TaskError, TaskErrorKind};

/// Turns that every model is run for: each may take seconds to start.
const ROUNDS: usize = 3;

/// Trains as the user does today. Anything that fails here would fail later and cost more, so a model is run once
/// as well where there is a command for it.
pub(super) fn baseline(task: &CommandTask, cx: &mut Context<'_>) -> Result<Candidate, Setback> {
    // The run's folder goes when there is no baseline, and the output with it.
    let attempt = command::train("train", &[], task, &Values::new(), cx)?;
    let trained = attempt.result.map_err(TaskError::without_log)?;
    let mut candidate = command::candidate("baseline", task, &trained, &attempt.out);
    candidate.practices.clear();
    candidate.made_by(attempt.entry);
    candidate.reason = "everything is compared with it".into();
    if let Some(model) = &candidate.artifact {
        let out = cx.absolute(&Path::new(command::FOLDER).join(cx.stage_name("deploy")));
        let model = cx.absolute(model);
        let (deployed, _) = cx.stage("deploy", &[attempt.entry], |cx| {
            Ok(task.deploy(&model, cx.batch, &out, cx.cancel).map_err(TaskError::without_log)?)
        })?;
        drop(deployed);
    }
    Ok(candidate)
}

/// What `budget` is in epochs of the baseline, of which the training is on the ledger as `training`.
pub(super) fn affordable_epochs(budget: Budget, task: &CommandTask, training: &StageRecord) -> f64 {
    let epochs = task.epochs();
    match budget {
        Budget::Share(share) => share * epochs,
        Budget::Joules(joules) => joules / training.energy.value * epochs,
        Budget::Time(time) => time.as_secs_f64() / training.wall_s * epochs,
    }
}

/// Decides whether a candidate holds, by what its training reported.
pub(super) fn decide(candidate: &mut Candidate, baseline: &Candidate, task: &CommandTask, max_drop: f64) {
    let (Some(value), Some(before)) = (candidate.select, baseline.select) else {
        candidate.status = Status::Failed;
        candidate.reason = format!("it reported no {}", task.goal());
        return;
    };
    let loss = -task.direction().gain(value, before);
    let admitted = task.admitted(max_drop, before);
    let holds = loss <= admitted;
    candidate.status = if holds { Status::Holds } else { Status::Drops };
    let change = if loss > 0.0 { "loses" } else { "gains" };
    let verdict = if holds { "within" } else { "more than" };
    candidate.reason = format!(
        "its training reports {} {value:.4} after the baseline's {before:.4}: {change} {:.4}, {verdict} the admitted \
         {admitted:.4}",
        task.goal(),
        loss.abs(),
    );
}

/// What an inference of every model costs, all in turns. A model that does not run has no price, and says why.
pub(super) fn price(
    task: &CommandTask,
    candidates: &mut [Candidate],
    cx: &mut Context<'_>,
) -> Result<Vec<Option<Priced>>, Setback> {
    let mut slices: Vec<Vec<Slice>> = vec![Vec::new(); candidates.len()];
    for round in 0..ROUNDS {
        // Every other round runs backwards, so that a drift of the machine favours nobody.
        let mut order: Vec<usize> = (0..candidates.len()).collect();
        if round % 2 == 1 {
            order.reverse();
        }
        for index in order {
            cx.check()?;
            if slices[index].len() == round
                && let Some(slice) = run(task, &mut candidates[index], cx)?
            {
                slices[index].push(slice);
            }
        }
    }
    let price = |slices: &Vec<Slice>| {
        let batches = vec![(cx.batch, Price::of(slices))];
        (slices.len() == ROUNDS).then_some(Priced { batches, threads: None })
    };
    Ok(slices.iter().map(|slices| if slices.is_empty() { None } else { price(slices) }).collect())
}

/// One turn of a candidate's model; none where there is nothing to run or it fails.
fn run(
    task: &CommandTask,
    candidate: &mut Candidate,
    cx: &mut Context<'_>,
) -> Result<Option<Slice>, Setback> {
    let Some(model) = &candidate.artifact else { return Ok(None) };
    let out = cx.absolute(&Path::new(command::FOLDER).join("deploy").join(&candidate.name));
    let (before, began) = (cx.session.reading(), Instant::now());
    let deployed = task.deploy(&cx.absolute(model), cx.batch, &out, cx.cancel);
    let (after, wall_s) = (cx.session.reading(), began.elapsed().as_secs_f64());
    let deployed = noted(deployed, candidate, "inference")?.flatten();
    Ok(deployed.map(|Deployed { inferences, cpu_s, .. }| Slice {
        images: inferences as usize,
        calls: 1,
        cpu_s,
        wall_s,
        energy: Energy {
            value: after.energy.value - before.energy.value,
            low: after.energy.low - before.energy.low,
            high: after.energy.high - before.energy.high,
            method: after.energy.method,
        },
    }))
}

/// The one look at the test, which is the user's eval command. A model that fails it says why.
pub(super) fn test(
    task: &CommandTask,
    candidates: &mut [Candidate],
    cx: &mut Context<'_>,
) -> Result<Vec<Option<Tested>>, Setback> {
    let mut tested = Vec::new();
    for candidate in candidates {
        cx.check()?;
        let Some(model) = &candidate.artifact else {
            tested.push(None);
            continue;
        };
        let out = cx.absolute(&Path::new(command::FOLDER).join("eval").join(&candidate.name));
        let evaluated = task.evaluate(&cx.absolute(model), &out, cx.cancel);
        let metrics = noted(evaluated, candidate, "evaluation")?.flatten();
        let value = metrics.and_then(|metrics| metrics.get(task.goal()).copied());
        tested.push(value.map(|share| Tested { share, images: None }));
    }
    Ok(tested)
}

/// The value, or none and a note on the candidate of why there is none.
fn noted<T>(
    result: Result<T, TaskError>,
    candidate: &mut Candidate,
    what: &str,
) -> Result<Option<T>, Setback> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == TaskErrorKind::Cancelled => Err(Setback::Cancelled),
        Err(error) => {
            candidate.note(what, error.to_string());
            Ok(None)
        }
    }
}
