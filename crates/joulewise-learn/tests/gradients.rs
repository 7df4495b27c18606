//! The gradient of every operator against central differences of the plain evaluator, in f64.

use joulewise_kernels::Isa;
use joulewise_learn::engine::{Cpu, Training, write_image};
use joulewise_learn::random::Stream;
use joulewise_learn::train::loss::Target;
use joulewise_learn::{Graph, Model, Node, Op, Tensor, Weights, Window};

/// A network around the operators under test; it ends in a linear layer of three classes.
struct Net {
    model: Model,
    value: String,
    channels: usize,
    features: usize,
    stream: Stream,
}

impl Net {
    fn new(input: [usize; 3]) -> Self {
        let graph = Graph {
            name: "net".into(),
            input: "input".into(),
            input_shape: input.to_vec(),
            output: String::new(),
            nodes: Vec::new(),
        };
        Self {
            model: Model { graph, weights: Weights::default() },
            value: "input".into(),
            channels: input[0],
            features: 0,
            stream: Stream::new(5, "net"),
        }
    }

    fn parameter(&mut self, shape: &[usize], low: f32, high: f32) -> String {
        let name = format!("p{}", self.model.weights.0.len());
        let values = (0..shape.iter().product()).map(|_| self.stream.uniform(low, high)).collect();
        self.model.weights.set(&name, Tensor::f32(shape, values));
        name
    }

    fn op(mut self, op: Op, parameters: Vec<String>) -> Self {
        let name = format!("n{}", self.model.graph.nodes.len());
        let output = format!("{name}.out");
        let inputs = std::iter::once(self.value.clone()).chain(parameters).collect();
        self.model.graph.nodes.push(Node { name, op, inputs, output: output.clone() });
        self.value = output;
        self
    }

    fn conv(mut self, out: usize, kernel: [usize; 2], stride: usize, padding: usize, groups: usize) -> Self {
        let weight = self.parameter(&[out, self.channels / groups, kernel[0], kernel[1]], -0.5, 0.5);
        let bias = self.parameter(&[out], -0.5, 0.5);
        self.channels = out;
        let op = Op::Conv2d { stride: [stride; 2], padding: [padding; 2], groups };
        self.op(op, vec![weight, bias])
    }

    fn norm(mut self) -> Self {
        let c = [self.channels];
        let parameters = vec![
            self.parameter(&c, 0.5, 1.5),
            self.parameter(&c, -0.5, 0.5),
            self.parameter(&c, -0.1, 0.1),
            self.parameter(&c, 0.5, 1.5),
        ];
        self.op(Op::BatchNorm2d { epsilon: 1e-5, momentum: 0.1 }, parameters)
    }

    fn linear(mut self, out: usize) -> Self {
        if self.features == 0 {
            self = self.op(Op::Flatten, vec![]);
            self.model.graph.output.clone_from(&self.value);
            let shapes = joulewise_learn::shape::infer(&self.model.graph, &self.model.weights).unwrap();
            self.features = shapes.len_of(&self.value);
        }
        let weight = self.parameter(&[out, self.features], -0.5, 0.5);
        let bias = self.parameter(&[out], -0.5, 0.5);
        self.features = out;
        self.op(Op::Linear, vec![weight, bias])
    }

    fn finish(self) -> Model {
        let mut net = self.linear(3);
        net.model.graph.output = net.value.clone();
        net.model
    }
}

const ROWS: usize = 4;
const LABELS: [u16; ROWS] = [0, 2, 1, 2];

fn inputs(model: &Model) -> Vec<f32> {
    let mut stream = Stream::new(9, "inputs");
    let width: usize = model.graph.input_shape.iter().product();
    (0..ROWS * width).map(|_| stream.uniform(-1.0, 1.0)).collect()
}

/// Loss of a forward pass; batch statistics where the network normalises.
fn loss(training: &mut Training<'_>, x: &[f32]) -> f64 {
    let width = x.len() / ROWS;
    training.gradients(
        |row, layout, into| write_image(&x[row * width..][..width], layout, into),
        Target::Labels { labels: &LABELS, smoothing: 0.1 },
    )
}

