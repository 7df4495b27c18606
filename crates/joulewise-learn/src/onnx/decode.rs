//! From ONNX to our graph: names, constants and shapes; [`super::operators`] reads each node.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use prost::Message as _;

use super::attributes::Attributes;
use super::error::OnnxError;
use super::proto::{Extent, GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto, data_type};
use super::tensors;
use crate::graph::{Graph, Model, Node, Op};
use crate::shape;
use crate::tensor::{Tensor, Weights};

/// Before opset 7, BatchNormalization and Add meant something else.
const OLDEST_OPSET: i64 = 7;

/// Numbers in one example of a value: 1 GiB of floats. More is a damaged or a hostile file.
const LARGEST_VALUE: usize = 1 << 28;

pub(super) fn decode(bytes: &[u8]) -> Result<Model, OnnxError> {
    let proto = ModelProto::decode(bytes)
        .map_err(|e| OnnxError::malformed(format!("not an ONNX model, or a damaged one: {e}")))?;
    let Some(graph) = &proto.graph else {
        return Err(OnnxError::malformed("not an ONNX model: it holds no graph"));
    };
    let standard = |domain: &str| matches!(domain, "" | "ai.onnx");
    let opset = proto.opset_import.iter().find(|o| standard(&o.domain)).map_or(1, |o| o.version);
    if opset < OLDEST_OPSET {
        return Err(OnnxError::unsupported(format!(
            "the model uses opset {opset}; export it with opset {OLDEST_OPSET} or newer, best 17"
        )));
    }
    let mut reader = Reader::new(graph, opset)?;
    for (index, node) in graph.node.iter().enumerate() {
        reader.read_node(index, node)?;
    }
    reader.finish(graph)
}

/// One ONNX node on its way to become ours.
pub(super) struct Call<'a> {
    pub(super) proto: &'a NodeProto,
    pub(super) attributes: Attributes<'a>,
    /// Unique, also where the file gives no name.
    pub(super) name: String,
    /// The node in messages.
    pub(super) title: String,
}

impl Call<'_> {
    pub(super) fn unsupported(&self, message: &str) -> OnnxError {
        OnnxError::unsupported(format!("{}: {message}", self.title))
    }

    pub(super) fn malformed(&self, message: &str) -> OnnxError {
        OnnxError::malformed(format!("{}: {message}", self.title))
    }

    /// The name of input `index`; `None` where an optional one is left out.
    pub(super) fn input(&self, index: usize) -> Option<&str> {
        self.proto.input.get(index).map(String::as_str).filter(|name| !name.is_empty())
    }

    fn required_input(&self, index: usize) -> Result<&str, OnnxError> {
        self.input(index).ok_or_else(|| self.malformed(&format!("input {index} is missing")))
    }

    pub(super) fn output(&self) -> Result<&str, OnnxError> {
        match self.proto.output.first() {
            Some(name) if !name.is_empty() => Ok(name),
            _ => Err(self.malformed("it has no output")),
        }
    }
}

/// What a defined name stands for.
enum Defined {
    /// Computed from the network's input.
    Value,
    /// A parameter, dequantised; the name of the stored integers.
    Dequantized(String),
}

/// The model read so far.
pub(super) struct Reader<'a> {
    pub(super) opset: i64,
    /// The size of the batch, where the file fixes it.
    pub(super) batch: Option<i64>,
    pub(super) model: Model,
    constants: BTreeMap<&'a str, Cow<'a, TensorProto>>,
    defined: BTreeMap<String, Defined>,
    aliases: BTreeMap<String, String>,
    /// Numbers computed from shapes.
    extents: BTreeMap<String, Vec<i64>>,
    node_names: BTreeSet<String>,
    /// Reshapes that are Flatten if the value has so many numbers: (node, value, numbers).
    promised_lengths: Vec<(String, String, usize)>,
}

