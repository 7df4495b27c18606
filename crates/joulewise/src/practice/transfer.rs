//! Start from a trunk that has learned something else.
//!
//! # What it does
//! Takes the trunk of a network trained on other glyph classes, caches its features for every training image,
//! fits a linear classifier to them, and then fine-tunes the whole network for a little while.
//!
//! # Why it saves energy
//! One forward pass over the images replaces most of the training; the classifier on cached features costs
//! next to nothing.
//!
//! # When it costs
//! The trunk's own training, in full, is part of what the candidate cost to make, because here it was made
//! for this. It pays when the trunk is reused, and the report says when it does not.
//!
//! # Evidence
//! Kumar et al. (2022): fitting the classifier first and fine-tuning after it loses less than fine-tuning at
//! once.
//!
//! # How to check
//! Compare `training_j` (the probe and the fine-tuning) with `cost_to_make_j` (with the trunk).

use joulewise_learn::builders;
use joulewise_learn::data::{Alphabet, Normalise, glyphs_of};
use joulewise_learn::engine::Inference;
use joulewise_learn::random::Stream;
use joulewise_learn::train::schedule::Schedule;
use joulewise_learn::train::{self, Control, Examples as _, Features, Pictures, Split, Tick};
use joulewise_learn::{Graph, Model, Node, Op, Tensor, Weights};

use super::{Card, Practice, Setback};
use crate::candidate::Candidate;
use crate::context::Context;
use crate::task::Task;
use crate::task::graph::GraphTask;
use crate::task::template::Placeholder;

/// Pictures of other classes that the trunk learns from.
const PRETRAINING_IMAGES: usize = 5_000;
/// Epochs of the trunk's training.
const PRETRAINING_EPOCHS: usize = 2;
/// Epochs of the linear classifier on cached features.
const PROBE_EPOCHS: usize = 8;
/// Epochs of fine-tuning, and its peak rate relative to the training's.
const FINE_TUNING: (usize, f64) = (2, 0.5);

/// See the module's documentation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Transfer;

impl Practice for Transfer {
    fn card(&self) -> Card {
        Card::of_source("transfer", include_str!("transfer.rs"))
    }

    fn apply(&self, _from: &Candidate, task: &Task, cx: &mut Context<'_>) -> Result<Vec<Candidate>, Setback> {
        let task = task.graph()?;
        if task.input() != [1, 28, 28] {
            return Err(Setback::Skipped(format!(
                "the built-in trunk has seen 1x28x28 pictures, and these are {:?}",
                task.input()
            )));
        }
        let model = task.network(1.0, cx.seed)?;
        let pretraining =
            task.cost_in_epochs(cx.costs, &model, PRETRAINING_IMAGES)? * PRETRAINING_EPOCHS as f64;
        if cx.budget.left(&cx.practice) < pretraining + 1.0 {
            return Err(Setback::Skipped(format!(
                "its share of the budget, {:.1} epochs of the baseline, does not pay for a trunk ({pretraining:.1}) and \
                 an epoch of fine-tuning",
                cx.budget.left(&cx.practice)
            )));
        }
        let (trunk, pretrained) = pretrain(task, cx)?;
        let Some(head) = Head::of(&trunk) else {
            return Err(Setback::Skipped("the network does not end in a linear classifier".into()));
        };
        let (probed, probe) = cx.stage("probe", &[pretrained], |cx| linear_probe(task, &trunk, &head, cx))?;

        let mut hyper = task.hyper.clone();
        hyper.schedule = Schedule::OneCycle;
        hyper.lr *= FINE_TUNING.1;
        hyper.epochs = cx.affordable_epochs(task, &probed, task.splits.train.len(), FINE_TUNING.0)?;
        let trained = cx.train("fine-tune", &[probe], task, &probed, &hyper, None)?;
        let mut candidate = Candidate::trained("transfer", trained.fitted.model);
        candidate.made_by(probe);
        candidate.made_by(trained.entry);
        candidate.upstream(pretrained);
        candidate.note("trunk", format!("{PRETRAINING_IMAGES} letters, {PRETRAINING_EPOCHS} epochs"));
        candidate.note("probe alone", format!("{:.2} % on the select images", 100.0 * task.select(&probed)?));
        candidate.note("epochs of fine-tuning", hyper.epochs.to_string());
        candidate.hyper = Some(hyper);
        Ok(vec![candidate])
    }

