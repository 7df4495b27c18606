//! Quantised graphs on the engine: against the plain evaluator, on every instruction set and any number of
//! threads.

use joulewise_kernels::Isa;
use joulewise_learn::builders::{build, default_input};
use joulewise_learn::compress::{Calibration, Calibrator, fold_batchnorm, quantise, values_to_calibrate};
use joulewise_learn::engine::{Cpu, Engine};
use joulewise_learn::random::Stream;
use joulewise_learn::{Graph, Model, Node, Op, Tensor, Values, Weights, Window, onnx, reference};

fn pictures(model: &Model, rows: usize, seed: u64) -> Vec<f32> {
    let mut stream = Stream::new(seed, "pictures");
    let width: usize = model.graph.input_shape.iter().product();
    (0..rows * width).map(|_| stream.uniform(-1.0, 1.0)).collect()
}

/// Folds and quantises `model` over the ranges of a few random pictures.
fn quantised(model: &Model) -> Model {
    let model = fold_batchnorm(model);
    let mut calibrator = Calibrator::default();
    let width: usize = model.graph.input_shape.iter().product();
    for x in pictures(&model, 4, 1).chunks(width) {
        let values = reference::evaluate(&model, x).unwrap();
        for value in values_to_calibrate(&model) {
            calibrator.observe(&value, &values[&value]);
        }
    }
    quantise(&model, &calibrator.ranges(Calibration::MinMax)).unwrap()
}

/// A network of the builders with weights that keep the signal.
fn network(name: &str) -> Model {
    let mut model = build(name, default_input(name), 10, 0.25, 3).unwrap();
    for (name, tensor) in &mut model.weights.0 {
        let mut stream = Stream::new(5, name);
        let low = if name.contains("bn") && !name.ends_with("bias") { 0.5 } else { -0.5 };
        let draw = name.contains("bn") && !name.contains("running_mean");
        for value in tensor.as_f32_mut().unwrap() {
            *value = if draw { stream.uniform(low, 1.5) } else { 2.0 * *value };
        }
    }
    quantised(&model)
}

fn run(cpu: &Cpu, model: &Model, x: &[f32], rows: usize) -> Vec<f32> {
    let mut plan = cpu.compile(model, rows).unwrap();
    let mut outputs = vec![0.0; rows * plan.outputs()];
    plan.run(x, &mut outputs);
    outputs
}

fn largest(values: &[f32]) -> usize {
    (0..values.len()).max_by(|&a, &b| values[a].total_cmp(&values[b])).unwrap()
}

/// Compares the engine with the evaluator of the same graph. A code may differ by one where the evaluator's
/// own rounding falls on the other side of a half.
fn check(model: &Model) {
    let name = &model.graph.name;
    let rows = 6;
    let x = pictures(model, rows, 2);
    let expected: Vec<Vec<f32>> = x
        .chunks(x.len() / rows)
        .map(|x| reference::evaluate(model, x).unwrap().remove(&model.graph.output).unwrap())
        .collect();
    let extent = expected.iter().flatten().fold(0.0, |m: f32, v| m.max(v.abs()));
    let outputs: Vec<_> =
        Isa::available().map(|isa| (isa, run(&Cpu::with_isa(1, isa), model, &x, rows))).collect();
    for (isa, outputs) in &outputs {
        for (outputs, expected) in outputs.chunks(expected[0].len()).zip(&expected) {
            assert_eq!(largest(outputs), largest(expected), "{name} on {isa}");
            for (a, b) in outputs.iter().zip(expected) {
                assert!((a - b).abs() <= 2.0 * extent / 255.0, "{name} on {isa}: {a} instead of {b}");
            }
        }
    }
    assert!(outputs.windows(2).all(|pair| pair[0].1 == pair[1].1), "{name} depends on the instruction set");
}

#[test]
fn networks_compute_what_their_graphs_say() {
    for name in ["mlp", "lenet", "vgg", "resnet8", "untuned", "simple_cnn"] {
        check(&network(name));
    }
}

#[test]
fn our_own_export_is_understood() {
    let model = network("lenet");
    let read = onnx::decode(&onnx::encode(&model).unwrap()).unwrap();
    let x = pictures(&model, 3, 4);
    assert_eq!(run(&Cpu::new(1).unwrap(), &read, &x, 3), run(&Cpu::new(1).unwrap(), &model, &x, 3));
}

