//! One trial: run to its end or until it is not worth going on, and metered.

use std::path::Path;

use anyhow::Result;
use joulewise_meter::division::{Division, Moment, Window};
use joulewise_meter::{Covers, Energy, Session, Usage};
use joulewise_tune::{Objectives, Outcome, Point, Report, State, Value, Verdict};
use serde_json::Value as Json;

use super::objective::{ENERGY, TIME};
use super::workshop::Workshop;
use crate::attribution::Attribution;
use crate::task::Supervision;
use crate::task::metrics::Metrics;

/// What the reason begins with where a trial reported no such metric.
pub(super) const UNREPORTED: &str = "reported no ";

/// What a trial came to.
#[derive(Clone, Debug)]
pub struct Ran {
    /// Its values, or that there are none.
    pub state: State,
    /// Joules of its process tree.
    pub energy: Energy,
    /// Whether there was a GPU in them.
    pub used_gpus: bool,
    /// From start to end, in seconds.
    pub wall_s: f64,
    /// CPU time of its process tree, in seconds.
    pub cpu_s: f64,
    /// Why there are no values.
    pub reason: Option<String>,
    /// Whether there are none because a metric was NaN or infinite, which says something of the parameters.
    pub diverged: bool,
}

/// A trial that is about to run.
pub struct Run<'a> {
    /// Its number in the study.
    pub number: u64,
    /// Its parameters.
    pub point: &'a Point,
    /// Keys its own randomness.
    pub seed: u64,
    /// Where its files are.
    pub folder: &'a Path,
    /// What is wanted of it.
    pub objectives: &'a Objectives,
    /// The meter.
    pub session: &'a Session,
    /// How many workers have the GPUs that it sees, itself included.
    pub sharing: u32,
}

/// How the work of a trial ended.
pub(super) enum Ending {
    /// At its end, with these metrics.
    Done(Metrics),
    /// Since it had been seen enough of.
    Stopped,
    /// By the user.
    Interrupted,
    /// Since a metric was no number any more.
    Diverged(String),
    /// Without metrics, for this reason.
    Failed(String),
}

/// Is shown the metrics of a trial as they come, and says whether to go on.
pub(super) type See<'a> = dyn FnMut(&Metrics) -> Verdict + Send + 'a;

impl Run<'_> {
    /// Runs it in `workshop`. `watch` sees what it reports and may end it. A trial that gives no values is no error:
    /// only what would keep every trial from running is.
    pub fn run(
        &self,
        workshop: &mut Workshop,
        watch: &mut (dyn FnMut(&Report) -> Verdict + Send),
        by: Supervision<'_>,
    ) -> Result<Ran> {
        let start = Moment::now(self.session);
        let so_far = || used(&start, &Moment::now(self.session), self.sharing);
        let mut steps = 0;
        let mut last: Option<Report> = None;
        let ending = workshop.run(
            self,
            &mut |metrics| {
                steps += 1;
                let Used { energy, wall_s, .. } = so_far();
                let step =
                    metrics.get("epoch").filter(|epoch| **epoch >= 1.0).map_or(steps, |epoch| *epoch as u64);
                let report =
                    Report { step, values: self.values(metrics, energy.value, wall_s), cost: energy.value };
                let verdict = watch(&report);
                last = Some(report);
                verdict
            },
            by,
        )?;
        let Used { energy, gpus_j, wall_s, cpu_s } = so_far();
        let cost = energy.value;
        let failed = |reason| (State::Failed { cost }, Some(reason));
        let mut diverged = matches!(ending, Ending::Diverged(_));
        let (state, reason) = match ending {
            Ending::Done(metrics) => {
                let values = self.values(&metrics, cost, wall_s);
                match self.missing(&metrics, &values) {
                    None => (State::Done(Outcome { values, cost }), None),
                    Some((reason, is_value)) => {
                        diverged = is_value;
                        failed(reason)
                    }
                }
            }
            Ending::Stopped => match last.filter(|report| self.objectives.are_finite(&report.values)) {
                Some(report) => (State::Stopped(Outcome { values: report.values, cost }), None),
                None => {
                    diverged = true;
                    failed("a metric is not a number".to_owned())
                }
            },
            Ending::Interrupted => (State::Lost { cost }, Some("was interrupted".to_owned())),
            Ending::Diverged(reason) | Ending::Failed(reason) => failed(reason),
        };
        Ok(Ran { state, energy, used_gpus: gpus_j > 0.0, wall_s, cpu_s, reason, diverged })
    }

    /// A value for each objective; NaN where it was not reported.
    fn values(&self, metrics: &Metrics, energy_j: f64, time_s: f64) -> Vec<f64> {
        let value = |metric: &str| match metrics.get(metric) {
            Some(value) => *value,
            None if metric == ENERGY => energy_j,
            None if metric == TIME => time_s,
            None => f64::NAN,
        };
        self.objectives.iter().map(|objective| value(&objective.metric)).collect()
    }

    /// Why `values` are no outcome, if they are none, and whether a value was there that is no number.
    fn missing(&self, metrics: &Metrics, values: &[f64]) -> Option<(String, bool)> {
        let Some((objective, _)) = self.objectives.iter().zip(values).find(|(_, value)| value.is_nan())
        else {
            return (!self.objectives.are_finite(values)).then(|| ("a metric is infinite".to_owned(), true));
        };
        let name = &objective.metric;
        if metrics.contains_key(name) {
            return Some((format!("`{name}` is not a number"), true));
        }
        let others = metrics.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
        let reason = match others.as_str() {
            "" => format!("{UNREPORTED}`{name}`, nor anything else"),
            others => format!("{UNREPORTED}`{name}`, only {others}"),
        };
        Some((reason, false))
    }
}

