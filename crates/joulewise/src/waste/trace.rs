//! What a run recorded of itself, as far as waste shows in it.

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
}

/// The values of a metric in one run.
#[derive(Clone, Debug, PartialEq)]
pub struct Curve {
    /// As in `accuracy`.
    pub metric: String,
    /// Which way it improves.
    pub direction: Direction,
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
