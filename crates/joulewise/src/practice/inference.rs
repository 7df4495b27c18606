//! Choose batch size, threads and precision of inference.
//!
//! # What it does
//! Times the baseline, and its 8-bit form where that holds, at several batch sizes and on one or all threads,
//! and keeps the cheapest per image whose calls stay within the admitted latency.
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

use std::sync::Arc;

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
        let precisions: Vec<&Candidate> = std::iter::once(from).chain(quantised).collect();
        let threads = task.cpu.threads();
        let ((best, call_s, tried), entry) = cx.stage("", &from.depends_on, |cx| {
            let mut subjects = Vec::new();
            for candidate in &precisions {
                let Some(model) = &candidate.model else { continue };
                for batch in BATCHES.into_iter().filter(|&batch| batch <= cx.batch) {
                    for threads in [1, threads].into_iter().take(if threads > 1 { 2 } else { 1 }) {
                        subjects.push(Subject::new(task, model, batch, threads)?);
                    }
                }
            }
            let mut best: Option<(usize, f64, f64)> = None;
            for (index, subject) in subjects.iter_mut().enumerate() {
                let mut cost = f64::INFINITY;
                let mut call_s = f64::INFINITY;
                for _ in 0..ROUNDS {
                    cx.check()?;
                    let slice = subject.run(cx.session, SLICE_S)?;
                    cost = cost.min(slice.cpu_s / slice.images as f64);
                    call_s = call_s.min(slice.wall_s / slice.calls as f64);
                }
                let in_time = cx.latency_s.is_none_or(|limit| call_s <= limit);
                if in_time && best.is_none_or(|(_, least, _)| cost < least) {
                    best = Some((index, cost, call_s));
                }
            }
            let (index, _, call_s) = best
                .ok_or_else(|| Setback::Skipped("no batch size keeps within the admitted latency".into()))?;
            let subject = &subjects[index];
            Ok(((subject.model().clone(), subject.batch(), subject.threads()), call_s, subjects.len()))
        })?;
        let (model, batch, threads) = best;
        let source = precisions
            .iter()
            .find(|c| c.model.as_ref().is_some_and(|m| Arc::ptr_eq(m, &model)))
            .copied()
            .unwrap_or(from);
        let mut candidate = Candidate::after(source, "inference", (*model).clone());
        candidate.name = "inference".into();
        candidate.practices = vec!["inference".into()];
        candidate.made_by(entry);
        candidate.deployment = Some(Deployment { batch, threads });
        candidate.note("batch", batch.to_string());
        candidate.note("threads", threads.to_string());
        candidate.note("precision", if source.name == from.name { "f32" } else { "int8" });
        candidate.note("latency of a call", format!("{:.2} ms", 1e3 * call_s));
        candidate.note("configurations timed", tried.to_string());
        Ok(vec![candidate])
    }
}
