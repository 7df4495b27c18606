//! What a network can be made from, at any width and with fresh parameters.

use crate::builders;
use crate::compress::{Importance, Plan, prune};
use crate::graph::{Model, Op};
use crate::head::Head;
use crate::random::Stream;
use crate::shape::{GraphError, infer};
use crate::tensor::Tensor;

/// A network without its parameters.
#[derive(Clone, Debug, PartialEq)]
pub enum Architecture {
    /// One of [`builders::NAMES`].
    Named(String),
    /// The graph of a model, as of an ONNX file; its parameters only say how wide it is.
    Given(Box<Model>),
}

impl Architecture {
    /// The architecture of `model`. An error for what cannot be trained: a quantised network, or one that does
    /// not end in a linear classifier.
    pub fn given(model: Model) -> Result<Self, GraphError> {
        let nodes = &model.graph.nodes;
        let quantised = |op: &Op| matches!(op, Op::QuantizeLinear | Op::DequantizeLinear { .. });
        if let Some(node) = nodes.iter().find(|n| quantised(&n.op)) {
            return Err(GraphError::at(
                node,
                "a quantised network cannot be trained; give the one in floats",
            ));
        }
        Head::of(&model)?;
        Ok(Self::Given(Box::new(model)))
    }

    /// A network for images of `input` = `[channels, height, width]`, with `width` times the hidden channels and
    /// features (rounded to multiples of 4) and parameters drawn by `seed` as PyTorch's layers draw them.
    ///
    /// A given network can only be made narrower; its head is exchanged for one of `classes` classes.
    pub fn instance(
        &self,
        input: [usize; 3],
        classes: usize,
        width: f32,
        seed: u64,
    ) -> Result<Model, GraphError> {
        match self {
            Self::Named(name) => builders::build(name, input, classes, width, seed),
            Self::Given(model) => {
                if width > 1.0 {
                    return Err(GraphError::new(format!(
                        "a network from a file cannot be made {width} times as wide, only narrower"
                    )));
                }
                let mut instance = model.as_ref().clone();
                instance.graph.input_shape = input.to_vec();
                infer(&instance.graph, &instance.weights)?;
                let head = Head::of(&instance)?;
                let weight = Tensor::f32([classes, head.width], vec![0.0; classes * head.width]);
                let bias = Tensor::f32([classes], vec![0.0; classes]);
                let mut instance = narrowed(&head.exchange(&instance, weight, bias), width)?;
                redraw(&mut instance, seed);
                Ok(instance)
            }
        }
    }
}

/// `model` with the first `width` of each group of channels.
fn narrowed(model: &Model, width: f32) -> Result<Model, GraphError> {
    if width >= 1.0 {
        return Ok(model.clone());
    }
    let scaled = |channels: usize| (((channels as f32 * width) / 4.0).round() as usize * 4).max(4);
    let plan = Plan::keeping(model, Importance::GroupL2, |group| scaled(group.channels))?;
    prune(model, &plan)
}

/// Draws every parameter anew: weights and biases uniform within `1/√fan_in`, normalisations neutral.
fn redraw(model: &mut Model, seed: u64) {
    for node in &model.graph.nodes {
        let parameters = &node.inputs[1..];
        match node.op {
            Op::Conv2d { .. } | Op::Linear => {
                let shape =
                    parameters.first().and_then(|name| model.weights.get(name)).map(|w| &w.shape[1..]);
                let fan_in: usize = shape.unwrap_or_default().iter().product();
                let bound = 1.0 / (fan_in.max(1) as f32).sqrt();
                for name in parameters {
                    let mut stream = Stream::new(seed, name);
                    fill(model.weights.0.get_mut(name), || stream.uniform(-bound, bound));
                }
            }
            Op::BatchNorm2d { .. } => {
                for (name, value) in parameters.iter().zip([1.0, 0.0, 0.0, 1.0]) {
                    fill(model.weights.0.get_mut(name), || value);
                }
            }
            _ => {}
        }
    }
}

fn fill(tensor: Option<&mut Tensor>, mut value: impl FnMut() -> f32) {
    tensor.and_then(Tensor::as_f32_mut).unwrap_or_default().fill_with(&mut value);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compress::fold_batchnorm;
    use crate::onnx;

    /// The network called `name`, through an ONNX file, for pictures and classes that nobody asks for below.
    fn from_file(name: &str) -> Architecture {
        let model = builders::build(name, [1, 16, 16], 5, 1.0, 7).unwrap();
        Architecture::given(onnx::decode(&onnx::encode(&model).unwrap()).unwrap()).unwrap()
    }

    #[test]
    fn a_network_from_a_file_is_the_named_one_at_every_width() {
        for name in ["mlp", "lenet", "vgg", "resnet8"] {
            for width in [1.0, 0.5, 0.25] {
                let expected = builders::build(name, [1, 16, 16], 10, width, 3).unwrap();
                let found = from_file(name).instance([1, 16, 16], 10, width, 3).unwrap();
                assert_eq!(found.weights, expected.weights, "{name} at {width}");
                assert_eq!(found.graph.nodes.len(), expected.graph.nodes.len());
            }
        }
    }

    #[test]
    fn other_pictures_fit_where_the_network_pools_them() {
        let model = from_file("vgg").instance([1, 32, 32], 10, 0.5, 3).unwrap();
        assert_eq!(model.graph.input_shape, [1, 32, 32]);
        let error = from_file("lenet").instance([1, 32, 32], 10, 0.5, 3).unwrap_err();
        assert_eq!(error.node(), Some("fc1"));
        assert!(from_file("vgg").instance([3, 16, 16], 10, 1.0, 3).is_err(), "it reads one channel");
    }

    #[test]
    fn no_training_of_a_quantised_network_and_none_wider() {
        let mut model = builders::build("lenet", [1, 16, 16], 5, 0.25, 7).unwrap();
        assert!(from_file("lenet").instance([1, 16, 16], 5, 1.5, 1).is_err());
        model = fold_batchnorm(&model);
        let quantise = crate::graph::Node {
            name: "to-bytes".into(),
            op: Op::QuantizeLinear,
            inputs: vec!["input".into(), "scale".into(), "zero".into()],
            output: "bytes".into(),
        };
        model.graph.nodes.insert(0, quantise);
        assert_eq!(Architecture::given(model).unwrap_err().node(), Some("to-bytes"));
    }
}
