//! Static 8-bit quantisation: a float model and the ranges of its values become a QDQ model.
//!
//! Activations are unsigned bytes with a zero point, weights signed bytes with a scale per output
//! channel, biases 32-bit integers: what x86 CPUs multiply fastest, and what runtimes fuse. A
//! QuantizeLinear and a DequantizeLinear stand on every value between two operators, except where a
//! Relu directly follows the operator that feeds it alone: then they stand after the Relu, whose
//! clamp is the lower end of the range. The network's result is left in float.

use std::collections::BTreeMap;

use super::calibrate::Ranges;
use crate::graph::{Graph, Model, Node, Op};
use crate::shape::{self, GraphError};
use crate::tensor::{Tensor, Values, Weights};

/// Largest code of a weight. The range is symmetric, so -128 is left out.
const LARGEST_WEIGHT: f64 = 127.0;

/// Largest code of a bias: half of the accumulator, so that the sum of products fits beside it.
const LARGEST_BIAS: f64 = (1u32 << 30) as f64;

/// Below it a range is as good as empty, and a product of two scales would be no normal float.
const SMALLEST_SCALE: f64 = 1e-15;

/// The values whose ranges [`quantise`] needs, in the order of the graph.
pub fn values_to_calibrate(model: &Model) -> Vec<String> {
    let graph = without_dropout(&model.graph);
    let inner = graph.nodes.iter().filter(|n| !keeps_codes(&n.op)).map(|n| &n.output);
    std::iter::once(&graph.input).chain(inner).filter(|value| is_quantised(&graph, value)).cloned().collect()
}

/// Replaces the float arithmetic of `model` by 8-bit arithmetic, in the form of QuantizeLinear and
/// DequantizeLinear nodes. Batch normalisation must have been folded
/// ([`fold_batchnorm`](super::fold_batchnorm)); Dropout, which does nothing at inference, is left out.
pub fn quantise(model: &Model, ranges: &Ranges) -> Result<Model, GraphError> {
    shape::infer(&model.graph, &model.weights)?;
    let graph = without_dropout(&model.graph);
    let mut rewrite = Rewrite {
        graph: &graph,
        ranges,
        weights: model.weights.clone(),
        nodes: Vec::with_capacity(4 * graph.nodes.len()),
        codes: BTreeMap::new(),
    };
    rewrite.quantise_value(&graph.input)?;
    for node in &graph.nodes {
        rewrite.quantise_node(node)?;
    }
    let Rewrite { weights, nodes, .. } = rewrite;
    let mut quantised = Model { graph: Graph { nodes, ..graph }, weights };
    quantised.drop_unused_weights();
    Ok(quantised)
}

/// Whether the operator only moves or selects numbers: its result has the codes of its input.
fn keeps_codes(op: &Op) -> bool {
    matches!(op, Op::MaxPool2d(_) | Op::Flatten)
}

/// Whether codes stand for `value` in the quantised graph.
fn is_quantised(graph: &Graph, value: &str) -> bool {
    if value == graph.output || graph.producer(value).is_some_and(|n| n.op == Op::Softmax) {
        return false;
    }
    let mut consumers = graph.consumers(value);
    match (consumers.next(), consumers.next(), graph.producer(value)) {
        (Some(Node { op: Op::Relu, .. }), None, Some(producer)) => {
            !matches!(producer.op, Op::Conv2d { .. } | Op::Linear | Op::Add)
        }
        // A softmax needs the whole precision of what it exponentiates.
        (Some(Node { op: Op::Softmax, .. }), None, _) | (None, ..) => false,
        _ => true,
    }
}

fn without_dropout(graph: &Graph) -> Graph {
    let mut kept = Graph { nodes: Vec::with_capacity(graph.nodes.len()), ..graph.clone() };
    let mut renamed: BTreeMap<&str, String> = BTreeMap::new();
    for node in &graph.nodes {
        let mut node_kept = node.clone();
        for input in &mut node_kept.inputs {
            if let Some(name) = renamed.get(input.as_str()) {
                input.clone_from(name);
            }
        }
        if matches!(node.op, Op::Dropout { .. }) {
            renamed.insert(&node.output, node_kept.inputs.swap_remove(0));
        } else {
            kept.nodes.push(node_kept);
        }
    }
    if let Some(name) = renamed.get(graph.output.as_str()) {
        kept.output.clone_from(name);
    }
    kept
}

