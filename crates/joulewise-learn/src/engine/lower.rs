//! From a graph to a program: fused operations over numbered image and vector values.

use std::collections::BTreeMap;
use std::ops::Range;

use joulewise_kernels::{Conv, Image, Packed};

use super::parameter::{ConvPair, Order, PanelShape, Panels, Parameter};
use crate::graph::{Model, Node, Op, Window};
use crate::shape::{GraphError, Shapes, infer};

/// A network as the engine runs it: first over images, then over rows of features.
#[derive(Debug)]
pub(crate) struct Program {
    /// Layout of every image value; value 0 is the input when the input is an image.
    pub(crate) images: Vec<Image>,
    /// The name of every image value in the graph.
    pub(crate) image_names: Vec<String>,
    /// Layout of the gradient of every image value: the halo is the one that the convolution which
    /// made the value needs.
    pub(crate) gradients: Vec<Image>,
    /// Whether the images of a chunk take turns in one slot for the gradient of a value, because it
    /// is read in the same pass over the image that writes it.
    pub(crate) shared_gradient: Vec<bool>,
    pub(crate) image_ops: Vec<ImageOp>,
    /// The image operations between the barriers of a training: each but the first begins with a
    /// batch normalisation, which must have seen the whole batch.
    pub(crate) segments: Vec<Range<usize>>,
    /// Features of every vector value.
    pub(crate) vectors: Vec<usize>,
    pub(crate) vector_names: Vec<String>,
    pub(crate) vector_ops: Vec<VectorOp>,
    /// Whether the input is a vector (value 0) rather than an image.
    pub(crate) vector_input: bool,
    /// The vector value that is the result.
    pub(crate) output: usize,
    /// The image that the result is a flattening of, with its features in the order `[h, w, c]`; one pixel
    /// when it is not.
    pub(crate) output_image: [usize; 3],
    pub(crate) parameters: Vec<Parameter>,
    pub(crate) panels: Vec<Panels>,
    pub(crate) norms: Vec<Norm>,
}

/// An operation on images.
#[derive(Clone, Debug)]
pub(crate) struct ImageOp {
    pub(crate) kind: ImageKind,
    pub(crate) input: usize,
    pub(crate) output: usize,
    /// Whether this operation's gradient is added to that of its input rather than written: another
    /// reader of the same value comes later in the network, so earlier on the way back.
    pub(crate) accumulate: bool,
    /// Whether the gradient of this operation's fused activation was taken by its only reader.
    pub(crate) masked: bool,
}

#[derive(Clone, Debug)]
pub(crate) enum ImageKind {
    Conv {
        panels: usize,
        bias: Option<usize>,
        relu: bool,
    },
    Norm {
        norm: usize,
        relu: bool,
    },
    Relu,
    /// With `mask`, the input is an activation's result and the gradient of its argument is taken.
    MaxPool {
        window: Window,
        mask: bool,
    },
    AvgPool(Window),
    GlobalAvgPool,
    Add {
        other: usize,
        accumulate_other: bool,
        relu: bool,
    },
    Dropout {
        p: f32,
        key: u64,
    },
}

/// An operation on rows of features.
#[derive(Clone, Debug)]
pub(crate) struct VectorOp {
    pub(crate) kind: VectorKind,
    /// The value read: an image for `Flatten`, a vector otherwise.
    pub(crate) input: usize,
    pub(crate) output: usize,
    pub(crate) accumulate: bool,
}

#[derive(Clone, Debug)]
pub(crate) enum VectorKind {
    Flatten,
    Linear { panels: usize, bias: Option<usize>, relu: bool },
    Relu,
    Add { other: usize, accumulate_other: bool },
    Dropout { p: f32, key: u64 },
    Softmax,
}

/// A batch normalisation: its parameters and its constants.
#[derive(Clone, Debug)]
pub(crate) struct Norm {
    pub(crate) weight: usize,
    pub(crate) bias: usize,
    pub(crate) mean: usize,
    pub(crate) variance: usize,
    pub(crate) epsilon: f32,
    pub(crate) momentum: f32,
    pub(crate) channels: usize,
}

#[derive(Clone, Copy, Debug)]
enum Value {
    Image(usize),
    Vector(usize),
}

