use std::fs;

use proptest::prelude::*;
use prost::Message as _;

use super::proto::{
    AttributeProto, DimensionProto, Extent, GraphProto, ModelProto, NodeProto, OperatorSetIdProto,
    TensorProto, TensorShapeProto, TensorTypeProto, TypeProto, ValueInfoProto, data_type,
};
use super::*;
use crate::builders::{NAMES, build, default_input};
use crate::graph::{Graph, Node, Op};
use crate::reference::evaluate;
use crate::tensor::{Tensor, Values, Weights};

#[test]
fn what_is_saved_is_loaded_again() {
    let folder = tempfile::tempdir().unwrap();
    for name in NAMES.into_iter().chain(["untuned"]) {
        let model = build(name, default_input(name), 10, 0.25, 7).unwrap();
        let path = folder.path().join(format!("{name}.onnx"));
        save(&model, &path).unwrap();
        assert_eq!(load(&path).unwrap(), model, "{name}");
        assert_eq!(fs::read(&path).unwrap(), encode(&model).unwrap(), "{name} is not deterministic");
    }
}

/// Every operator that the builders leave out.
#[test]
fn every_operator_makes_the_round_trip() {
    let mut weights = Weights::default();
    weights.set("s", Tensor::f32([], vec![0.5]));
    weights.set("z", Tensor::new(vec![], Values::U8(vec![3])));
    weights.set("w", Tensor::new(vec![2, 4], Values::I8(vec![1, -2, 3, -4, 5, -6, 7, -128])));
    weights.set("ws", Tensor::f32([2], vec![0.25, 0.125]));
    weights.set("wz", Tensor::new(vec![2], Values::I8(vec![0, 0])));
    weights.set("b", Tensor::new(vec![2], Values::I32(vec![100_000, -7])));
    weights.set("bz", Tensor::new(vec![2], Values::I32(vec![0, 0])));
    let window = crate::graph::Window { kernel: [3, 2], stride: [2, 1], padding: [1, 0] };
    let op = |name: &str, op, inputs: &[&str]| Node {
        name: name.to_owned(),
        op,
        inputs: inputs.iter().map(|&i| i.to_owned()).collect(),
        output: format!("{name}.out"),
    };
    let nodes = vec![
        op("pool", Op::AvgPool2d(window), &["x"]),
        op("drop", Op::Dropout { p: 0.3 }, &["pool.out"]),
        op("flat", Op::Flatten, &["drop.out"]),
        op("q", Op::QuantizeLinear, &["flat.out", "s", "z"]),
        op("dq", Op::DequantizeLinear { axis: 0 }, &["q.out", "s", "z"]),
        op("wdq", Op::DequantizeLinear { axis: 0 }, &["w", "ws", "wz"]),
        op("bdq", Op::DequantizeLinear { axis: 0 }, &["b", "ws", "bz"]),
        op("fc", Op::Linear, &["dq.out", "wdq.out", "bdq.out"]),
        op("softmax", Op::Softmax, &["fc.out"]),
    ];
    let graph = Graph {
        name: "all".to_owned(),
        input: "x".to_owned(),
        input_shape: vec![1, 3, 3],
        output: "softmax.out".to_owned(),
        nodes,
    };
    let model = Model { graph, weights };
    assert_eq!(decode(&encode(&model).unwrap()).unwrap(), model);
}

