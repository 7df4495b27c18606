//! A study as one JSON document.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::literal;
use crate::sampler::Sampler;
use crate::shared_study::{Record, SharedStudy};
use crate::storage::Definition;
use crate::trial::Trial;

#[derive(Serialize)]
struct Document<'a> {
    schema: u32,
    name: &'a str,
    definition: &'a Definition,
    #[serde(serialize_with = "literal::serialize")]
    notes: &'a BTreeMap<String, String>,
    trials: Vec<Row<'a>>,
}

#[derive(Serialize)]
struct Row<'a> {
    #[serde(flatten)]
    trial: &'a Trial,
    #[serde(flatten)]
    record: &'a Record,
}

/// A study called `name` as one JSON document: what it is, and all that is known of its trials. Numbers that are not
/// finite are `null`, `"inf"` and `"-inf"`; notes that read as numbers, truths or null are that.
pub fn json<S: Sampler>(study: &SharedStudy<S>, name: &str) -> serde_json::Result<serde_json::Value> {
    let row = |trial| Some(Row { trial, record: study.record(trial.id)? });
    serde_json::to_value(Document {
        schema: 1,
        name,
        definition: study.definition(),
        notes: study.notes(),
        trials: study.trials().iter().filter_map(row).collect(),
    })
}