/// Lowers `model`; `train` also prepares the backward pass.
pub(crate) fn lower(model: &Model, train: bool) -> Result<Program, GraphError> {
    let shapes = infer(&model.graph, &model.weights)?;
    let mut lowering = Lowering::new(model, &shapes);
    let mut skip = vec![false; model.graph.nodes.len()];
    for (index, node) in model.graph.nodes.iter().enumerate() {
        if skip[index] {
            continue;
        }
        let fused = fused_relu(model, &shapes, index);
        if let Some(relu) = fused {
            skip[relu] = true;
        }
        let output = fused.map_or(&node.output, |relu| &model.graph.nodes[relu].output);
        lowering.node(node, output, fused.is_some())?;
    }
    lowering.finish(train)
}

/// The Relu that only reads the node at `index` and that nothing else competes with.
fn fused_relu(model: &Model, shapes: &Shapes, index: usize) -> Option<usize> {
    let node = &model.graph.nodes[index];
    let fuses = match node.op {
        Op::Conv2d { .. } | Op::Linear | Op::BatchNorm2d { .. } => true,
        // Only the sum of images takes an activation along.
        Op::Add => shapes.of(&node.output).len() > 1,
        _ => false,
    };
    if !fuses || model.graph.output == node.output {
        return None;
    }
    let mut readers = model.graph.nodes.iter().enumerate().filter(|(_, n)| n.inputs.contains(&node.output));
    match (readers.next(), readers.next()) {
        (Some((relu, Node { op: Op::Relu, .. })), None) => Some(relu),
        _ => None,
    }
}

struct Lowering<'a> {
    model: &'a Model,
    shapes: &'a Shapes,
    values: BTreeMap<String, Value>,
    parameters: BTreeMap<String, usize>,
    /// The convolution of each panel, before the halos are known.
    convs: BTreeMap<usize, ConvAttributes>,
    program: Program,
}

#[derive(Clone, Copy)]
struct ConvAttributes {
    kernel: [usize; 2],
    stride: [usize; 2],
    padding: [usize; 2],
    groups: usize,
}

impl<'a> Lowering<'a> {
    fn new(model: &'a Model, shapes: &'a Shapes) -> Self {
        let program = Program {
            images: Vec::new(),
            image_names: Vec::new(),
            gradients: Vec::new(),
            shared_gradient: Vec::new(),
            image_ops: Vec::new(),
            segments: Vec::new(),
            vectors: Vec::new(),
            vector_names: Vec::new(),
            vector_ops: Vec::new(),
            vector_input: model.graph.input_shape.len() == 1,
            output: 0,
            output_image: [0, 1, 1],
            parameters: Vec::new(),
            panels: Vec::new(),
            norms: Vec::new(),
        };
        let mut lowering = Self {
            model,
            shapes,
            values: BTreeMap::new(),
            parameters: BTreeMap::new(),
            convs: BTreeMap::new(),
            program,
        };
        lowering.define(&model.graph.input);
        lowering
    }

    fn define(&mut self, name: &str) -> usize {
        let (id, value) = if let [features] = *self.shapes.of(name) {
            self.program.vectors.push(features);
            self.program.vector_names.push(name.to_owned());
            let id = self.program.vectors.len() - 1;
            (id, Value::Vector(id))
        } else {
            let [channels, height, width] = self.shapes.image_of(name);
            self.program.images.push(Image { height, width, channels, halo: 0 });
            self.program.image_names.push(name.to_owned());
            let id = self.program.images.len() - 1;
            (id, Value::Image(id))
        };
        self.values.insert(name.to_owned(), value);
        id
    }

    fn value(&self, node: &Node, input: usize) -> Result<Value, GraphError> {
        self.values.get(&node.inputs[input]).copied().ok_or_else(|| {
            GraphError::at(
                node,
                format!("the engine computes {} of values, not of parameters", node.op.name()),
            )
        })
    }

    fn parameter(&mut self, node: &Node, input: usize, order: Order) -> Result<usize, GraphError> {
        let name = &node.inputs[input];
        if let Some(&id) = self.parameters.get(name) {
            return if self.program.parameters[id].order == order {
                Ok(id)
            } else {
                Err(GraphError::at(node, format!("`{name}` is shared by layers of different layout")))
            };
        }
        let parameter = self
            .model
            .weights
            .get(name)
            .and_then(|tensor| Parameter::new(name, tensor, order))
            .ok_or_else(|| GraphError::at(node, format!("`{name}` must be a float parameter")))?;
        self.program.parameters.push(parameter);
        let id = self.program.parameters.len() - 1;
        self.parameters.insert(name.clone(), id);
        Ok(id)
    }

