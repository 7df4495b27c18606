//! From a QDQ graph to steps on bytes: every operation takes its QuantizeLinear, and its Relu, with it.

use std::collections::BTreeMap;

use joulewise_kernels::int8::{self, Affine, Weights};
use joulewise_kernels::{Conv, Image, Isa, quant};

use super::qdq::{Ending, affine, ending, parameters};
use crate::engine::parameter::Order;
use crate::graph::{Model, Node, Op, Window};
use crate::shape::{GraphError, Shapes, infer};

/// A network on bytes: first over images, then over rows of features, at last a row of floats.
#[derive(Debug)]
pub(super) struct Program {
    /// Value 0 is the input.
    pub(super) values: Vec<Value>,
    /// Steps on one image at a time; the last ones flatten.
    pub(super) image_steps: Vec<Step>,
    /// Steps on rows of features.
    pub(super) row_steps: Vec<Step>,
    pub(super) answer: Answer,
}

/// Bytes that stand for numbers.
#[derive(Clone, Debug)]
pub(super) struct Value {
    /// The layout of an image; for features one pixel without a border.
    pub(super) layout: Image,
    pub(super) affine: Affine,
    /// Whether there is a row for every example at once, rather than one image.
    pub(super) row: bool,
    /// For features, the `[c, h, w]` of the image that was flattened: they are in the order `[h, w, c]`.
    pub(super) image: [usize; 3],
}

/// An operation from one value to another.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) kind: Kind,
    pub(super) input: usize,
    pub(super) output: usize,
    /// The lowest code of the output: its zero point after a Relu, otherwise 0.
    pub(super) lowest: u8,
}

#[derive(Debug)]
pub(super) enum Kind {
    Conv {
        window: Window,
        groups: usize,
        product: Product,
    },
    Linear(Product),
    Add {
        other: usize,
    },
    MaxPool(Window),
    AveragePool(Window),
    GlobalAverage,
    Flatten,
    /// Code by code: another scale, or a Relu of its own.
    Recode(Box<[u8; 256]>),
}

/// Packed weights, and what one unit of the sums is in units of the output.
#[derive(Debug)]
pub(super) struct Product {
    pub(super) weights: Weights,
    pub(super) scale: Vec<f32>,
}

/// How the last bytes become floats.
#[derive(Debug)]
pub(super) struct Answer {
    /// The value that is read.
    pub(super) input: usize,
    /// The linear layer at the end; without one the codes are dequantised.
    pub(super) product: Option<Product>,
    pub(super) relu: bool,
    pub(super) softmax: bool,
    pub(super) outputs: usize,
}

/// Lowers `model`, with weights packed for `isa`.
pub(super) fn lower(isa: Isa, model: &Model) -> Result<Program, GraphError> {
    let shapes = infer(&model.graph, &model.weights)?;
    let mut lowering = Lowering {
        isa,
        model,
        shapes: &shapes,
        codes: BTreeMap::new(),
        names: BTreeMap::new(),
        values: Vec::new(),
        image_steps: Vec::new(),
        row_steps: Vec::new(),
        answer: None,
    };
    let mut absorbed: Vec<&str> = Vec::new();
    for node in &model.graph.nodes {
        if absorbed.contains(&node.output.as_str()) {
            continue;
        }
        let Ending { relu, quantize, .. } = lowering.node(node)?;
        absorbed.extend(relu.into_iter().chain(quantize).map(|n| n.output.as_str()));
    }
    lowering.finish()
}

struct Lowering<'a> {
    isa: Isa,
    model: &'a Model,
    shapes: &'a Shapes,
    /// The values by the names of their codes.
    codes: BTreeMap<&'a str, usize>,
    /// The values by the names of the numbers that the codes mean.
    names: BTreeMap<&'a str, usize>,
    values: Vec<Value>,
    image_steps: Vec<Step>,
    row_steps: Vec<Step>,
    /// The float result, and its name so far.
    answer: Option<(&'a str, Answer)>,
}

