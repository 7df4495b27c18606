//! Choose batch size, threads and precision of inference.
//!
//! # What it does
//! Times the baseline, and its 8-bit form where that holds, at several batch sizes and on one or all threads, and
//! keeps the cheapest per image. Under a limit on latency (`--latency`) precision, batch size and threads are chosen
//! together, among those whose calls keep within it. Without a limit the precision is the cheaper one by the cost
//! table, so that the same run gives the same model.
//!
//! # Why it saves energy
//! A call has a fixed cost that a batch shares, and threads that wait for each other burn time without work.
//!
//! # When it costs
//! Nothing but the timing. Batches make single requests wait, which is why there is a limit on latency; where there
//! is one, a clock chooses, and another machine may choose otherwise.
//!
//! # Evidence
//! The saving depends on the model and the machine; only a measurement tells.
//!
//! # How to check
//! `joulewise bench MODEL --mode infer --batch N --threads N` on the exported model.

use std::fmt;

use super::{Card, Practice, Setback};
use crate::candidate::{Candidate, Deployment, Status};
use crate::context::Context;
use crate::improve::benchmark::Subject;
use crate::task::Task;
use crate::task::graph::GraphTask;

const BATCHES: [usize; 4] = [1, 8, 64, 256];
/// CPU-seconds that a configuration is timed for, in each of the rounds.
const SLICE_S: f64 = 0.02;
const ROUNDS: usize = 3;

/// See the module's documentation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Inference;

impl Practice for Inference {
    fn card(&self) -> Card {
        Card::of_source("inference", include_str!("inference.rs"))
    }

    fn apply(&self, from: &Candidate, task: &Task, cx: &mut Context<'_>) -> Result<Vec<Candidate>, Setback> {
        let task = task.graph()?;
        let forms = forms(from, cx)?;
        if forms.is_empty() {
            return Err(Setback::Skipped(format!("`{}` has no network to run", from.name)));
        }
        let upstream: Vec<u32> = forms.iter().flat_map(|form| form.depends_on.iter().copied()).collect();
        let (timed, entry) = cx.stage("", &upstream, |cx| timed(&forms, task, cx))?;
        let best = cheapest(&timed, cx.latency_s)?;
        let source = forms[best.form];
        let Some(model) = &source.model else {
            return Err(Setback::Failed(format!("`{}` lost its network", source.name)));
        };
        let mut candidate = Candidate::after(source, "inference", (**model).clone());
        candidate.name = "inference".into();
        // Trained again, it would run as it does now: nobody has to time it once more.
        candidate.upstream(entry);
        candidate.note("batch", best.deployment.batch.to_string());
        candidate.note("threads", best.deployment.threads.to_string());
        candidate.note("precision", if source.name == from.name { "f32" } else { "int8" });
        candidate.note("latency of a call", Milliseconds(best.call_s).to_string());
        candidate.note("configurations timed", timed.len().to_string());
        candidate.deployment = Some(best.deployment.clone());
        Ok(vec![candidate])
    }
}

/// The forms of the network that are timed: in floats and in bytes, or only the cheaper one by counted costs, because
/// a clock must not decide what is exported unless the user has set it a limit.
fn forms<'c>(float: &'c Candidate, cx: &Context<'c>) -> Result<Vec<&'c Candidate>, Setback> {
    let quantised = cx.candidates.iter().find(|c| c.practices == ["quantise"] && c.status == Status::Holds);
    let mut forms = Vec::new();
    for form in [Some(float), quantised].into_iter().flatten() {
        if let Some(model) = &form.model {
            forms.push((form, cx.costs.inference_s(model)?));
        }
    }
    forms.sort_by(|a, b| a.1.total_cmp(&b.1));
    if cx.latency_s.is_none() {
        forms.truncate(1);
    }
    Ok(forms.into_iter().map(|(form, _)| form).collect())
}

/// One way to run one of the forms, timed.
#[derive(Clone, Debug, PartialEq)]
struct Timed {
    form: usize,
    deployment: Deployment,
    /// CPU-seconds per image.
    cpu_s: f64,
    /// Wall time of a call.
    call_s: f64,
}

