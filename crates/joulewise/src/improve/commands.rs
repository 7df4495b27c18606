//! What `improve` does differently where the training is the user's own commands.

use std::path::Path;
use std::time::Instant;

use joulewise_meter::{Energy, StageRecord};

use super::benchmark::{Price, Slice};
use super::judge::change;
use super::outcome::Tested;
use super::search::Priced;
use crate::candidate::{Candidate, Status};
use crate::context::Context;
use crate::practice::{Setback, command};
use crate::recipe::Budget;
use crate::report::quantity;
use crate::task::template::Values;
use crate::task::{CommandTask, Deployed, Supervision, TaskError, TaskErrorKind};

/// Turns that every network is run for: the fewest of which the lowest and the highest ratio are an interval of
/// 95 %.
const ROUNDS: usize = 6;

/// Trains as the user does today. Anything that fails here would fail later and cost more, so a model is run once
/// as well where there is a command for it.
pub(super) fn baseline(task: &CommandTask, cx: &mut Context<'_>) -> Result<Candidate, Setback> {
    let attempt = command::train("train", &[], task, &Values::new().into(), cx)?;
    let trained = attempt.result.map_err(|error| fatal("the baseline cannot be trained", error))?;
    let mut candidate = command::candidate("baseline", task, &trained, &attempt.out);
    candidate.practices.clear();
    candidate.made_by(attempt.entry);
    candidate.reason = "everything is compared with it".into();
    if let Some(model) = &candidate.artifact {
        let out = cx.absolute(&Path::new(command::FOLDER).join(cx.stage_name("deploy")));
        let model = cx.absolute(model);
        cx.command_stage("deploy", &[attempt.entry], |cx, by| {
            task.deploy(&model, &Values::new(), cx.batch, &out, by)
                .map_err(|error| fatal("the baseline's model cannot be run", error))
        })?;
    }
    Ok(candidate)
}

/// Why there is no run. Its folder goes, and the output of the command with it.
fn fatal(what: &str, error: TaskError) -> Setback {
    match error.kind() {
        TaskErrorKind::Cancelled => Setback::Cancelled,
        _ => Setback::Failed(format!("{what}: {}", error.without_log())),
    }
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
    let verdict = if holds { "within" } else { "more than" };
    let is_fraction = task.is_fraction(before);
    let number = |value: f64| {
        if is_fraction { format!("{:.2}", 100.0 * value) } else { quantity::three_figures(value) }
    };
    let (percent, points) = if is_fraction { (" %", " pp") } else { ("", "") };
    candidate.reason = format!(
        "its training reports {} {}{percent} after the baseline's {}{percent}: {}, {verdict} the admitted {}{points}",
        task.goal(),
        number(value),
        number(before),
        change(loss, &number(loss.abs()), points),
        number(admitted),
    );
}

/// What an inference of every network costs, all in turns; a candidate with the baseline's network has its price. A
/// model that does not run has none, and says why.
pub(super) fn price(
    task: &CommandTask,
    candidates: &mut [Candidate],
    cx: &mut Context<'_>,
    by: Supervision<'_>,
) -> Result<Vec<Option<Priced>>, Setback> {
    let mut slices: Vec<Vec<Slice>> = vec![Vec::new(); candidates.len()];
    for round in 0..ROUNDS {
        // Every other round runs backwards, so that a drift of the machine favours nobody.
        let mut order: Vec<usize> =
            (0..candidates.len()).filter(|&i| i == 0 || candidates[i].has_own_network).collect();
        if round % 2 == 1 {
            order.reverse();
        }
        for index in order {
            cx.check()?;
            if slices[index].len() == round
                && let Some(slice) = run(task, &mut candidates[index], cx, by)?
            {
                slices[index].push(slice);
            }
        }
    }
    let mut prices = Vec::new();
    for (index, candidate) in candidates.iter_mut().enumerate() {
        let shares = index > 0 && !candidate.has_own_network && candidate.artifact.is_some();
        let slices = &slices[if shares { 0 } else { index }];
        let price = (slices.len() == ROUNDS).then(|| Price::of(slices, cx.session.has_counter()));
        if shares && price.is_some() {
            candidate.note("inference", "priced as the baseline's: its training leaves the network as it is");
        }
        prices.push(price.map(|price| Priced {
            batches: vec![(cx.batch, price)],
            threads: None,
            twin: None,
        }));
    }
    Ok(prices)
}

/// One turn of a candidate's model; none where there is nothing to run or it fails.
fn run(
    task: &CommandTask,
    candidate: &mut Candidate,
    cx: &mut Context<'_>,
    by: Supervision<'_>,
) -> Result<Option<Slice>, Setback> {
    let Some(model) = &candidate.artifact else { return Ok(None) };
    let out = cx.absolute(&Path::new(command::FOLDER).join("deploy").join(&candidate.name));
    let (before, began) = (cx.session.reading(), Instant::now());
    let deployed = task.deploy(&cx.absolute(model), &candidate.values, cx.batch, &out, by);
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
    by: Supervision<'_>,
) -> Result<Vec<Option<Tested>>, Setback> {
    let mut tested = Vec::new();
    for candidate in candidates {
        cx.check()?;
        let Some(model) = &candidate.artifact else {
            tested.push(None);
            continue;
        };
        let out = cx.absolute(&Path::new(command::FOLDER).join("eval").join(&candidate.name));
        let evaluated = task.evaluate(&cx.absolute(model), &candidate.values, &out, by);
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
