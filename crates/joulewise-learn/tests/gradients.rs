//! The gradient of every operator against central differences of a forward pass in f64.

mod exact;

use exact::{Exact, SMOOTHING};
use joulewise_kernels::Isa;
use joulewise_learn::engine::{Cpu, Training, write_image};
use joulewise_learn::random::Stream;
use joulewise_learn::shape::infer;
use joulewise_learn::train::loss::Target;
use joulewise_learn::{Graph, Model, Node, Op, Tensor, Weights, Window};

/// A chain of nodes around the operators under test.
struct Net {
    model: Model,
    value: String,
    stream: Stream,
}

impl Net {
    fn new(input: &[usize]) -> Self {
        let graph = Graph {
            name: "net".into(),
            input: "input".into(),
            input_shape: input.to_vec(),
            output: String::new(),
            nodes: Vec::new(),
        };
        let model = Model { graph, weights: Weights::default() };
        Self { model, value: "input".into(), stream: Stream::new(5, "net") }
    }

    /// The shape of the last value.
    fn shape(&mut self) -> Vec<usize> {
        if self.model.graph.nodes.is_empty() {
            return self.model.graph.input_shape.clone();
        }
        self.model.graph.output.clone_from(&self.value);
        infer(&self.model.graph, &self.model.weights).unwrap().of(&self.value).to_vec()
    }

    fn parameter(&mut self, shape: &[usize], low: f32, high: f32) -> String {
        let name = format!("p{}", self.model.weights.0.len());
        let values = (0..shape.iter().product()).map(|_| self.stream.uniform(low, high)).collect();
        self.model.weights.set(&name, Tensor::f32(shape, values));
        name
    }

    /// Appends an operator that also reads `others`.
    fn op(mut self, op: Op, others: &[String]) -> Self {
        let name = format!("n{}", self.model.graph.nodes.len());
        let output = format!("{name}.out");
        let inputs = std::iter::once(&self.value).chain(others).cloned().collect();
        self.model.graph.nodes.push(Node { name, op, inputs, output: output.clone() });
        self.value = output;
        self
    }

    fn conv(mut self, out: usize, kernel: [usize; 2], stride: [usize; 2], padding: [usize; 2]) -> Self {
        let channels = self.shape()[0];
        let weight = self.parameter(&[out, channels, kernel[0], kernel[1]], -0.5, 0.5);
        let bias = self.parameter(&[out], -0.5, 0.5);
        self.op(Op::Conv2d { stride, padding, groups: 1 }, &[weight, bias])
    }

    /// Three by three, without a bias.
    fn grouped(mut self, out: usize, stride: usize, groups: usize) -> Self {
        let channels = self.shape()[0];
        let weight = self.parameter(&[out, channels / groups, 3, 3], -0.5, 0.5);
        self.op(Op::Conv2d { stride: [stride; 2], padding: [1; 2], groups }, &[weight])
    }

    /// Three by three, of the same extent.
    fn same(self, out: usize) -> Self {
        self.conv(out, [3, 3], [1, 1], [1, 1])
    }

    fn norm(mut self) -> Self {
        let channels = [self.shape()[0]];
        let ranges = [(0.5, 1.5), (-0.5, 0.5), (-0.1, 0.1), (0.5, 1.5)];
        let parameters = ranges.map(|(low, high)| self.parameter(&channels, low, high));
        self.op(Op::BatchNorm2d { epsilon: 1e-5, momentum: 0.1 }, &parameters)
    }

    fn relu(self) -> Self {
        self.op(Op::Relu, &[])
    }

    fn linear(mut self, out: usize) -> Self {
        if self.shape().len() > 1 {
            self = self.op(Op::Flatten, &[]);
        }
        let features = self.shape()[0];
        let weight = self.parameter(&[out, features], -0.5, 0.5);
        let bias = self.parameter(&[out], -0.5, 0.5);
        self.op(Op::Linear, &[weight, bias])
    }

    /// The network with a linear layer of three classes.
    fn finish(self) -> Model {
        let mut net = self.linear(3);
        net.shape();
        net.model
    }
}

const LABELS: [u16; 5] = [0, 2, 1, 2, 0];

/// Steps of this size change a parameter in f64, so that rounding and curvature are far below the tolerance.
const STEP: f64 = 1e-6;

/// Inputs this far from every kink stay on their side of it in f32 too.
const MARGIN: f64 = 1e-4;

fn inputs(model: &Model, rows: usize, seed: u64) -> Vec<f32> {
    let mut stream = Stream::new(seed, "inputs");
    let width: usize = model.graph.input_shape.iter().product();
    (0..rows * width).map(|_| stream.uniform(-1.0, 1.0)).collect()
}

/// The loss and gradients of the engine.
fn trained<'c>(cpu: &'c Cpu, model: &Model, x: &[f32], labels: &[u16]) -> (f64, Training<'c>) {
    let mut training = Training::new(cpu, model, labels.len(), 1).unwrap();
    let width = x.len() / labels.len();
    let loss = training.gradients(
        |row, layout, into| write_image(&x[row * width..][..width], layout, into),
        Target::Labels { labels, smoothing: SMOOTHING as f32 },
    );
    (loss, training)
}

