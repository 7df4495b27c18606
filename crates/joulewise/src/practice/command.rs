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

/// What is changed about the baseline's training.
#[derive(Clone, Debug, PartialEq)]
pub struct Variation {
    /// Other values for some placeholders.
    pub values: Values,
    /// The share of the baseline's examples that it trains on.
    pub examples: f64,
}

impl<const N: usize> From<[(Placeholder, String); N]> for Variation {
    fn from(values: [(Placeholder, String); N]) -> Self {
        Values::from(values).into()
    }
}

impl From<Values> for Variation {
    fn from(values: Values) -> Self {
        Self { values, examples: 1.0 }
    }
}

impl Variation {
    /// What it is expected to cost, in epochs of the baseline.
    pub fn cost(&self, task: &CommandTask) -> f64 {
        task.cost(&self.values) * self.examples
    }

    /// Whether a model that is trained so may cost another price per inference.
    fn changes_network(&self) -> bool {
        let of_the_network = [Placeholder::Width, Placeholder::Depth, Placeholder::Precision];
        of_the_network.iter().any(|placeholder| self.values.contains_key(placeholder))
    }
}

/// `factor` times what `placeholder` is today: a whole number where it is one above 1, as in 64 channels.
pub fn scaled(task: &CommandTask, placeholder: Placeholder, factor: f64) -> String {
    let today = task.number(placeholder);
    let is_count = placeholder == Placeholder::Depth || (today > 1.0 && today.fract() == 0.0);
    let value = if is_count { (today * factor).round().max(1.0) } else { today * factor };
    value.to_string()
}

/// A training by command that ran, and the ledger entry of its stage.
pub struct Attempt {
    /// What it gave, or how it failed.
    pub result: Result<Trained, TaskError>,
    /// The stage's entry in the ledger.
    pub entry: u32,
    /// Its `{out}`, relative to the run folder.
    pub out: PathBuf,
}

/// Trains by command with a `variation` of the baseline's values, in a stage of its own, shows what it reports and
/// charges the budget. Only the user's interrupt is a setback: a failure has its price as well.
pub fn train(
    name: &str,
    depends_on: &[u32],
    task: &CommandTask,
    variation: &Variation,
    cx: &mut Context<'_>,
) -> Result<Attempt, Setback> {
    let out = Path::new(FOLDER).join(cx.stage_name(name));
    let cost = variation.cost(task);
    let (result, entry) = cx.command_stage(name, depends_on, |cx, by| {
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
        let result = task.train(&variation.values, &cx.absolute(&out), &mut watch, by);
        cx.budget.spend(&cx.practice, cost);
        match result {
            Err(error) if error.kind() == TaskErrorKind::Cancelled => Err(Setback::Cancelled),
            result => Ok(result),
        }
    })?;
    Ok(Attempt { result, entry, out })
}

/// A candidate of `practice`: a `variation` of the baseline's training, if the budget pays for it.
pub fn retrain(
    practice: &str,
    name: &str,
    depends_on: &[u32],
    task: &CommandTask,
    variation: &Variation,
    cx: &mut Context<'_>,
) -> Result<Candidate, Setback> {
    let (cost, left) = (variation.cost(task), cx.budget.left(&cx.practice));
    if cost > left * (1.0 + 1e-9) {
        return Err(Setback::Skipped(format!(
            "its share of the budget, {left:.1} epochs of the baseline, does not pay for its training, {cost:.1}"
        )));
    }
    let attempt = train(name, depends_on, task, variation, cx)?;
    let trained = attempt.result?;
    let mut candidate = candidate(practice, task, &trained, &attempt.out);
    candidate.has_own_network = variation.changes_network();
    // What the command does not take has changed nothing about it.
    candidate.values = variation.values.clone();
    candidate.values.retain(|placeholder, _| task.has(*placeholder));
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