/// How codes stand for a value: names of the parameters, and the scale itself.
#[derive(Clone)]
struct Code {
    scale_name: String,
    zero_point_name: String,
    scale: f32,
}

struct Rewrite<'a> {
    graph: &'a Graph,
    ranges: &'a Ranges,
    weights: Weights,
    nodes: Vec<Node>,
    codes: BTreeMap<String, Code>,
}

impl Rewrite<'_> {
    fn quantise_node(&mut self, node: &Node) -> Result<(), GraphError> {
        let mut inputs: Vec<String> = node.inputs.iter().map(|value| self.read_from(value)).collect();
        match node.op {
            Op::Conv2d { .. } | Op::Linear => self.quantise_parameters(node, &mut inputs)?,
            Op::BatchNorm2d { .. } => {
                return Err(GraphError::at(
                    node,
                    "batch normalisation must be folded into a convolution before quantising",
                ));
            }
            Op::QuantizeLinear | Op::DequantizeLinear { .. } => {
                return Err(GraphError::at(node, "the model is quantised already"));
            }
            _ => {}
        }
        self.nodes.push(Node { inputs, ..node.clone() });
        if !is_quantised(self.graph, &node.output) {
            return Ok(());
        }
        match self.codes.get(&node.inputs[0]).filter(|_| keeps_codes(&node.op)) {
            Some(code) => {
                let code = code.clone();
                self.encode(&node.output, code);
                Ok(())
            }
            None => self.quantise_value(&node.output),
        }
    }

    /// Where the nodes of the new graph read `value`.
    fn read_from(&self, value: &str) -> String {
        if self.codes.contains_key(value) { format!("{value}.dq") } else { value.to_owned() }
    }

    /// Unsigned bytes over the observed range, in which zero is exact.
    fn quantise_value(&mut self, value: &str) -> Result<(), GraphError> {
        if !is_quantised(self.graph, value) {
            return Ok(());
        }
        let Some(&(low, high)) = self.ranges.0.get(value) else {
            return Err(GraphError::new(format!("no range of the value `{value}` was observed")));
        };
        let (low, high) = (f64::from(low.min(0.0)), f64::from(high.max(0.0)));
        if !(low.is_finite() && high.is_finite()) {
            return Err(GraphError::new(format!(
                "the value `{value}` is not finite on the calibration images"
            )));
        }
        let scale = positive((high - low) / 255.0);
        let zero_point = (-low / f64::from(scale)).round_ties_even().clamp(0.0, 255.0) as u8;
        let code = Code {
            scale_name: format!("{value}.scale"),
            zero_point_name: format!("{value}.zero_point"),
            scale,
        };
        self.weights.set(code.scale_name.clone(), Tensor::f32([], vec![scale]));
        self.weights.set(code.zero_point_name.clone(), Tensor::new(vec![], Values::U8(vec![zero_point])));
        self.encode(value, code);
        Ok(())
    }

    /// Puts the pair of nodes on `value`.
    fn encode(&mut self, value: &str, code: Code) {
        let (quantised, dequantised) = (format!("{value}.q"), format!("{value}.dq"));
        let parameters = [code.scale_name.clone(), code.zero_point_name.clone()];
        let inputs = |x: &str| [x.to_owned()].into_iter().chain(parameters.clone()).collect();
        self.nodes.push(Node {
            name: format!("{value}.quantize"),
            op: Op::QuantizeLinear,
            inputs: inputs(value),
            output: quantised.clone(),
        });
        self.nodes.push(Node {
            name: format!("{value}.dequantize"),
            op: Op::DequantizeLinear { axis: 0 },
            inputs: inputs(&quantised),
            output: dequantised,
        });
        self.codes.insert(value.to_owned(), code);
    }

    /// Signed bytes for the weights, integers in units of the products for the bias.
    fn quantise_parameters(&mut self, node: &Node, inputs: &mut [String]) -> Result<(), GraphError> {
        let Some(code) = self.codes.get(&node.inputs[0]) else {
            return Err(GraphError::at(node, "its input is not quantised"));
        };
        let input_scale = f64::from(code.scale);
        let weight = float_parameter(&self.weights, node, 1)?.clone();
        let bias = match node.inputs.get(2) {
            Some(_) => Some(float_parameter(&self.weights, node, 2)?.clone()),
            None => None,
        };
        let rows: Vec<&[f32]> = match (weight.as_f32(), weight.shape.first()) {
            (Some(values), Some(&out)) => values.chunks(values.len() / out).collect(),
            _ => return Err(GraphError::at(node, "its weights are not float")),
        };
        let bias = bias.as_ref().and_then(Tensor::as_f32);
        let scales: Vec<f32> = rows
            .iter()
            .enumerate()
            .map(|(o, row)| weight_scale(row, bias.map_or(0.0, |b| b[o]), input_scale))
            .collect();

        let codes = rows
            .iter()
            .zip(&scales)
            .flat_map(|(row, &scale)| row.iter().map(move |&w| weight_code(w, scale)))
            .collect();
        let weight = Tensor::new(weight.shape.clone(), Values::I8(codes));
        let zeros = Values::I8(vec![0; scales.len()]);
        inputs[1] = self.dequantise(&format!("{}.weight", node.name), weight, scales.clone(), zeros);

        if let Some(bias) = bias {
            let units: Vec<f32> = scales.iter().map(|s| (input_scale * f64::from(*s)) as f32).collect();
            let codes = bias.iter().zip(&units).map(|(&b, &unit)| bias_code(b, unit)).collect();
            let bias = Tensor::new(vec![units.len()], Values::I32(codes));
            let zeros = Values::I32(vec![0; units.len()]);
            inputs[2] = self.dequantise(&format!("{}.bias", node.name), bias, units, zeros);
        }
        Ok(())
    }

    /// Stores a quantised parameter and dequantises it per output channel.
    fn dequantise(&mut self, name: &str, codes: Tensor, scales: Vec<f32>, zeros: Values) -> String {
        let names = ["q", "scale", "zero_point"].map(|part| format!("{name}.{part}"));
        let count = scales.len();
        let tensors = [codes, Tensor::f32([count], scales), Tensor::new(vec![count], zeros)];
        for (name, tensor) in names.iter().zip(tensors) {
            self.weights.set(name.clone(), tensor);
        }
        let output = format!("{name}.dq");
        self.nodes.push(Node {
            name: format!("{name}.dequantize"),
            op: Op::DequantizeLinear { axis: 0 },
            inputs: names.to_vec(),
            output: output.clone(),
        });
        output
    }
}

