//! The loop over epochs.

use serde::{Deserialize, Serialize};

use super::examples::Examples;
use super::loss::Target;
use super::optimiser::{Family, Settings};
use super::schedule::Schedule;
use crate::data::{Batches, augment_key};
use crate::engine::{Cpu, Inference, Training};
use crate::graph::Model;
use crate::shape::GraphError;

/// Everything about a training but the network and the data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hyperparameters {
    /// Passes over the training examples.
    pub epochs: usize,
    /// Examples of one step.
    pub batch: usize,
    /// Peak learning rate.
    pub lr: f64,
    /// Weight decay, as PyTorch defines it for the optimiser.
    pub weight_decay: f64,
    /// Momentum of SGD.
    pub momentum: f64,
    /// Whether SGD looks ahead.
    pub nesterov: bool,
    /// Share of the mean gradient that `adam` and `adamw` keep in a step (β₁).
    pub beta1: f64,
    /// Share of the mean square of the gradient that they keep (β₂).
    pub beta2: f64,
    /// What they add to its root (ε).
    pub epsilon: f64,
    /// The optimiser.
    pub optimiser: Family,
    /// How the learning rate changes.
    pub schedule: Schedule,
    /// Share of the steps on which the learning rate rises.
    pub warmup: f64,
    /// Label smoothing.
    pub label_smoothing: f64,
    /// Pixels of random cropping.
    pub crop: usize,
    /// Random horizontal flips.
    pub flip: bool,
    /// Keys the order of the examples, their augmentation and dropout.
    pub seed: u64,
}

/// The examples that a training learns from, and those that it is watched on.
#[derive(Clone, Copy, Debug)]
pub struct Split<'a> {
    /// Learned from.
    pub train: &'a [u32],
    /// Evaluated after each epoch; may be empty.
    pub select: &'a [u32],
}

/// Logits of a teacher for every example, computed once.
#[derive(Clone, Debug)]
pub struct Teacher {
    /// One row of logits for each example of the collection.
    pub logits: Vec<f32>,
    /// Numbers in a row.
    pub classes: usize,
    /// Weight of imitation in the loss.
    pub weight: f32,
    /// Temperature of both softmaxes.
    pub temperature: f32,
}

/// Where a training stands: shown to its watcher.
#[derive(Clone, Copy, Debug)]
pub enum Tick<'a> {
    /// A step is done.
    Batch {
        /// Steps done.
        step: u64,
        /// Steps of the whole training.
        of: u64,
        /// The loss of this step.
        loss: f64,
    },
    /// An epoch is done and evaluated.
    Epoch(&'a Epoch),
}

/// What a watcher wants next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// Go on.
    Continue,
    /// Keep what has been learned and end here.
    Stop,
    /// Give up: [`TrainError::Cancelled`].
    Cancel,
}

/// One epoch's figures.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Epoch {
    /// From 1.
    pub epoch: usize,
    /// Epochs planned.
    pub of: usize,
    /// Mean training loss.
    pub loss: f64,
    /// Accuracy on the select split; `None` when that is empty.
    pub select: Option<f64>,
}

/// A finished training.
#[derive(Clone, Debug)]
pub struct Fitted {
    /// The network with the parameters of the last epoch.
    pub model: Model,
    /// One entry for each epoch that ran.
    pub epochs: Vec<Epoch>,
}

impl Fitted {
    /// Accuracy on the select split after the last epoch.
    pub fn select(&self) -> Option<f64> {
        self.epochs.last().and_then(|e| e.select)
    }
}

/// `value` in three significant figures.
fn rounded(value: f64) -> f64 {
    format!("{value:.2e}").parse().unwrap_or(value)
}

/// A training that did not end in a model.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// The network cannot be compiled.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// The loss is no longer a number.
    #[error(
        "the loss became {} at step {step} with learning rate {}; lower the learning rate",
        rounded(*loss), rounded(*rate)
    )]
    Diverged {
        /// Steps done, from 1.
        step: u64,
        /// The learning rate of that step.
        rate: f64,
        /// The loss.
        loss: f64,
    },
    /// There is not one full batch.
    #[error("{examples} training examples do not fill one batch of {batch}; lower the batch size")]
    TooFew {
        /// Training examples.
        examples: usize,
        /// Batch size.
        batch: usize,
    },
    /// The watcher gave up.
    #[error("the training was interrupted")]
    Cancelled,
}

impl Hyperparameters {
    /// Steps of a training on `examples` examples; a remainder that fills no batch is dropped.
    pub fn steps(&self, examples: usize) -> u64 {
        (self.epochs * (examples / self.batch.max(1))) as u64
    }

    fn optimiser(&self) -> Settings {
        Settings {
            family: self.optimiser,
            momentum: self.momentum as f32,
            nesterov: self.nesterov,
            weight_decay: self.weight_decay as f32,
            betas: [self.beta1, self.beta2],
            epsilon: self.epsilon as f32,
        }
    }
}

