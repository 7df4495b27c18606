//! Channels that live and die together.
//!
//! Removing a channel of one layer removes the matching slice of every parameter that the channel
//! runs through: the batch normalisation behind it, the inputs of the next layers, and, where an Add
//! joins two paths, the channel of the same index on the other path. Such channels form a group.

use std::collections::{BTreeMap, BTreeSet};

use crate::graph::{Model, Node, Op};
use crate::shape::{self, GraphError, Shapes};

/// A set of coupled parameters whose channels are removed together.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// The name of the first layer that makes these channels.
    pub name: String,
    /// How many channels there are.
    pub channels: usize,
    /// The parts of parameters that belong to the channels.
    pub slices: Vec<Slice>,
    /// Depthwise convolutions, which have as many channel groups as channels.
    pub depthwise: Vec<String>,
}

/// Where the channels of a [`Group`] lie in one parameter: channel `c` owns the indices
/// `c·block .. (c + 1)·block` of dimension `axis`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slice {
    /// Name of the parameter.
    pub parameter: String,
    /// 0 for the channels that a layer makes, 1 for those that it reads.
    pub axis: usize,
    /// Indices per channel: more than one behind a Flatten.
    pub block: usize,
    /// What the parameter is to its layer.
    pub role: Role,
}

/// What a parameter is to its layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Weights of a convolution or a linear layer.
    Weight,
    /// The factor γ of a batch normalisation.
    NormWeight,
    /// A bias, or a running statistic: says nothing about how much the channel matters.
    Other,
}

/// The groups of `model` whose channels may be removed, in the order of the graph.
///
/// The channels of the network's input and output, those that run into a grouped convolution and
/// those of a parameter that two layers share are left out: they must stay.
pub fn groups(model: &Model) -> Result<Vec<Group>, GraphError> {
    let shapes = shape::infer(&model.graph, &model.weights)?;
    let mut walk = Walk::new(model, &shapes);
    for node in &model.graph.nodes {
        walk.visit(node)?;
    }
    Ok(walk.finish())
}

/// The channels of a value: an entry of [`Walk::sets`], and the numbers in a row per channel.
#[derive(Clone, Copy)]
struct Channels {
    set: usize,
    block: usize,
}

/// A set of coupled channels under construction.
struct Set {
    group: Group,
    /// Whether the channels must stay.
    frozen: bool,
    /// The set that this one was merged into.
    merged: Option<usize>,
}

struct Walk<'a> {
    shapes: &'a Shapes,
    output: &'a str,
    shared: BTreeSet<&'a str>,
    sets: Vec<Set>,
    values: BTreeMap<&'a str, Channels>,
}

impl<'a> Walk<'a> {
    fn new(model: &'a Model, shapes: &'a Shapes) -> Self {
        let graph = &model.graph;
        let mut seen = BTreeSet::new();
        let parameters =
            graph.nodes.iter().flat_map(|n| &n.inputs).filter(|i| model.weights.get(i).is_some());
        let shared = parameters.map(String::as_str).filter(|&name| !seen.insert(name)).collect();
        let mut walk = Self { shapes, output: &graph.output, shared, sets: vec![], values: BTreeMap::new() };
        let set = walk.new_set(&graph.input, graph.input_shape[0]);
        walk.sets[set].frozen = true;
        walk.values.insert(&graph.input, Channels { set, block: 1 });
        walk
    }

    fn visit(&mut self, node: &'a Node) -> Result<(), GraphError> {
        let Some(&x) = self.values.get(node.inputs[0].as_str()) else {
            return Err(GraphError::at(
                node,
                "it is computed from parameters; prune the model before quantising",
            ));
        };
        let channels = match node.op {
            Op::Conv2d { groups: 1, .. } | Op::Linear => {
                self.add_slice(x.set, &node.inputs[1], 1, x.block, Role::Weight);
                self.made_by(node)
            }
            Op::Conv2d { groups, .. } => {
                let made = self.made_by(node);
                let channels = self.shapes.of(&node.inputs[0])[0];
                if groups == channels && groups == self.shapes.of(&node.output)[0] {
                    self.sets[made.set].group.depthwise.push(node.name.clone());
                    self.merge(x.set, made.set);
                } else {
                    self.freeze(x.set);
                    self.freeze(made.set);
                }
                made
            }
            Op::BatchNorm2d { .. } => {
                self.add_slice(x.set, &node.inputs[1], 0, 1, Role::NormWeight);
                for parameter in &node.inputs[2..] {
                    self.add_slice(x.set, parameter, 0, 1, Role::Other);
                }
                x
            }
            Op::Relu | Op::MaxPool2d(_) | Op::AvgPool2d(_) | Op::GlobalAvgPool | Op::Dropout { .. } => x,
            Op::Flatten => {
                let per_channel: usize = self.shapes.of(&node.inputs[0])[1..].iter().product();
                Channels { set: x.set, block: x.block * per_channel }
            }
            Op::Add => {
                let Some(&other) = self.values.get(node.inputs[1].as_str()) else {
                    return Err(GraphError::at(node, "it adds a parameter"));
                };
                if x.block == other.block {
                    self.merge(x.set, other.set);
                } else {
                    self.freeze(x.set);
                    self.freeze(other.set);
                }
                x
            }
            // Without a channel the others would share its probability.
            Op::Softmax => {
                self.freeze(x.set);
                x
            }
            Op::QuantizeLinear | Op::DequantizeLinear { .. } => {
                return Err(GraphError::at(
                    node,
                    "a quantised model cannot be pruned; prune before quantising",
                ));
            }
        };
        if node.output == self.output {
            self.freeze(channels.set);
        }
        self.values.insert(&node.output, channels);
        Ok(())
    }

