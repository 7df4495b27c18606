//! What the tests of the rewrites share.

use super::{Calibration, Calibrator, Ranges, values_to_calibrate};
use crate::graph::{Graph, Model, Node, Op, Window};
use crate::random::Stream;
use crate::reference::evaluate;
use crate::tensor::{Tensor, Weights};

/// The same model with weights strong enough to keep the signal, and batch statistics that are not
/// the initial ones.
pub(super) fn trained_looking(model: &Model) -> Model {
    let mut model = model.clone();
    for (name, tensor) in &mut model.weights.0 {
        let mut stream = Stream::new(5, name);
        let statistic = name.contains("bn");
        let Some(values) = tensor.as_f32_mut() else { continue };
        for value in values {
            if name.ends_with("running_var") || (statistic && name.ends_with("weight")) {
                *value = stream.uniform(0.5, 2.0);
            } else if statistic {
                *value = stream.uniform(-0.5, 0.5);
            } else {
                *value *= 2.0;
            }
        }
    }
    model
}

/// A random input of `model`.
pub(super) fn example(model: &Model, seed: u64) -> Vec<f32> {
    let mut stream = Stream::new(seed, "example");
    (0..model.graph.input_shape.iter().product()).map(|_| stream.uniform(-1.0, 1.0)).collect()
}

/// Ranges of the values of `model` over a few random inputs.
pub(super) fn calibrated(model: &Model, calibration: Calibration) -> Ranges {
    let mut calibrator = Calibrator::default();
    for seed in 0..8 {
        let values = evaluate(model, &example(model, seed)).unwrap();
        for value in values_to_calibrate(model) {
            calibrator.observe(&value, &values[&value]);
        }
    }
    calibrator.ranges(calibration)
}

/// A network with what the builders leave out: a depthwise and a grouped convolution, Dropout, a
/// pool with padding and a Flatten of more than one pixel.
pub(super) fn mixed_network() -> Model {
    let mut weights = Weights::default();
    for (name, shape) in [
        ("first.weight", vec![8, 3, 3, 3]),
        ("depthwise.weight", vec![8, 1, 3, 3]),
        ("depthwise.bias", vec![8]),
        ("point.weight", vec![12, 8, 1, 1]),
        ("grouped.weight", vec![6, 4, 1, 1]),
        ("last.weight", vec![10, 6, 3, 3]),
        ("fc.weight", vec![5, 90]),
        ("fc.bias", vec![5]),
    ] {
        let mut stream = Stream::new(11, name);
        let values = (0..shape.iter().product()).map(|_| stream.uniform(-0.7, 0.7)).collect();
        weights.set(name, Tensor::f32(shape, values));
    }
    let conv = |groups, padding| Op::Conv2d { stride: [1; 2], padding: [padding; 2], groups };
    let node = |name: &str, op, inputs: &[&str]| Node {
        name: name.to_owned(),
        op,
        inputs: inputs.iter().map(|&i| i.to_owned()).collect(),
        output: name.to_owned(),
    };
    let pool = Window { kernel: [3; 2], stride: [2; 2], padding: [1; 2] };
    let nodes = vec![
        node("first", conv(1, 1), &["x", "first.weight"]),
        node("relu", Op::Relu, &["first"]),
        node("depthwise", conv(8, 1), &["relu", "depthwise.weight", "depthwise.bias"]),
        node("point", conv(1, 0), &["depthwise", "point.weight"]),
        node("grouped", conv(3, 0), &["point", "grouped.weight"]),
        node("last", conv(1, 1), &["grouped", "last.weight"]),
        node("pool", Op::AvgPool2d(pool), &["last"]),
        node("drop", Op::Dropout { p: 0.5 }, &["pool"]),
        node("flat", Op::Flatten, &["drop"]),
        node("fc", Op::Linear, &["flat", "fc.weight", "fc.bias"]),
        node("y", Op::Softmax, &["fc"]),
    ];
    let graph = Graph {
        name: "mixed".to_owned(),
        input: "x".to_owned(),
        input_shape: vec![3, 6, 5],
        output: "y".to_owned(),
        nodes,
    };
    Model { graph, weights }
}
