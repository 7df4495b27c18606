//! Start from a trunk that has learned something else.
//!
//! # What it does
//! Takes a trained trunk: that of an ONNX file (`transfer.trunk` in the recipe) or, for glyph-like pictures, one
//! that is trained on other glyph classes. Caches its features for every training image, fits a linear classifier
//! to them, and then fine-tunes the whole network for a little while. The user's own training is given the file
//! as `{init}`, fewer epochs and a lower learning rate.
//!
//! # Why it saves energy
//! One forward pass over the images replaces most of the training; the classifier on cached features costs
//! next to nothing.
//!
//! # When it costs
//! The trunk's own training, in full, is part of what the candidate cost to make, because somebody paid for it:
//! measured where the trunk is made here, as stated in `transfer.trunk_j` where it is a file, unknown otherwise.
//! It pays when the trunk is reused, and the report says when it does not. The candidate runs the trunk's network,
//! which may cost more per inference than the baseline's.
//!
//! # Evidence
//! Kumar et al. (2022): fitting the classifier first and fine-tuning after it loses less than fine-tuning at
//! once.
//!
//! # How to check
//! Compare `training_j` (the probe and the fine-tuning) with `cost_to_make_j` (with the trunk).

use joulewise_learn::data::{Alphabet, Normalise, glyphs_of};
use joulewise_learn::engine::Inference;
use joulewise_learn::random::Stream;
use joulewise_learn::train::schedule::Schedule;
use joulewise_learn::train::{self, Control, Examples as _, Features, Pictures, Split, Tick};
use joulewise_learn::{Graph, Head, Model, Node, Op, Tensor, Weights};
use joulewise_meter::Joules;

use super::command::{self, Variation};
use super::{Card, Practice, Setback};
use crate::candidate::Candidate;
use crate::context::Context;
use crate::result::Imported;
use crate::task::graph::GraphTask;
use crate::task::template::Placeholder;
use crate::task::{CommandTask, Task};

/// Pictures of other classes that the trunk learns from.
const PRETRAINING_IMAGES: usize = 5_000;
/// Epochs of the trunk's training.
const PRETRAINING_EPOCHS: usize = 2;
/// Epochs of the linear classifier on cached features.
const PROBE_EPOCHS: usize = 8;
/// Epochs of fine-tuning, and its peak rate relative to the training's.
const FINE_TUNING: (usize, f64) = (2, 0.5);
/// The epochs of a command's own training over those of its fine-tuning.
const EPOCHS_BY_COMMAND: f64 = 4.0;

/// See the module's documentation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Transfer;

impl Practice for Transfer {
    fn card(&self) -> Card {
        Card::of_source("transfer", include_str!("transfer.rs"))
    }

    fn apply(&self, _from: &Candidate, task: &Task, cx: &mut Context<'_>) -> Result<Vec<Candidate>, Setback> {
        let task = match task {
            Task::Graph(task) => task,
            Task::Commands(task) => return by_command(task, cx),
        };
        let trunk = match &task.trunk {
            Some((model, imported)) => Trunk::imported(model, imported),
            None => pretrain(task, cx)?,
        };
        let head = Head::of(&trunk.model)?;
        let (probed, probe) =
            cx.stage("probe", &trunk.entries, |cx| linear_probe(task, &trunk.model, &head, cx))?;

        let mut hyper = task.hyper.clone();
        hyper.schedule = Schedule::OneCycle;
        hyper.lr *= FINE_TUNING.1;
        hyper.epochs = cx.affordable_epochs(task, &probed, task.splits.train.len(), FINE_TUNING.0)?;
        let trained = cx.train("fine-tune", &[probe], task, &probed, &hyper, None)?;
        let mut candidate = Candidate::trained("transfer", trained.fitted.model);
        candidate.made_by(probe);
        candidate.made_by(trained.entry);
        trunk.entries.iter().for_each(|&entry| candidate.upstream(entry));
        candidate.imported = trunk.imported;
        candidate.note("trunk", trunk.origin);
        candidate.note("probe alone", format!("{:.2} % on the select images", 100.0 * task.select(&probed)?));
        candidate.note("epochs of fine-tuning", hyper.epochs.to_string());
        candidate.hyper = Some(hyper);
        Ok(vec![candidate])
    }

    fn needs(&self) -> Option<&'static [&'static [Placeholder]]> {
        Some(&[&[Placeholder::Init]])
    }
}

