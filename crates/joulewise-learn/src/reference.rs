//! A plain scalar evaluator of a graph: slow and obvious, the oracle of engines and rewrites.
//!
//! Sums run in `f64` and every value is rounded to `f32` once, so an engine may differ from it by
//! its own rounding only.

use std::collections::BTreeMap;

use crate::graph::{Model, Node, Op, Window};
use crate::shape::{self, GraphError, Shapes};
use crate::tensor::{Tensor, Values};

/// Computes every value of `model` for one example, as at inference: BatchNorm2d uses its running
/// statistics and Dropout is the identity. Quantised values are given as their integer codes.
pub fn evaluate(model: &Model, input: &[f32]) -> Result<BTreeMap<String, Vec<f32>>, GraphError> {
    let graph = &model.graph;
    let shapes = shape::infer(graph, &model.weights)?;
    if input.len() != shapes.len_of(&graph.input) {
        let expected = shapes.of(&graph.input);
        return Err(GraphError::new(format!("{} numbers given, the input is {expected:?}", input.len())));
    }
    let mut values = BTreeMap::from([(graph.input.clone(), input.to_vec())]);
    for node in &graph.nodes {
        let inputs: Vec<Vec<f32>> = node
            .inputs
            .iter()
            .map(|name| match values.get(name) {
                Some(value) => value.clone(),
                None => as_floats(&model.weights.0[name]),
            })
            .collect();
        let output = match node.op {
            Op::QuantizeLinear => {
                let zero_point = model.weights.get(&node.inputs[2]).map(|t| &t.values);
                quantize(&inputs, code_range(node, zero_point)?)
            }
            _ => compute(node, &inputs, &shapes),
        };
        values.insert(node.output.clone(), output);
    }
    Ok(values)
}

fn as_floats(tensor: &Tensor) -> Vec<f32> {
    match &tensor.values {
        Values::F32(v) => v.clone(),
        Values::I8(v) => v.iter().map(|&v| f32::from(v)).collect(),
        Values::U8(v) => v.iter().map(|&v| f32::from(v)).collect(),
        Values::I32(v) => v.iter().map(|&v| v as f32).collect(),
    }
}

fn compute(node: &Node, inputs: &[Vec<f32>], shapes: &Shapes) -> Vec<f32> {
    let x = &inputs[0];
    let in_shape = shapes.of(&node.inputs[0]);
    let out_shape = shapes.of(&node.output);
    match &node.op {
        Op::Conv2d { stride, padding, groups } => {
            let weight_shape = shapes.of(&node.inputs[1]);
            let window =
                Window { kernel: [weight_shape[2], weight_shape[3]], stride: *stride, padding: *padding };
            let bias = inputs.get(2).map(Vec::as_slice);
            convolve(x, in_shape, &inputs[1], bias, &window, *groups, out_shape)
        }
        Op::Linear => {
            let weight = &inputs[1];
            (0..out_shape[0])
                .map(|o| {
                    let row = &weight[o * x.len()..][..x.len()];
                    let sum: f64 = row.iter().zip(x).map(|(&w, &x)| f64::from(w) * f64::from(x)).sum();
                    (sum + inputs.get(2).map_or(0.0, |bias| f64::from(bias[o]))) as f32
                })
                .collect()
        }
        Op::BatchNorm2d { epsilon, .. } => {
            let plane = in_shape[1] * in_shape[2];
            let of = |i: usize, channel: usize| f64::from(inputs[i][channel]);
            let normalise = |(i, &x): (usize, &f32)| {
                let c = i / plane;
                let scale = of(1, c) / (of(4, c) + f64::from(*epsilon)).sqrt();
                ((f64::from(x) - of(3, c)) * scale + of(2, c)) as f32
            };
            x.iter().enumerate().map(normalise).collect()
        }
        Op::Relu => x.iter().map(|&x| x.max(0.0)).collect(),
        Op::MaxPool2d(window) => pool(x, in_shape, window, out_shape, |inside| {
            inside.iter().copied().fold(f32::NEG_INFINITY, f32::max)
        }),
        Op::AvgPool2d(window) => {
            let area = (window.kernel[0] * window.kernel[1]) as f64;
            pool(x, in_shape, window, out_shape, |inside| (sum(inside) / area) as f32)
        }
        Op::GlobalAvgPool => {
            let plane = in_shape[1] * in_shape[2];
            x.chunks(plane).map(|image| (sum(image) / plane as f64) as f32).collect()
        }
        Op::Add => x.iter().zip(&inputs[1]).map(|(a, b)| a + b).collect(),
        Op::Flatten | Op::Dropout { .. } => x.clone(),
        Op::Softmax => {
            let largest = f64::from(x.iter().copied().fold(f32::NEG_INFINITY, f32::max));
            let powers: Vec<f64> = x.iter().map(|&x| (f64::from(x) - largest).exp()).collect();
            let total: f64 = powers.iter().sum();
            powers.iter().map(|p| (p / total) as f32).collect()
        }
        Op::DequantizeLinear { axis } => {
            let inner: usize = in_shape.iter().skip(axis + 1).product();
            let extent = in_shape.get(*axis).copied().unwrap_or(1);
            let dequantize = |(i, &code): (usize, &f32)| {
                let channel = if inputs[1].len() == 1 { 0 } else { (i / inner) % extent };
                (code - inputs[2][channel]) * inputs[1][channel]
            };
            x.iter().enumerate().map(dequantize).collect()
        }
        Op::QuantizeLinear => unreachable!("needs the type of the zero point"),
    }
}