    fn optional(&mut self, node: &Node, input: usize) -> Result<Option<usize>, GraphError> {
        if node.inputs.len() > input { self.parameter(node, input, Order::Plain).map(Some) } else { Ok(None) }
    }

    fn node(&mut self, node: &Node, output: &str, relu: bool) -> Result<(), GraphError> {
        match self.value(node, 0)? {
            Value::Image(input) => {
                if matches!(node.op, Op::Flatten) {
                    self.vector_op(VectorKind::Flatten, input, output);
                    return Ok(());
                }
                let kind = self.image_kind(node, relu)?;
                let output = self.define(output);
                self.program.image_ops.push(ImageOp {
                    kind,
                    input,
                    output,
                    accumulate: false,
                    masked: false,
                });
                Ok(())
            }
            Value::Vector(input) => {
                let kind = self.vector_kind(node, relu)?;
                if let Some(kind) = kind {
                    self.vector_op(kind, input, output);
                } else {
                    // Flattening a vector changes nothing: the name is another one for the same value.
                    self.values.insert(output.to_owned(), Value::Vector(input));
                }
                Ok(())
            }
        }
    }

    fn vector_op(&mut self, kind: VectorKind, input: usize, output: &str) {
        let output = self.define(output);
        self.program.vector_ops.push(VectorOp { kind, input, output, accumulate: false });
    }

    fn image_kind(&mut self, node: &Node, relu: bool) -> Result<ImageKind, GraphError> {
        Ok(match node.op {
            Op::Conv2d { stride, padding, groups } => {
                let weight = self.parameter(node, 1, Order::Conv)?;
                let [_, _, kh, kw] = self.program.parameters[weight].shape[..] else { unreachable!() };
                let bias = self.optional(node, 2)?;
                let panels = self.program.panels.len();
                self.convs.insert(panels, ConvAttributes { kernel: [kh, kw], stride, padding, groups });
                // The shape is replaced in `finish`, when all halos are known.
                let shape = PanelShape::Linear { features: 0, outputs: 0 };
                self.program.panels.push(Panels::new(weight, shape, false));
                ImageKind::Conv { panels, bias, relu }
            }
            Op::BatchNorm2d { epsilon, momentum } => {
                let [weight, bias, mean, variance] =
                    [1, 2, 3, 4].map(|i| self.parameter(node, i, Order::Plain));
                let weight = weight?;
                let channels = self.program.parameters[weight].data.len();
                self.program.norms.push(Norm {
                    weight,
                    bias: bias?,
                    mean: mean?,
                    variance: variance?,
                    epsilon,
                    momentum,
                    channels,
                });
                ImageKind::Norm { norm: self.program.norms.len() - 1, relu }
            }
            Op::Relu => ImageKind::Relu,
            Op::MaxPool2d(window) => ImageKind::MaxPool { window, mask: false },
            Op::AvgPool2d(window) => ImageKind::AvgPool(window),
            Op::GlobalAvgPool => ImageKind::GlobalAvgPool,
            Op::Add => match self.value(node, 1)? {
                Value::Image(other) => ImageKind::Add { other, accumulate_other: false, relu },
                Value::Vector(_) => return Err(GraphError::at(node, "an image is added to a vector")),
            },
            Op::Dropout { p } => ImageKind::Dropout { p, key: crate::random::fnv1a64(&node.name) },
            _ => return Err(unsupported(node)),
        })
    }

