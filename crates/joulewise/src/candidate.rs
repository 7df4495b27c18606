//! A model, or a training recipe, on its way through a run.

use std::path::PathBuf;
use std::sync::Arc;

use joulewise_learn::Model;
use joulewise_learn::train::Hyperparameters;
use serde::{Deserialize, Serialize};

use crate::result::Imported;
pub use crate::result::Status;
use crate::task::template::Values;

/// How a candidate is meant to be run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deployment {
    /// Examples per call.
    pub batch: usize,
    /// Threads.
    pub threads: usize,
}

/// What a practice tried.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// Unique within the run, as in `distil+quantise`.
    pub name: String,
    /// The chain of practices that made it; empty for the baseline.
    pub practices: Vec<String>,
    /// Whether it is worth keeping; [`Status::Holds`] until it has been judged.
    pub status: Status,
    /// Why it has that status.
    pub reason: String,
    /// The network; absent when it failed, was skipped, or is the user's own file.
    pub model: Option<Arc<Model>>,
    /// The user's own model file, relative to the run folder, for command tasks.
    pub artifact: Option<PathBuf>,
    /// Whether its network may differ from the baseline's, so that an inference of it has a price of its own.
    pub has_own_network: bool,
    /// The hyperparameters that it was trained with.
    pub hyper: Option<Hyperparameters>,
    /// Ledger entries that it is made from: their joules are its cost to make.
    pub depends_on: Vec<u32>,
    /// Ledger entries that training it again would repeat: their joules are its `training_j`.
    pub training: Vec<u32>,
    /// What a command trained it with, where that differs from the baseline.
    pub values: Values,
    /// What it starts from that was trained elsewhere.
    pub imported: Option<Imported>,
    /// How it is to be run; `None` means as the baseline is.
    pub deployment: Option<Deployment>,
    /// The metric on the select split.
    pub select: Option<f64>,
    /// The metric as a command reported it, epoch by epoch; empty for our own engine.
    pub curve: Vec<f64>,
    /// The metric on the judge split.
    pub judge: Option<f64>,
    /// Facts in the practice's own words.
    pub notes: Vec<(String, String)>,
}

impl Candidate {
    /// A candidate made from `from` by `practice`, with everything upstream of it.
    pub fn after(from: &Self, practice: &str, model: Model) -> Self {
        let mut candidate = Self::trained(practice, model);
        if !from.practices.is_empty() {
            candidate.name = format!("{}+{practice}", from.name);
        }
        candidate.practices = from.practices.iter().cloned().chain([practice.to_owned()]).collect();
        candidate.depends_on.clone_from(&from.depends_on);
        candidate.training.clone_from(&from.training);
        candidate.imported.clone_from(&from.imported);
        candidate.hyper.clone_from(&from.hyper);
        candidate
    }

    /// A candidate that `practice` trained from nothing: nothing is upstream of it yet.
    pub fn trained(practice: &str, model: Model) -> Self {
        Self { model: Some(Arc::new(model)), ..Self::named(practice) }
    }

    /// A candidate that `practice` trained by the user's command: its model file and its reports of the metric.
    pub fn by_command(practice: &str, artifact: Option<PathBuf>, curve: Vec<f64>) -> Self {
        Self { artifact, select: curve.last().copied(), curve, ..Self::named(practice) }
    }

    /// Whether there is a model, or at least a training, that can be used.
    pub fn is_made(&self) -> bool {
        matches!(self.status, Status::Holds | Status::Drops)
    }

    fn named(practice: &str) -> Self {
        Self {
            name: practice.to_owned(),
            practices: vec![practice.to_owned()],
            status: Status::Holds,
            reason: String::new(),
            model: None,
            artifact: None,
            has_own_network: true,
            hyper: None,
            depends_on: Vec::new(),
            training: Vec::new(),
            values: Values::new(),
            imported: None,
            deployment: None,
            select: None,
            curve: Vec::new(),
            judge: None,
            notes: Vec::new(),
        }
    }

    /// A candidate without a model: `status` says whether it failed or was skipped.
    pub fn without_model(practice: &str, status: Status, reason: impl Into<String>) -> Self {
        Self { status, reason: reason.into(), ..Self::named(practice) }
    }

    /// Adds the ledger entry of a stage that made this candidate and that training it again repeats.
    pub fn made_by(&mut self, entry: u32) {
        self.upstream(entry);
        if !self.training.contains(&entry) {
            self.training.push(entry);
        }
    }

    /// Adds the ledger entry of a stage whose product was used, and that need not be repeated to
    /// train this candidate again.
    pub fn upstream(&mut self, entry: u32) {
        if !self.depends_on.contains(&entry) {
            self.depends_on.push(entry);
        }
    }

    /// Adds a fact in the practice's own words.
    pub fn note(&mut self, name: &str, value: impl Into<String>) {
        self.notes.push((name.to_owned(), value.into()));
    }
}
