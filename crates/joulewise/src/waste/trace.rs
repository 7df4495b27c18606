//! What a run recorded of itself, as far as waste shows in it.

use joulewise_meter::division::{GpuWindow, Window};
use joulewise_meter::{Energy, MetricPoint, SpanTotal};
use joulewise_tune::Direction;
use serde::{Deserialize, Serialize};

use super::{Finding, Kind};

/// What a measured run keeps for whoever looks for waste in it; the `trace` of its JSON.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Recording {
    /// The values of metrics that the command told of.
    #[serde(default)]
    pub metrics: Vec<RecordedMetric>,
    /// What was used in one stretch of time after another, over all runs: at most 512, longer ones where it took long.
    #[serde(default)]
    pub samples: Vec<Sample>,
}

/// What was used in a stretch of time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// How long it was, in seconds.
    pub wall_s: f64,
    /// Joules of all that is counted.
    pub energy_j: f64,
    /// CPU time of the process tree without the meter, in seconds.
    pub cpu_s: f64,
    /// Time of all hardware threads, in seconds.
    pub capacity_s: f64,
    /// What each GPU did.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gpus: Vec<GpuWindow>,
}

impl Sample {
    /// What a window of time held.
    pub fn of(window: &Window) -> Self {
        Self {
            wall_s: window.wall_s,
            energy_j: window.whole_j,
            cpu_s: window.tree_s,
            capacity_s: window.capacity_s,
            gpus: window.gpus.clone(),
        }
    }

    /// Whether it is long enough for its power to mean anything: counters move in steps.
    pub(super) fn is_long(&self) -> bool {
        self.wall_s >= 0.5
    }
}

/// The values of a metric in one run of the command. Times and joules count from the beginning of the run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RecordedMetric {
    /// Chosen by the program, as in `accuracy`.
    pub name: String,
    /// Which run of the command, from 1.
    pub run: usize,
    /// In order. Where there were very many, every second, every fourth and so on of them.
    pub points: Vec<MetricPoint>,
}

/// What a run recorded of itself.
#[derive(Clone, Debug)]
pub struct Trace {
    /// Joules of all that is judged.
    pub energy: Energy,
    /// How often it was run.
    pub runs: usize,
    /// What its spans used, over all runs.
    pub spans: Vec<SpanTotal>,
    /// How its metrics went, each run apart.
    pub curves: Vec<Curve>,
    /// What was used in one stretch of time after another.
    pub samples: Vec<Sample>,
    /// What the idle machine drew before and after, in watts, if that was measured.
    pub idle_w: Option<(f64, f64)>,
    /// What the same work cost in batches of several sizes.
    pub batches: Vec<Batch>,
}

/// Work that was done in batches of one size.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// Examples in one batch.
    pub size: u64,
    /// Joules of as much work as in the other sizes, as of one example.
    pub unit_j: f64,
    /// The joules of this trace that were spent in batches of this size.
    pub used_j: f64,
}

/// The values of a metric in one run.
#[derive(Clone, Debug, PartialEq)]
pub struct Curve {
    /// As in `accuracy`.
    pub metric: String,
    /// Which way it improves.
    pub direction: Direction,
    /// The loss of it that is admitted, a fraction.
    pub admitted: f64,
    /// Joules of the run up to each value, and the value.
    pub points: Vec<(f64, f64)>,
    /// Joules of the whole run.
    pub energy_j: f64,
}

impl Curve {
    /// The values alone.
    pub fn values(&self) -> Vec<f64> {
        self.points.iter().map(|(_, value)| *value).collect()
    }
}

impl Trace {
    /// A finding with `value_j` of the joules at stake, at least `low_j` and at most `high_j`. That all joules are only known
    /// within an interval widens it. Never are more joules at stake than were used, nor less than none.
    pub(super) fn finding(
        &self,
        kind: Kind,
        (low_j, value_j, high_j): (f64, f64, f64),
        evidence: String,
        advice: String,
    ) -> Finding {
        let total = self.energy;
        let part = |joules: f64| joules.clamp(0.0, total.value.max(0.0));
        let share = |joules: f64| if total.value > 0.0 { part(joules) / total.value } else { 0.0 };
        let value = part(value_j);
        let energy_j = Energy {
            value,
            low: (share(low_j) * total.low).min(value),
            high: (share(high_j) * total.high).max(value),
            method: total.method,
        };
        Finding { kind, energy_j, share: share(value_j), evidence, advice }
    }
}