    /// New channels: the rows of a layer's weights.
    fn made_by(&mut self, node: &Node) -> Channels {
        let set = self.new_set(&node.name, self.shapes.of(&node.output)[0]);
        self.add_slice(set, &node.inputs[1], 0, 1, Role::Weight);
        if let Some(bias) = node.inputs.get(2) {
            self.add_slice(set, bias, 0, 1, Role::Other);
        }
        Channels { set, block: 1 }
    }

    fn new_set(&mut self, name: &str, channels: usize) -> usize {
        let group = Group { name: name.to_owned(), channels, slices: vec![], depthwise: vec![] };
        self.sets.push(Set { group, frozen: false, merged: None });
        self.sets.len() - 1
    }

    fn add_slice(&mut self, set: usize, parameter: &str, axis: usize, block: usize, role: Role) {
        let set = self.root(set);
        self.sets[set].frozen |= self.shared.contains(parameter);
        self.sets[set].group.slices.push(Slice { parameter: parameter.to_owned(), axis, block, role });
    }

    fn freeze(&mut self, set: usize) {
        let set = self.root(set);
        self.sets[set].frozen = true;
    }

    fn root(&self, mut set: usize) -> usize {
        while let Some(merged) = self.sets[set].merged {
            set = merged;
        }
        set
    }

    /// The later set joins the earlier one, whose name stays.
    fn merge(&mut self, a: usize, b: usize) {
        let (a, b) = (self.root(a), self.root(b));
        let (first, second) = (a.min(b), a.max(b));
        if first == second {
            return;
        }
        let slices = std::mem::take(&mut self.sets[second].group.slices);
        let depthwise = std::mem::take(&mut self.sets[second].group.depthwise);
        let frozen = self.sets[second].frozen;
        self.sets[second].merged = Some(first);
        self.sets[first].group.slices.extend(slices);
        self.sets[first].group.depthwise.extend(depthwise);
        self.sets[first].frozen |= frozen;
    }

    fn finish(self) -> Vec<Group> {
        self.sets.into_iter().filter(|s| !s.frozen && s.merged.is_none()).map(|s| s.group).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::builders::build;
    use crate::compress::tests::mixed_network;

    fn names(model: &Model) -> Vec<(String, usize)> {
        groups(model).unwrap().into_iter().map(|g| (g.name, g.channels)).collect()
    }

    #[test]
    fn an_add_couples_both_paths() {
        let model = build("resnet8", [3, 32, 32], 10, 1.0, 1).unwrap();
        let expected =
            [("conv1", 32), ("conv1a", 32), ("conv2", 64), ("conv2a", 64), ("conv3", 128), ("conv3a", 128)];
        assert_eq!(names(&model), expected.map(|(n, c)| (n.to_owned(), c)));
        let first = &groups(&model).unwrap()[0];
        let weights: Vec<_> = first
            .slices
            .iter()
            .filter(|s| s.role == Role::Weight)
            .map(|s| (s.parameter.as_str(), s.axis))
            .collect();
        let expected = [("conv1.weight", 0), ("conv1a.weight", 1), ("conv1b.weight", 0), ("conv2.weight", 1)];
        assert_eq!(weights.into_iter().collect::<BTreeSet<_>>(), expected.into_iter().collect());
    }

    #[test]
    fn a_channel_behind_a_flatten_is_a_block() {
        let model = build("lenet", [1, 28, 28], 10, 1.0, 1).unwrap();
        let conv2 = groups(&model).unwrap().into_iter().find(|g| g.name == "conv2").unwrap();
        let slice = conv2.slices.iter().find(|s| s.parameter == "fc1.weight").unwrap();
        assert_eq!((slice.axis, slice.block), (1, 49));
    }

    #[test]
    fn a_depthwise_convolution_couples_and_a_grouped_one_freezes() {
        let groups = groups(&mixed_network()).unwrap();
        let names: Vec<_> = groups.iter().map(|g| g.name.as_str()).collect();
        assert_eq!(names, ["first", "last"]);
        assert_eq!(groups[0].depthwise, ["depthwise"]);
        assert_eq!(groups[1].slices.iter().map(|s| s.block).max(), Some(9));
    }

    #[test]
    fn shared_parameters_stay() {
        let mut model = build("vgg", [3, 32, 32], 10, 0.25, 1).unwrap();
        let second = model.graph.nodes.iter().position(|n| n.name == "bn2").unwrap();
        model.graph.nodes[second].inputs[1] = "bn1.weight".to_owned();
        let names: Vec<_> = groups(&model).unwrap().into_iter().map(|g| g.name).collect();
        assert_eq!(names, ["conv3", "conv4", "conv5", "conv6"]);
    }
}
