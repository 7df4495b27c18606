//! Batches below the knee: larger ones would do the same work for fewer joules.
//!
//! ```text
//! knee     = the smallest batch whose joules per example are within 5 % of the least
//! at stake = joules in smaller batches × (1 − joules per example at the knee / joules per example in them)
//! ```
//!
//! This is only judged where the same work was done in batches of at least two sizes. It assumes that as many examples are needed
//! in larger batches, which holds where the learning rate is fitted to them, up to a size that depends on the task.

use std::collections::BTreeMap;

use joulewise_meter::{Joules, SpanTotal};

use super::trace::Batch;
use super::{Judgement, Kind, Trace, names};

/// So much dearer than at the cheapest batch is as cheap.
const NEAR: f64 = 0.05;

pub(super) fn find(trace: &Trace) -> Judgement {
    let Some(knee) = knee(trace)? else { return Ok(None) };
    let evidence = knee.evidence("the same work");
    let advice = format!(
        "use batches of {}, with the learning rate fitted to them, as the practice tune does",
        knee.size
    );
    let at_stake = (knee.saved_j, knee.saved_j, knee.saved_j);
    Ok(Some(trace.finding(Kind::SmallBatch, at_stake, evidence, advice)))
}

/// Where larger batches save no more, and what the smaller ones cost.
pub(super) struct Knee {
    pub(super) size: u64,
    unit_j: f64,
    pub(super) saved_j: f64,
    /// The size of the smaller batches, and what a unit of work takes in them.
    below: (u64, f64),
}

impl Knee {
    pub(super) fn evidence(&self, what: &str) -> String {
        let (below, below_j) = self.below;
        let (size, unit) = (self.size, Joules(self.unit_j));
        format!("{what} takes {} in batches of {below} and {unit} in batches of {size}", Joules(below_j))
    }
}

/// The knee, if work was done in batches below it.
pub(super) fn knee(trace: &Trace) -> Result<Option<Knee>, String> {
    let mut batches: Vec<&Batch> = trace.batches.iter().filter(|batch| batch.unit_j > 0.0).collect();
    batches.sort_by_key(|batch| batch.size);
    if batches.len() < 2 {
        return Err("no work was seen in batches of several sizes".to_owned());
    }
    let least_j = batches.iter().map(|batch| batch.unit_j).fold(f64::INFINITY, f64::min);
    let Some(&knee) = batches.iter().find(|batch| batch.unit_j <= (1.0 + NEAR) * least_j) else {
        return Ok(None);
    };
    let below = || batches.iter().filter(|batch| batch.size < knee.size && batch.used_j > 0.0);
    let saved_j = below().map(|batch| batch.used_j * (1.0 - knee.unit_j / batch.unit_j)).sum();
    let dearest = below().max_by(|a, b| a.used_j.total_cmp(&b.used_j));
    Ok(dearest.map(|dearest| Knee {
        size: knee.size,
        unit_j: knee.unit_j,
        saved_j,
        below: (dearest.size, dearest.unit_j),
    }))
}

/// Spans that are named after the size of their batch. Each is one batch.
pub(super) fn of_spans(spans: &[SpanTotal]) -> Vec<Batch> {
    // A larger batch in another place of the program does other work.
    let mut places: BTreeMap<Option<u32>, BTreeMap<u64, (f64, f64)>> = BTreeMap::new();
    for span in spans {
        if let Some(size) = names::batch_size(&span.name) {
            let (used_j, examples) = places.entry(span.parent).or_default().entry(size).or_default();
            *used_j += span.energy.value;
            *examples += (span.count * size) as f64;
        }
    }
    let Some(sizes) = places.into_values().max_by_key(BTreeMap::len) else { return Vec::new() };
    let batch = |(size, (used_j, examples)): (u64, (f64, f64))| {
        (examples > 0.0).then(|| Batch { size, unit_j: used_j / examples, used_j })
    };
    sizes.into_iter().filter_map(batch).collect()
}

/// The options of commands that give the size of a batch.
const OPTIONS: [&str; 6] =
    ["--batch", "--batch-size", "--batch_size", "--bs", "--per_device_train_batch_size", "-b"];

/// The size of a command's batches, and the command without it.
pub(super) fn of_command(command: &[String]) -> Option<(u64, Vec<String>)> {
    for (i, word) in command.iter().enumerate() {
        let (option, value) =
            word.split_once('=').map_or((word.as_str(), None), |(option, value)| (option, Some(value)));
        if !OPTIONS.contains(&option) {
            continue;
        }
        let mut rest = command.to_vec();
        rest.remove(i);
        let size = match value {
            Some(value) => value.parse().ok()?,
            None if i < rest.len() => rest.remove(i).parse().ok()?,
            None => return None,
        };
        return (size > 0).then_some((size, rest));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{span, trace};
    use super::*;

    #[test]
    fn batches_below_the_knee_are_found() {
        let mut trace = trace(1000.0);
        trace.spans = vec![
            span(1, "batch 16", None, 100, 320.0),
            span(2, "batch 64", None, 25, 160.0),
            span(3, "batch 128", None, 10, 127.0),
        ];
        trace.batches = of_spans(&trace.spans);
        // 200, 100 and 99 mJ per example: 64 is as cheap as 128.
        let finding = find(&trace).unwrap().unwrap();
        assert!((finding.energy_j.value - 160.0).abs() < 1e-9, "{finding:?}");
        insta::assert_snapshot!(finding.lines().join("\n"));
        trace.batches[0].used_j = 0.0;
        assert_eq!(find(&trace), Ok(None), "nothing was done in them");
    }

    #[test]
    fn the_cheapest_size_may_be_the_smallest() {
        let mut trace = trace(1000.0);
        trace.spans = vec![span(1, "batch 16", None, 100, 16.0), span(2, "batch 64", None, 25, 16.0)];
        trace.batches = of_spans(&trace.spans);
        assert_eq!(find(&trace), Ok(None));
    }

    #[test]
    fn one_size_has_no_knee() {
        let mut trace = trace(1000.0);
        assert!(find(&trace).is_err());
        trace.spans = vec![
            span(1, "train", None, 1, 500.0),
            span(2, "batch 8", Some(1), 9, 9.0),
            span(3, "batch 64", None, 9, 9.0),
        ];
        trace.batches = of_spans(&trace.spans);
        assert!(find(&trace).is_err(), "another place of the program does other work");
    }

    #[test]
    fn a_command_has_the_size_in_an_option() {
        let split = |text: &str| {
            let words: Vec<String> = text.split(' ').map(str::to_owned).collect();
            of_command(&words).map(|(size, rest)| (size, rest.join(" ")))
        };
        let expected = Some((32, "python train.py --lr 1".to_owned()));
        assert_eq!(split("python train.py --batch 32 --lr 1"), expected);
        assert_eq!(split("python train.py --lr 1 --batch-size=32"), expected);
        for text in ["python train.py", "python train.py --batch", "python --batch x", "python --batch 0"] {
            assert_eq!(split(text), None, "{text}");
        }
    }
}