impl<'a> Reader<'a> {
    fn new(graph: &'a GraphProto, opset: i64) -> Result<Self, OnnxError> {
        let mut constants = BTreeMap::new();
        for tensor in &graph.initializer {
            if constants.insert(tensor.name.as_str(), Cow::Borrowed(tensor)).is_some() {
                return Err(OnnxError::malformed(format!("two parameters are called `{}`", tensor.name)));
            }
        }
        // Old files list the parameters among the inputs.
        let fed: Vec<_> = graph.input.iter().filter(|i| !constants.contains_key(i.name.as_str())).collect();
        let &[input] = fed.as_slice() else {
            let names: Vec<_> = fed.iter().map(|i| i.name.as_str()).collect();
            return Err(OnnxError::unsupported(format!(
                "the model has {} inputs ({}); networks with one input are supported",
                fed.len(),
                names.join(", ")
            )));
        };
        let (batch, input_shape) = shape_of_input(input)?;
        let model = Model {
            graph: Graph {
                name: graph.name.clone(),
                input: input.name.clone(),
                input_shape,
                output: String::new(),
                nodes: Vec::with_capacity(graph.node.len()),
            },
            weights: Weights::default(),
        };
        Ok(Self {
            opset,
            batch,
            model,
            constants,
            defined: BTreeMap::from([(input.name.clone(), Defined::Value)]),
            aliases: BTreeMap::new(),
            extents: BTreeMap::new(),
            node_names: BTreeSet::new(),
            promised_lengths: Vec::new(),
        })
    }

    fn read_node(&mut self, index: usize, node: &'a NodeProto) -> Result<(), OnnxError> {
        let mut name = node.name.clone();
        while name.is_empty() || self.node_names.contains(&name) {
            name = format!("{name}{}{}_{index}", if name.is_empty() { "" } else { "_" }, node.op_type);
        }
        self.node_names.insert(name.clone());
        let title = format!("node `{name}` ({})", node.op_type);
        let mut call = Call { proto: node, attributes: Attributes::of(node, &title), name, title };
        self.read_operator(&mut call)?;
        call.attributes.finish()
    }

    fn finish(mut self, graph: &GraphProto) -> Result<Model, OnnxError> {
        let [output] = graph.output.as_slice() else {
            return Err(OnnxError::unsupported(format!(
                "the model has {} outputs; networks with one output are supported",
                graph.output.len()
            )));
        };
        let output = self.resolve(&output.name).to_owned();
        self.model.graph.output = output;
        let shapes = shape::infer(&self.model.graph, &self.model.weights)
            .map_err(|e| OnnxError::malformed(format!("the graph cannot be computed: {e}")))?;
        for node in &self.model.graph.nodes {
            if shapes.len_of(&node.output) > LARGEST_VALUE {
                let shape = shapes.of(&node.output);
                return Err(OnnxError::unsupported(format!(
                    "node `{}` ({}): a result of shape {shape:?} is too large",
                    node.name,
                    node.op.name()
                )));
            }
        }
        for (title, value, promised) in &self.promised_lengths {
            let len = shapes.len_of(value);
            if len != *promised {
                return Err(OnnxError::unsupported(format!(
                    "{title}: only a reshape to one vector per example is supported, here of {len} numbers, \
                     not {promised}"
                )));
            }
        }
        // What was transposed or reshaped is there twice.
        self.model.drop_unused_weights();
        Ok(self.model)
    }

    pub(super) fn resolve<'n>(&'n self, name: &'n str) -> &'n str {
        self.aliases.get(name).map_or(name, String::as_str)
    }

    /// Input `index`, which must be computed from the network's input.
    pub(super) fn value(&self, call: &Call, index: usize) -> Result<String, OnnxError> {
        let name = self.resolve(call.required_input(index)?);
        match self.defined.get(name) {
            Some(Defined::Value) => Ok(name.to_owned()),
            Some(Defined::Dequantized(_)) => {
                Err(call.unsupported(&format!("`{name}` is a parameter, where a computed value is expected")))
            }
            None if self.constants.contains_key(name) => {
                Err(call.unsupported(&format!("`{name}` is a constant, where a computed value is expected")))
            }
            None => Err(call.malformed(&format!("the input `{name}` is not defined before"))),
        }
    }

    /// Whether input `index` is computed from the network's input.
    pub(super) fn is_value(&self, call: &Call, index: usize) -> bool {
        let name = call.input(index).map(|name| self.resolve(name));
        name.is_some_and(|name| matches!(self.defined.get(name), Some(Defined::Value)))
    }