impl<'a> Lowering<'a> {
    /// Lowers `node` and what it absorbs.
    fn node(&mut self, node: &'a Node) -> Result<Ending<'a>, GraphError> {
        let nothing = Ending { relu: None, quantize: None, value: &node.output };
        let input = node.inputs[0].as_str();
        let graph = &self.model.graph;
        if let Op::DequantizeLinear { .. } = node.op {
            // Those of parameters are read by the operations.
            if let Some(&value) = self.codes.get(input) {
                if affine(self.model, node)? != self.values[value].affine {
                    return Err(GraphError::at(node, format!("`{input}` was quantised otherwise")));
                }
                self.names.insert(&node.output, value);
            }
            return Ok(nothing);
        }
        match (&node.op, self.names.get(input).copied()) {
            (Op::QuantizeLinear, None) if input == graph.input => {
                let value = self.define(input, affine(self.model, node)?);
                if value != 0 {
                    return Err(GraphError::at(node, "the input is quantised twice"));
                }
                self.codes.insert(&node.output, value);
                Ok(nothing)
            }
            // Dropout does nothing at inference.
            (Op::Dropout { .. }, Some(value)) => {
                self.names.insert(&node.output, value);
                Ok(nothing)
            }
            (_, Some(value)) => self.operation(node, value),
            (_, None) => self.after_the_answer(node).map(|()| nothing),
        }
    }

    fn operation(&mut self, node: &'a Node, input: usize) -> Result<Ending<'a>, GraphError> {
        let own = node.op == Op::Relu || node.op == Op::QuantizeLinear;
        let ending = match node.op {
            Op::QuantizeLinear => Ending { relu: None, quantize: Some(node), value: &node.output },
            _ => ending(&self.model.graph, node)?,
        };
        let relu = ending.relu.is_some() || node.op == Op::Relu;
        let Some(quantize) = ending.quantize else {
            let answer = self.float(node, input, relu)?;
            self.answer = Some((ending.value, answer));
            return Ok(ending);
        };
        let to = affine(self.model, quantize)?;
        let from = self.values[input].affine;
        let name = &quantize.output;
        let output = if own {
            self.recode(input, to, relu, name)
        } else {
            let kind = self.kind(node, input, to)?;
            match kind {
                Kind::Conv { .. } | Kind::Linear(_) | Kind::Add { .. } => {
                    self.step(kind, input, to, relu, name)
                }
                Kind::AveragePool(_) | Kind::GlobalAverage => {
                    let mean = self.step(kind, input, to, false, name);
                    self.recode(mean, to, relu, name)
                }
                Kind::Flatten if self.values[input].row => self.recode(input, to, relu, name),
                Kind::MaxPool(_) | Kind::Flatten | Kind::Recode(_) => {
                    let moved = self.step(kind, input, from, false, name);
                    self.recode(moved, to, relu, name)
                }
            }
        };
        self.codes.insert(name, output);
        Ok(ending)
    }

    fn kind(&self, node: &Node, input: usize, to: Affine) -> Result<Kind, GraphError> {
        Ok(match node.op {
            Op::Conv2d { stride, padding, groups } => {
                let [_, _, kh, kw] = *self.shapes.of(&node.inputs[1]) else { unreachable!() };
                let window = Window { kernel: [kh, kw], stride, padding };
                let output = self.layout(&node.output);
                let conv = conv_of(self.values[input].layout, output, window, groups);
                let product = self.product(node, input, &Order::Conv, to.scale, |isa, w, bias, zero| {
                    int8::pack_conv(isa, &conv, w, bias, zero)
                })?;
                Kind::Conv { window, groups, product }
            }
            Op::Linear => Kind::Linear(self.linear(node, input, to.scale)?),
            Op::Add => {
                let other = self.names.get(node.inputs[1].as_str()).copied();
                let Some(other) = other else {
                    return Err(GraphError::at(node, format!("`{}` is not quantised", node.inputs[1])));
                };
                if self.values[input].image != self.values[other].image {
                    return Err(GraphError::at(node, "it adds features of images of different shapes"));
                }
                Kind::Add { other }
            }
            Op::MaxPool2d(window) => Kind::MaxPool(window),
            Op::AvgPool2d(window) => Kind::AveragePool(window),
            Op::GlobalAvgPool => Kind::GlobalAverage,
            Op::Flatten => Kind::Flatten,
            _ => return Err(unsupported(node)),
        })
    }

    fn linear(&self, node: &Node, input: usize, unit: f32) -> Result<Product, GraphError> {
        let [outputs, features] = *self.shapes.of(&node.inputs[1]) else { unreachable!() };
        let order = Order::Linear { image: self.values[input].image };
        self.product(node, input, &order, unit, |isa, w, bias, zero| {
            int8::pack_linear(isa, features, outputs, w, bias, zero)
        })
    }

    /// The product of the value `input` with the weights of `node`, for an output in steps of `unit`.
    fn product(
        &self,
        node: &Node,
        input: usize,
        order: &Order,
        unit: f32,
        pack: impl Fn(Isa, &[i8], Option<&[i32]>, u8) -> Weights,
    ) -> Result<Product, GraphError> {
        let Affine { scale, zero } = self.values[input].affine;
        let of = parameters(self.model, node, scale)?;
        let reordered: Vec<i8> = order.permutation(of.shape).map(|from| of.weight[from]).collect();
        Ok(Product {
            weights: pack(self.isa, &reordered, of.bias, zero),
            scale: of.scale.iter().map(|w| scale * w / unit).collect(),
        })
    }

    /// `node` as the operation whose result is not quantised again.
    fn float(&mut self, node: &'a Node, input: usize, relu: bool) -> Result<Answer, GraphError> {
        let (input, product) = match node.op {
            Op::Linear => (input, Some(self.linear(node, input, 1.0)?)),
            Op::Flatten if !self.values[input].row => {
                let from = self.values[input].affine;
                (self.step(Kind::Flatten, input, from, false, &node.output), None)
            }
            Op::Flatten | Op::Relu | Op::Softmax if self.values[input].row => (input, None),
            _ => return Err(GraphError::at(node, "its result is not quantised, and not the network's")),
        };
        let outputs = self.shapes.len_of(&node.output);
        Ok(Answer { input, product, relu, softmax: node.op == Op::Softmax, outputs })
    }

    /// What still happens to the float result.
    fn after_the_answer(&mut self, node: &'a Node) -> Result<(), GraphError> {
        match (&mut self.answer, &node.op) {
            (Some((name, answer)), op) if *name == node.inputs[0] && !answer.softmax => {
                match op {
                    Op::Softmax => answer.softmax = true,
                    Op::Flatten | Op::Dropout { .. } => {}
                    _ => return Err(unsupported(node)),
                }
                *name = &node.output;
                Ok(())
            }
            _ => Err(GraphError::at(node, format!("its input `{}` is not quantised", node.inputs[0]))),
        }
    }

    /// A new value of the shape of `name` in the graph.
    fn define(&mut self, name: &str, affine: Affine) -> usize {
        let row = self.shapes.of(name).len() == 1;
        let image = self.shapes.image_of(name);
        self.values.push(Value { layout: self.layout(name), affine, row, image });
        self.values.len() - 1
    }

    fn layout(&self, name: &str) -> Image {
        let [channels, height, width] = self.shapes.image_of(name);
        Image { height, width, channels, halo: 0 }
    }

    /// Appends a step to a value of the shape of `name`.
    fn step(&mut self, kind: Kind, input: usize, to: Affine, relu: bool, name: &str) -> usize {
        let output = self.define(name, to);
        let keeps_order = matches!(kind, Kind::Flatten | Kind::Add { .. } | Kind::Recode(_));
        if keeps_order {
            self.values[output].image = self.values[input].image;
        }
        let steps = if self.values[input].row { &mut self.row_steps } else { &mut self.image_steps };
        steps.push(Step { kind, input, output, lowest: if relu { to.zero } else { 0 } });
        output
    }

    /// The value `input` under another meaning: itself, or a table of its codes.
    fn recode(&mut self, input: usize, to: Affine, relu: bool, name: &str) -> usize {
        let from = self.values[input].affine;
        if from == to && (!relu || to.zero == 0) {
            return input;
        }
        let (mut floats, mut table) = ([0.0; 256], Box::new([0; 256]));
        let codes: [u8; 256] = std::array::from_fn(|code| code as u8);
        quant::dequantise(self.isa, &codes, from.scale, from.zero, &mut floats);
        quant::quantise(self.isa, &floats, to.scale, to.zero, &mut table[..]);
        let lowest = if relu { to.zero } else { 0 };
        table.iter_mut().for_each(|code| *code = (*code).max(lowest));
        self.step(Kind::Recode(table), input, to, relu, name)
    }

    fn finish(mut self) -> Result<Program, GraphError> {
        let output = &self.model.graph.output;
        let answer = match (self.answer.take(), self.names.get(output.as_str())) {
            (Some((name, answer)), _) if name == output => answer,
            (_, Some(&input)) if self.values[input].row => {
                let outputs = self.values[input].layout.len();
                Answer { input, product: None, relu: false, softmax: false, outputs }
            }
            _ => {
                return Err(GraphError::new(format!(
                    "the output `{output}` is not the float result of an 8-bit network of rows; end it in a \
                     Flatten or a Linear layer"
                )));
            }
        };
        for step in &self.image_steps {
            if let Kind::Conv { window: Window { padding: [py, px], .. }, .. } = step.kind {
                let halo = &mut self.values[step.input].layout.halo;
                *halo = (*halo).max(py).max(px);
            }
        }
        let Self { values, image_steps, row_steps, .. } = self;
        Ok(Program { values, image_steps, row_steps, answer })
    }
}

/// The convolution between images of these layouts.
pub(super) fn conv_of(input: Image, output: Image, window: Window, groups: usize) -> Conv {
    let Window { kernel, stride, padding } = window;
    Conv { input, output, kernel, stride, padding, groups }
}

fn unsupported(node: &Node) -> GraphError {
    GraphError::at(node, format!("the int8 engine has no {} here", node.op.name()))
}