/// Every form at every batch size and number of threads; the best of a few rounds of each.
fn timed(forms: &[&Candidate], task: &GraphTask, cx: &Context<'_>) -> Result<Vec<Timed>, Setback> {
    let all = task.cpu.threads();
    let mut timed = Vec::new();
    for (form, candidate) in forms.iter().enumerate() {
        let Some(model) = &candidate.model else { continue };
        for batch in BATCHES.into_iter().filter(|&batch| batch <= cx.batch) {
            for threads in [1, all].into_iter().take(if all > 1 { 2 } else { 1 }) {
                let mut subject = Subject::new(task, model, batch, threads)?;
                let (mut cpu_s, mut call_s) = (f64::INFINITY, f64::INFINITY);
                for _ in 0..ROUNDS {
                    cx.check()?;
                    let slice = subject.run(cx.session, SLICE_S)?;
                    cpu_s = cpu_s.min(slice.cpu_s / slice.images as f64);
                    call_s = call_s.min(slice.wall_s / slice.calls as f64);
                }
                timed.push(Timed { form, deployment: Deployment { batch, threads }, cpu_s, call_s });
            }
        }
    }
    Ok(timed)
}

/// The cheapest per image of which a call takes at most `limit_s`.
fn cheapest(timed: &[Timed], limit_s: Option<f64>) -> Result<&Timed, Setback> {
    let in_time = timed.iter().filter(|timed| limit_s.is_none_or(|limit| timed.call_s <= limit));
    in_time.min_by(|a, b| a.cpu_s.total_cmp(&b.cpu_s)).ok_or_else(|| {
        let fastest = timed.iter().map(|timed| timed.call_s).fold(f64::INFINITY, f64::min);
        Setback::Skipped(format!(
            "no precision, batch size and threads keep a call within {}: the fastest took {}",
            Milliseconds(limit_s.unwrap_or_default()),
            Milliseconds(fastest)
        ))
    })
}

/// Seconds, shown as in `1.25 ms`.
struct Milliseconds(f64);

impl fmt::Display for Milliseconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = 1e3 * self.0;
        if ms < 0.1 { write!(f, "{ms:.4} ms") } else { write!(f, "{ms:.2} ms") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::practice::fixture::Bench;
    use crate::practice::quantise::Quantise;

    fn timed(form: usize, batch: usize, cpu_s: f64, call_s: f64) -> Timed {
        Timed { form, deployment: Deployment { batch, threads: 1 }, cpu_s, call_s }
    }

    #[test]
    fn precision_and_batch_are_chosen_together_under_the_limit() {
        // In bytes a call is slower here, as where the network is tiny, but an image of a large batch is cheapest.
        let all = [
            timed(0, 1, 9e-6, 1e-5),
            timed(0, 64, 4e-6, 3e-4),
            timed(1, 1, 8e-6, 2e-5),
            timed(1, 64, 2e-6, 4e-4),
        ];
        let chosen = |limit| cheapest(&all, limit).unwrap();
        assert_eq!(chosen(None), &all[3]);
        assert_eq!(chosen(Some(3.5e-4)), &all[1]);
        assert_eq!(chosen(Some(1.5e-5)), &all[0]);
        let Err(Setback::Skipped(reason)) = cheapest(&all, Some(1e-6)) else { panic!("nothing is so fast") };
        assert!(reason.ends_with("within 0.0010 ms: the fastest took 0.0100 ms"), "{reason}");
    }

    #[test]
    fn timing_is_upstream_but_no_part_of_the_training_and_the_chain_is_whole() {
        let mut bench = Bench::new(&[]);
        let quantised = bench.apply("quantise", &Quantise, &[]).unwrap();
        for (limit, configurations) in [(None, "3"), (Some(1e3), "6")] {
            bench.latency_s = limit;
            let made = bench.apply("inference", &Inference, &quantised).unwrap().remove(0);
            let timing = bench.ledger.last().unwrap();
            assert_eq!(timing.name, "inference");
            assert!(made.depends_on.contains(&timing.id), "{made:?}");
            assert!(!made.training.contains(&timing.id), "{made:?}");
            let notes = std::collections::BTreeMap::from_iter(made.notes.clone());
            let chain =
                if notes["precision"] == "int8" { vec!["quantise", "inference"] } else { vec!["inference"] };
            assert_eq!(made.practices, chain);
            assert_eq!(notes["configurations timed"], configurations, "both precisions only under a limit");
        }
        bench.latency_s = Some(1e-9);
        let skipped = bench.apply("inference", &Inference, &quantised).unwrap_err();
        assert!(skipped.to_string().contains("the fastest took"), "{skipped}");
    }
}