/// A point as JSON. Choices that read as numbers, truth values, lists or tables are that, as they stood in the study's file.
pub fn json(point: &Point) -> Json {
    let value = |value: &Value| match value {
        Value::Float(x) => Json::from(*x),
        Value::Int(n) => Json::from(*n),
        Value::Choice(text) => match (text.as_str(), serde_json::from_str(text)) {
            // As sweeps and ConfigSpaces have them, for the command line of a Python script.
            ("True", _) => Json::Bool(true),
            ("False", _) => Json::Bool(false),
            (_, Ok(plain @ (Json::Number(_) | Json::Bool(_) | Json::Array(_) | Json::Object(_)))) => plain,
            (text, _) => Json::from(text),
        },
    };
    point.values().map(|(name, of)| (name.to_owned(), value(of))).collect()
}

/// What a trial used between two moments.
pub(super) struct Used {
    /// Joules of its process tree: all that is modelled, or its share of what was counted.
    pub(super) energy: Energy,
    /// Joules of the GPUs among them.
    gpus_j: f64,
    wall_s: f64,
    cpu_s: f64,
}

/// What was used between two moments, where so many workers have the same GPUs.
pub(super) fn used(start: &Moment, now: &Moment, sharing: u32) -> Used {
    let usage = now.mark.since(&start.mark);
    let mut division = Division::default();
    division.extend(Window::between(start, now));
    let tree = Attribution::new(usage.energy, &division, None, 1).process_tree_j.unwrap_or(usage.energy);
    let gpus_j = gpus_j(&usage);
    Used {
        energy: without(tree, gpus_j * (1.0 - 1.0 / f64::from(sharing.max(1)))),
        gpus_j,
        wall_s: usage.wall_s,
        cpu_s: usage.cpu_s,
    }
}

/// Joules of the GPUs.
fn gpus_j(usage: &Usage) -> f64 {
    let gpus = usage.domains.iter().filter(|domain| domain.is_counted && domain.part == Covers::Gpus);
    gpus.map(|domain| domain.energy_j).sum()
}

/// What is left of `energy`, known as well as before.
fn without(energy: Energy, part_j: f64) -> Energy {
    let value = (energy.value - part_j).max(0.0);
    let scale = if energy.value > 0.0 { value / energy.value } else { 1.0 };
    Energy { value, low: energy.low * scale, high: energy.high * scale, ..energy }
}

#[cfg(test)]
mod tests {
    use joulewise_meter::{DomainUsage, Method};

    use super::*;

    #[test]
    fn workers_that_share_gpus_are_charged_with_their_part() {
        let session = Session::builder().sysfs_root("/nowhere").open().unwrap();
        let mut usage = session.mark().since(&session.mark());
        let domain = |name: &str, energy_j, part, is_counted| DomainUsage {
            name: name.to_owned(),
            energy_j,
            is_counted,
            part,
            method: Method::Measured,
            busy_s: None,
        };
        usage.domains = vec![
            domain("package-0", 50.0, Covers::Processor, true),
            domain("gpu-0", 300.0, Covers::Gpus, true),
            domain("gpu-1", 100.0, Covers::Gpus, true),
            domain("gpu-1-memory", 60.0, Covers::Gpus, false),
        ];
        assert_eq!(gpus_j(&usage), 400.0);
        let tree = Energy { value: 450.0, low: 405.0, high: 495.0, method: Method::Measured };
        let quarter = without(tree, gpus_j(&usage) * 0.75);
        assert_eq!((quarter.value, quarter.low, quarter.high), (150.0, 135.0, 165.0));
        assert_eq!(without(tree, 0.0), tree);
        assert_eq!(without(tree, 500.0).value, 0.0);
    }

    #[test]
    fn choices_are_what_they_read_as() {
        let choice = |text: &str| Value::Choice(text.to_owned());
        let values = [
            ("batch", choice("64")),
            ("deep", choice("true")),
            ("flip", choice("False")),
            ("opt", choice("sgd")),
            ("layers", choice("[64,32]")),
            ("text", choice("[1")),
        ];
        let point: Point = values.map(|(name, value)| (name.to_owned(), value)).into_iter().collect();
        assert_eq!(
            json(&point).to_string(),
            r#"{"batch":64,"deep":true,"flip":false,"layers":[64,32],"opt":"sgd","text":"[1"}"#
        );
    }
}
