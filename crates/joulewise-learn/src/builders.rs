//! Networks by name: those of the benchmarks and of the founding papers.

use crate::graph::{Graph, Model, Node, Op, Window};
use crate::random::Stream;
use crate::shape::GraphError;
use crate::tensor::{Tensor, Weights};

/// The networks that people are offered. [`build`] knows one more: `untuned`, which nobody tuned for, to compare engines on.
pub const NAMES: [&str; 8] =
    ["mlp", "lenet", "vgg", "resnet8", "simple_cnn", "simple_cnn_faithful", "dense_poly", "dense_linear"];

/// The shape of one example that the network called `name` is benchmarked with.
pub fn default_input(name: &str) -> [usize; 3] {
    match name {
        "vgg" | "resnet8" | "untuned" => [3, 32, 32],
        _ => [1, 28, 28],
    }
}

/// Builds the network called `name` for images of `input` = `[channels, height, width]`.
///
/// `width` scales the number of hidden channels and features (rounded to multiples of 4, at least 4).
/// Parameters are drawn as PyTorch's layers draw them by default: uniform within `1/√fan_in`.
pub fn build(
    name: &str,
    input: [usize; 3],
    classes: usize,
    width: f32,
    seed: u64,
) -> Result<Model, GraphError> {
    let scaled = |channels: usize| (((channels as f32 * width) / 4.0).round() as usize * 4).max(4);
    let mut b = Builder::new(name, input, seed);
    match name {
        "mlp" => {
            b.flatten();
            b.linear("fc1", scaled(512)).relu();
            b.linear("fc2", scaled(512)).relu();
            b.linear("fc3", classes);
        }
        "lenet" => {
            b.conv("conv1", scaled(32), 3, 1, 1, true).relu().max_pool();
            b.conv("conv2", scaled(64), 3, 1, 1, true).relu().max_pool();
            b.flatten();
            b.linear("fc1", scaled(128)).relu();
            b.linear("fc2", classes);
        }
        "vgg" => {
            for (block, channels) in [32, 64, 128].into_iter().enumerate() {
                for layer in 1..=2 {
                    b.conv_bn(&format!("{}", 2 * block + layer), scaled(channels), 3, 1).relu();
                }
                if block < 2 {
                    b.max_pool();
                }
            }
            b.global_avg_pool().flatten();
            b.linear("fc", classes);
        }
        "resnet8" => {
            for (block, channels) in [32, 64, 128].into_iter().enumerate() {
                let stage = block + 1;
                b.conv_bn(&format!("{stage}"), scaled(channels), 3, 1).relu();
                let shortcut = b.value.clone();
                b.conv_bn(&format!("{stage}a"), scaled(channels), 3, 1).relu();
                b.conv_bn(&format!("{stage}b"), scaled(channels), 3, 1);
                b.add(&shortcut).relu();
                if block < 2 {
                    b.max_pool();
                }
            }
            b.global_avg_pool().flatten();
            b.linear("fc", classes);
        }
        "untuned" => {
            b.conv("conv1", scaled(24), 5, 1, 2, true).relu();
            b.conv_bn_strided("2", scaled(40), 5, 2, 2).relu();
            b.conv_bn_strided("3", scaled(56), 3, 2, 1).relu();
            b.global_avg_pool().flatten();
            b.linear("fc", classes);
        }
        "simple_cnn" | "simple_cnn_faithful" => {
            // Yarally et al. 2023, two blocks and three linear layers. The authors' network has no
            // activation between its linear layers, which makes them one affine map; the corrected
            // one has.
            let [c, h, w] = input;
            for block in 0..2u32 {
                let channels = c * 3usize.pow(block + 1);
                b.conv(&format!("conv{}", block + 1), channels, 3, 1, 1, true);
                b.batch_norm(&format!("bn{}", block + 1)).relu().max_pool();
            }
            b.flatten();
            for layer in 0..2u32 {
                b.linear(&format!("fc{}", layer + 1), (c * h * w) >> (layer + 1));
                if name == "simple_cnn" {
                    b.relu();
                }
            }
            b.linear("fc3", classes);
        }
        "dense_poly" | "dense_linear" => {
            // Of the same paper, and as affine: two hidden layers without activations, whose sizes halve or shrink
            // by a third of the pixels.
            let pixels: usize = input.iter().product();
            b.flatten();
            for layer in 1..=2 {
                let features = if name == "dense_poly" { pixels >> layer } else { pixels * (3 - layer) / 3 };
                b.linear(&format!("fc{layer}"), features);
            }
            b.linear("fc3", classes);
        }
        _ => {
            return Err(GraphError::new(format!(
                "no network is called `{name}`; there are {}",
                NAMES.join(", ")
            )));
        }
    }
    let model = b.finish();
    crate::shape::infer(&model.graph, &model.weights)?;
    Ok(model)
}