/// Trains `model` and shows `watch` every step and epoch.
pub fn fit(
    cpu: &Cpu,
    model: &Model,
    examples: &dyn Examples,
    split: Split<'_>,
    hyper: &Hyperparameters,
    teacher: Option<&Teacher>,
    watch: &mut dyn FnMut(Tick<'_>) -> Control,
) -> Result<Fitted, TrainError> {
    let batches = split.train.len() / hyper.batch.max(1);
    if batches == 0 || hyper.batch == 0 {
        return Err(TrainError::TooFew { examples: split.train.len(), batch: hyper.batch });
    }
    let mut training = Training::new(cpu, model, hyper.batch, hyper.seed)?;
    let settings = hyper.optimiser();
    let steps = hyper.steps(split.train.len());
    let mut step = 0;
    let mut labels = vec![0; hyper.batch];
    let mut logits = Vec::new();
    let mut epochs = Vec::new();
    for epoch in 1..=hyper.epochs {
        let mut total = 0.0;
        for batch in Batches::shuffled(split.train, hyper.batch, hyper.seed, epoch as u64) {
            let rate = hyper.schedule.rate(hyper.lr, step, steps, hyper.warmup);
            for (label, &index) in labels.iter_mut().zip(&batch) {
                *label = examples.label(index);
            }
            let target = match teacher {
                None => Target::Labels { labels: &labels, smoothing: hyper.label_smoothing as f32 },
                Some(teacher) => {
                    gather(teacher, &batch, &mut logits);
                    let Teacher { weight, temperature, .. } = *teacher;
                    Target::Teacher { labels: &labels, logits: &logits, weight, temperature }
                }
            };
            let variant = |index: u32| augment_key(hyper.seed, epoch as u64, index);
            let loss = training.step(
                |row, layout, into| examples.fill(batch[row], Some(variant(batch[row])), layout, into),
                target,
                &settings,
                rate as f32,
            );
            step += 1;
            if !loss.is_finite() {
                return Err(TrainError::Diverged { step, rate, loss });
            }
            total += loss;
            match watch(Tick::Batch { step, of: steps, loss }) {
                Control::Continue => {}
                Control::Stop | Control::Cancel => return Err(TrainError::Cancelled),
            }
        }
        let select = (!split.select.is_empty())
            .then(|| accuracy(cpu, &training.model(), examples, split.select))
            .transpose()?;
        let record = Epoch { epoch, of: hyper.epochs, loss: total / batches as f64, select };
        epochs.push(record);
        match watch(Tick::Epoch(&record)) {
            Control::Continue => {}
            Control::Stop => break,
            Control::Cancel => return Err(TrainError::Cancelled),
        }
    }
    Ok(Fitted { model: training.model(), epochs })
}

fn gather(teacher: &Teacher, batch: &[u32], logits: &mut Vec<f32>) {
    let classes = teacher.classes;
    logits.clear();
    for &index in batch {
        logits.extend_from_slice(&teacher.logits[index as usize * classes..][..classes]);
    }
}

/// Share of `indices` whose largest output is at their class.
pub fn accuracy(
    cpu: &Cpu,
    model: &Model,
    examples: &dyn Examples,
    indices: &[u32],
) -> Result<f64, GraphError> {
    let batch = indices.len().clamp(1, 256);
    let mut plan = Inference::new(cpu, model, batch)?;
    let mut right = 0;
    for batch in indices.chunks(batch) {
        let outputs =
            plan.run_fed(batch.len(), |row, layout, into| examples.fill(batch[row], None, layout, into));
        let classes = outputs.len() / batch.len();
        right += outputs
            .chunks(classes)
            .zip(batch)
            .filter(|(row, index)| argmax(row) == usize::from(examples.label(**index)))
            .count();
    }
    Ok(right as f64 / indices.len().max(1) as f64)
}

/// Index of the first largest number.
pub fn argmax(row: &[f32]) -> usize {
    row.iter()
        .enumerate()
        .fold((0, f32::NEG_INFINITY), |best, (i, &v)| if v > best.1 { (i, v) } else { best })
        .0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::builders::build;
    use crate::data::{Normalise, glyphs};
    use crate::train::Pictures;

    fn adam() -> Hyperparameters {
        Hyperparameters {
            epochs: 1,
            batch: 16,
            lr: 0.01,
            weight_decay: 0.0,
            momentum: 0.9,
            nesterov: false,
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
            optimiser: Family::Adam,
            schedule: Schedule::Constant,
            warmup: 0.0,
            label_smoothing: 0.0,
            crop: 0,
            flip: false,
            seed: 1,
        }
    }

    fn trained(hyper: &Hyperparameters) -> Vec<f32> {
        let images = glyphs(64, 0, 1).train;
        let train: Vec<u32> = (0..64).collect();
        let examples =
            Pictures { images: &images, normalise: &Normalise::of(&images, &train), augment: None };
        let model = build("dense_poly", images.shape, 10, 1.0, 1).unwrap();
        let split = Split { train: &train, select: &[] };
        let fitted =
            fit(&Cpu::new(1).unwrap(), &model, &examples, split, hyper, None, &mut |_| Control::Continue);
        fitted.unwrap().model.weights.get("fc3.bias").unwrap().as_f32().unwrap().to_vec()
    }

    #[test]
    fn every_constant_of_adam_reaches_the_parameters() {
        let with = |change: fn(&mut Hyperparameters)| {
            let mut hyper = adam();
            change(&mut hyper);
            trained(&hyper)
        };
        let usual = with(|_| {});
        assert_eq!(usual, with(|_| {}));
        assert_ne!(usual, with(|hyper| hyper.beta1 = 0.5));
        assert_ne!(usual, with(|hyper| hyper.beta2 = 0.8));
        assert_ne!(usual, with(|hyper| hyper.epsilon = 1e-2));
        // They are constants of Adam, not of SGD.
        let plain = with(|hyper| hyper.optimiser = Family::Sgd);
        assert_eq!(plain, with(|hyper| (hyper.optimiser, hyper.beta2) = (Family::Sgd, 0.8)));
    }
}
