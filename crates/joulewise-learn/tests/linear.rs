//! The built-in data are hard enough to be worth a network: a linear classifier stays below 90 %.

use joulewise_learn::data::{Normalise, glyphs};
use joulewise_learn::engine::Cpu;
use joulewise_learn::train::optimiser::Family;
use joulewise_learn::train::schedule::Schedule;
use joulewise_learn::train::{Control, Hyperparameters, Pictures, Split, fit};
use joulewise_learn::{Graph, Model, Node, Op, Tensor, Weights};

/// All that a linear classifier computes: a weighted sum of the pixels for each class.
fn linear() -> Model {
    let node = |name: &str, op, inputs: &[&str]| Node {
        name: name.to_owned(),
        op,
        inputs: inputs.iter().map(|&input| input.to_owned()).collect(),
        output: format!("{name}.out"),
    };
    let graph = Graph {
        name: "linear".to_owned(),
        input: "input".to_owned(),
        input_shape: vec![1, 28, 28],
        output: "fc.out".to_owned(),
        nodes: vec![
            node("flatten", Op::Flatten, &["input"]),
            node("fc", Op::Linear, &["flatten.out", "weight", "bias"]),
        ],
    };
    let mut weights = Weights::default();
    weights.set("weight", Tensor::f32([10, 784], vec![0.0; 7840]));
    weights.set("bias", Tensor::f32([10], vec![0.0; 10]));
    Model { graph, weights }
}

#[test]
fn a_linear_classifier_stays_below_90_percent_of_the_glyphs() {
    let images = glyphs(10_000, 0, 1).train;
    let (train, select): (Vec<u32>, Vec<u32>) = (0..10_000).partition(|&index| index < 8_000);
    let normalise = Normalise::of(&images, &train);
    let examples = Pictures { images: &images, normalise: &normalise, augment: None };
    let hyper = Hyperparameters {
        epochs: 8,
        batch: 64,
        lr: 0.01,
        weight_decay: 1e-4,
        momentum: 0.9,
        nesterov: true,
        beta1: 0.9,
        beta2: 0.999,
        epsilon: 1e-8,
        optimiser: Family::Sgd,
        schedule: Schedule::OneCycle,
        warmup: 0.25,
        label_smoothing: 0.0,
        crop: 0,
        flip: false,
        seed: 1,
    };
    let split = Split { train: &train, select: &select };
    let fitted =
        fit(&Cpu::new(2).unwrap(), &linear(), &examples, split, &hyper, None, &mut |_| Control::Continue)
            .unwrap();
    let best = fitted.epochs.iter().filter_map(|epoch| epoch.select).fold(0.0, f64::max);
    assert!(best < 0.9, "{best}");
    // It has learned what there is to learn for it.
    assert!(best > 0.7, "{best}");
}
