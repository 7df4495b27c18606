//! Traces of what was kept: the JSON of `joulewise measure`.

use joulewise_meter::{Energy, SpanTotal};
use serde::Deserialize;

use super::names;
use super::trace::{Curve, Recording, Trace};

/// What waste is found in. Other fields are left alone.
#[derive(Deserialize)]
pub struct Measurement {
    /// A name for it, if the user gave one.
    pub label: Option<String>,
    /// The command and its arguments.
    pub command: Vec<String>,
    spans: Vec<SpanTotal>,
    runs: Vec<MeasuredRun>,
    #[serde(default)]
    trace: Recording,
}

#[derive(Deserialize)]
struct MeasuredRun {
    energy_j: Energy,
}

impl Measurement {
    /// Its trace.
    pub fn into_trace(self) -> Trace {
        let energies: Vec<Energy> = self.runs.iter().map(|run| run.energy_j).collect();
        Trace::of_runs(&energies, self.spans, &self.trace)
    }
}

impl Trace {
    /// The trace of a command that was run once or several times.
    pub fn of_runs(runs: &[Energy], spans: Vec<SpanTotal>, recording: &Recording) -> Self {
        let curve = |metric: &super::trace::RecordedMetric| {
            let run = runs.get(metric.run.checked_sub(1)?)?;
            Some(Curve {
                metric: metric.name.clone(),
                direction: names::direction(&metric.name)?,
                points: metric.points.iter().map(|point| (point.energy_j, point.value)).collect(),
                energy_j: run.value,
            })
        };
        Self {
            energy: runs.iter().copied().sum(),
            runs: runs.len(),
            spans,
            curves: recording.metrics.iter().filter_map(curve).collect(),
        }
    }
}
