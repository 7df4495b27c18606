//! What a practice needs to be tried in a test: a tiny task, its trained baseline, and a context.

use std::sync::atomic::AtomicBool;

use joulewise_meter::{Session, StageRecord};

use super::{Practice, Setback};
use crate::budget::Budget;
use crate::candidate::Candidate;
use crate::context::Context;
use crate::costs::Costs;
use crate::recipe::{Override, Recipe};
use crate::task::Task;
use crate::task::graph::GraphTask;

/// A practice's surroundings on a task of a few hundred glyphs.
pub(super) struct Bench {
    pub(super) task: Task,
    pub(super) baseline: Candidate,
    pub(super) budget: Budget,
    /// Stages so far.
    pub(super) ledger: Vec<StageRecord>,
    /// Longest admitted time of an inference call.
    pub(super) latency_s: Option<f64>,
    session: Session,
    costs: Costs,
    cancel: AtomicBool,
    folder: tempfile::TempDir,
}

impl Bench {
    /// The task of the default recipe, made small, with `sets` over it.
    pub(super) fn new(sets: &[&str]) -> Self {
        let tiny =
            ["data.train=400", "data.test=50", "model.width=0.25", "train.threads=1", "train.epochs=1"];
        let sets = tiny.iter().chain(sets).map(|set| Override::parse(set).unwrap());
        let task = GraphTask::load(&Recipe::load(None, sets).unwrap()).unwrap();
        let mut baseline = Candidate::trained("baseline", task.network(1.0, 1).unwrap());
        baseline.practices.clear();
        baseline.made_by(1);
        Self {
            costs: Costs::typical(task.cpu.isa().name(), 2.0),
            task: Task::Graph(Box::new(task)),
            baseline,
            budget: Budget::default(),
            ledger: Vec::new(),
            latency_s: None,
            session: Session::builder().sysfs_root("/nonexistent").open().unwrap(),
            cancel: AtomicBool::new(false),
            folder: tempfile::tempdir().unwrap(),
        }
    }

    /// Tries `practice`, which is called `name`, on the baseline, with these candidates judged before it.
    pub(super) fn apply(
        &mut self,
        name: &str,
        practice: &dyn Practice,
        candidates: &[Candidate],
    ) -> Result<Vec<Candidate>, Setback> {
        let mut cx = Context {
            session: &self.session,
            cancel: &self.cancel,
            costs: &self.costs,
            budget: &mut self.budget,
            practice: name.to_owned(),
            seed: 1,
            max_drop: 0.01,
            latency_s: self.latency_s,
            ledger: &mut self.ledger,
            candidates,
            stage: 0,
            first_entry: 1,
            earlier: &[],
            batch: 64,
            folder: self.folder.path(),
        };
        practice.apply(&self.baseline, &self.task, &mut cx)
    }
}
