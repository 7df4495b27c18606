//! What a practice works with: stages, randomness, its share of the budget, and the way out.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use joulewise_learn::Model;
use joulewise_learn::train::{
    self, Control, Examples, Fitted, Hyperparameters, Split, Teacher, Tick, TrainError,
};
use joulewise_meter::{EventKind, Session, SpanListener, StageRecord};

use crate::budget::Budget;
use crate::costs::Costs;
use crate::practice::Setback;
use crate::result::Entry;
use crate::task::graph::GraphTask;
use crate::task::{self, Supervision};

/// A practice's surroundings.
pub struct Context<'a> {
    /// The run's meter.
    pub session: &'a Session,
    /// Set when the user asked to stop.
    pub cancel: &'a AtomicBool,
    /// Prices of operations.
    pub costs: &'a Costs,
    /// Epochs that each practice may still spend.
    pub budget: &'a mut Budget,
    /// The practice at work; stages are called after it.
    pub practice: String,
    /// The run's seed.
    pub seed: u64,
    /// Largest admitted loss of the metric, a fraction.
    pub max_drop: f64,
    /// Longest admitted time of one inference call in seconds, when the user set one.
    pub latency_s: Option<f64>,
    /// Closed stages, the run's ledger so far.
    pub ledger: &'a mut Vec<StageRecord>,
    /// Every candidate judged so far: what `combine` chooses among.
    pub candidates: &'a [crate::candidate::Candidate],
    /// The session's number of the innermost stage.
    pub stage: u32,
    /// Added to the session's stage numbers: entries of an interrupted run keep theirs.
    pub first_entry: u32,
    /// Entries of the interrupted run that this one continues.
    pub earlier: &'a [Entry],
    /// Examples per call at which inference is priced.
    pub batch: usize,
    /// The run's folder.
    pub folder: &'a Path,
}

/// A training that may have broken, and the ledger entry of its stage.
#[derive(Debug)]
pub struct Attempt {
    /// What was learned, or what went wrong.
    pub result: Result<Fitted, TrainError>,
    /// The stage's entry in the ledger: a failure has its price as well.
    pub entry: u32,
}

/// A training and the ledger entry of its stage.
#[derive(Debug)]
pub struct Trained {
    /// What was learned.
    pub fitted: Fitted,
    /// The stage's entry in the ledger.
    pub entry: u32,
}

