//! Choose batch size, threads and precision of inference.
//!
//! # What it does
//! Takes the baseline, or its 8-bit form where that holds and costs less by the cost table, times it at
//! several batch sizes and on one or all threads, and keeps the cheapest per image whose calls stay within
//! the admitted latency.
//!
//! # Why it saves energy
//! A call has a fixed cost that a batch shares, and threads that wait for each other burn time without work.
//!
//! # When it costs
//! Nothing but the timing. Batches make single requests wait, which is why there is a limit on latency.
//!
//! # Evidence
//! The saving depends on the model and the machine; only a measurement tells.
//!
//! # How to check
//! `joulewise bench MODEL --mode infer --batch N --threads N` on the exported model.

use super::{Card, Practice, Setback};
use crate::candidate::{Candidate, Deployment, Status};
use crate::context::Context;
use crate::improve::benchmark::Subject;
use crate::task::Task;

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
        let quantised =
            cx.candidates.iter().find(|c| c.practices == ["quantise"] && c.status == Status::Holds);
        let source = cheapest(from, quantised, cx)?;
        let Some(model) = &source.model else {
            return Err(Setback::Skipped(format!("`{}` has no network to run", source.name)));
        };
        let all = task.cpu.threads();
        let ((best, call_s, tried), entry) = cx.stage("", &source.depends_on, |cx| {
            let mut tried = 0;
            let mut best: Option<(Deployment, f64, f64)> = None;
            for batch in BATCHES.into_iter().filter(|&batch| batch <= cx.batch) {
                for threads in [1, all].into_iter().take(if all > 1 { 2 } else { 1 }) {
                    let mut subject = Subject::new(task, model, batch, threads)?;
                    let (mut cost, mut call_s) = (f64::INFINITY, f64::INFINITY);
                    for _ in 0..ROUNDS {
                        cx.check()?;
                        let slice = subject.run(cx.session, SLICE_S)?;
                        cost = cost.min(slice.cpu_s / slice.images as f64);
                        call_s = call_s.min(slice.wall_s / slice.calls as f64);
                    }
                    tried += 1;
                    let in_time = cx.latency_s.is_none_or(|limit| call_s <= limit);
                    if in_time && best.as_ref().is_none_or(|&(_, least, _)| cost < least) {
                        best = Some((Deployment { batch, threads }, cost, call_s));
                    }
                }
            }
            let (deployment, _, call_s) = best
                .ok_or_else(|| Setback::Skipped("no batch size keeps within the admitted latency".into()))?;
            Ok((deployment, call_s, tried))
        })?;
        let mut candidate = Candidate::after(source, "inference", (**model).clone());
        candidate.name = "inference".into();
        candidate.practices = vec!["inference".into()];
        candidate.made_by(entry);
        candidate.note("batch", best.batch.to_string());
        candidate.note("threads", best.threads.to_string());
        candidate.deployment = Some(best);
        candidate.note("precision", if source.name == from.name { "f32" } else { "int8" });
        candidate.note("latency of a call", format!("{:.2} ms", 1e3 * call_s));
        candidate.note("configurations timed", tried.to_string());
        Ok(vec![candidate])
    }
}

/// The float network or its 8-bit form: by counted costs, because a clock must not decide what is exported.
fn cheapest<'c>(
    float: &'c Candidate,
    quantised: Option<&'c Candidate>,
    cx: &Context<'_>,
) -> Result<&'c Candidate, Setback> {
    let cost = |candidate: &Candidate| match &candidate.model {
        Some(model) => cx.costs.inference_s(model),
        None => Ok(f64::INFINITY),
    };
    Ok(match quantised {
        Some(quantised) if cost(quantised)? < cost(float)? => quantised,
        _ => float,
    })
}