    fn vector_kind(&mut self, node: &Node, relu: bool) -> Result<Option<VectorKind>, GraphError> {
        Ok(Some(match node.op {
            Op::Flatten => return Ok(None),
            Op::Linear => {
                // A Flatten of an image decides in which order the features arrive.
                let image = self.flattened_image(&node.inputs[0]);
                let weight = self.parameter(node, 1, Order::Linear { image })?;
                let [outputs, features] = self.program.parameters[weight].shape[..] else { unreachable!() };
                let bias = self.optional(node, 2)?;
                self.program.panels.push(Panels::new(
                    weight,
                    PanelShape::Linear { features, outputs },
                    false,
                ));
                VectorKind::Linear { panels: self.program.panels.len() - 1, bias, relu }
            }
            Op::Relu => VectorKind::Relu,
            Op::Add => match self.value(node, 1)? {
                Value::Vector(other) => {
                    if self.flattened_image(&node.inputs[0]) != self.flattened_image(&node.inputs[1]) {
                        return Err(GraphError::at(
                            node,
                            "a flattened image is added to features in another order",
                        ));
                    }
                    VectorKind::Add { other, accumulate_other: false }
                }
                Value::Image(_) => return Err(GraphError::at(node, "a vector is added to an image")),
            },
            Op::Dropout { p } => VectorKind::Dropout { p, key: crate::random::fnv1a64(&node.name) },
            Op::Softmax => VectorKind::Softmax,
            _ => return Err(unsupported(node)),
        }))
    }

    /// The image that the features `value` are a flattening of, if they still have its order; one pixel otherwise.
    fn flattened_image(&self, value: &str) -> [usize; 3] {
        match self.model.graph.producer(value) {
            Some(Node { op: Op::Flatten, inputs, .. }) if self.shapes.of(&inputs[0]).len() == 3 => {
                self.shapes.image_of(&inputs[0])
            }
            Some(Node {
                op: Op::Flatten | Op::Relu | Op::Dropout { .. } | Op::Softmax | Op::Add,
                inputs,
                ..
            }) => self.flattened_image(&inputs[0]),
            _ => self.shapes.image_of(value),
        }
    }

    fn finish(mut self, train: bool) -> Result<Program, GraphError> {
        self.program.output = match self.values.get(&self.model.graph.output) {
            Some(&Value::Vector(id)) => id,
            _ => {
                return Err(GraphError::new(format!(
                    "the output `{}` is an image; end the network in a Flatten or a Linear layer",
                    self.model.graph.output
                )));
            }
        };
        self.program.output_image = self.flattened_image(&self.model.graph.output);
        if train && self.program.output_image[1..] != [1, 1] {
            return Err(GraphError::new(format!(
                "the output `{}` is a flattened image of several pixels; a training needs a network that ends \
                 in a Linear layer or a global pool",
                self.model.graph.output
            )));
        }
        self.halos();
        self.accumulations();
        self.masks();
        self.segments();
        self.shared_gradients();
        let Program { image_ops, images, gradients, panels, .. } = &mut self.program;
        for op in image_ops.iter() {
            let ImageKind::Conv { panels: index, .. } = op.kind else { continue };
            let ConvAttributes { kernel, stride, padding, groups } = self.convs[&index];
            let conv = |input: Image, output: Image| Conv { input, output, kernel, stride, padding, groups };
            panels[index].shape = PanelShape::Conv(Box::new(ConvPair {
                forward: conv(images[op.input], images[op.output]),
                backward: conv(gradients[op.input], gradients[op.output]),
            }));
        }
        if train {
            let first_image_input = !self.program.vector_input;
            for op in &self.program.image_ops {
                if let ImageKind::Conv { panels, .. } = op.kind
                    && !(first_image_input && op.input == 0)
                {
                    self.program.panels[panels].backward = Some(Packed::new());
                }
            }
            for op in &self.program.vector_ops {
                if let VectorKind::Linear { panels, .. } = op.kind
                    && !(self.program.vector_input && op.input == 0)
                {
                    self.program.panels[panels].backward = Some(Packed::new());
                }
            }
        }
        Ok(self.program)
    }

    /// Gives every image the widest halo that its readers want, and every gradient the one that the
    /// convolution behind it wants.
    fn halos(&mut self) {
        let Program { image_ops, images, gradients, .. } = &mut self.program;
        for op in image_ops.iter() {
            if let ImageKind::Conv { panels, .. } = op.kind {
                let [py, px] = self.convs[&panels].padding;
                images[op.input].halo = images[op.input].halo.max(py).max(px);
            }
        }
        gradients.clone_from(images);
        for op in image_ops.iter() {
            if let ImageKind::Conv { panels, .. } = op.kind {
                let ConvAttributes { kernel, stride, padding, groups } = self.convs[&panels];
                let conv = Conv {
                    input: images[op.input],
                    output: images[op.output],
                    kernel,
                    stride,
                    padding,
                    groups,
                };
                gradients[op.output].halo = gradients[op.output].halo.max(conv.backward_halo());
            }
        }
    }

