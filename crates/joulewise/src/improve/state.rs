//! `state.json`: how far a run has come, so that an interrupted one can go on.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, anyhow};
use serde::{Deserialize, Serialize};

use crate::budget::Budget;
use crate::candidate::Deployment;
use crate::hint::Hint as _;
use crate::result::{RunResult, RunState};
use crate::run::Run;

/// The file in the run folder.
const FILE: &str = "state.json";

/// What a run needs to go on, beside its partial result and models.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct State {
    /// Models that are kept, those of the baseline and of the practices that are done; what else the partial
    /// result may hold is made again.
    pub(super) kept: usize,
    /// Practices that have been tried.
    pub(super) done: Vec<String>,
    /// How candidates are to be run, by name; those that are missing run as the baseline does.
    #[serde(default)]
    pub(super) deployments: BTreeMap<String, Deployment>,
    /// What is left of the budget.
    pub(super) budget: Budget,
    /// Seconds that an epoch of the baseline took.
    #[serde(default)]
    pub(super) epoch_s: f64,
    /// The baseline's curve, where a command trains: practices learn from it.
    #[serde(default)]
    pub(super) curve: Vec<f64>,
    /// The partial result of the interrupted run.
    #[serde(skip)]
    pub(super) result: Option<RunResult>,
}

impl State {
    pub(super) fn new(budget: Budget) -> Self {
        Self { budget, ..Self::default() }
    }

    /// How far `run` came; an error where nothing is left to do.
    pub(super) fn read(run: &Run) -> Result<Self> {
        let mut state: Self = run
            .read_json(FILE)
            .with_context(|| format!("the run {} stopped before it could be resumed", run.id()))?;
        if state.kept > 0 {
            let result = run.result()?;
            if result.state == RunState::Complete {
                return Err(anyhow!("the run {} is complete: nothing is left to resume", run.id()))
                    .hint(format!("`joulewise report {}` shows what came of it", run.id()));
            }
            state.result = Some(result);
        }
        Ok(state)
    }

    pub(super) fn write(&self, run: &Run) -> Result<()> {
        run.write_json(FILE, self)
    }
}