    /// Input `index` as a constant, where it is one.
    pub(super) fn constant(&self, call: &Call, index: usize) -> Option<&TensorProto> {
        let name = self.resolve(call.input(index)?);
        self.constants.get(name).map(Cow::as_ref)
    }

    /// Input `index` as a float parameter, stored or dequantised: its name and shape.
    pub(super) fn parameter(&mut self, call: &Call, index: usize) -> Result<(String, Vec<usize>), OnnxError> {
        let name = self.resolve(call.required_input(index)?).to_owned();
        if let Some(Defined::Dequantized(stored)) = self.defined.get(&name) {
            let shape = self.model.weights.get(stored).map(|t| t.shape.clone()).unwrap_or_default();
            return Ok((name, shape));
        }
        let (name, tensor) = self.stored(call, index)?;
        if tensor.as_f32().is_none() {
            return Err(call.unsupported(&format!(
                "the parameter `{name}` holds integers; put a DequantizeLinear before its use"
            )));
        }
        let shape = tensor.shape.clone();
        Ok((name, shape))
    }

    /// Input `index` as a float parameter, unless it is left out.
    pub(super) fn optional_parameter(
        &mut self,
        call: &Call,
        index: usize,
    ) -> Result<Option<(String, Vec<usize>)>, OnnxError> {
        if call.input(index).is_none() { Ok(None) } else { self.parameter(call, index).map(Some) }
    }

    /// Input `index` as a parameter of any type, which joins the model's weights.
    pub(super) fn stored(&mut self, call: &Call, index: usize) -> Result<(String, &Tensor), OnnxError> {
        let name = self.resolve(call.required_input(index)?).to_owned();
        if self.model.weights.get(&name).is_none() {
            let Some(proto) = self.constants.get(name.as_str()) else {
                return Err(call.unsupported(&format!("`{name}` must be a parameter stored in the file")));
            };
            self.model.weights.set(name.clone(), tensors::read(proto)?);
        }
        let tensor = &self.model.weights.0[&name];
        Ok((name, tensor))
    }

    /// Adds a parameter that the file does not hold in this form.
    pub(super) fn derive(&mut self, call: &Call, name: &str, tensor: Tensor) -> Result<(), OnnxError> {
        let other = self.constants.contains_key(name)
            || self.defined.contains_key(name)
            || self.model.weights.get(name).is_some_and(|t| *t != tensor);
        if other {
            return Err(call.unsupported(&format!("the name `{name}` is needed; rename the tensor")));
        }
        self.model.weights.set(name, tensor);
        Ok(())
    }

    /// Adds the node, which defines a value.
    pub(super) fn emit(&mut self, call: &Call, op: Op, inputs: Vec<String>) -> Result<(), OnnxError> {
        self.define(call, Defined::Value)?;
        self.push(call, op, inputs)
    }

    /// Adds the node, which makes the stored parameter `inputs[0]` usable.
    pub(super) fn emit_dequantized(
        &mut self,
        call: &Call,
        op: Op,
        inputs: Vec<String>,
    ) -> Result<(), OnnxError> {
        self.define(call, Defined::Dequantized(inputs[0].clone()))?;
        self.push(call, op, inputs)
    }

    fn push(&mut self, call: &Call, op: Op, inputs: Vec<String>) -> Result<(), OnnxError> {
        let output = call.output()?.to_owned();
        self.model.graph.nodes.push(Node { name: call.name.clone(), op, inputs, output });
        Ok(())
    }

    fn define(&mut self, call: &Call, as_what: Defined) -> Result<(), OnnxError> {
        let name = self.fresh_output(call)?;
        self.defined.insert(name, as_what);
        Ok(())
    }

    /// The node's output, which nothing else may define.
    fn fresh_output(&self, call: &Call) -> Result<String, OnnxError> {
        let name = call.output()?;
        let taken = self.defined.contains_key(name)
            || self.constants.contains_key(name)
            || self.aliases.contains_key(name)
            || self.extents.contains_key(name)
            || self.model.weights.get(name).is_some();
        if taken {
            return Err(call.malformed(&format!("the output `{name}` is defined twice")));
        }
        Ok(name.to_owned())
    }

