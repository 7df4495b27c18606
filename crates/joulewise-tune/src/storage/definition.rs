//! What a study is, before its first trial.

use serde::{Deserialize, Serialize};

use crate::objective::Objectives;
use crate::space::Space;

/// What a study is. It never changes: whoever works on the study works on this.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Definition {
    /// What is searched.
    pub space: Space,
    /// What it is after.
    pub objectives: Objectives,
    /// Keys all randomness.
    pub seed: u64,
    /// The name of the sampler.
    pub sampler: String,
    /// The sampler's settings, and whatever else the caller wants to be the same for all workers.
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    pub settings: serde_json::Value,
    /// Whether no point may be proposed twice, as in a grid. The study is over when the sampler does it all the same.
    #[serde(default)]
    pub exact: bool,
    /// For how long a worker may be silent before its trial counts as lost, in seconds.
    pub lease_s: f64,
    /// How often a point is tried again after its trial got lost.
    pub retries: u32,
}

impl Definition {
    /// A study with a lease of a minute and two retries.
    pub fn new(space: Space, objectives: Objectives, seed: u64, sampler: &str) -> Self {
        Self {
            space,
            objectives,
            seed,
            sampler: sampler.to_owned(),
            settings: serde_json::Value::Null,
            exact: false,
            lease_s: 60.0,
            retries: 2,
        }
    }
}