/// A chain of nodes under construction; `value` is its loose end.
struct Builder {
    graph: Graph,
    weights: Weights,
    value: String,
    shape: [usize; 3],
    seed: u64,
}

impl Builder {
    fn new(name: &str, input: [usize; 3], seed: u64) -> Self {
        let graph = Graph {
            name: name.to_owned(),
            input: "input".to_owned(),
            input_shape: input.to_vec(),
            output: String::new(),
            nodes: Vec::new(),
        };
        Self { graph, weights: Weights::default(), value: "input".to_owned(), shape: input, seed }
    }

    fn finish(mut self) -> Model {
        self.graph.output = self.value;
        Model { graph: self.graph, weights: self.weights }
    }

    fn push(&mut self, name: &str, op: Op, parameters: &[&str]) -> &mut Self {
        let mut inputs = vec![self.value.clone()];
        inputs.extend(parameters.iter().map(|&p| p.to_owned()));
        self.value = format!("{name}.out");
        self.graph.nodes.push(Node { name: name.to_owned(), op, inputs, output: self.value.clone() });
        self
    }

    /// A name after the last node: activations and pools are called after what they follow.
    fn suffixed(&self, suffix: &str) -> String {
        let last = self.graph.nodes.last().map_or("input", |n| n.name.as_str());
        format!("{last}.{suffix}")
    }

    fn uniform(&mut self, name: &str, shape: &[usize], fan_in: usize) {
        let bound = 1.0 / (fan_in as f32).sqrt();
        let mut stream = Stream::new(self.seed, name);
        let values = (0..shape.iter().product()).map(|_| stream.uniform(-bound, bound)).collect();
        self.weights.set(name, Tensor::f32(shape, values));
    }

    fn constant(&mut self, name: &str, len: usize, value: f32) {
        self.weights.set(name, Tensor::f32([len], vec![value; len]));
    }

    fn conv(
        &mut self,
        name: &str,
        out: usize,
        kernel: usize,
        stride: usize,
        padding: usize,
        bias: bool,
    ) -> &mut Self {
        let [c, h, w] = self.shape;
        let (weight_name, bias_name) = (format!("{name}.weight"), format!("{name}.bias"));
        let fan_in = c * kernel * kernel;
        self.uniform(&weight_name, &[out, c, kernel, kernel], fan_in);
        let op = Op::Conv2d { stride: [stride; 2], padding: [padding; 2], groups: 1 };
        if bias {
            self.uniform(&bias_name, &[out], fan_in);
            self.push(name, op, &[&weight_name, &bias_name]);
        } else {
            self.push(name, op, &[&weight_name]);
        }
        let slide = |n: usize| (n + 2 * padding).saturating_sub(kernel) / stride + 1;
        self.shape = [out, slide(h), slide(w)];
        self
    }

    fn batch_norm(&mut self, name: &str) -> &mut Self {
        let channels = self.shape[0];
        let names = ["weight", "bias", "running_mean", "running_var"].map(|p| format!("{name}.{p}"));
        for (name, value) in names.iter().zip([1.0, 0.0, 0.0, 1.0]) {
            self.constant(name, channels, value);
        }
        self.push(
            name,
            Op::BatchNorm2d { epsilon: 1e-5, momentum: 0.1 },
            &names.each_ref().map(String::as_str),
        )
    }