/// Checks every operator of `model` on inputs that are far from the kinks.
fn check(model: &Model) {
    let far = |seed: &u64| {
        let x = inputs(model, LABELS.len(), *seed);
        let exact = Exact::new(model, &x, &LABELS);
        exact.forward(&exact.parameters()).margin > MARGIN
    };
    let seed = (0..200).find(far).expect("inputs far from the kinks");
    let x = inputs(model, LABELS.len(), seed);
    check_at(&Exact::new(model, &x, &LABELS), &x);
}

fn check_at(exact: &Exact<'_>, x: &[f32]) {
    let nodes = &exact.model.graph.nodes;
    let is_statistic = |name: &String| {
        let is_read = |n: &Node| matches!(n.op, Op::BatchNorm2d { .. }) && n.inputs[3..].contains(name);
        nodes.iter().any(is_read)
    };
    let mut parameters = exact.parameters();
    let loss = exact.loss(&parameters);
    let names: Vec<String> = parameters.keys().filter(|name| !is_statistic(name)).cloned().collect();
    let engines: Vec<_> = Isa::available().map(|isa| Cpu::with_isa(1, isa)).collect();
    let trained: Vec<_> = engines.iter().map(|cpu| trained(cpu, exact.model, x, exact.labels)).collect();
    for ((found, _), cpu) in trained.iter().zip(&engines) {
        assert!((found - loss).abs() < 1e-5 * loss, "a loss of {found} on {} instead of {loss}", cpu.isa());
    }
    for name in names {
        let gradients: Vec<_> = trained.iter().map(|(_, t)| t.gradient(&name).unwrap()).collect();
        let count = parameters[&name].len();
        // Differences of all numbers of a large parameter would take long for nothing new.
        for index in (0..count).step_by(count.div_ceil(40)) {
            let mut moved = |step: f64| {
                parameters.get_mut(&name).unwrap()[index] += step;
                let loss = exact.loss(&parameters);
                parameters.get_mut(&name).unwrap()[index] -= step;
                loss
            };
            let expected = (moved(STEP) - moved(-STEP)) / (2.0 * STEP);
            for (gradient, cpu) in gradients.iter().zip(&engines) {
                let found = f64::from(gradient.as_f32().unwrap()[index]);
                assert!(
                    (found - expected).abs() < 1e-6 + 1e-4 * expected.abs(),
                    "{} on {}, {name}[{index}]: {found}, by differences {expected}",
                    nodes.iter().map(|n| n.op.name()).collect::<Vec<_>>().join(" "),
                    cpu.isa(),
                );
            }
        }
    }
}

#[test]
fn convolutions() {
    for (kernel, stride, padding) in [
        ([3, 3], [1, 1], [1, 1]),
        ([5, 3], [2, 2], [2, 2]),
        ([1, 1], [1, 1], [0, 0]),
        ([2, 4], [1, 3], [0, 2]),
        ([3, 1], [3, 2], [2, 0]),
        ([1, 1], [2, 2], [0, 0]),
    ] {
        check(&Net::new(&[3, 9, 7]).same(5).conv(17, kernel, stride, padding).finish());
        // The first layer has another path: nobody asks for the gradient of the input.
        check(&Net::new(&[1, 9, 7]).conv(6, kernel, stride, padding).relu().finish());
    }
}

#[test]
fn grouped_and_depthwise_convolutions() {
    for (channels, out, stride, groups) in
        [(4, 8, 1, 2), (6, 9, 2, 3), (8, 8, 1, 8), (19, 19, 2, 19), (4, 12, 1, 4)]
    {
        check(&Net::new(&[2, 7, 6]).same(channels).grouped(out, stride, groups).finish());
        check(&Net::new(&[channels, 7, 6]).grouped(out, stride, groups).norm().relu().finish());
    }
}

#[test]
fn normalisation_and_activation() {
    check(&Net::new(&[2, 6, 5]).same(5).norm().relu().same(3).norm().finish());
    check(&Net::new(&[3, 4, 5]).norm().same(4).finish());
    check(&Net::new(&[2, 5, 3]).same(18).relu().norm().relu().finish());
}

#[test]
fn pools() {
    let window = |kernel, stride, padding| Window { kernel, stride, padding };
    for op in [
        Op::MaxPool2d(window([2, 2], [2, 2], [0, 0])),
        Op::MaxPool2d(window([3, 3], [2, 2], [1, 1])),
        Op::MaxPool2d(window([2, 3], [1, 2], [1, 0])),
        Op::AvgPool2d(window([2, 2], [2, 2], [0, 0])),
        Op::AvgPool2d(window([3, 3], [1, 1], [1, 1])),
        Op::AvgPool2d(window([3, 2], [2, 1], [0, 1])),
        Op::GlobalAvgPool,
    ] {
        check(&Net::new(&[2, 7, 5]).same(3).op(op.clone(), &[]).finish());
        check(&Net::new(&[2, 7, 5]).same(3).relu().op(op.clone(), &[]).finish());
        check(&Net::new(&[2, 7, 5]).same(3).norm().op(op, &[]).relu().finish());
    }
}

