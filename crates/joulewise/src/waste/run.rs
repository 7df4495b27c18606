//! The trace of a run of `joulewise improve`: that of its baseline's training, which is the user's own.

use std::collections::{BTreeMap, BTreeSet};

use joulewise_meter::{Energy, Event, EventKind};

use super::trace::{Batch, Curve, Trace};
use super::{Finding, Kind, Waste, batch};
use crate::result::RunResult;

/// The stage that trains what the user has today.
pub const STAGE: &str = "baseline/train";

impl Waste {
    /// What the baseline wastes in its training, and in its inferences over the life. `batch_size` is that of the training.
    pub fn in_run(result: &RunResult, events: &[Event], batch_size: Option<u64>) -> Self {
        let Some(trace) = trace(result, events, batch_size) else { return Self::default() };
        let mut waste = Self::in_trace(&trace);
        waste.add(Kind::SmallInferenceBatch, inferences(result));
        waste
    }
}

/// The trace of the baseline's training. Its joules are shared out evenly over the values of the metric: each stands for as much
/// work, while time also passes for what else the machine does.
fn trace(result: &RunResult, events: &[Event], batch_size: Option<u64>) -> Option<Trace> {
    let entry = result.ledger.entries.iter().find(|entry| entry.stage == STAGE)?;
    let curve = curve(result, events, entry.energy_j);
    Some(Trace {
        energy: entry.energy_j,
        runs: 1,
        spans: entry.spans.clone(),
        curves: curve.into_iter().collect(),
        samples: Vec::new(),
        idle_w: None,
        batches: batches(result, events, batch_size, entry.energy_j.value),
    })
}

fn curve(result: &RunResult, events: &[Event], used: Energy) -> Option<Curve> {
    // Stages of a run that was resumed are numbered anew, so that only what lies between the edges counts.
    let opened = |event: &Event| matches!(&event.kind, EventKind::StageOpened { name, .. } if name == STAGE);
    let begin = events.iter().rposition(opened)?;
    let EventKind::StageOpened { id: stage, .. } = events[begin].kind else { return None };
    let closed = |event: &Event| matches!(event.kind, EventKind::StageClosed { id, .. } if id == stage);
    let length = events[begin..].iter().position(closed)?;
    let during = &events[begin..begin + length];
    let value = |event: &Event| match &event.kind {
        EventKind::Metric { stage: of, name, value, .. } if *of == stage && *name == result.metric => {
            Some(*value)
        }
        _ => None,
    };
    let values: Vec<f64> = during.iter().filter_map(value).collect();
    let each_j = used.value / values.len() as f64;
    Some(Curve {
        metric: result.metric.clone(),
        direction: result.goal,
        admitted: result.max_drop,
        points: (1..).zip(values).map(|(number, value)| (each_j * f64::from(number), value)).collect(),
        energy_j: used.value,
    })
}

/// What an epoch of the trials of a search cost in batches of each size. What a training costs hardly depends on its other
/// hyperparameters.
fn batches(result: &RunResult, events: &[Event], of_baseline: Option<u64>, used_j: f64) -> Vec<Batch> {
    let mut stages = BTreeSet::new();
    let mut epochs: BTreeMap<u32, u64> = BTreeMap::new();
    let mut trials = Vec::new();
    for event in events {
        match &event.kind {
            // The trials of a run that was resumed cannot be told apart.
            EventKind::StageOpened { id, .. } if !stages.insert(*id) => return Vec::new(),
            EventKind::Metric { stage, name, .. } if *name == result.metric => {
                *epochs.entry(*stage).or_default() += 1;
            }
            EventKind::Trial { stage, params, energy_j: Some(joules), state, .. } if state == "complete" => {
                trials.extend(
                    params
                        .get("batch")
                        .and_then(|size| size.parse().ok())
                        .map(|size: u64| (*stage, size, *joules)),
                );
            }
            _ => {}
        }
    }
    // Trials of as many epochs have as large a part of starting up in them.
    let mut lengths: BTreeMap<u64, BTreeMap<u64, Vec<f64>>> = BTreeMap::new();
    for (stage, size, joules) in trials {
        let Some(&epochs) = epochs.get(&stage) else { continue };
        lengths.entry(epochs).or_default().entry(size).or_default().push(joules / epochs as f64);
    }
    let Some(sizes) = lengths.into_values().max_by_key(BTreeMap::len) else { return Vec::new() };
    let mean = |(size, each): (u64, Vec<f64>)| Batch {
        size,
        unit_j: each.iter().sum::<f64>() / each.len() as f64,
        used_j: if of_baseline == Some(size) { used_j } else { 0.0 },
    };
    sizes.into_iter().map(mean).collect()
}