impl Context<'_> {
    /// Runs `work` as the stage `practice/name`, which uses the products of `depends_on`. The stage is
    /// on the ledger even when the work fails.
    pub fn stage<T>(
        &mut self,
        name: &str,
        depends_on: &[u32],
        work: impl FnOnce(&mut Self) -> Result<T, Setback>,
    ) -> Result<(T, u32), Setback> {
        self.check()?;
        let id = self.session.open_stage(&self.stage_name(name), depends_on);
        self.stage = id;
        let result = work(self);
        let mut record = self.session.close_stage(id);
        record.id += self.first_entry;
        let entry = record.id;
        self.ledger.push(record);
        Ok((result?, entry))
    }

    /// As [`Context::stage`], where the user's commands do the work: the spans that they tell of are parts of the stage.
    pub fn command_stage<T>(
        &mut self,
        name: &str,
        depends_on: &[u32],
        work: impl FnOnce(&mut Self, Supervision<'_>) -> Result<T, Setback>,
    ) -> Result<(T, u32), Setback> {
        self.stage(name, depends_on, |cx| {
            let listener = task::listen(cx.session);
            let spans = listener.as_ref().map(SpanListener::path);
            work(cx, Supervision { cancel: cx.cancel, spans })
        })
    }

    /// Trains `model` in a stage of its own, shows its epochs, and charges the budget.
    pub fn train(
        &mut self,
        name: &str,
        depends_on: &[u32],
        task: &GraphTask,
        model: &Model,
        hyper: &Hyperparameters,
        teacher: Option<&Teacher>,
    ) -> Result<Trained, Setback> {
        let pictures = task.pictures(hyper);
        let mut go_on = |_: &train::Epoch| Control::Continue;
        self.train_on(name, depends_on, task, model, &pictures, task.split(), hyper, teacher, &mut go_on)
    }

    /// As [`Context::train`], on chosen examples and with a watcher that may end it early.
    pub fn train_on(
        &mut self,
        name: &str,
        depends_on: &[u32],
        task: &GraphTask,
        model: &Model,
        examples: &dyn Examples,
        split: Split<'_>,
        hyper: &Hyperparameters,
        teacher: Option<&Teacher>,
        watch: &mut dyn FnMut(&train::Epoch) -> Control,
    ) -> Result<Trained, Setback> {
        let Attempt { result, entry } =
            self.attempt(name, depends_on, task, model, examples, split, hyper, teacher, watch)?;
        Ok(Trained { fitted: result?, entry })
    }

    /// As [`Context::train_on`], where a training that breaks is an answer too: only the user's interrupt is a
    /// setback.
    pub fn attempt(
        &mut self,
        name: &str,
        depends_on: &[u32],
        task: &GraphTask,
        model: &Model,
        examples: &dyn Examples,
        split: Split<'_>,
        hyper: &Hyperparameters,
        teacher: Option<&Teacher>,
        watch: &mut dyn FnMut(&train::Epoch) -> Control,
    ) -> Result<Attempt, Setback> {
        let cost_of_epoch = task.cost_in_epochs(self.costs, model, split.train.len())?;
        let (result, entry) = self.stage(name, depends_on, |cx| {
            let (session, cancel) = (cx.session, cx.cancel);
            let stage = cx.stage;
            let mut epochs = 0.0;
            let result = train::fit(&task.cpu, model, examples, split, hyper, teacher, &mut |tick| {
                if cancel.load(Ordering::Relaxed) {
                    return Control::Cancel;
                }
                match tick {
                    Tick::Batch { step, of, .. } => {
                        // What breaks in the middle of an epoch has cost its part of it.
                        epochs = step as f64 / (of as f64 / hyper.epochs as f64);
                        session.emit(EventKind::Progress { stage, done: step, of, text: String::new() });
                        Control::Continue
                    }
                    Tick::Epoch(epoch) => {
                        let metric = |name: &str, value| EventKind::Metric {
                            stage,
                            name: name.to_owned(),
                            step: epoch.epoch as u64,
                            value,
                        };
                        session.emit(metric("loss", epoch.loss));
                        if let Some(select) = epoch.select {
                            session.emit(metric("accuracy", select));
                        }
                        watch(epoch)
                    }
                }
            });
            cx.budget.spend(&cx.practice, epochs * cost_of_epoch);
            match result {
                Err(TrainError::Cancelled) => Err(Setback::Cancelled),
                result => Ok(result),
            }
        })?;
        Ok(Attempt { result, entry })
    }

    /// Epochs of training `model` on `examples` examples that this practice can still afford, at most
    /// `wanted`.
    pub fn affordable_epochs(
        &self,
        task: &GraphTask,
        model: &Model,
        examples: usize,
        wanted: usize,
    ) -> Result<usize, Setback> {
        let cost = task.cost_in_epochs(self.costs, model, examples)?;
        let epochs = (self.budget.left(&self.practice) / cost + 1e-9).floor() as usize;
        if epochs == 0 {
            return Err(Setback::Skipped(format!(
                "its share of the budget, {:.2} epochs of the baseline, does not pay for one epoch",
                self.budget.left(&self.practice)
            )));
        }
        Ok(epochs.min(wanted))
    }

    /// Fails when the user asked to stop.
    pub fn check(&self) -> Result<(), Setback> {
        if self.cancel.load(Ordering::Relaxed) { Err(Setback::Cancelled) } else { Ok(()) }
    }

    /// Where a file of the run is.
    pub fn absolute(&self, path: &Path) -> PathBuf {
        let joined = self.folder.join(path);
        // A command may run in another folder than we do.
        std::path::absolute(&joined).unwrap_or(joined)
    }

    /// What a stage of this practice is called.
    pub fn stage_name(&self, name: &str) -> String {
        if name.is_empty() { self.practice.clone() } else { format!("{}/{name}", self.practice) }
    }
}
