//! Shape inference: the shape of every value of a graph, or the node that is wrong.

use std::collections::BTreeMap;
use std::fmt;

use crate::graph::{Graph, Node, Op, Window};
use crate::tensor::Weights;

/// A graph that cannot be computed: the node, and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct GraphError {
    node: Option<String>,
    message: String,
}

impl GraphError {
    /// An error about `node`.
    pub fn at(node: &Node, message: impl Into<String>) -> Self {
        Self { node: Some(node.name.clone()), message: message.into() }
    }

    /// An error about the graph as a whole.
    pub fn new(message: impl Into<String>) -> Self {
        Self { node: None, message: message.into() }
    }

    /// Name of the node at fault, when there is one.
    pub fn node(&self) -> Option<&str> {
        self.node.as_deref()
    }
}

impl fmt::Display for GraphError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.node {
            Some(node) => write!(f, "in node `{node}`: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

/// Shape of every value and parameter by name, without the batch dimension of values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shapes(pub BTreeMap<String, Vec<usize>>);

impl Shapes {
    /// The shape of `value`. Panics when the graph was not the one that was inferred.
    pub fn of(&self, value: &str) -> &[usize] {
        &self.0[value]
    }

    /// Numbers in one example of `value`.
    pub fn len_of(&self, value: &str) -> usize {
        self.of(value).iter().product()
    }

    /// `[c, h, w]` of an image, `[n, 1, 1]` of a vector.
    pub fn image_of(&self, value: &str) -> [usize; 3] {
        match *self.of(value) {
            [c, h, w] => [c, h, w],
            [n] => [n, 1, 1],
            ref other => unreachable!("values have one or three dimensions, not {other:?}"),
        }
    }
}

/// Infers the shape of every value of `graph`, checking each node against its inputs.
pub fn infer(graph: &Graph, weights: &Weights) -> Result<Shapes, GraphError> {
    if !matches!(graph.input_shape.len(), 1 | 3) || graph.input_shape.contains(&0) {
        return Err(GraphError::new(format!(
            "the input `{}` has shape {:?}; [features] or [channels, height, width] is supported",
            graph.input, graph.input_shape
        )));
    }
    let mut shapes = Shapes::default();
    for (name, tensor) in &weights.0 {
        shapes.0.insert(name.clone(), tensor.shape.clone());
    }
    shapes.0.insert(graph.input.clone(), graph.input_shape.clone());
    for node in &graph.nodes {
        let inputs = node
            .inputs
            .iter()
            .map(|name| {
                shapes.0.get(name).map(Vec::as_slice).ok_or_else(|| {
                    GraphError::at(
                        node,
                        format!("the input `{name}` is neither a parameter nor defined before"),
                    )
                })
            })
            .collect::<Result<Vec<_>, _>>()?;
        let output = infer_node(node, &inputs)?;
        if output.contains(&0) || output.iter().try_fold(1usize, |n, &d| n.checked_mul(d)).is_none() {
            return Err(GraphError::at(node, format!("the output would have shape {output:?}")));
        }
        if shapes.0.insert(node.output.clone(), output).is_some() {
            return Err(GraphError::at(node, format!("the output `{}` is defined twice", node.output)));
        }
    }
    if graph.producer(&graph.output).is_none() {
        return Err(GraphError::new(format!("no node defines the output `{}`", graph.output)));
    }
    Ok(shapes)
}

fn infer_node(node: &Node, inputs: &[&[usize]]) -> Result<Vec<usize>, GraphError> {
    let arity = match node.op {
        Op::Conv2d { .. } | Op::Linear => 2..=3,
        Op::BatchNorm2d { .. } => 5..=5,
        Op::Add => 2..=2,
        Op::QuantizeLinear | Op::DequantizeLinear { .. } => 3..=3,
        _ => 1..=1,
    };
    if !arity.contains(&inputs.len()) {
        return Err(GraphError::at(
            node,
            format!(
                "{} takes {} to {} inputs, not {}",
                node.op.name(),
                arity.start(),
                arity.end(),
                inputs.len()
            ),
        ));
    }
    let x = inputs[0];
    match &node.op {
        Op::Conv2d { stride, padding, groups } => {
            let [c, h, w] = image(node, x)?;
            let &[out, per_group, kh, kw] = inputs[1] else {
                return Err(GraphError::at(
                    node,
                    format!("weights [out, in/groups, kh, kw] expected, not {:?}", inputs[1]),
                ));
            };
            if *groups == 0 || c % groups != 0 || out % groups != 0 || per_group != c / groups {
                return Err(GraphError::at(
                    node,
                    format!("{c} input channels do not match weights {:?} in {groups} groups", inputs[1]),
                ));
            }
            vector(node, "bias", inputs.get(2), out)?;
            let window = Window { kernel: [kh, kw], stride: *stride, padding: *padding };
            let [h, w] = slide(node, [h, w], &window)?;
            Ok(vec![out, h, w])
        }
        Op::Linear => {
            let &[features] = x else {
                return Err(GraphError::at(
                    node,
                    format!("a vector is expected, not {x:?}; add a Flatten before it"),
                ));
            };
            let &[out, fan_in] = inputs[1] else {
                return Err(GraphError::at(node, format!("weights [out, in] expected, not {:?}", inputs[1])));
            };
            if fan_in != features {
                return Err(GraphError::at(
                    node,
                    format!("{features} features do not match weights {:?}", inputs[1]),
                ));
            }
            vector(node, "bias", inputs.get(2), out)?;
            Ok(vec![out])
        }
        Op::BatchNorm2d { .. } => {
            let [c, ..] = image(node, x)?;
            for (name, shape) in ["weight", "bias", "running_mean", "running_var"].iter().zip(&inputs[1..]) {
                vector(node, name, Some(shape), c)?;
            }
            Ok(x.to_vec())
        }
        Op::MaxPool2d(window) | Op::AvgPool2d(window) => {
            let [c, h, w] = image(node, x)?;
            if window.padding[0] >= window.kernel[0].max(1) || window.padding[1] >= window.kernel[1].max(1) {
                return Err(GraphError::at(
                    node,
                    format!("padding {:?} reaches over the window {:?}", window.padding, window.kernel),
                ));
            }
            let [h, w] = slide(node, [h, w], window)?;
            Ok(vec![c, h, w])
        }
        Op::GlobalAvgPool => {
            let [c, ..] = image(node, x)?;
            Ok(vec![c, 1, 1])
        }
        Op::Add => {
            if x != inputs[1] {
                return Err(GraphError::at(node, format!("cannot add {x:?} and {:?}", inputs[1])));
            }
            Ok(x.to_vec())
        }
        Op::Flatten => Ok(vec![x.iter().product()]),
        Op::Softmax if x.len() != 1 => {
            Err(GraphError::at(node, format!("softmax runs over a vector of classes, not {x:?}")))
        }
        Op::Relu | Op::Dropout { .. } | Op::Softmax => Ok(x.to_vec()),
        Op::QuantizeLinear => {
            scale_of(node, inputs, 1)?;
            Ok(x.to_vec())
        }
        Op::DequantizeLinear { axis } => {
            let per = x.get(*axis).copied().unwrap_or(1);
            scale_of(node, inputs, per)?;
            Ok(x.to_vec())
        }
    }
}

fn image(node: &Node, shape: &[usize]) -> Result<[usize; 3], GraphError> {
    shape.try_into().map_err(|_| {
        GraphError::at(node, format!("{} takes [channels, height, width], not {shape:?}", node.op.name()))
    })
}

fn vector(node: &Node, what: &str, shape: Option<&&[usize]>, len: usize) -> Result<(), GraphError> {
    match shape {
        Some(shape) if **shape != [len] => {
            Err(GraphError::at(node, format!("{what} of {len} numbers expected, not {shape:?}")))
        }
        _ => Ok(()),
    }
}

fn slide(node: &Node, size: [usize; 2], window: &Window) -> Result<[usize; 2], GraphError> {
    let mut out = [0; 2];
    for axis in 0..2 {
        let padded = size[axis].saturating_add(window.padding[axis].saturating_mul(2));
        if window.kernel[axis] == 0 || window.stride[axis] == 0 || padded < window.kernel[axis] {
            return Err(GraphError::at(
                node,
                format!(
                    "a window of {:?}, stride {:?}, padding {:?} does not fit an image of {size:?}",
                    window.kernel, window.stride, window.padding
                ),
            ));
        }
        out[axis] = (padded - window.kernel[axis]) / window.stride[axis] + 1;
    }
    Ok(out)
}

fn scale_of(node: &Node, inputs: &[&[usize]], per_axis: usize) -> Result<(), GraphError> {
    let count = |shape: &[usize]| shape.iter().product::<usize>();
    let scales = count(inputs[1]);
    if (scales != 1 && scales != per_axis) || count(inputs[2]) != scales {
        return Err(GraphError::at(
            node,
            format!("scale {:?} and zero point {:?} do not fit {:?}", inputs[1], inputs[2], inputs[0]),
        ));
    }
    Ok(())
}

/// Multiply-accumulates of one inference: those of convolutions and linear layers.
pub fn macs(graph: &Graph, shapes: &Shapes) -> u64 {
    graph.nodes.iter().map(|node| node_macs(node, shapes)).sum()
}

/// Multiply-accumulates of one node for one example.
pub fn node_macs(node: &Node, shapes: &Shapes) -> u64 {
    match node.op {
        Op::Conv2d { .. } => {
            let [_, h, w] = shapes.image_of(&node.output);
            (shapes.len_of(&node.inputs[1]) * h * w) as u64
        }
        Op::Linear => shapes.len_of(&node.inputs[1]) as u64,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::builders::build;

    #[test]
    fn lenet_has_the_known_shapes_and_macs() {
        let model = build("lenet", [1, 28, 28], 10, 1.0, 1).unwrap();
        let shapes = infer(&model.graph, &model.weights).unwrap();
        assert_eq!(shapes.of(&model.graph.output), [10]);
        // 28·28·9·32 + 14·14·9·32·64 + 3136·128 + 128·10
        assert_eq!(macs(&model.graph, &shapes), 225_792 + 3_612_672 + 401_408 + 1_280);
        assert_eq!(model.weights.count(), 421_642);
    }

    #[test]
    fn an_error_names_the_node() {
        let mut model = build("lenet", [1, 28, 28], 10, 1.0, 1).unwrap();
        model.graph.input_shape = vec![1, 28, 20];
        let error = infer(&model.graph, &model.weights).unwrap_err();
        assert_eq!(error.node(), Some("fc1"));
        assert_eq!(error.to_string(), "in node `fc1`: 2240 features do not match weights [128, 3136]");
    }
}