/// One node of another tool between `x` [batch, 3, 2, 2] or [batch, 2] and `y`.
fn foreign(nodes: Vec<NodeProto>, input: &[i64], initializer: Vec<TensorProto>) -> ModelProto {
    let dim = std::iter::once(Extent::Symbol("N".to_owned()))
        .chain(input.iter().map(|&d| Extent::Value(d)))
        .map(|extent| DimensionProto { extent: Some(extent) })
        .collect();
    let value = |name: &str, dim: Vec<DimensionProto>| {
        let shape = Some(TensorShapeProto { dim });
        let tensor_type = Some(TensorTypeProto { elem_type: data_type::FLOAT, shape });
        ValueInfoProto { name: name.to_owned(), r#type: Some(TypeProto { tensor_type }) }
    };
    let mut inputs = vec![value("x", dim)];
    inputs.extend(initializer.iter().map(|t| value(&t.name, vec![])));
    let graph = GraphProto {
        node: nodes,
        name: "foreign".to_owned(),
        initializer,
        input: inputs,
        output: vec![value("y", vec![])],
    };
    let opset = OperatorSetIdProto { domain: String::new(), version: 13 };
    ModelProto { ir_version: 3, graph: Some(graph), opset_import: vec![opset], ..ModelProto::default() }
}

fn call(op_type: &str, inputs: &[&str], output: &str, attribute: Vec<AttributeProto>) -> NodeProto {
    NodeProto {
        input: inputs.iter().map(|&i| i.to_owned()).collect(),
        output: vec![output.to_owned()],
        op_type: op_type.to_owned(),
        attribute,
        ..NodeProto::default()
    }
}

fn floats(name: &str, dims: &[i64], float_data: &[f32]) -> TensorProto {
    TensorProto {
        name: name.to_owned(),
        dims: dims.to_vec(),
        data_type: data_type::FLOAT,
        float_data: float_data.to_vec(),
        ..TensorProto::default()
    }
}

fn attribute(name: &str) -> AttributeProto {
    AttributeProto { name: name.to_owned(), ..AttributeProto::default() }
}

fn read(proto: &ModelProto) -> Result<Model, OnnxError> {
    decode(&proto.encode_to_vec())
}

fn result(proto: &ModelProto, input: &[f32]) -> Vec<f32> {
    evaluate(&read(proto).unwrap(), input).unwrap().remove("y").unwrap()
}

#[test]
fn matmul_and_add_are_a_linear_layer() {
    let nodes = vec![call("MatMul", &["x", "w"], "h", vec![]), call("Add", &["b", "h"], "y", vec![])];
    let weights =
        vec![floats("w", &[2, 3], &[1.0, 2.0, 3.0, 10.0, 20.0, 30.0]), floats("b", &[1, 3], &[0.5; 3])];
    let proto = foreign(nodes, &[2], weights);
    assert_eq!(result(&proto, &[1.0, 2.0]), [21.5, 42.5, 63.5]);
    let model = read(&proto).unwrap();
    assert_eq!(model.graph.nodes.len(), 1);
    assert_eq!(model.weights.count(), 9);
    assert_eq!(decode(&encode(&model).unwrap()).unwrap(), model);
}

#[test]
fn gemm_without_transposition_identity_and_constants() {
    let constant = |name: &str, dims: &[i64], data: &[f32]| {
        let t = Some(Box::new(floats("", dims, data)));
        call("Constant", &[], name, vec![AttributeProto { t, ..attribute("value") }])
    };
    let shape = vec![AttributeProto { ints: vec![0, -1], ..attribute("value_ints") }];
    let nodes = vec![
        constant("w", &[4, 1], &[1.0, 2.0, 3.0, 4.0]),
        call("Constant", &[], "shape", shape),
        call("Identity", &["x"], "same", vec![]),
        call("Reshape", &["same", "shape"], "flat", vec![]),
        call("Dropout", &["flat"], "kept", vec![]),
        call("Gemm", &["kept", "w"], "y", vec![]),
    ];
    assert_eq!(result(&foreign(nodes, &[1, 2, 2], vec![]), &[1.0, 10.0, 100.0, 1000.0]), [4321.0]);
}

/// As PyTorch exports `x.view(x.size(0), -1)`.
#[test]
fn a_shape_computed_from_the_batch_is_a_flatten() {
    let number = |name: &str, dims: &[i64], int64_data: Vec<i64>| TensorProto {
        name: name.to_owned(),
        dims: dims.to_vec(),
        data_type: data_type::INT64,
        int64_data,
        ..TensorProto::default()
    };
    let zero =
        || vec![number("zero", &[], vec![0]), number("rest", &[1], vec![-1]), number("one", &[], vec![1])];
    let nodes = |index: &str| {
        vec![
            call("Shape", &["x"], "shape", vec![]),
            call("Gather", &["shape", index], "n", vec![AttributeProto { i: Some(0), ..attribute("axis") }]),
            call("Unsqueeze", &["n", "zero"], "ns", vec![]),
            call(
                "Concat",
                &["ns", "rest"],
                "target",
                vec![AttributeProto { i: Some(0), ..attribute("axis") }],
            ),
            call("Reshape", &["x", "target"], "y", vec![]),
        ]
    };
    let x: Vec<f32> = (0..8).map(|i| i as f32).collect();
    assert_eq!(result(&foreign(nodes("zero"), &[2, 2, 2], zero()), &x), x);
    let error = read(&foreign(nodes("one"), &[2, 2, 2], zero())).unwrap_err().to_string();
    assert!(error.contains("(Gather): only the size of the batch"), "{error}");
}

#[test]
fn a_mean_over_the_image_is_a_pool() {
    let attributes = |axes: &[i64], keep| {
        let axes = AttributeProto { ints: axes.to_vec(), ..attribute("axes") };
        vec![axes, AttributeProto { i: Some(keep), ..attribute("keepdims") }]
    };
    for keep in [0, 1] {
        let nodes = vec![call("ReduceMean", &["x"], "y", attributes(&[-1, 2], keep))];
        let proto = foreign(nodes, &[2, 1, 2], vec![]);
        assert_eq!(result(&proto, &[1.0, 3.0, 5.0, 9.0]), [2.0, 7.0]);
        assert_eq!(read(&proto).unwrap().graph.nodes.len(), 2 - keep as usize);
    }
    let nodes = vec![call("ReduceMean", &["x"], "y", attributes(&[1], 1))];
    assert!(read(&foreign(nodes, &[2, 1, 2], vec![])).unwrap_err().to_string().contains("height and width"));
}

#[test]
fn what_cannot_be_represented_is_named() {
    let refused = |node: NodeProto, initializer: Vec<TensorProto>| {
        read(&foreign(vec![node], &[2, 4, 4], initializer)).unwrap_err().to_string()
    };
    let int = |name: &str, i| AttributeProto { i: Some(i), ..attribute(name) };
    let ints = |name: &str, ints: &[i64]| AttributeProto { ints: ints.to_vec(), ..attribute(name) };
    let kernel = ints("kernel_shape", &[2, 2]);
    let resize = refused(call("Resize", &["x"], "y", vec![]), vec![]);
    assert!(resize.starts_with("node `Resize_0` (Resize): this operator is not supported"), "{resize}");
    let weight = || vec![floats("w", &[2, 2, 1, 1], &[1.0; 4])];
    for (node, initializer, expected) in [
        (call("Conv", &["x", "w"], "y", vec![ints("dilations", &[2, 2])]), weight(), "`dilations` = [2, 2]"),
        (
            call("Conv", &["x", "w"], "y", vec![ints("pads", &[0, 0, 1, 1])]),
            weight(),
            "`pads` = [0, 0, 1, 1]",
        ),
        (call("Conv", &["x", "v"], "y", vec![]), weight(), "`v` must be a parameter"),
        (call("Conv", &["w", "w"], "y", vec![]), weight(), "`w` is a constant"),
        (call("MaxPool", &["x"], "y", vec![kernel.clone(), int("ceil_mode", 1)]), vec![], "`ceil_mode` = 1"),
        (call("MaxPool", &["x"], "y", vec![]), vec![], "`kernel_shape` is missing"),
        (
            call("AveragePool", &["x"], "y", vec![kernel, ints("pads", &[1; 4])]),
            vec![],
            "padding that does not count",
        ),
        (call("Relu", &["x"], "y", vec![int("alpha", 1)]), vec![], "the attribute `alpha` is not supported"),
        (call("Relu", &["z"], "y", vec![]), vec![], "the input `z` is not defined before"),
        (call("Relu", &["x"], "x", vec![]), vec![], "the output `x` is defined twice"),
        (call("Softmax", &["x"], "y", vec![]), vec![], "softmax runs over a vector"),
        (call("Relu", &["x"], "elsewhere", vec![]), vec![], "no node defines the output `y`"),
    ] {
        let message = refused(node, initializer);
        assert!(message.contains(expected), "{message} does not say {expected}");
    }
}

#[test]
fn a_tensor_must_hold_what_its_shape_promises() {
    let relu = || call("Conv", &["x", "w"], "y", vec![]);
    let refused = |tensor| read(&foreign(vec![relu()], &[2, 4, 4], vec![tensor])).unwrap_err();
    let vast = refused(floats("w", &[1 << 40, 1 << 40, 1, 1], &[1.0; 4]));
    assert!(vast.to_string().contains("`w` has the impossible shape"), "{vast}");
    let short = refused(floats("w", &[1 << 30, 1, 1, 1], &[1.0; 4]));
    assert!(short.to_string().contains("does not hold its 1073741824 numbers"), "{short}");
    let raw = TensorProto { raw_data: vec![0; 7], float_data: vec![], ..floats("w", &[2], &[]) };
    assert_eq!(refused(raw).kind(), OnnxErrorKind::Malformed);
    let half = TensorProto { data_type: 10, raw_data: vec![0; 4], ..floats("w", &[2], &[]) };
    assert!(refused(half).to_string().contains("float16"));
    let outside = TensorProto { data_location: 1, ..floats("w", &[2], &[]) };
    assert!(refused(outside).to_string().contains("lies in another file"));
}

#[test]
fn a_file_that_is_no_model_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes.onnx");
    let missing = load(&path).unwrap_err();
    assert_eq!(missing.kind(), OnnxErrorKind::Io);
    assert!(missing.to_string().contains("notes.onnx"));
    fs::write(&path, "to do: export the model").unwrap();
    let text = load(&path).unwrap_err();
    assert_eq!(text.kind(), OnnxErrorKind::Malformed);
    assert!(text.to_string().contains("notes.onnx: not an ONNX model"));
    fs::write(&path, "").unwrap();
    assert_eq!(load(&path).unwrap_err().kind(), OnnxErrorKind::Malformed);
}

/// Few weights, so that the damage hits the structure.
fn small_file() -> Vec<u8> {
    encode(&build("lenet", [1, 4, 4], 2, 0.01, 1).unwrap()).unwrap()
}

proptest! {
    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = decode(&bytes);
    }

    /// A damaged file is refused, or is a model that can be written again.
    #[test]
    fn damaged_files_never_panic(
        hits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let mut bytes = small_file();
        for (place, value) in hits {
            let place = place.index(bytes.len());
            bytes[place] = value;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        if let Ok(model) = decode(&bytes) {
            prop_assert!(encode(&model).is_ok());
        }
    }
}
