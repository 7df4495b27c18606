//! Trainings by the user's own command, as practices run them.

use std::path::{Path, PathBuf};

use joulewise_meter::EventKind;
use joulewise_tune::Verdict;

use super::Setback;
use crate::candidate::Candidate;
use crate::context::Context;
use crate::task::metrics::Metrics;
use crate::task::template::{Placeholder, Values};
use crate::task::{CommandTask, TaskError, TaskErrorKind, Trained};

/// The folder of a run in which each execution of a command has its `{out}`, called after its stage.
pub const FOLDER: &str = "commands";

/// A training by command that ran, and the ledger entry of its stage.
pub struct Attempt {
    /// What it gave, or how it failed.
    pub result: Result<Trained, TaskError>,
    /// The stage's entry in the ledger.
    pub entry: u32,
    /// Its `{out}`, relative to the run folder.
    pub out: PathBuf,
}

/// Trains by command with `values` over the baseline's, in a stage of its own, shows what it reports and
/// charges the budget. Only the user's interrupt is a setback: a failure has its price as well.
pub fn train(
    name: &str,
    depends_on: &[u32],
    task: &CommandTask,
    values: &Values,
    cx: &mut Context<'_>,
) -> Result<Attempt, Setback> {
    let out = Path::new(FOLDER).join(cx.stage_name(name));
    let cost = task.cost(values);
    let (result, entry) = cx.stage(name, depends_on, |cx| {
        let (session, stage) = (cx.session, cx.stage);
        let mut reports = 0;
        let mut watch = |metrics: &Metrics| {
            reports += 1;
            for (name, &value) in metrics.iter().filter(|(name, _)| *name != "epoch") {
                session.emit(EventKind::Metric { stage, name: name.clone(), step: reports, value });
            }
            let (done, of) = (reports, cost.round().max(1.0) as u64);
            session.emit(EventKind::Progress { stage, done: done.min(of), of, text: String::new() });
            Verdict::Continue
        };
        let result = task.train(values, &cx.absolute(&out), &mut watch, cx.cancel);
        cx.budget.spend(&cx.practice.clone(), cost);
        match result {
            Err(error) if error.kind() == TaskErrorKind::Cancelled => Err(Setback::Cancelled),
            result => Ok(result),
        }
    })?;
    Ok(Attempt { result, entry, out })
}

/// A candidate of `practice`: the baseline's training with `values`, if the budget pays for it.
pub fn retrain(
    practice: &str,
    name: &str,
    depends_on: &[u32],
    task: &CommandTask,
    values: &Values,
    cx: &mut Context<'_>,
) -> Result<Candidate, Setback> {
    let (cost, left) = (task.cost(values), cx.budget.left(&cx.practice));
    if cost > left * (1.0 + 1e-9) {
        return Err(Setback::Skipped(format!(
            "its share of the budget, {left:.1} epochs of the baseline, does not pay for its training, {cost:.1}"
        )));
    }
    let attempt = train(name, depends_on, task, values, cx)?;
    let trained = attempt.result?;
    let mut candidate = candidate(practice, task, &trained, &attempt.out);
    candidate.has_own_network = values.contains_key(&Placeholder::Width);
    depends_on.iter().for_each(|&entry| candidate.upstream(entry));
    candidate.made_by(attempt.entry);
    Ok(candidate)
}

/// A candidate from what a training of the baseline's network in the folder `out` of the run gave.
pub fn candidate(practice: &str, task: &CommandTask, trained: &Trained, out: &Path) -> Candidate {
    let file = trained.model.as_ref().and_then(|model| model.file_name());
    let curve = trained.curve.iter().filter_map(|metrics| metrics.get(task.goal()).copied()).collect();
    let mut candidate = Candidate::by_command(practice, file.map(|file| out.join(file)), curve);
    candidate.has_own_network = false;
    candidate
}