fn float_parameter<'a>(weights: &'a Weights, node: &Node, index: usize) -> Result<&'a Tensor, GraphError> {
    let tensor = node.inputs.get(index).and_then(|name| weights.get(name));
    let finite = |t: &&Tensor| t.as_f32().is_some_and(|v| v.iter().all(|w| w.is_finite()));
    tensor
        .filter(finite)
        .ok_or_else(|| GraphError::at(node, format!("its parameter {index} is not made of finite floats")))
}

/// The scale of one output channel. A bias too large for its integer coarsens it.
fn weight_scale(row: &[f32], bias: f32, input_scale: f64) -> f32 {
    let largest = row.iter().fold(0.0, |m: f64, &w| m.max(f64::from(w).abs()));
    let for_bias = f64::from(bias).abs() / (input_scale * LARGEST_BIAS);
    positive((largest / LARGEST_WEIGHT).max(for_bias))
}

fn weight_code(weight: f32, scale: f32) -> i8 {
    let code = (f64::from(weight) / f64::from(scale)).round_ties_even();
    code.clamp(-LARGEST_WEIGHT, LARGEST_WEIGHT) as i8
}

fn bias_code(bias: f32, unit: f32) -> i32 {
    (f64::from(bias) / f64::from(unit)).round_ties_even() as i32
}

