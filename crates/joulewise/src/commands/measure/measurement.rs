//! What was measured, as the machine-readable result holds it.

use std::ffi::OsString;

use joulewise_meter::command::Outcome;
use joulewise_meter::{Energy, Summary, cpu_time_s};
use serde::Serialize;

use crate::result::SCHEMA;

/// The machine-readable result.
#[derive(Serialize)]
pub(super) struct Measurement {
    pub(super) schema: u32,
    pub(super) command: Vec<String>,
    pub(super) exit_code: u8,
    pub(super) signal: Option<i32>,
    pub(super) energy_j: Energy,
    pub(super) power_w: f64,
    pub(super) wall_s: f64,
    pub(super) cpu_s: f64,
    /// CPU time of the meter itself, which `cpu_s` contains.
    pub(super) own_cpu_s: f64,
    pub(super) scope: String,
    pub(super) sources: Vec<String>,
    pub(super) caveats: Vec<joulewise_meter::Caveat>,
}

impl Measurement {
    pub(super) fn new(command: &[OsString], outcome: &Outcome, summary: Summary) -> Self {
        Self {
            schema: SCHEMA,
            command: command.iter().map(|word| word.to_string_lossy().into_owned()).collect(),
            exit_code: outcome.code,
            signal: outcome.signal,
            energy_j: summary.total,
            power_w: summary.total.value / summary.wall_s,
            wall_s: summary.wall_s,
            cpu_s: summary.cpu_s,
            own_cpu_s: cpu_time_s(),
            scope: summary.scope,
            sources: summary.sources,
            caveats: summary.caveats,
        }
    }
}
