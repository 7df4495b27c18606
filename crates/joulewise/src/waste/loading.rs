//! A starved data loader: the loop waits for its next batch, and the machine draws power meanwhile.
//!
//! ```text
//! at stake = idle power × time in spans of loading, at most their joules
//! low      = the lower of the idle powers before and after × that time; nothing where they were not measured
//! high     = the joules of the spans of loading
//! ```
//!
//! Loading while the network computes saves what the machine draws for being on; what the loading itself takes is saved only
//! where data are kept ready to use. Without `--idle` the idle power is taken for the lowest that was seen, which is rather too
//! high. Where all joules are modelled from CPU time, waiting costs nothing in them, and nothing is said.

use std::collections::BTreeMap;

use joulewise_meter::{Method, Seconds, SpanTotal, Watts};

use super::{Judgement, Kind, Trace, names};

/// A loop may wait for this part of its time.
const ADMITTED: f64 = 0.05;
/// Where loading keeps this part of the hardware threads busy, nothing is gained by doing it at the same time as the rest.
const BUSY: f64 = 0.8;
/// Fewer spans are no loop: they load a model, or the whole of the data.
const FEWEST: u64 = 10;

pub(super) fn find(trace: &Trace) -> Judgement {
    let loops = loops(trace);
    if loops.is_empty() {
        return Err("no loop has spans of waiting and of work, as `load` beside `step`".to_owned());
    }
    let (mut waited_s, mut worked_s, mut used_j, mut cpu_s) = (0.0, 0.0, 0.0, 0.0);
    for (waiting, working) in &loops {
        waited_s += waiting.iter().map(|span| span.wall_s).sum::<f64>();
        worked_s += working.iter().map(|span| span.wall_s).sum::<f64>();
        used_j += waiting.iter().map(|span| span.energy.value).sum::<f64>();
        cpu_s += waiting.iter().map(|span| span.cpu_s).sum::<f64>();
    }
    let share = waited_s / (waited_s + worked_s).max(f64::MIN_POSITIVE);
    let is_seen =
        trace.energy.method == Method::Measured || trace.samples.iter().any(|sample| !sample.gpus.is_empty());
    if !is_seen {
        return Err(format!(
            "{:.0} % of the loop's time is waiting for data, and joules that are modelled from CPU time do not contain what the \
             machine draws meanwhile",
            100.0 * share
        ));
    }
    let is_computing = threads(trace).is_some_and(|threads| cpu_s > BUSY * threads * waited_s);
    if share < ADMITTED || is_computing {
        return Ok(None);
    }
    let seen_w =
        trace.samples.iter().filter(|sample| sample.is_long()).map(|sample| sample.energy_j / sample.wall_s);
    let at_most_w = used_j / waited_s;
    let (low_w, idle_w) = match trace.idle_w {
        Some((before, after)) => {
            (before.min(after).min(at_most_w), f64::midpoint(before, after).min(at_most_w))
        }
        None => (0.0, seen_w.fold(at_most_w, f64::min)),
    };
    let evidence = format!(
        "{:.0} % of the loop's time, {}, is spent in `{}`, at {} of which {} are taken for the machine's being on",
        100.0 * share,
        Seconds(waited_s),
        loops[0].0[0].name,
        Watts(at_most_w),
        Watts(idle_w),
    );
    let advice = "load while the network computes, as with more workers and batches that are fetched ahead, or keep the data \
                  ready to use"
        .to_owned();
    let at_stake = (low_w * waited_s, idle_w * waited_s, used_j);
    Ok(Some(trace.finding(Kind::StarvedLoader, at_stake, evidence, advice)))
}

/// The spans of waiting and of work that are inside the same span, for each such span.
fn loops(trace: &Trace) -> Vec<(Vec<&SpanTotal>, Vec<&SpanTotal>)> {
    let mut inside: BTreeMap<Option<u32>, (Vec<&SpanTotal>, Vec<&SpanTotal>)> = BTreeMap::new();
    for span in trace.spans.iter().filter(|span| span.count >= FEWEST) {
        let (waiting, working) = inside.entry(span.parent).or_default();
        if names::is_loading(&span.name) {
            waiting.push(span);
        } else if names::is_work(&span.name) {
            working.push(span);
        }
    }
    inside.into_values().filter(|(waiting, working)| !waiting.is_empty() && !working.is_empty()).collect()
}

/// Hardware threads of the machine.
fn threads(trace: &Trace) -> Option<f64> {
    let wall_s: f64 = trace.samples.iter().map(|sample| sample.wall_s).sum();
    let capacity_s: f64 = trace.samples.iter().map(|sample| sample.capacity_s).sum();
    (wall_s > 0.0).then(|| capacity_s / wall_s)
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{sample, span, trace};
    use super::*;

    /// A loop that waits for 4 s at 50 W and works for 6 s at 100 W, on a machine that is seen to draw 40 W.
    fn starved() -> Trace {
        let mut trace = trace(1000.0);
        let of = |mut span: SpanTotal, wall_s| {
            span.wall_s = wall_s;
            span
        };
        trace.spans = vec![
            of(span(1, "epoch", None, 3, 800.0), 10.5),
            of(span(2, "load", Some(1), 303, 200.0), 4.0),
            of(span(3, "step", Some(1), 300, 600.0), 6.0),
        ];
        trace.samples = vec![sample(1.0, 40.0, &[]), sample(9.0, 100.0, &[]), sample(0.1, 0.0, &[])];
        trace
    }

    #[test]
    fn what_the_machine_draws_while_the_loop_waits_is_at_stake() {
        let mut trace = starved();
        let finding = find(&trace).unwrap().unwrap();
        assert_eq!((finding.energy_j.value, finding.energy_j.low), (160.0, 0.0));
        assert!((finding.energy_j.high - 1.1 * 200.0).abs() < 1e-9, "{finding:?}");
        insta::assert_snapshot!(finding.lines().join("\n"));
        trace.idle_w = Some((20.0, 30.0));
        let finding = find(&trace).unwrap().unwrap();
        assert_eq!(finding.energy_j.value, 100.0);
        assert!((finding.energy_j.low - 0.9 * 80.0).abs() < 1e-9, "{finding:?}");
    }

    #[test]
    fn a_loader_that_keeps_up_wastes_nothing() {
        let mut trace = starved();
        trace.spans[1].wall_s = 0.2;
        assert_eq!(find(&trace), Ok(None));
        let mut trace = starved();
        trace.spans[1].cpu_s = 15.0;
        assert_eq!(find(&trace), Ok(None), "four threads have nothing else to do");
    }

    #[test]
    fn loading_once_is_no_loop() {
        let mut trace = starved();
        trace.spans[1].count = 1;
        assert!(find(&trace).unwrap_err().contains("no loop"));
        let mut trace = starved();
        trace.spans[2].parent = None;
        assert!(find(&trace).unwrap_err().contains("no loop"), "the work is elsewhere");
    }

    #[test]
    fn modelled_joules_say_nothing_of_waiting() {
        let mut trace = starved();
        trace.energy.method = Method::Modelled;
        assert!(find(&trace).unwrap_err().starts_with("40 % of the loop's time is waiting for data"));
        trace.samples[0] = sample(1.0, 40.0, &[(40.0, None)]);
        assert!(find(&trace).unwrap().is_some(), "the GPU's joules are counted");
    }
}
