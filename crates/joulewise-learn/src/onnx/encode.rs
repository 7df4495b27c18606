//! From our graph to ONNX.

use prost::Message as _;

use super::error::OnnxError;
use super::proto::{
    AttributeProto, DimensionProto, Extent, GraphProto, ModelProto, NodeProto, OperatorSetIdProto,
    TensorProto, TensorShapeProto, TensorTypeProto, TypeProto, ValueInfoProto, attribute_type, data_type,
};
use super::tensors;
use crate::graph::{Model, Node, Op, Window};
use crate::shape::{self, Shapes};
use crate::tensor::Tensor;

/// Newer ones say nothing that we need and shut out older runtimes.
const OPSET: i64 = 17;
const IR_VERSION: i64 = 8;

/// The name of the first dimension of every value.
const BATCH: &str = "batch";

pub(super) fn encode(model: &Model) -> Result<Vec<u8>, OnnxError> {
    let graph = &model.graph;
    let shapes = shape::infer(graph, &model.weights)
        .map_err(|e| OnnxError::malformed(format!("the graph cannot be computed: {e}")))?;
    let mut initializer: Vec<TensorProto> =
        model.weights.0.iter().map(|(name, tensor)| tensors::write(name, tensor)).collect();
    initializer.extend(graph.nodes.iter().filter_map(dropout_ratio));
    let proto = ModelProto {
        ir_version: IR_VERSION,
        producer_name: "joulewise".to_owned(),
        producer_version: env!("CARGO_PKG_VERSION").to_owned(),
        graph: Some(GraphProto {
            node: graph.nodes.iter().map(|n| node(n, &shapes)).collect(),
            name: graph.name.clone(),
            initializer,
            input: vec![batch_of(&graph.input, &graph.input_shape)],
            output: vec![batch_of(&graph.output, shapes.of(&graph.output))],
        }),
        opset_import: vec![OperatorSetIdProto { domain: String::new(), version: OPSET }],
    };
    Ok(proto.encode_to_vec())
}

fn node(node: &Node, shapes: &Shapes) -> NodeProto {
    let mut input = node.inputs.clone();
    let (op_type, attribute) = match &node.op {
        Op::Conv2d { stride, padding, groups } => {
            let kernel = &shapes.of(&node.inputs[1])[2..];
            let window = [ints("kernel_shape", kernel), ints("strides", stride), pads(*padding)];
            ("Conv", window.into_iter().chain([int("group", *groups as i64)]).collect())
        }
        Op::Linear => ("Gemm", vec![int("transB", 1)]),
        Op::BatchNorm2d { epsilon, momentum } => {
            ("BatchNormalization", vec![float("epsilon", *epsilon), float("momentum", complement(*momentum))])
        }
        Op::Relu => ("Relu", vec![]),
        Op::MaxPool2d(w) => ("MaxPool", window(w)),
        Op::AvgPool2d(w) => {
            let mut attributes = window(w);
            attributes.push(int("count_include_pad", 1));
            ("AveragePool", attributes)
        }
        Op::GlobalAvgPool => ("GlobalAveragePool", vec![]),
        Op::Add => ("Add", vec![]),
        Op::Flatten => ("Flatten", vec![int("axis", 1)]),
        Op::Dropout { .. } => {
            input.push(dropout_ratio_name(node));
            ("Dropout", vec![])
        }
        Op::Softmax => ("Softmax", vec![int("axis", -1)]),
        Op::QuantizeLinear => ("QuantizeLinear", vec![]),
        Op::DequantizeLinear { axis } => ("DequantizeLinear", vec![int("axis", *axis as i64)]),
    };
    NodeProto {
        input,
        output: vec![node.output.clone()],
        name: node.name.clone(),
        op_type: op_type.to_owned(),
        attribute,
        domain: String::new(),
    }
}

/// ONNX's momentum is the share of the *old* statistics. The subtraction is done on the decimal
/// that a person reads, so that 0.1 becomes 0.9, and 0.1 again when it is read back.
pub(super) fn complement(momentum: f32) -> f32 {
    let decimal: f64 = momentum.to_string().parse().unwrap_or_else(|_| f64::from(momentum));
    (1.0 - decimal) as f32
}

/// The probability is an input of ONNX's Dropout, so it needs an initialiser.
fn dropout_ratio(node: &Node) -> Option<TensorProto> {
    let Op::Dropout { p } = node.op else { return None };
    Some(tensors::write(&dropout_ratio_name(node), &Tensor::f32([], vec![p])))
}

fn dropout_ratio_name(node: &Node) -> String {
    format!("{}.ratio", node.name)
}

fn window(window: &Window) -> Vec<AttributeProto> {
    vec![ints("kernel_shape", &window.kernel), ints("strides", &window.stride), pads(window.padding)]
}

fn pads([vertical, horizontal]: [usize; 2]) -> AttributeProto {
    ints("pads", &[vertical, horizontal, vertical, horizontal])
}

fn int(name: &str, i: i64) -> AttributeProto {
    AttributeProto {
        name: name.to_owned(),
        i: Some(i),
        r#type: attribute_type::INT,
        ..AttributeProto::default()
    }
}

fn ints(name: &str, values: &[usize]) -> AttributeProto {
    AttributeProto {
        name: name.to_owned(),
        ints: values.iter().map(|&v| v as i64).collect(),
        r#type: attribute_type::INTS,
        ..AttributeProto::default()
    }
}

fn float(name: &str, f: f32) -> AttributeProto {
    AttributeProto {
        name: name.to_owned(),
        f: Some(f),
        r#type: attribute_type::FLOAT,
        ..AttributeProto::default()
    }
}

/// A batch of floats, each example of `shape`.
fn batch_of(name: &str, shape: &[usize]) -> ValueInfoProto {
    let batch = DimensionProto { extent: Some(Extent::Symbol(BATCH.to_owned())) };
    let rest = shape.iter().map(|&d| DimensionProto { extent: Some(Extent::Value(d as i64)) });
    let shape = TensorShapeProto { dim: std::iter::once(batch).chain(rest).collect() };
    let tensor_type = TensorTypeProto { elem_type: data_type::FLOAT, shape: Some(shape) };
    let r#type = Some(TypeProto { tensor_type: Some(tensor_type) });
    ValueInfoProto { name: name.to_owned(), r#type }
}