/// A trained network whose features are used.
struct Trunk {
    model: Model,
    /// Where it comes from, in words.
    origin: String,
    /// The ledger's entries of its training, where that was done here.
    entries: Vec<u32>,
    imported: Option<Imported>,
}

impl Trunk {
    fn imported(model: &Model, imported: &Imported) -> Self {
        let file = imported.file.file_name().unwrap_or_default().to_string_lossy();
        let origin = match imported.energy_j {
            Some(energy) => format!("{file}, whose training cost {}, as stated", Joules(energy)),
            None => format!("{file}; what its training cost is unknown, and so is the cost of this life"),
        };
        Self { model: model.clone(), origin, entries: Vec::new(), imported: Some(imported.clone()) }
    }
}

/// Trains the baseline's network on letters.
fn pretrain(task: &GraphTask, cx: &mut Context<'_>) -> Result<Trunk, Setback> {
    if task.input() != [1, 28, 28] {
        return Err(Setback::Skipped(format!(
            "the built-in trunk has seen 1x28x28 pictures, and these are {:?}; `transfer.trunk` can name an ONNX file",
            task.input()
        )));
    }
    let seed = cx.seed;
    let of = |classes| task.architecture.instance(task.input(), classes, task.width, seed);
    let cost =
        task.cost_in_epochs(cx.costs, &of(task.classes())?, PRETRAINING_IMAGES)? * PRETRAINING_EPOCHS as f64;
    let left = cx.budget.left(&cx.practice);
    if left < cost + 1.0 {
        return Err(Setback::Skipped(format!(
            "its share of the budget, {left:.1} epochs of the baseline, does not pay for a trunk ({cost:.1}) and an \
             epoch of fine-tuning"
        )));
    }
    let (letters, drawn) =
        cx.stage("draw-letters", &[], |_| Ok(glyphs_of(Alphabet::Letters, PRETRAINING_IMAGES, 0, seed)))?;
    let indices: Vec<u32> = (0..letters.train.len() as u32).collect();
    let normalise = Normalise::of(&letters.train, &indices);
    let mut hyper = task.hyper.clone();
    hyper.epochs = PRETRAINING_EPOCHS;
    let pictures = Pictures { images: &letters.train, normalise: &normalise, augment: None };
    let split = Split { train: &indices, select: &[] };
    let model = of(letters.classes.len())?;
    let trained =
        cx.train_on("pretrain", &[drawn], task, &model, &pictures, split, &hyper, None, &mut |_| {
            Control::Continue
        })?;
    Ok(Trunk {
        model: trained.fitted.model,
        origin: format!("{PRETRAINING_IMAGES} letters, {PRETRAINING_EPOCHS} epochs"),
        entries: vec![trained.entry],
        imported: None,
    })
}

/// `trunk` with a classifier fitted to its features of the task's images.
fn linear_probe(task: &GraphTask, trunk: &Model, head: &Head, cx: &Context<'_>) -> Result<Model, Setback> {
    let images = &task.data.train;
    let pictures = task.pictures(&task.hyper);
    let mut rows = vec![0.0; images.len() * head.width];
    let mut plan = Inference::new(&task.cpu, &head.trunk(trunk), 256)?;
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
    let learned = |name: &str| fitted.model.weights.get(name).cloned();
    let (Some(weight), Some(bias)) = (learned("weight"), learned("bias")) else {
        return Err(Setback::Failed("the linear probe lost its parameters".into()));
    };
    Ok(head.exchange(trunk, weight, bias))
}

fn by_command(task: &CommandTask, cx: &mut Context<'_>) -> Result<Vec<Candidate>, Setback> {
    let Some(imported) = task.trunk() else {
        return Err(Setback::Skipped(format!(
            "the recipe names nothing to start from: give `transfer.trunk` the file that {} stands for",
            Placeholder::Init
        )));
    };
    let epochs = (task.epochs() / EPOCHS_BY_COMMAND).round().max(1.0);
    let rate = task.number(Placeholder::Lr) * FINE_TUNING.1;
    let variation = Variation::from([
        (Placeholder::Init, imported.file.to_string_lossy().into_owned()),
        (Placeholder::Epochs, epochs.to_string()),
        (Placeholder::Lr, rate.to_string()),
    ]);
    let mut candidate = command::retrain("transfer", "fine-tune", &[], task, &variation, cx)?;
    candidate.imported = Some(imported.clone());
    candidate.note("started from", imported.file.display().to_string());
    Ok(vec![candidate])
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
