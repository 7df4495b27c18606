//! What the QuantizeLinear and DequantizeLinear nodes around an operation say about its numbers.

use joulewise_kernels::int8::Affine;

use crate::graph::{Graph, Model, Node, Op};
use crate::shape::GraphError;
use crate::tensor::{Tensor, Values};

/// Two scales that differ by less than this share are the same scale, rounded differently.
const SAME_SCALE: f32 = 1e-5;

/// What follows an operation, up to where its result is stored.
pub(super) struct Ending<'a> {
    /// The Relu that only reads the result.
    pub(super) relu: Option<&'a Node>,
    /// The QuantizeLinear that only reads the result; without one, the result stays in float.
    pub(super) quantize: Option<&'a Node>,
    /// The last float value.
    pub(super) value: &'a str,
}

/// What follows `node`.
pub(super) fn ending<'a>(graph: &'a Graph, node: &'a Node) -> Result<Ending<'a>, GraphError> {
    let mut ending = Ending { relu: None, quantize: None, value: &node.output };
    if let Some(relu) = only_reader(graph, ending.value).filter(|n| n.op == Op::Relu) {
        (ending.relu, ending.value) = (Some(relu), &relu.output);
    }
    ending.quantize = only_reader(graph, ending.value).filter(|n| n.op == Op::QuantizeLinear);
    let quantizes = graph.consumers(ending.value).filter(|n| n.op == Op::QuantizeLinear);
    if ending.quantize.is_none() && quantizes.count() > 0 {
        return Err(GraphError::at(
            node,
            format!("`{}` is read both in float and in 8 bits; quantise it once", ending.value),
        ));
    }
    Ok(ending)
}

/// The node that alone reads `value`, if the value is not the network's result.
fn only_reader<'a>(graph: &'a Graph, value: &'a str) -> Option<&'a Node> {
    let mut readers = graph.consumers(value);
    match (readers.next(), readers.next()) {
        (Some(reader), None) if graph.output != value => Some(reader),
        _ => None,
    }
}

/// The scale and zero point of a QuantizeLinear or DequantizeLinear of an activation.
pub(super) fn affine(model: &Model, node: &Node) -> Result<Affine, GraphError> {
    let [scale, zero] = [1, 2].map(|i| model.weights.get(&node.inputs[i]).map(|t| &t.values));
    match (scale, zero) {
        (Some(Values::F32(scale)), Some(Values::U8(zero))) if scale.len() == 1 && zero.len() == 1 => {
            Ok(Affine { scale: scale[0], zero: zero[0] })
        }
        _ => Err(GraphError::at(
            node,
            "the int8 engine computes with activations of one float scale and one uint8 zero point",
        )),
    }
}

/// The parameters of a Conv2d or Linear node, in ONNX's order.
pub(super) struct Parameters<'a> {
    pub(super) shape: &'a [usize],
    pub(super) weight: &'a [i8],
    /// One for every output.
    pub(super) scale: Vec<f32>,
    /// In units of the products.
    pub(super) bias: Option<&'a [i32]>,
}

/// The codes behind the parameters of `node`, whose input has the scale `input`.
pub(super) fn parameters<'a>(
    model: &'a Model,
    node: &Node,
    input: f32,
) -> Result<Parameters<'a>, GraphError> {
    let (weight, scale) = codes(model, node, 1)?;
    let Values::I8(codes_of_weight) = &weight.values else {
        return Err(GraphError::at(node, "its weights are not int8"));
    };
    let outputs = weight.shape[0];
    let scale = if scale.len() == 1 { vec![scale[0]; outputs] } else { scale.to_vec() };
    if scale.len() != outputs {
        return Err(GraphError::at(node, format!("{} scales for {outputs} outputs", scale.len())));
    }
    let bias = if node.inputs.len() > 2 {
        let (bias, units) = codes(model, node, 2)?;
        let Values::I32(bias) = &bias.values else {
            return Err(GraphError::at(node, "its bias is not int32"));
        };
        let unit = |o: usize| units[if units.len() == 1 { 0 } else { o }];
        let differs = |o: usize| (unit(o) / (input * scale[o]) - 1.0).abs() >= SAME_SCALE;
        if (0..outputs).any(differs) {
            return Err(GraphError::at(
                node,
                "the scale of its bias is not that of its input times that of its weights",
            ));
        }
        Some(&bias[..])
    } else {
        None
    };
    for (o, row) in codes_of_weight.chunks(codes_of_weight.len() / outputs).enumerate() {
        let weights: i64 = row.iter().map(|w| i64::from(*w).abs()).sum();
        let most = 255 * weights + bias.map_or(0, |b| i64::from(b[o]).abs());
        if most > i64::from(i32::MAX) {
            return Err(GraphError::at(node, format!("the sums of its output {o} may exceed 32 bits")));
        }
    }
    Ok(Parameters { shape: &weight.shape, weight: codes_of_weight, scale, bias })
}

/// The tensor and the scales that the parameter `index` of `node` is dequantised from.
fn codes<'a>(model: &'a Model, node: &Node, index: usize) -> Result<(&'a Tensor, &'a [f32]), GraphError> {
    let name = &node.inputs[index];
    let Some(Node { op: Op::DequantizeLinear { axis }, inputs, .. }) = model.graph.producer(name) else {
        return Err(GraphError::at(node, format!("its parameter `{name}` is not quantised")));
    };
    let [tensor, scale, zero] = [0, 1, 2].map(|i| model.weights.get(&inputs[i]));
    let (Some(tensor), Some(scale), Some(zero)) = (tensor, scale.and_then(Tensor::as_f32), zero) else {
        return Err(GraphError::at(node, format!("the codes of `{name}` are not parameters")));
    };
    let symmetric = match &zero.values {
        Values::I8(zeros) => zeros.iter().all(|&z| z == 0),
        Values::I32(zeros) => zeros.iter().all(|&z| z == 0),
        Values::U8(_) | Values::F32(_) => false,
    };
    if !symmetric || (scale.len() > 1 && *axis != 0) {
        return Err(GraphError::at(
            node,
            format!("`{name}` must have zero points of 0, and one scale or one for each output"),
        ));
    }
    Ok((tensor, scale))
}