/// What the inferences of the baseline's life would save in larger batches.
fn inferences(result: &RunResult) -> Result<Option<Finding>, String> {
    let by_batch = &result.baseline.energy_per_inference_j.by_batch;
    let Some(&of_one) = by_batch.get(&result.life.batch.to_string()) else {
        return Err("no inference was priced".to_owned());
    };
    let inferences = result.life.inferences;
    let size = |(size, energy): (&String, &Energy)| {
        let size: u64 = size.parse().ok()?;
        let used_j = if size == result.life.batch as u64 { energy.value * inferences } else { 0.0 };
        Some(Batch { size, unit_j: energy.value, used_j })
    };
    let life = Trace {
        energy: of_one.scaled(inferences),
        runs: 1,
        spans: Vec::new(),
        curves: Vec::new(),
        samples: Vec::new(),
        idle_w: None,
        batches: by_batch.iter().filter_map(size).collect(),
    };
    let Some(knee) = batch::knee(&life)? else { return Ok(None) };
    let evidence = format!("over the life, {}", knee.evidence("an inference"));
    let advice = format!("run inferences in batches of {} where they may wait for one another", knee.size);
    let at_stake = (knee.saved_j, knee.saved_j, knee.saved_j);
    Ok(Some(life.finding(Kind::SmallInferenceBatch, at_stake, evidence, advice)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;

    fn event(at_s: f64, kind: EventKind) -> Event {
        Event { at_s, kind }
    }

    /// The baseline's training with an epoch a second.
    fn training(accuracies: &[f64]) -> Vec<Event> {
        let mut events =
            vec![event(5.0, EventKind::StageOpened { id: 2, name: STAGE.to_owned(), parent: None })];
        for (step, &value) in (1..).zip(accuracies) {
            let kind = EventKind::Metric { stage: 2, name: "accuracy".to_owned(), step, value };
            events.push(event(5.0 + step as f64, kind));
        }
        let ended = EventKind::StageClosed {
            id: 2,
            name: STAGE.to_owned(),
            energy: Energy::zero(),
            cpu_s: 0.0,
            wall_s: 0.0,
            spans: Vec::new(),
        };
        events.push(event(5.0 + accuracies.len() as f64, ended));
        events
    }

    fn kinds(waste: &Waste) -> Vec<Kind> {
        waste.findings.iter().map(|finding| finding.kind).collect()
    }

    #[test]
    fn the_baselines_own_training_is_judged() {
        let mut result = fixture::result();
        result.baseline.energy_per_inference_j.by_batch.remove("1");
        let flat = training(&[0.5, 0.9, 0.9, 0.9]);
        let waste = Waste::in_run(&result, &flat, None);
        assert_eq!(kinds(&waste), [Kind::AfterPlateau]);
        let used = result.ledger.entries.iter().find(|entry| entry.stage == STAGE).unwrap().energy_j;
        assert!((waste.findings[0].energy_j.value - used.value / 2.0).abs() < 1e-9, "{waste:?}");
        assert!(Waste::in_run(&result, &training(&[0.5, 0.6, 0.7, 0.8]), None).findings.is_empty());
        result.max_drop = 0.5;
        assert!(
            kinds(&Waste::in_run(&result, &training(&[0.5, 0.6, 0.7, 0.8]), None))
                .contains(&Kind::AfterPlateau)
        );
        result.ledger.entries.clear();
        assert_eq!(Waste::in_run(&result, &flat, None), Waste::default());
    }

    #[test]
    fn trials_show_what_larger_batches_would_cost() {
        let mut result = fixture::result();
        result.baseline.energy_per_inference_j.by_batch.remove("1");
        let mut events = training(&[0.5, 0.6, 0.7, 0.8]);
        for (stage, size, epochs, joules) in [(3, "32", 2, 40.0), (4, "64", 2, 20.0), (5, "128", 1, 5.0)] {
            events.push(event(
                9.0,
                EventKind::StageOpened { id: stage, name: "tune/trial".to_owned(), parent: None },
            ));
            for step in 1..=epochs {
                let name = "accuracy".to_owned();
                events.push(event(9.0, EventKind::Metric { stage, name, step, value: 0.5 }));
            }
            let params = BTreeMap::from([("batch".to_owned(), size.to_owned())]);
            let state = "complete".to_owned();
            let (number, value, energy_j) = (u64::from(stage), Some(0.5), Some(joules));
            events.push(event(9.0, EventKind::Trial { stage, number, params, value, energy_j, state }));
        }
        let used_j = result.ledger.entries.iter().find(|entry| entry.stage == STAGE).unwrap().energy_j.value;
        let waste = Waste::in_run(&result, &events, Some(32));
        assert_eq!(kinds(&waste), [Kind::SmallBatch], "a trial of another length is left out");
        assert!((waste.findings[0].energy_j.value - used_j / 2.0).abs() < 1e-9, "{waste:?}");
        assert!(Waste::in_run(&result, &events, Some(64)).findings.is_empty());
    }

    #[test]
    fn a_larger_batch_may_make_inferences_cheaper() {
        let mut result = fixture::result();
        assert!(
            !kinds(&Waste::in_run(&result, &[], None)).contains(&Kind::SmallInferenceBatch),
            "64 is the larger"
        );
        result.life.batch = 1;
        let waste = Waste::in_run(&result, &[], None);
        let [Finding { energy_j, share, .. }] = &waste.findings[..] else { panic!("{waste:?}") };
        let of = |batch: &str| result.baseline.energy_per_inference_j.by_batch[batch].value;
        let saved_j = result.life.inferences * (of("1") - of("64"));
        assert!((energy_j.value / saved_j - 1.0).abs() < 1e-9 && *share < 1.0, "{energy_j:?}");
        insta::assert_snapshot!(waste.findings[0].lines().join("\n"));
    }
}