/// A scale that can be divided by: values that are always zero have no range, and any scale will do.
fn positive(scale: f64) -> f32 {
    if scale > SMALLEST_SCALE { scale as f32 } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::builders::build;
    use crate::compress::tests::{calibrated, example, trained_looking};
    use crate::compress::{Calibration, fold_batchnorm};
    use crate::onnx;
    use crate::reference::evaluate;

    fn folded(name: &str) -> Model {
        fold_batchnorm(&trained_looking(&build(name, [3, 8, 8], 10, 0.25, 1).unwrap()))
    }

    #[test]
    fn results_stay_close() {
        for name in ["mlp", "lenet", "vgg", "resnet8", "simple_cnn"] {
            let model = folded(name);
            let quantised = quantise(&model, &calibrated(&model, Calibration::MinMax)).unwrap();
            assert_eq!(quantised.graph.output, model.graph.output);
            let (mut signal, mut noise) = (0.0, 0.0);
            for seed in 0..8 {
                let x = example(&model, seed);
                let float = evaluate(&model, &x).unwrap().remove(&model.graph.output).unwrap();
                let eight = evaluate(&quantised, &x).unwrap().remove(&model.graph.output).unwrap();
                signal += float.iter().map(|v| v * v).sum::<f32>();
                noise += float.iter().zip(&eight).map(|(a, b)| (a - b) * (a - b)).sum::<f32>();
            }
            assert!(noise < 1e-3 * signal, "{name}: noise {noise}, signal {signal}");
            assert!(noise > 0.0, "{name} was not quantised");
        }
    }

    #[test]
    fn every_multiplication_is_between_codes() {
        let model = folded("resnet8");
        let quantised = quantise(&model, &calibrated(&model, Calibration::MinMax)).unwrap();
        let graph = &quantised.graph;
        for node in graph.nodes.iter().filter(|n| matches!(n.op, Op::Conv2d { .. } | Op::Linear)) {
            for input in &node.inputs {
                let producer = graph.producer(input).map(|n| n.op.name());
                assert_eq!(producer, Some("DequantizeLinear"), "{} reads {input}", node.name);
            }
            let next: Vec<_> = graph.consumers(&node.output).map(|n| n.op.name()).collect();
            assert!(next != ["Relu"] || graph.output != node.output);
            assert!(matches!(next.as_slice(), ["Relu" | "QuantizeLinear"] | []), "{next:?}");
        }
        let add = graph.nodes.iter().find(|n| n.op == Op::Add).unwrap();
        assert!(add.inputs.iter().all(|i| graph.producer(i).unwrap().op.name() == "DequantizeLinear"));
        assert!(quantised.weights.bytes() * 3 < model.weights.bytes());
        assert_eq!(onnx::decode(&onnx::encode(&quantised).unwrap()).unwrap(), quantised);
    }

    #[test]
    fn relu_folds_into_a_zero_point_of_zero() {
        let model = folded("vgg");
        let quantised = quantise(&model, &calibrated(&model, Calibration::MinMax)).unwrap();
        for node in quantised.graph.nodes.iter().filter(|n| n.op == Op::Relu) {
            let next = quantised.graph.consumers(&node.output).next().unwrap();
            let zero_point = &quantised.weights.get(&next.inputs[2]).unwrap().values;
            assert_eq!(*zero_point, Values::U8(vec![0]), "{}", node.name);
        }
    }

    #[test]
    fn the_calibrated_values_are_enough_and_all_needed() {
        let model = folded("resnet8");
        let ranges = calibrated(&model, Calibration::Percentile(0.999));
        assert_eq!(ranges.0.len(), values_to_calibrate(&model).len());
        quantise(&model, &ranges).unwrap();
        for value in values_to_calibrate(&model) {
            let mut fewer = ranges.clone();
            fewer.0.remove(&value);
            let error = quantise(&model, &fewer).unwrap_err().to_string();
            assert!(error.contains(&format!("`{value}`")), "{error}");
        }
    }

    #[test]
    fn a_vast_bias_still_fits_its_integer() {
        let scale = weight_scale(&[1e-20, 0.0], 5.0, 0.01);
        let code = bias_code(5.0, (0.01 * f64::from(scale)) as f32);
        assert!((f64::from(code) - LARGEST_BIAS).abs() < 1e3, "{code}");
    }

    #[test]
    fn what_cannot_be_quantised_is_refused() {
        let unfolded = build("vgg", [3, 8, 8], 10, 0.25, 1).unwrap();
        let ranges = calibrated(&unfolded, Calibration::MinMax);
        let error = quantise(&unfolded, &ranges).unwrap_err();
        assert_eq!(error.node(), Some("bn1"));
        let model = folded("lenet");
        let mut ranges = calibrated(&model, Calibration::MinMax);
        let quantised = quantise(&model, &ranges).unwrap();
        assert!(quantise(&quantised, &ranges).unwrap_err().to_string().contains("quantised already"));
        ranges.0.insert("input".to_owned(), (0.0, f32::INFINITY));
        assert!(quantise(&model, &ranges).unwrap_err().to_string().contains("`input` is not finite"));
    }
}