fn check(model: &Model, names: &[&str]) {
    for isa in Isa::available() {
        let cpu = Cpu::with_isa(1, isa);
        let x = inputs(model);
        let mut training = Training::new(&cpu, model, ROWS, 1).unwrap();
        loss(&mut training, &x);
        for (name, tensor) in &model.weights.0 {
            let running = model
                .graph
                .nodes
                .iter()
                .any(|n| matches!(n.op, Op::BatchNorm2d { .. }) && n.inputs[3..].contains(name));
            if running {
                continue;
            }
            let gradient = training.gradient(name).unwrap();
            let gradient = gradient.as_f32().unwrap();
            let values = tensor.as_f32().unwrap();
            // A few numbers of each parameter; all would take minutes for nothing new.
            for index in (0..values.len()).step_by(values.len().div_ceil(7)) {
                let at = |delta: f32| {
                    let mut moved = model.clone();
                    moved.weights.0.get_mut(name).unwrap().as_f32_mut().unwrap()[index] += delta;
                    loss(&mut Training::new(&cpu, &moved, ROWS, 1).unwrap(), &x)
                };
                let step = 1e-3;
                let numeric = (at(step) - at(-step)) / f64::from(2.0 * step);
                let exact = f64::from(gradient[index]);
                assert!(
                    (numeric - exact).abs() < 2e-3 + 2e-2 * exact.abs(),
                    "{names:?} on {isa:?}, {name}[{index}]: {exact}, by differences {numeric}"
                );
            }
        }
    }
}

#[test]
fn convolutions() {
    for (kernel, stride, padding, groups) in
        [([3, 3], 1, 1, 1), ([5, 3], 2, 2, 1), ([1, 1], 1, 0, 1), ([3, 3], 2, 1, 2), ([3, 3], 1, 1, 4)]
    {
        let net = Net::new([3, 9, 7]).conv(4, [3, 3], 1, 1, 1).conv(8, kernel, stride, padding, groups);
        check(&net.finish(), &["Conv2d"]);
    }
}

#[test]
fn normalisation_and_activation() {
    let net = Net::new([2, 6, 5]).conv(5, [3, 3], 1, 1, 1).norm().op(Op::Relu, vec![]);
    check(&net.conv(3, [3, 3], 1, 1, 1).norm().finish(), &["BatchNorm2d", "Relu"]);
}

#[test]
fn pools() {
    let window = |k: usize, s: usize, p: usize| Window { kernel: [k; 2], stride: [s; 2], padding: [p; 2] };
    for op in [
        Op::MaxPool2d(window(2, 2, 0)),
        Op::MaxPool2d(window(3, 2, 1)),
        Op::AvgPool2d(window(2, 2, 0)),
        Op::AvgPool2d(window(3, 1, 1)),
        Op::GlobalAvgPool,
    ] {
        let name = op.name();
        let net = Net::new([2, 8, 7]).conv(3, [3, 3], 1, 1, 1).op(Op::Relu, vec![]).op(op, vec![]);
        check(&net.finish(), &[name]);
    }
}

#[test]
fn sums_of_branches() {
    let mut net = Net::new([2, 5, 5]).conv(4, [3, 3], 1, 1, 1).norm().op(Op::Relu, vec![]);
    let shortcut = net.value.clone();
    net = net.conv(4, [3, 3], 1, 1, 1).norm().op(Op::Relu, vec![]).conv(4, [3, 3], 1, 1, 1).norm();
    let net = net.op(Op::Add, vec![shortcut]).op(Op::Relu, vec![]);
    check(&net.op(Op::GlobalAvgPool, vec![]).finish(), &["Add"]);
}

#[test]
fn linear_layers_and_softmax() {
    let net = Net::new([2, 4, 3]).linear(7).op(Op::Relu, vec![]).linear(5).op(Op::Softmax, vec![]);
    check(&net.finish(), &["Flatten", "Linear", "Softmax"]);
}

#[test]
fn dropout_is_linear_in_what_it_keeps() {
    let net = Net::new([2, 6, 6]).conv(4, [3, 3], 1, 1, 1).op(Op::Dropout { p: 0.4 }, vec![]);
    let net = net.linear(12).op(Op::Dropout { p: 0.5 }, vec![]);
    check(&net.finish(), &["Dropout"]);
}