#[test]
fn threads_and_batches_change_no_bit() {
    for name in ["lenet", "resnet8"] {
        let model = network(name);
        let rows = 70;
        let x = pictures(&model, rows, 3);
        let one: Vec<f32> = {
            let cpu = Cpu::new(1).unwrap();
            let mut plan = cpu.compile(&model, 1).unwrap();
            let mut alone = |x: &[f32]| {
                let mut outputs = vec![0.0; 10];
                plan.run(x, &mut outputs);
                outputs
            };
            x.chunks(x.len() / rows).flat_map(&mut alone).collect()
        };
        for threads in [1, 2, 3] {
            let cpu = Cpu::new(threads).unwrap();
            assert!(run(&cpu, &model, &x, rows) == one, "{name} on {threads} threads");
            // A run may be smaller than the batch that the plan was made for.
            let mut plan = cpu.compile(&model, 2 * rows).unwrap();
            let mut outputs = vec![0.0; one.len()];
            plan.run(&x, &mut outputs);
            assert!(outputs == one, "{name} on {threads} threads, half a batch");
        }
    }
}

/// A graph of `nodes`, each named after its output, whose parameters are drawn at random.
fn graph(input: &[usize], nodes: &[(&str, Op, &[&str])], parameters: &[(&str, &[usize])]) -> Model {
    let node = |(name, op, inputs): &(&str, Op, &[&str])| Node {
        name: (*name).to_owned(),
        op: op.clone(),
        inputs: inputs.iter().map(|&i| i.to_owned()).collect(),
        output: (*name).to_owned(),
    };
    let mut weights = Weights::default();
    for (name, shape) in parameters {
        let mut stream = Stream::new(11, name);
        let values = (0..shape.iter().product()).map(|_| stream.uniform(-0.7, 0.7)).collect();
        weights.set(*name, Tensor::f32(*shape, values));
    }
    let graph = Graph {
        name: nodes[nodes.len() - 1].0.to_owned(),
        input: "x".to_owned(),
        input_shape: input.to_vec(),
        output: nodes[nodes.len() - 1].0.to_owned(),
        nodes: nodes.iter().map(node).collect(),
    };
    Model { graph, weights }
}

fn conv(stride: usize, padding: usize, groups: usize) -> Op {
    Op::Conv2d { stride: [stride; 2], padding: [padding; 2], groups }
}

#[test]
fn every_operation_and_every_kind_of_end() {
    let pool = Window { kernel: [3, 2], stride: [2, 1], padding: [1, 0] };
    let images: &[(&str, Op, &[&str])] = &[
        ("first", conv(1, 1, 1), &["x", "first.w"]),
        ("positive", Op::Relu, &["first"]),
        ("depthwise", conv(1, 1, 8), &["positive", "depthwise.w", "depthwise.b"]),
        // Both an activation and a branch read it, so the activation has codes of its own.
        ("point", conv(1, 0, 1), &["depthwise", "point.w"]),
        ("active", Op::Relu, &["point"]),
        ("grouped", conv(2, 2, 4), &["active", "grouped.w"]),
        ("other", conv(2, 2, 1), &["point", "other.w"]),
        ("sum", Op::Add, &["grouped", "other"]),
        ("most", Op::MaxPool2d(pool), &["sum"]),
        ("above", Op::Relu, &["most"]),
        ("both", Op::Add, &["above", "most"]),
        ("mean", Op::AvgPool2d(pool), &["both"]),
        ("drop", Op::Dropout { p: 0.5 }, &["mean"]),
        ("flat", Op::Flatten, &["drop"]),
    ];
    let rows: &[(&str, Op, &[&str])] = &[
        ("left", Op::Linear, &["flat", "left.w", "left.b"]),
        ("right", Op::Linear, &["flat", "right.w"]),
        ("joint", Op::Add, &["left", "right"]),
        ("bent", Op::Relu, &["joint"]),
        ("last", Op::Linear, &["bent", "last.w"]),
    ];
    let parameters: &[(&str, &[usize])] = &[
        ("first.w", &[8, 3, 3, 3]),
        ("depthwise.w", &[8, 1, 3, 3]),
        ("depthwise.b", &[8]),
        ("point.w", &[12, 8, 1, 1]),
        ("grouped.w", &[20, 3, 5, 3]),
        ("other.w", &[20, 12, 5, 3]),
        ("left.w", &[9, 120]),
        ("left.b", &[9]),
        ("right.w", &[9, 120]),
        ("last.w", &[7, 9]),
    ];
    let ends: [&[(&str, Op, &[&str])]; 4] = [
        &[],
        &[("softmax", Op::Softmax, &["last"])],
        &[("relu", Op::Relu, &["last"])],
        &[("flatten", Op::Flatten, &["last"])],
    ];
    let used = |nodes: &[(&str, Op, &[&str])]| -> Vec<(&str, &[usize])> {
        let reads = |name: &str| nodes.iter().any(|(_, _, inputs)| inputs.contains(&name));
        parameters.iter().filter(|(name, _)| reads(name)).copied().collect()
    };
    for end in ends {
        let nodes = [images, rows, end].concat();
        check(&quantised(&graph(&[3, 10, 7], &nodes, &used(&nodes))));
    }
    // An image that is flattened last has the order of its channels, rows and columns.
    check(&quantised(&graph(&[3, 10, 7], images, &used(images))));
    // A network of features only, from the input on.
    let features: &[(&str, Op, &[&str])] =
        &[("left", Op::Linear, &["x", "left.w", "left.b"]), ("last", Op::Linear, &["left", "last.w"])];
    check(&quantised(&graph(&[120], features, &used(features))));
}