    /// The node's output is its input under another name.
    pub(super) fn alias(&mut self, call: &Call) -> Result<(), OnnxError> {
        let source = self.resolve(call.required_input(0)?).to_owned();
        let name = self.fresh_output(call)?;
        self.aliases.insert(name, source);
        Ok(())
    }

    /// The node's output is a constant.
    pub(super) fn constant_output(
        &mut self,
        call: &Call<'a>,
        tensor: Cow<'a, TensorProto>,
    ) -> Result<(), OnnxError> {
        self.fresh_output(call)?;
        self.constants.insert(call.proto.output[0].as_str(), tensor);
        Ok(())
    }

    /// The numbers called `name`, where they were computed from a shape.
    pub(super) fn computed_extents(&self, name: &str) -> Option<&[i64]> {
        self.extents.get(self.resolve(name)).map(Vec::as_slice)
    }

    /// The node's output is numbers that belong to shapes.
    pub(super) fn define_extents(&mut self, call: &Call, extents: Vec<i64>) -> Result<(), OnnxError> {
        let name = self.fresh_output(call)?;
        self.extents.insert(name, extents);
        Ok(())
    }

    /// Adds a node before `call`'s own, for an operator that is two of ours; gives its output.
    pub(super) fn emit_before(
        &mut self,
        call: &Call,
        step: &str,
        op: Op,
        x: String,
    ) -> Result<String, OnnxError> {
        let [name, output] = [call.name.as_str(), call.output()?].map(|n| format!("{n}.{step}"));
        if !self.node_names.insert(name.clone())
            || self.defined.insert(output.clone(), Defined::Value).is_some()
        {
            return Err(
                call.unsupported(&format!("the names `{name}` and `{output}` are needed; rename the others"))
            );
        }
        self.model.graph.nodes.push(Node { name, op, inputs: vec![x], output: output.clone() });
        Ok(output)
    }

    /// Moves the name of the last node's output on: it absorbs the node `call`.
    pub(super) fn absorb(&mut self, call: &Call, operand: String) -> Result<(), OnnxError> {
        let output = self.fresh_output(call)?;
        if let Some(last) = self.model.graph.nodes.last_mut() {
            last.inputs.push(operand);
            self.defined.remove(&last.output);
            last.output.clone_from(&output);
        }
        self.defined.insert(output, Defined::Value);
        Ok(())
    }

    /// The node is a Flatten if its input turns out to hold `numbers`.
    pub(super) fn promise_length(&mut self, call: &Call, value: String, numbers: usize) {
        self.promised_lengths.push((call.title.clone(), value, numbers));
    }
}

/// The batch, where it is fixed, and the shape of one example.
fn shape_of_input(input: &ValueInfoProto) -> Result<(Option<i64>, Vec<usize>), OnnxError> {
    let tensor = input.r#type.as_ref().and_then(|t| t.tensor_type.as_ref());
    let Some(shape) = tensor.and_then(|t| t.shape.as_ref()) else {
        return Err(OnnxError::unsupported(format!("the input `{}` has no shape", input.name)));
    };
    let elem_type = tensor.map_or(0, |t| t.elem_type);
    if elem_type != data_type::FLOAT {
        return Err(OnnxError::unsupported(format!(
            "the input `{}` holds {}; float32 is supported",
            input.name,
            data_type::name(elem_type)
        )));
    }
    let Some((batch, example)) = shape.dim.split_first() else {
        return Err(OnnxError::unsupported(format!("the input `{}` is a single number", input.name)));
    };
    let extents: Option<Vec<usize>> = example
        .iter()
        .map(|d| match d.extent {
            Some(Extent::Value(d)) => usize::try_from(d).ok().filter(|d| (1..=LARGEST_VALUE).contains(d)),
            _ => None,
        })
        .collect();
    let sized = extents.filter(|extents| {
        extents.iter().try_fold(1usize, |len, &d| len.checked_mul(d)).is_some_and(|len| len <= LARGEST_VALUE)
    });
    let Some(extents) = sized else {
        return Err(OnnxError::unsupported(format!(
            "the input `{}` has unknown or impossible dimensions after the batch; export the model with a fixed \
             image size",
            input.name
        )));
    };
    let batch = match batch.extent {
        Some(Extent::Value(n)) if n > 0 => Some(n),
        _ => None,
    };
    Ok((batch, extents))
}
