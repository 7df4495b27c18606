//! Traces of what was kept: the JSON of `joulewise measure`.

use joulewise_meter::{Energy, SpanTotal};
use serde::Deserialize;

use super::trace::{Curve, Recording, Trace};
use super::{batch, names};

/// The loss of a metric that is admitted where nobody says, a fraction.
const ADMITTED: f64 = 0.01;

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
    attribution: Attribution,
}

#[derive(Deserialize)]
struct Attribution {
    idle_w: Option<IdlePower>,
}

#[derive(Deserialize)]
struct IdlePower {
    before: f64,
    after: f64,
}

#[derive(Deserialize)]
struct MeasuredRun {
    energy_j: Energy,
}

impl Measurement {
    /// The size of its batches and the command without it, if the command says.
    pub fn batch_size(&self) -> Option<(u64, Vec<String>)> {
        batch::of_command(&self.command)
    }

    /// Its trace.
    pub fn into_trace(self) -> Trace {
        let energies: Vec<Energy> = self.runs.iter().map(|run| run.energy_j).collect();
        let idle_w = self.attribution.idle_w.map(|idle| (idle.before, idle.after));
        Trace::of_runs(&energies, self.spans, &self.trace, idle_w)
    }
}

impl Trace {
    /// The trace of a command that was run once or several times.
    pub fn of_runs(
        runs: &[Energy],
        spans: Vec<SpanTotal>,
        recording: &Recording,
        idle_w: Option<(f64, f64)>,
    ) -> Self {
        let curve = |metric: &super::trace::RecordedMetric| {
            let run = runs.get(metric.run.checked_sub(1)?)?;
            Some(Curve {
                metric: metric.name.clone(),
                direction: names::direction(&metric.name)?,
                admitted: ADMITTED,
                points: metric.points.iter().map(|point| (point.energy_j, point.value)).collect(),
                energy_j: run.value,
            })
        };
        Self {
            energy: runs.iter().copied().sum(),
            runs: runs.len(),
            batches: batch::of_spans(&spans),
            spans,
            curves: recording.metrics.iter().filter_map(curve).collect(),
            samples: recording.samples.clone(),
            idle_w,
        }
    }
}