#[test]
fn codes_at_the_end_are_dequantised() {
    let mut model = network("lenet");
    let graph = &mut model.graph;
    let logits = graph.output.clone();
    model.weights.set("end.scale", Tensor::f32([], vec![0.05]));
    model.weights.set("end.zero", Tensor::new(vec![], Values::U8(vec![128])));
    for (op, from, to) in
        [(Op::QuantizeLinear, &*logits, "end.q"), (Op::DequantizeLinear { axis: 0 }, "end.q", "end")]
    {
        let inputs = [from, "end.scale", "end.zero"].map(str::to_owned).to_vec();
        graph.nodes.push(Node { name: to.to_owned(), op, inputs, output: to.to_owned() });
    }
    graph.output = "end".to_owned();
    let x = pictures(&model, 1, 6);
    let expected = &reference::evaluate(&model, &x).unwrap()["end"];
    assert_eq!(&run(&Cpu::new(1).unwrap(), &model, &x, 1), expected);
}

#[test]
fn what_cannot_be_fused_is_named() {
    let error = |change: &dyn Fn(&mut Model)| {
        let mut model = network("lenet");
        change(&mut model);
        Cpu::new(1).unwrap().compile(&model, 1).err().expect("an error").to_string()
    };
    let set =
        |name: &'static str, tensor: Tensor| move |model: &mut Model| model.weights.set(name, tensor.clone());
    let signed = Tensor::new(vec![], Values::I8(vec![0]));
    assert!(error(&set("input.zero_point", signed)).contains("`input.quantize`"));
    let shifted = Tensor::new(vec![16], Values::I8(vec![3; 16]));
    assert!(error(&set("conv2.weight.zero_point", shifted)).contains("`conv2`"));
    let units = Tensor::f32([16], vec![1.0; 16]);
    assert!(error(&set("conv2.bias.scale", units)).contains("`conv2`: the scale of its bias"));
    let vast = Tensor::new(vec![16], Values::I32(vec![i32::MAX; 16]));
    assert!(error(&set("conv2.bias.q", vast)).contains("`conv2`: the sums of its output 0 may exceed"));
    // An operation on numbers that were never quantised.
    let bypass = error(&|model| {
        let first = model.graph.nodes.iter_mut().find(|n| n.name == "conv1").unwrap();
        first.inputs[0] = "input".to_owned();
    });
    assert!(bypass.contains("`conv1`: its input `input` is not quantised"), "{bypass}");
    // An operation whose result stays in float.
    let float = error(&|model| {
        let nodes = &mut model.graph.nodes;
        let relu = nodes.iter().position(|n| n.op == Op::Relu).unwrap();
        let (value, codes) = (nodes[relu].output.clone(), format!("{}.dq", nodes[relu].output));
        nodes
            .iter_mut()
            .flat_map(|n| &mut n.inputs)
            .filter(|i| **i == codes)
            .for_each(|i| i.clone_from(&value));
        nodes.retain(|n| !n.output.starts_with(&value) || n.output == value);
    });
    assert!(float.contains("`conv1`: its result is not quantised"), "{float}");
}
