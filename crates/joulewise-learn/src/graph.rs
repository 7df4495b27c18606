//! The one representation of a model: nodes with typed operators over named values.
//!
//! Names, shapes and parameter layouts are those of ONNX (`NCHW`, weights `[out, in, kh, kw]` and
//! `[out, in]`), without the batch dimension: engines choose their own layout when they compile.

use std::collections::BTreeSet;

use crate::tensor::Weights;

/// What a [`Node`] computes. Inputs are listed in ONNX's order.
#[derive(Clone, Debug, PartialEq)]
pub enum Op {
    /// Inputs `x`, `weight [out, in/groups, kh, kw]`, optionally `bias [out]`.
    Conv2d {
        /// Step between windows, (vertical, horizontal).
        stride: [usize; 2],
        /// Zeros around the image: top and bottom, left and right.
        padding: [usize; 2],
        /// Channel groups; `in` and `out` are divisible by it.
        groups: usize,
    },
    /// Inputs `x [in]`, `weight [out, in]`, optionally `bias [out]`.
    Linear,
    /// Inputs `x`, `weight`, `bias`, `running_mean`, `running_var`, each `[channels]`.
    BatchNorm2d {
        /// Added to the variance.
        epsilon: f32,
        /// Share of the newest batch in the running statistics (PyTorch's meaning, 0.1 by default).
        momentum: f32,
    },
    /// `max(x, 0)`.
    Relu,
    /// Maximum over windows.
    MaxPool2d(Window),
    /// Mean over windows; padding counts as zeros (PyTorch's default).
    AvgPool2d(Window),
    /// Mean over height and width: `[c, h, w]` to `[c, 1, 1]`.
    GlobalAvgPool,
    /// Elementwise sum of two inputs of the same shape.
    Add,
    /// `[c, h, w]` to `[c·h·w]`.
    Flatten,
    /// Zeroes a share of the values in training and rescales the rest; the identity elsewhere.
    Dropout {
        /// Probability of zeroing a value.
        p: f32,
    },
    /// Softmax over the last dimension of `[classes]`.
    Softmax,
    /// Inputs `x`, `scale`, `zero_point`: `clamp(round_half_even(x / scale) + zero_point)`, per tensor.
    QuantizeLinear,
    /// Inputs `x`, `scale`, `zero_point`: `(x - zero_point) · scale`, per tensor or per `axis` 0.
    DequantizeLinear {
        /// The axis that `scale` runs over, when it has more than one element (of a parameter, 0).
        axis: usize,
    },
}

impl Op {
    /// The operator's name in messages and profiles.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Conv2d { .. } => "Conv2d",
            Self::Linear => "Linear",
            Self::BatchNorm2d { .. } => "BatchNorm2d",
            Self::Relu => "Relu",
            Self::MaxPool2d(_) => "MaxPool2d",
            Self::AvgPool2d(_) => "AvgPool2d",
            Self::GlobalAvgPool => "GlobalAvgPool",
            Self::Add => "Add",
            Self::Flatten => "Flatten",
            Self::Dropout { .. } => "Dropout",
            Self::Softmax => "Softmax",
            Self::QuantizeLinear => "QuantizeLinear",
            Self::DequantizeLinear { .. } => "DequantizeLinear",
        }
    }
}

/// The window of a pooling operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Extent, (vertical, horizontal).
    pub kernel: [usize; 2],
    /// Step between windows.
    pub stride: [usize; 2],
    /// Padding on both sides.
    pub padding: [usize; 2],
}

/// One operation: named inputs to one named output.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Unique within the graph; in every message about this node.
    pub name: String,
    /// What it computes.
    pub op: Op,
    /// Names of values or parameters, in the operator's order.
    pub inputs: Vec<String>,
    /// Name of the value that it defines.
    pub output: String,
}

/// A network: nodes in topological order, from one input to one output.
#[derive(Clone, Debug, PartialEq)]
pub struct Graph {
    /// The network's name, as in `lenet`.
    pub name: String,
    /// Name of the value that is fed.
    pub input: String,
    /// Shape of one example, without the batch: `[c, h, w]` or `[features]`.
    pub input_shape: Vec<usize>,
    /// Name of the value that is the result.
    pub output: String,
    /// Operations; each reads only what is defined before it.
    pub nodes: Vec<Node>,
}

/// A graph with its parameters.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// The operations.
    pub graph: Graph,
    /// The parameters, under the names that the nodes use.
    pub weights: Weights,
}

impl Model {
    /// Forgets the parameters that no node reads.
    pub fn drop_unused_weights(&mut self) {
        let used: BTreeSet<&String> = self.graph.nodes.iter().flat_map(|n| &n.inputs).collect();
        self.weights.0.retain(|name, _| used.contains(name));
    }
}

impl Graph {
    /// The node that defines `value`; `None` for the graph's input and for parameters.
    pub fn producer(&self, value: &str) -> Option<&Node> {
        self.nodes.iter().find(|n| n.output == value)
    }

    /// The nodes that read `value`, in order.
    pub fn consumers<'a>(&'a self, value: &'a str) -> impl Iterator<Item = &'a Node> {
        self.nodes.iter().filter(move |n| n.inputs.iter().any(|i| i == value))
    }
}