    /// Where a max pool is the only reader of a fused activation, the pool takes both gradients at once.
    fn masks(&mut self) {
        let ops = &mut self.program.image_ops;
        for index in 0..ops.len() {
            let value = ops[index].output;
            let (ImageKind::Conv { relu: true, .. } | ImageKind::Add { relu: true, .. }) = ops[index].kind
            else {
                continue;
            };
            let reads = |op: &ImageOp| match op.kind {
                ImageKind::Add { other, .. } => op.input == value || other == value,
                _ => op.input == value,
            };
            let flattened = self
                .program
                .vector_ops
                .iter()
                .any(|op| matches!(op.kind, VectorKind::Flatten) && op.input == value);
            let mut readers = (0..ops.len()).filter(|&i| reads(&ops[i]));
            let only = (readers.next(), readers.next(), flattened);
            if let (Some(reader), None, false) = only
                && let ImageKind::MaxPool { mask, .. } = &mut ops[reader].kind
            {
                *mask = true;
                ops[index].masked = true;
            }
        }
    }

    fn segments(&mut self) {
        let ops = &self.program.image_ops;
        let norms = ops.iter().enumerate().filter(|(_, op)| matches!(op.kind, ImageKind::Norm { .. }));
        let mut bounds: Vec<usize> = std::iter::once(0).chain(norms.map(|(i, _)| i)).collect();
        bounds.push(ops.len());
        self.program.segments = bounds.windows(2).map(|w| w[0]..w[1]).collect();
    }

    /// A gradient can share its slot when the passes that write it and read it are the same. A
    /// normalisation is taken back in the pass before its own segment's, and its sums in both.
    fn shared_gradients(&mut self) {
        let program = &mut self.program;
        let mut first_pass = vec![usize::MAX; program.images.len()];
        let mut last_pass = vec![0; program.images.len()];
        let mut touch = |value: usize, pass: usize| {
            first_pass[value] = first_pass[value].min(pass);
            last_pass[value] = last_pass[value].max(pass);
        };
        for (segment, range) in program.segments.iter().enumerate() {
            for op in &program.image_ops[range.clone()] {
                let is_norm = matches!(op.kind, ImageKind::Norm { .. });
                let pass = if is_norm { segment.saturating_sub(1) } else { segment };
                touch(op.input, pass);
                touch(op.output, pass);
                if is_norm {
                    touch(op.output, segment);
                }
                if let ImageKind::Add { other, .. } = op.kind {
                    touch(other, pass);
                }
            }
        }
        for op in &program.vector_ops {
            if let VectorKind::Flatten = op.kind {
                touch(op.input, usize::MAX);
            }
        }
        program.shared_gradient = first_pass.iter().zip(&last_pass).map(|(a, b)| a == b).collect();
    }

    /// Marks the operations whose gradients add to one that a later reader has already written. A sum gives
    /// to its other input first, which matters where both are the same.
    fn accumulations(&mut self) {
        let mut image_written = vec![false; self.program.images.len()];
        let mut vector_written = vec![false; self.program.vectors.len()];
        for op in self.program.vector_ops.iter_mut().rev() {
            if let VectorKind::Add { other, accumulate_other } = &mut op.kind {
                *accumulate_other = std::mem::replace(&mut vector_written[*other], true);
            }
            let written = match op.kind {
                VectorKind::Flatten => &mut image_written[op.input],
                _ => &mut vector_written[op.input],
            };
            op.accumulate = std::mem::replace(written, true);
        }
        for op in self.program.image_ops.iter_mut().rev() {
            if let ImageKind::Add { other, accumulate_other, .. } = &mut op.kind {
                *accumulate_other = std::mem::replace(&mut image_written[*other], true);
            }
            op.accumulate = std::mem::replace(&mut image_written[op.input], true);
        }
    }
}

fn unsupported(node: &Node) -> GraphError {
    GraphError::at(node, format!("the float engine has no {} here", node.op.name()))
}