fn sum(values: &[f32]) -> f64 {
    values.iter().map(|&v| f64::from(v)).sum()
}

/// The codes that the type of the zero point can hold.
fn code_range(node: &Node, zero_point: Option<&Values>) -> Result<[f32; 2], GraphError> {
    match zero_point {
        Some(Values::U8(_)) => Ok([0.0, 255.0]),
        Some(Values::I8(_)) => Ok([-128.0, 127.0]),
        _ => Err(GraphError::at(node, "the zero point must be a parameter of type uint8 or int8")),
    }
}

fn quantize(inputs: &[Vec<f32>], [low, high]: [f32; 2]) -> Vec<f32> {
    let (scale, zero_point) = (inputs[1][0], inputs[2][0]);
    inputs[0].iter().map(|x| ((x / scale).round_ties_even() + zero_point).clamp(low, high)).collect()
}

fn convolve(
    x: &[f32],
    in_shape: &[usize],
    weight: &[f32],
    bias: Option<&[f32]>,
    window: &Window,
    groups: usize,
    out_shape: &[usize],
) -> Vec<f32> {
    let (in_per_group, out_per_group) = (in_shape[0] / groups, out_shape[0] / groups);
    let area = window.kernel[0] * window.kernel[1];
    let mut output = Vec::with_capacity(out_shape.iter().product());
    for out in 0..out_shape[0] {
        let first = out / out_per_group * in_per_group;
        for row in 0..out_shape[1] {
            for column in 0..out_shape[2] {
                let mut sum = bias.map_or(0.0, |b| f64::from(b[out]));
                for channel in 0..in_per_group {
                    let plane = &x[(first + channel) * in_shape[1] * in_shape[2]..];
                    let kernel = &weight[(out * in_per_group + channel) * area..][..area];
                    for (tap, position) in taps(in_shape, window, row, column) {
                        sum += f64::from(kernel[tap]) * f64::from(plane[position]);
                    }
                }
                output.push(sum as f32);
            }
        }
    }
    output
}

fn pool(
    x: &[f32],
    in_shape: &[usize],
    window: &Window,
    out_shape: &[usize],
    reduce: impl Fn(&[f32]) -> f32,
) -> Vec<f32> {
    let mut output = Vec::with_capacity(out_shape.iter().product());
    for plane in x.chunks(in_shape[1] * in_shape[2]) {
        for row in 0..out_shape[1] {
            for column in 0..out_shape[2] {
                let inside: Vec<f32> = taps(in_shape, window, row, column).map(|(_, i)| plane[i]).collect();
                output.push(reduce(&inside));
            }
        }
    }
    output
}

