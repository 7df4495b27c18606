//! Remove whole channels, then train a little more.
//!
//! # What it does
//! Finds the channels that must go together (through additions, normalisations and flattening), removes the
//! least important ones until the counted cost of an inference has halved, and fine-tunes what is left.
//!
//! # Why it saves energy
//! The network really gets smaller: fewer channels to compute, to read and to write, in any runtime.
//!
//! # When it costs
//! The fine-tuning. Zeroing single weights instead saves nothing on a dense runtime, and removing channels
//! between two multiples of the kernels' width saves nothing either: the plan counts in those steps.
//!
//! # Evidence
//! Importance by groups is that of DepGraph (Fang et al. 2023).
//!
//! # How to check
//! Parameters and multiplications of the exported model, and its CPU time per inference.

use joulewise_learn::compress::{self, Importance};
use joulewise_learn::train::schedule::Schedule;

use super::{Card, Practice, Setback};
use crate::candidate::Candidate;
use crate::context::Context;
use crate::task::Task;

/// The counted cost of an inference that is aimed at, relative to the network's.
const TARGET: f64 = 0.5;
/// Most epochs of fine-tuning.
const EPOCHS: usize = 3;
/// Peak rate of fine-tuning, relative to the training's.
const RATE: f64 = 0.3;

/// See the module's documentation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Prune;

impl Practice for Prune {
    fn card(&self) -> Card {
        Card::of_source("prune", include_str!("prune.rs"))
    }

    fn apply(&self, from: &Candidate, task: &Task, cx: &mut Context<'_>) -> Result<Vec<Candidate>, Setback> {
        let task = task.graph()?;
        let Some(model) = &from.model else {
            return Err(Setback::Skipped(format!("`{}` has no network to prune", from.name)));
        };
        let (pruned, select) = cx.stage("select-channels", &from.depends_on, |cx| {
            let costs = cx.costs;
            let cost = |model: &joulewise_learn::Model| costs.inference_s(model).unwrap_or(f64::INFINITY);
            let plan = compress::plan(model, Importance::GroupL2, TARGET, &cost, costs.channels_at_once)?;
            Ok(compress::prune(model, &plan)?)
        })?;
        if pruned.weights.count() == model.weights.count() {
            return Err(Setback::Skipped(
                "no channel can be removed in steps that the kernels gain from".into(),
            ));
        }
        let mut hyper = task.hyper.clone();
        hyper.schedule = Schedule::Cosine;
        hyper.warmup = 0.0;
        hyper.lr *= RATE;
        hyper.epochs = cx.affordable_epochs(task, &pruned, task.splits.train.len(), EPOCHS)?;
        let trained = cx.train("fine-tune", &[select], task, &pruned, &hyper, None)?;
        let mut candidate = Candidate::after(from, "prune", trained.fitted.model);
        candidate.made_by(select);
        candidate.made_by(trained.entry);
        let share = pruned.weights.count() as f64 / model.weights.count() as f64;
        candidate.note("parameters kept", format!("{:.0} %", 100.0 * share));
        candidate.note("epochs of fine-tuning", hyper.epochs.to_string());
        Ok(vec![candidate])
    }
}