#[test]
fn sums_of_branches() {
    let net = Net::new(&[2, 5, 5]).same(4).norm().relu();
    let shortcut = net.value.clone();
    let net = net.same(4).norm().relu().same(4).norm().op(Op::Add, &[shortcut]).relu();
    check(&net.op(Op::GlobalAvgPool, &[]).finish());
    // A value with four readers, one of them a pool that would otherwise share its activation's gradient.
    let net = Net::new(&[2, 6, 4]).same(3).relu();
    let value = net.value.clone();
    let same = Window { kernel: [3; 2], stride: [1; 2], padding: [1; 2] };
    let mut net = net.op(Op::MaxPool2d(same), &[]).op(Op::Add, std::slice::from_ref(&value));
    let sum = std::mem::replace(&mut net.value, value.clone());
    let net = net.same(3).op(Op::Add, &[sum]).relu().op(Op::Add, &[value]);
    check(&net.finish());
    // Values added to themselves.
    let net = Net::new(&[2, 4, 3]).same(3);
    let image = net.value.clone();
    let net = net.op(Op::Add, &[image]).linear(5);
    let features = net.value.clone();
    check(&net.op(Op::Add, &[features]).finish());
}

#[test]
fn features() {
    check(&Net::new(&[2, 4, 3]).linear(7).relu().linear(5).op(Op::Softmax, &[]).finish());
    check(&Net::new(&[19]).linear(33).relu().linear(6).finish());
    // Two branches over the flattened image.
    let net = Net::new(&[2, 4, 3]).same(3).linear(6).relu();
    let shortcut = net.value.clone();
    check(&net.linear(6).op(Op::Add, &[shortcut]).relu().finish());
    // What lies between the flattening and the layer that undoes its order.
    let net = Net::new(&[2, 4, 3]).same(3).op(Op::Flatten, &[]);
    let flat = net.value.clone();
    let net = net.relu().op(Op::Add, &[flat]).op(Op::Softmax, &[]);
    check(&net.linear(4).finish());
}

/// The engine's features of a flattened image are in an order of its own.
#[test]
fn orders_that_do_not_match_are_refused() {
    let refused = |net: Net| {
        let mut net = net;
        net.shape();
        Training::new(&Cpu::new(1).unwrap(), &net.model, 1, 1).unwrap_err().to_string()
    };
    let net = Net::new(&[2, 4, 3]).op(Op::Flatten, &[]);
    let flat = net.value.clone();
    let error = refused(net.linear(24).op(Op::Add, &[flat]));
    assert!(error.contains("`n2`: a flattened image is added"), "{error}");
    let error = refused(Net::new(&[2, 4, 3]).same(3).op(Op::Flatten, &[]));
    assert!(error.contains("flattened image of several pixels"), "{error}");
}

/// The mask is random; the gradients of the layer that reads it show which one was drawn.
#[test]
fn dropout() {
    for (model, p) in [
        (Net::new(&[2, 6, 5]).same(4).op(Op::Dropout { p: 0.4 }, &[]).finish(), 0.4),
        (Net::new(&[14]).linear(40).op(Op::Dropout { p: 0.25 }, &[]).finish(), 0.25),
    ] {
        let labels = &LABELS[..1];
        let x = inputs(&model, 1, 3);
        let mut exact = Exact::new(&model, &x, labels);
        let node = model.graph.nodes.iter().find(|n| matches!(n.op, Op::Dropout { .. })).unwrap();
        let kept = &exact.forward(&exact.parameters()).values[&node.inputs[0]];
        let reader = &model.graph.nodes[model.graph.nodes.len() - 1];
        let cpu = Cpu::new(1).unwrap();
        let (_, training) = trained(&cpu, &model, &x, labels);
        let [by_weight, by_bias] = [1, 2].map(|i| training.gradient(&reader.inputs[i]).unwrap());
        // The gradient of a weight is that of its output times its input.
        let factor = |(i, x): (usize, &f64)| {
            f64::from(by_weight.as_f32().unwrap()[i]) / (f64::from(by_bias.as_f32().unwrap()[0]) * x)
        };
        let factors: Vec<f64> = kept.iter().enumerate().map(factor).collect();
        let mask: Vec<f64> = factors.iter().map(|f| if *f > 0.5 { 1.0 / (1.0 - p) } else { 0.0 }).collect();
        assert!(factors.iter().zip(&mask).all(|(f, m)| (f - m).abs() < 1e-3), "{factors:?}");
        let dropped = mask.iter().filter(|m| **m == 0.0).count() as f64 / mask.len() as f64;
        assert!((dropped - p).abs() < 0.2, "{dropped} instead of {p} are zero");
        exact.masks.insert(node.name.clone(), mask);
        check_at(&exact, &x);
    }
}
