//! Train on fewer images.
//!
//! # What it does
//! Leaves out exact and near duplicates, then keeps 45 % of the training images: once a coreset that covers each
//! class without any training, once a stratified random subset of the same size, and trains on each for as many epochs as the baseline. A
//! command reads the numbers of the examples from `{subset}`; `joulewise data select` writes them too.
//!
//! # Why it saves energy
//! A training pays for every image in every epoch; images that say what others say are paid for nothing.
//!
//! # When it costs
//! Finding duplicates and choosing the subset, which is on the ledger. Selection that needs a training of its
//! own often costs what it saves, so none is used.
//!
//! # Evidence
//! Random subsets are the measure that selection must beat: where much is left out, many published methods do not
//! (Guo, Zhao and Bai 2022; Ayed and Hayou 2023).
//!
//! # How to check
//! Compare the two candidates: the coreset must be better than chance by more than it costs to choose.

use std::path::Path;

use joulewise_learn::data;
use joulewise_learn::train::{Control, Split};

use super::command::{self, Variation};
use super::{Card, Practice, Setback, one_of_several};
use crate::candidate::Candidate;
use crate::context::Context;
use crate::selection::Method;
use crate::task::template::{Placeholder, Values};
use crate::task::{CommandTask, Task};

/// Share of the training images that is kept.
const KEPT: f64 = 0.45;

/// See the module's documentation.
#[derive(Clone, Copy, Debug)]
pub(super) struct DataSubset;

impl Practice for DataSubset {
    fn card(&self) -> Card {
        Card::of_source("data-subset", include_str!("data_subset.rs"))
    }

    fn apply(&self, _from: &Candidate, task: &Task, cx: &mut Context<'_>) -> Result<Vec<Candidate>, Setback> {
        let task = match task {
            Task::Graph(task) => task,
            Task::Commands(task) => return by_command(task, cx),
        };
        let images = &task.data.train;
        let train = &task.splits.train;
        let keep = (train.len() as f64 * KEPT) as usize;
        let ((distinct, found), deduplicate) = cx.stage("duplicates", &[], |_| {
            let found = data::duplicates(images, train);
            Ok((found.remaining(train), found))
        })?;
        let keep = keep.min(distinct.len());
        let seed = cx.seed;
        let (covering, choose) = cx.stage("coreset", &[deduplicate], |_| {
            Ok(data::coreset(images, &distinct, task.classes(), keep, seed))
        })?;
        let random = data::stratified_subset(&distinct, &images.labels, keep, seed);

        let model = task.network(1.0, cx.seed)?;
        let mut hyper = task.hyper.clone();
        // Both subsets get the same number of epochs, or the comparison would say nothing.
        hyper.epochs = cx.affordable_epochs(task, &model, 2 * keep, hyper.epochs)?;
        let mut candidates = Vec::new();
        for (name, subset, chosen_by) in [("coreset", &covering, choose), ("random", &random, deduplicate)] {
            let split = Split { train: subset, select: &task.splits.select };
            let pictures = task.pictures(&hyper);
            let made = cx.train_on(
                &format!("train-on-{name}"),
                &[chosen_by],
                task,
                &model,
                &pictures,
                split,
                &hyper,
                None,
                &mut |_| Control::Continue,
            );
            let made = made.map(|trained| {
                let mut candidate = Candidate::trained("data-subset", trained.fitted.model);
                candidate.made_by(deduplicate);
                candidate.made_by(chosen_by);
                candidate.made_by(trained.entry);
                candidate.note("images", format!("{} of {}", subset.len(), train.len()));
                let left_out = format!("{} exact, {} near", found.exact.len(), found.near.len());
                candidate.note("duplicates left out", left_out);
                candidate.note("epochs", hyper.epochs.to_string());
                candidate.hyper = Some(hyper.clone());
                candidate
            });
            candidates.push(one_of_several("data-subset", format!("data-subset-{name}"), made)?);
        }
        Ok(candidates)
    }

    fn needs(&self) -> Option<&'static [&'static [Placeholder]]> {
        Some(&[&[Placeholder::Subset]])
    }
}

/// The training is given the numbers of the examples to use; it is not known which of them it holds out.
fn by_command(task: &CommandTask, cx: &mut Context<'_>) -> Result<Vec<Candidate>, Setback> {
    let Some(source) = task.examples() else {
        return Err(Setback::Skipped(
            "nothing to select by: give `data.path`, a folder of pictures, or `data.features`, a .npy file with a row \
             for each training example"
                .into(),
        ));
    };
    let failed = |error: anyhow::Error| Setback::Failed(format!("{error:#}"));
    let (examples, load) = cx.stage("load-examples", &[], |_| source.load().map_err(failed))?;
    let mut candidates = Vec::new();
    for (name, method) in [("coreset", Method::Coreset), ("random", Method::Random)] {
        let file = cx.absolute(&Path::new(command::FOLDER).join(cx.stage_name(name)).with_extension("npy"));
        let seed = cx.seed;
        let ((selection, file), select) = cx.stage(&format!("select-{name}"), &[load], |_| {
            let selection = examples.select(method, (examples.len() as f64 * KEPT) as usize, seed);
            selection.write(&file).map_err(failed)?;
            Ok((selection, file))
        })?;
        let path = file.to_string_lossy().into_owned();
        let share = selection.indices.len() as f64 / selection.of as f64;
        let values = Values::from([(Placeholder::Subset, path)]);
        let variation = Variation { values, examples: share };
        let stage = format!("train-on-{name}");
        let mut made = command::retrain("data-subset", &stage, &[select], task, &variation, cx);
        if let Ok(candidate) = &mut made {
            candidate.made_by(load);
            candidate.made_by(select);
            candidate.note("examples", format!("{} of {}", selection.indices.len(), selection.of));
            candidate.note("duplicates left out", selection.duplicates.to_string());
        }
        candidates.push(one_of_several("data-subset", format!("data-subset-{name}"), made)?);
    }
    Ok(candidates)
}
