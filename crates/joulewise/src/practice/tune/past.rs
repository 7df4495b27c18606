//! What came of a search's trainings, kept in the run's folder: a run that was interrupted goes on from there.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::PathBuf;

use joulewise_learn::atomic;
use joulewise_tune::{Point, TrialId};
use serde::{Deserialize, Serialize};

use super::search::{Trained, Training};
use crate::context::Context;
use crate::practice::Setback;

/// The file, a training in each line.
const FILE: &str = "search.jsonl";

/// Trainings that ended before the run was interrupted, by trial and step.
#[derive(Debug, Default)]
pub(super) struct Past {
    file: PathBuf,
    known: BTreeMap<(TrialId, u64), Line>,
}

/// A training, and what it took.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Line {
    trial: u64,
    step: u64,
    point: Point,
    /// Epochs of the practice's budget.
    spent: f64,
    #[serde(flatten)]
    trained: Trained,
}

impl Past {
    /// What is known of the search of this run: trainings of which the ledger has the stage. Others were paid for by a
    /// process that had no time to say so, and are run again.
    pub(super) fn of(cx: &Context<'_>) -> Result<Self, Setback> {
        let file = cx.folder.join(FILE);
        let text = fs::read_to_string(&file).unwrap_or_default();
        let lines: Vec<Line> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        let is_on_ledger = |line: &Line| {
            let stage = cx.stage_name(&stage(TrialId(line.trial), line.step));
            cx.earlier.iter().any(|entry| entry.id == line.trained.entry && entry.stage == stage)
        };
        let known: BTreeMap<_, _> = lines
            .into_iter()
            .filter(is_on_ledger)
            .map(|line| ((TrialId(line.trial), line.step), line))
            .collect();
        if !text.is_empty() {
            let kept: String = known.values().map(written).collect();
            atomic::write(&file, kept.as_bytes()).map_err(|error| unwritten(&error))?;
        }
        Ok(Self { file, known })
    }

    /// What came of a training that was run before; its cost is charged as it was then.
    pub(super) fn take(&mut self, training: Training<'_>, cx: &mut Context<'_>) -> Option<Trained> {
        let line = self.known.remove(&(training.id, training.step))?;
        if line.point != *training.point {
            return None;
        }
        cx.budget.spend(&cx.practice, line.spent);
        Some(line.trained)
    }

    /// Keeps what came of a training that took `spent` of the budget.
    pub(super) fn keep(&self, training: Training<'_>, spent: f64, trained: &Trained) -> Result<(), Setback> {
        let Training { id, point, step } = training;
        let line = Line { trial: id.0, step, point: point.clone(), spent, trained: trained.clone() };
        let file = File::options().create(true).append(true).open(&self.file);
        file.and_then(|mut file| file.write_all(written(&line).as_bytes())).map_err(|error| unwritten(&error))
    }
}

/// The stage of a training, within its practice.
pub(super) fn stage(id: TrialId, step: u64) -> String {
    format!("trial-{}-{step}", id.0)
}

fn written(line: &Line) -> String {
    // Values that are no numbers cannot be kept: such a training is run again.
    serde_json::to_string(line).map_or_else(|_| String::new(), |line| line + "\n")
}

fn unwritten(error: &std::io::Error) -> Setback {
    Setback::Failed(format!("cannot write {FILE}: {error}"))
}