    fn conv_bn(&mut self, name: &str, out: usize, kernel: usize, padding: usize) -> &mut Self {
        self.conv_bn_strided(name, out, kernel, 1, padding)
    }

    fn conv_bn_strided(
        &mut self,
        name: &str,
        out: usize,
        kernel: usize,
        stride: usize,
        padding: usize,
    ) -> &mut Self {
        self.conv(&format!("conv{name}"), out, kernel, stride, padding, false);
        self.batch_norm(&format!("bn{name}"))
    }

    fn relu(&mut self) -> &mut Self {
        let name = self.suffixed("relu");
        self.push(&name, Op::Relu, &[])
    }

    fn max_pool(&mut self) -> &mut Self {
        let name = self.suffixed("pool");
        self.shape = [self.shape[0], self.shape[1] / 2, self.shape[2] / 2];
        self.push(&name, Op::MaxPool2d(Window { kernel: [2; 2], stride: [2; 2], padding: [0; 2] }), &[])
    }

    fn global_avg_pool(&mut self) -> &mut Self {
        let name = self.suffixed("mean");
        self.shape = [self.shape[0], 1, 1];
        self.push(&name, Op::GlobalAvgPool, &[])
    }

    fn flatten(&mut self) -> &mut Self {
        let name = self.suffixed("flatten");
        self.shape = [self.shape.iter().product(), 1, 1];
        self.push(&name, Op::Flatten, &[])
    }

    fn linear(&mut self, name: &str, out: usize) -> &mut Self {
        let features = self.shape[0];
        let (weight_name, bias_name) = (format!("{name}.weight"), format!("{name}.bias"));
        self.uniform(&weight_name, &[out, features], features);
        self.uniform(&bias_name, &[out], features);
        self.shape = [out, 1, 1];
        self.push(name, Op::Linear, &[&weight_name, &bias_name])
    }

    fn add(&mut self, other: &str) -> &mut Self {
        let name = self.suffixed("add");
        self.push(&name, Op::Add, &[other])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shape::{infer, macs};

    #[test]
    fn simple_cnn_is_the_papers_network() {
        for (input, parameters, expected) in
            [([1, 28, 28], 252_568, 320_460), ([3, 32, 32], 3_846_388, 4_650_240)]
        {
            let model = build("simple_cnn_faithful", input, 10, 1.0, 1).unwrap();
            let shapes = infer(&model.graph, &model.weights).unwrap();
            let running: usize = model
                .weights
                .0
                .iter()
                .filter(|(n, _)| n.contains("running"))
                .map(|(_, t)| t.values.len())
                .sum();
            assert_eq!(model.weights.count() - running, parameters);
            assert_eq!(macs(&model.graph, &shapes), expected);
        }
    }

    #[test]
    fn the_papers_dense_networks_are_as_large_as_theirs() {
        for (name, input, parameters) in [
            ("dense_poly", [1, 28, 28], 386_718),
            ("dense_poly", [3, 32, 32], 5_908_234),
            ("dense_linear", [1, 28, 28], 548_893),
            ("dense_linear", [3, 32, 32], 8_401_930),
        ] {
            let model = build(name, input, 10, 1.0, 1).unwrap();
            assert_eq!(model.weights.count(), parameters, "{name} for {input:?}");
            assert!(model.graph.nodes.iter().all(|node| matches!(node.op, Op::Flatten | Op::Linear)));
        }
    }

    #[test]
    fn every_network_builds_at_every_width() {
        for name in NAMES.into_iter().chain(["untuned"]) {
            for width in [0.25, 0.5, 1.0, 1.5] {
                let model = build(name, default_input(name), 10, width, 3).unwrap();
                assert_eq!(infer(&model.graph, &model.weights).unwrap().of(&model.graph.output), [10]);
            }
        }
    }

    #[test]
    fn an_unknown_network_is_named() {
        let error = build("lenett", [1, 28, 28], 10, 1.0, 1).unwrap_err();
        assert!(error.to_string().contains("`lenett`"));
    }
}