/// For one output position, the taps of the window that lie on the image: (index in the window,
/// index in the plane).
fn taps(
    in_shape: &[usize],
    window: &Window,
    row: usize,
    column: usize,
) -> impl Iterator<Item = (usize, usize)> {
    let &[_, height, width] = in_shape else { unreachable!("shape inference admits images only") };
    let Window { kernel: [kh, kw], stride, padding } = *window;
    (0..kh * kw).filter_map(move |tap| {
        let y = (row * stride[0] + tap / kw).checked_sub(padding[0])?;
        let x = (column * stride[1] + tap % kw).checked_sub(padding[1])?;
        (y < height && x < width).then_some((tap, y * width + x))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Graph;
    use crate::tensor::Weights;

    fn run(op: Op, input_shape: &[usize], input: &[f32], parameters: Vec<(&str, Tensor)>) -> Vec<f32> {
        let mut inputs = vec!["x".to_owned()];
        inputs.extend(parameters.iter().map(|(name, _)| (*name).to_owned()));
        let mut weights = Weights::default();
        for (name, tensor) in parameters {
            weights.set(name, tensor);
        }
        let graph = Graph {
            name: "one".to_owned(),
            input: "x".to_owned(),
            input_shape: input_shape.to_vec(),
            output: "y".to_owned(),
            nodes: vec![Node { name: "node".to_owned(), op, inputs, output: "y".to_owned() }],
        };
        evaluate(&Model { graph, weights }, input).unwrap().remove("y").unwrap()
    }

    #[test]
    fn convolution_with_stride_padding_and_groups() {
        // Channel 0 is summed over its 2×2 window, channel 1 is multiplied by ten.
        let weight = Tensor::f32([2, 1, 2, 2], vec![1.0, 1.0, 1.0, 1.0, 10.0, 0.0, 0.0, 0.0]);
        let bias = Tensor::f32([2], vec![0.5, 0.0]);
        let op = Op::Conv2d { stride: [2, 2], padding: [1, 1], groups: 2 };
        let x = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0];
        let y = run(op, &[2, 2, 2], &x, vec![("w", weight), ("b", bias)]);
        assert_eq!(y, [1.5, 2.5, 3.5, 4.5, 0.0, 0.0, 0.0, 80.0]);
    }

    #[test]
    fn pools_treat_padding_as_pytorch_does() {
        let window = Window { kernel: [2, 2], stride: [2, 2], padding: [1, 1] };
        let x = [-1.0, -2.0, -3.0, -4.0];
        assert_eq!(run(Op::MaxPool2d(window), &[1, 2, 2], &x, vec![]), x);
        assert_eq!(run(Op::AvgPool2d(window), &[1, 2, 2], &x, vec![]), [-0.25, -0.5, -0.75, -1.0]);
        assert_eq!(run(Op::GlobalAvgPool, &[1, 2, 2], &x, vec![]), [-2.5]);
    }

    #[test]
    fn quantisation_rounds_half_to_even_and_saturates() {
        let parameters =
            |zero_point| vec![("s", Tensor::f32([], vec![0.5])), ("z", Tensor::new(vec![], zero_point))];
        let x = [0.25, 0.75, -0.25, 1000.0, -1000.0];
        let y = run(Op::QuantizeLinear, &[5], &x, parameters(Values::U8(vec![3])));
        assert_eq!(y, [3.0, 5.0, 3.0, 255.0, 0.0]);
        let y = run(Op::QuantizeLinear, &[5], &x, parameters(Values::I8(vec![0])));
        assert_eq!(y, [0.0, 2.0, 0.0, 127.0, -128.0]);
        let codes = [0.0, 3.0, 5.0];
        let y = run(Op::DequantizeLinear { axis: 0 }, &[3], &codes, parameters(Values::U8(vec![3])));
        assert_eq!(y, [-1.5, 0.0, 1.0]);
    }

    #[test]
    fn batch_norm_and_softmax() {
        let vector = |v: f32| Tensor::f32([1], vec![v]);
        let op = Op::BatchNorm2d { epsilon: 0.0, momentum: 0.1 };
        let parameters = vec![("w", vector(3.0)), ("b", vector(1.0)), ("m", vector(2.0)), ("v", vector(4.0))];
        assert_eq!(run(op, &[1, 1, 2], &[2.0, 4.0], parameters), [1.0, 4.0]);
        let y = run(Op::Softmax, &[2], &[1000.0, 1000.0], vec![]);
        assert_eq!(y, [0.5, 0.5]);
    }

    #[test]
    fn a_wrong_input_is_told() {
        let model = crate::builders::build("lenet", [1, 28, 28], 10, 1.0, 1).unwrap();
        let error = evaluate(&model, &[0.0; 3]).unwrap_err();
        assert_eq!(error.to_string(), "3 numbers given, the input is [1, 28, 28]");
    }
}
