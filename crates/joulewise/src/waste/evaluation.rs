//! Evaluation too frequent: spans of evaluations take more than 5 % of the joules.
//!
//! ```text
//! at stake = joules of the evaluations × (1 − kept / all)
//! kept     = what is left of them if only every k-th is done, with the least k for which they take 5 % of what is left
//! low      = the same, but with as many kept as gave a new best value of the metric
//! ```
//!
//! It assumes that an evaluation costs the same whenever it is done, and that none of them changes the training.

use std::collections::HashMap;

use joulewise_meter::SpanTotal;

use super::plateau::judged;
use super::{Judgement, Kind, Trace, names};

/// Evaluations may take this part of the joules.
const ADMITTED: f64 = 0.05;

pub(super) fn find(trace: &Trace) -> Judgement {
    let evaluations: Vec<_> = outermost(trace).collect();
    if evaluations.is_empty() {
        return Err("no span is called after an evaluation, as `evaluate` or `validate`".to_owned());
    }
    let count: u64 = evaluations.iter().map(|span| span.count).sum();
    let used_j: f64 = evaluations.iter().map(|span| span.energy.value).sum();
    let total_j = trace.energy.value;
    if used_j <= ADMITTED * total_j {
        return Ok(None);
    }
    let runs = trace.runs.max(1) as u64;
    let each = count.div_ceil(runs);
    let most = ADMITTED / (1.0 - ADMITTED) * (total_j - used_j) / (used_j / each as f64);
    // Where even one takes more than that, all but the last can be left out.
    let every = each.div_ceil((most as u64).max(1));
    if every < 2 {
        return Ok(None);
    }
    let kept = each.div_ceil(every);
    let improved = improved_share(trace);
    let needed = improved.map_or(kept as f64, |share| (share * each as f64).clamp(kept as f64, each as f64));
    let saved_j = |kept: f64| used_j * (1.0 - kept / each as f64);
    let metric = improved
        .map_or_else(String::new, |share| format!("; {:.0} % of them gave a new best value", 100.0 * share));
    let evidence = format!(
        "{count} evaluations take {:.0} % of the energy, {:.0} % would do{metric}",
        100.0 * (used_j / total_j).min(1.0),
        100.0 * ADMITTED,
    );
    let advice = format!("evaluate every {} time only, and once at the end", ordinal(every));
    let at_stake = (saved_j(needed), saved_j(kept as f64), saved_j(kept as f64));
    Ok(Some(trace.finding(Kind::FrequentEvaluation, at_stake, evidence, advice)))
}

/// Spans of evaluations that are in no other such span.
fn outermost(trace: &Trace) -> impl Iterator<Item = &SpanTotal> {
    let by_id: HashMap<u32, &SpanTotal> = trace.spans.iter().map(|span| (span.id, span)).collect();
    let is_outermost = move |span: &&SpanTotal| {
        let outer = |span: &SpanTotal| by_id.get(&span.parent?).copied();
        std::iter::successors(outer(span), |span| outer(span)).all(|span| !names::is_evaluation(&span.name))
    };
    trace.spans.iter().filter(|span| names::is_evaluation(&span.name)).filter(is_outermost)
}

/// The part of the values of the metric that were better than all before; `None` without a metric.
fn improved_share(trace: &Trace) -> Option<f64> {
    let (mut improved, mut all) = (0, 0);
    for curve in judged(trace)? {
        let mut best = f64::NAN;
        for value in curve.values() {
            all += 1;
            if curve.direction.compare(value, best).is_lt() {
                best = value;
                improved += 1;
            }
        }
    }
    (all > 0).then(|| f64::from(improved) / f64::from(all))
}

fn ordinal(n: u64) -> String {
    let ending = match (n % 10, n % 100) {
        (_, 11..=13) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        _ => "th",
    };
    format!("{n}{ending}")
}

#[cfg(test)]
mod tests {
    use joulewise_tune::Direction;

    use super::super::fixture::{curve, span, trace};
    use super::*;

    #[test]
    fn evaluations_that_take_too_much_are_to_be_done_less_often() {
        let mut trace = trace(1000.0);
        trace.spans = vec![
            span(1, "epoch", None, 20, 1000.0),
            span(2, "train", Some(1), 20, 700.0),
            span(3, "validate", Some(1), 20, 300.0),
            // Its joules are among those of the span around it.
            span(4, "val step", Some(3), 400, 290.0),
        ];
        let finding = find(&trace).unwrap().unwrap();
        // Of 300 J in 20 evaluations, two take 4.1 % of 730 J, and three would take 6 % of 745 J.
        assert!((finding.energy_j.value - 270.0).abs() < 1e-9, "{finding:?}");
        assert_eq!(finding.advice, "evaluate every 10th time only, and once at the end");
        trace.curves = vec![curve("accuracy", Direction::Max, 50.0, &[0.1, 0.5, 0.4, 0.6])];
        let finding = find(&trace).unwrap().unwrap();
        assert!(
            (finding.energy_j.low - 0.9 * 75.0).abs() < 1e-9,
            "three of four gave a new best: {finding:?}"
        );
        insta::assert_snapshot!(finding.lines().join("\n"));
    }

    #[test]
    fn a_few_evaluations_are_no_waste() {
        let mut trace = trace(1000.0);
        trace.spans = vec![span(1, "evaluate", None, 10, 49.0)];
        assert_eq!(find(&trace), Ok(None));
        trace.spans = vec![span(1, "evaluate", None, 1, 400.0)];
        assert_eq!(find(&trace), Ok(None), "one is needed, however dear");
        trace.runs = 3;
        trace.spans = vec![span(1, "evaluate", None, 3, 400.0)];
        assert_eq!(find(&trace), Ok(None), "in every run");
    }

    #[test]
    fn without_a_span_of_that_name_nothing_is_judged() {
        let mut trace = trace(1000.0);
        trace.spans = vec![span(1, "step", None, 10, 900.0)];
        assert!(find(&trace).unwrap_err().contains("no span"));
    }

    #[test]
    fn numbers_have_their_endings() {
        let ordinals = [1, 2, 3, 4, 11, 12, 13, 21, 102, 111].map(ordinal);
        assert_eq!(ordinals.join(" "), "1st 2nd 3rd 4th 11th 12th 13th 21st 102nd 111th");
    }
}