    fn placeholders(&self) -> Option<&'static [Placeholder]> {
        Some(&[Placeholder::Init])
    }
}

/// Trains the baseline's network on letters.
fn pretrain(task: &GraphTask, cx: &mut Context<'_>) -> Result<(Model, u32), Setback> {
    let seed = cx.seed;
    let (letters, drawn) =
        cx.stage("draw-letters", &[], |_| Ok(glyphs_of(Alphabet::Letters, PRETRAINING_IMAGES, 0, seed)))?;
    let indices: Vec<u32> = (0..letters.train.len() as u32).collect();
    let normalise = Normalise::of(&letters.train, &indices);
    let mut hyper = task.hyper.clone();
    hyper.epochs = PRETRAINING_EPOCHS;
    let pictures = Pictures { images: &letters.train, normalise: &normalise, augment: None };
    let split = Split { train: &indices, select: &[] };
    let model = builders::build(&task.network, task.input(), letters.classes.len(), task.width, seed)?;
    let trained =
        cx.train_on("pretrain", &[drawn], task, &model, &pictures, split, &hyper, None, &mut |_| {
            Control::Continue
        })?;
    Ok((trained.fitted.model, trained.entry))
}

/// The last linear layer of a network, whose input are the features.
struct Head {
    weight: String,
    bias: String,
    features: String,
    width: usize,
}

impl Head {
    fn of(model: &Model) -> Option<Self> {
        let node = model.graph.producer(&model.graph.output)?;
        let (Op::Linear, [features, weight, bias]) = (&node.op, &node.inputs[..]) else { return None };
        let width = *model.weights.get(weight)?.shape.get(1)?;
        Some(Self { weight: weight.clone(), bias: bias.clone(), features: features.clone(), width })
    }
}

/// `trunk` with a classifier fitted to its features of the task's images.
fn linear_probe(task: &GraphTask, trunk: &Model, head: &Head, cx: &Context<'_>) -> Result<Model, Setback> {
    let mut cut = trunk.clone();
    cut.graph.output.clone_from(&head.features);
    let end = cut.graph.nodes.iter().position(|n| n.output == head.features).map_or(0, |i| i + 1);
    cut.graph.nodes.truncate(end);
    let images = &task.data.train;
    let pictures = task.pictures(&task.hyper);
    let mut rows = vec![0.0; images.len() * head.width];
    let mut plan = Inference::new(&task.cpu, &cut, 256)?;
    for batch in task.splits.train.chunks(256) {
        let features =
            plan.run_fed(batch.len(), |row, layout, into| pictures.fill(batch[row], None, layout, into));
        for (row, &index) in features.chunks(head.width).zip(batch) {
            rows[index as usize * head.width..][..head.width].copy_from_slice(row);
        }
    }
    let examples = Features { rows: &rows, width: head.width, labels: &images.labels };
    let mut hyper = task.hyper.clone();
    hyper.epochs = PROBE_EPOCHS;
    hyper.crop = 0;
    hyper.flip = false;
    let classifier = linear_classifier(head.width, task.classes(), hyper.seed);
    let split = Split { train: &task.splits.train, select: &[] };
    let mut watch = |_: Tick<'_>| if cx.check().is_ok() { Control::Continue } else { Control::Cancel };
    let fitted = train::fit(&task.cpu, &classifier, &examples, split, &hyper, None, &mut watch)?;
    let mut probed = trunk.clone();
    for (name, of) in [(&head.weight, "weight"), (&head.bias, "bias")] {
        if let Some(tensor) = fitted.model.weights.get(of) {
            probed.weights.set(name, tensor.clone());
        }
    }
    Ok(probed)
}

fn linear_classifier(features: usize, classes: usize, seed: u64) -> Model {
    let bound = 1.0 / (features as f32).sqrt();
    let mut stream = Stream::new(seed, "probe");
    let mut weights = Weights::default();
    let draws = (0..features * classes).map(|_| stream.uniform(-bound, bound)).collect();
    weights.set("weight", Tensor::f32([classes, features], draws));
    weights.set("bias", Tensor::f32([classes], vec![0.0; classes]));
    let node = Node {
        name: "probe".into(),
        op: Op::Linear,
        inputs: vec!["features".into(), "weight".into(), "bias".into()],
        output: "logits".into(),
    };
    let graph = Graph {
        name: "probe".into(),
        input: "features".into(),
        input_shape: vec![features],
        output: "logits".into(),
        nodes: vec![node],
    };
    Model { graph, weights }
}
