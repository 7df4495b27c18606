//! Traces for tests.

use joulewise_meter::division::GpuWindow;
use joulewise_meter::{Energy, Method, SpanTotal};
use joulewise_tune::Direction;

use super::trace::{Curve, Sample, Trace};

/// Joules that are known within 10 %.
pub(super) fn energy(value: f64) -> Energy {
    Energy { value, low: 0.9 * value, high: 1.1 * value, method: Method::Measured }
}

/// A run of so many joules that recorded nothing.
pub(super) fn trace(joules: f64) -> Trace {
    Trace {
        energy: energy(joules),
        runs: 1,
        spans: Vec::new(),
        curves: Vec::new(),
        samples: Vec::new(),
        idle_w: None,
        batches: Vec::new(),
    }
}

pub(super) fn span(id: u32, name: &str, parent: Option<u32>, count: u64, joules: f64) -> SpanTotal {
    SpanTotal {
        id,
        name: name.to_owned(),
        parent,
        count,
        unclosed: 0,
        energy: energy(joules),
        cpu_s: 0.0,
        wall_s: joules / 100.0,
    }
}

/// A metric that is told after every so many joules, in a run that ends with the last value.
pub(super) fn curve(metric: &str, direction: Direction, each_j: f64, values: &[f64]) -> Curve {
    let points = values.iter().enumerate().map(|(i, value)| (each_j * (i + 1) as f64, *value)).collect();
    Curve {
        metric: metric.to_owned(),
        direction,
        admitted: 0.01,
        points,
        energy_j: each_j * values.len() as f64,
    }
}

/// A stretch of time with the watts of the machine, and those of each GPU with the part of the time that it was busy.
pub(super) fn sample(wall_s: f64, watts: f64, gpus: &[(f64, Option<f64>)]) -> Sample {
    let gpu = |(i, &(watts, busy)): (usize, &(f64, Option<f64>))| GpuWindow {
        name: format!("gpu-{i}"),
        energy_j: watts * wall_s,
        busy_s: busy.map(|share| share * wall_s),
    };
    Sample {
        wall_s,
        energy_j: watts * wall_s,
        cpu_s: 0.5 * wall_s,
        capacity_s: 4.0 * wall_s,
        gpus: gpus.iter().enumerate().map(gpu).collect(),
    }
}
