//! A training's forward pass in f64: slow, obvious, and exact enough to differentiate by differences.

use std::collections::BTreeMap;

use joulewise_learn::shape::{Shapes, infer};
use joulewise_learn::{Model, Node, Op, Window};

/// Label smoothing of the loss.
pub(crate) const SMOOTHING: f64 = 0.1;

/// A network with its examples.
pub(crate) struct Exact<'a> {
    pub(crate) model: &'a Model,
    shapes: Shapes,
    /// One row of numbers for every example.
    pub(crate) input: Vec<f64>,
    pub(crate) labels: &'a [u16],
    /// Factors of the outputs of Dropout nodes, by name; without them it is the identity.
    pub(crate) masks: BTreeMap<String, Vec<f64>>,
}

/// Parameters or values by name.
pub(crate) type Numbers = BTreeMap<String, Vec<f64>>;

/// Every value of a pass, and how close it came to where a derivative jumps.
pub(crate) struct Pass {
    pub(crate) values: Numbers,
    /// The smallest distance of the argument of a Relu to zero, or between the two largest numbers of a
    /// window.
    pub(crate) margin: f64,
}

impl<'a> Exact<'a> {
    pub(crate) fn new(model: &'a Model, input: &[f32], labels: &'a [u16]) -> Self {
        let shapes = infer(&model.graph, &model.weights).unwrap();
        let input = input.iter().map(|&x| f64::from(x)).collect();
        Self { model, shapes, input, labels, masks: BTreeMap::new() }
    }

    /// The model's own parameters.
    pub(crate) fn parameters(&self) -> Numbers {
        let exact = |values: &[f32]| values.iter().map(|&v| f64::from(v)).collect();
        let weights = &self.model.weights.0;
        weights.iter().map(|(name, t)| (name.clone(), exact(t.as_f32().unwrap()))).collect()
    }

    /// Mean cross entropy of a pass.
    pub(crate) fn loss(&self, parameters: &Numbers) -> f64 {
        let pass = self.forward(parameters);
        let logits = &pass.values[&self.model.graph.output];
        let classes = logits.len() / self.labels.len();
        let rows = logits.chunks(classes).zip(self.labels);
        let losses = rows.map(|(z, &label)| {
            let log_sum = z.iter().map(|z| z.exp()).sum::<f64>().ln();
            let smooth: f64 = z.iter().map(|z| (log_sum - z) / classes as f64).sum();
            (1.0 - SMOOTHING) * (log_sum - z[usize::from(label)]) + SMOOTHING * smooth
        });
        losses.sum::<f64>() / self.labels.len() as f64
    }

    pub(crate) fn forward(&self, parameters: &Numbers) -> Pass {
        let graph = &self.model.graph;
        let values = BTreeMap::from([(graph.input.clone(), self.input.clone())]);
        let mut pass = Pass { values, margin: f64::INFINITY };
        for node in &graph.nodes {
            let output = self.node(node, parameters, &mut pass);
            pass.values.insert(node.output.clone(), output);
        }
        pass
    }

    fn node(&self, node: &Node, parameters: &Numbers, pass: &mut Pass) -> Vec<f64> {
        let Pass { values, margin } = pass;
        let x = &values[&node.inputs[0]];
        let parameter = |i: usize| node.inputs.get(i).map(|name| &parameters[name][..]);
        let (of_x, of_y) = (self.shapes.of(&node.inputs[0]), self.shapes.of(&node.output));
        let (width, height) = (x.len() / self.labels.len(), of_y.iter().product::<usize>());
        let rows = || x.chunks(width);
        match node.op {
            Op::Conv2d { stride, padding, groups } => {
                let weight_shape = self.shapes.of(&node.inputs[1]);
                let window = Window { kernel: [weight_shape[2], weight_shape[3]], stride, padding };
                let (weight, bias) = (parameter(1).unwrap(), parameter(2));
                let [fan_in, per_group] = [weight_shape[1], of_y[0] / groups];
                let mut y = Vec::with_capacity(self.labels.len() * height);
                for image in rows() {
                    for out in 0..of_y[0] {
                        for place in 0..of_y[1] * of_y[2] {
                            let mut sum = bias.map_or(0.0, |b| b[out]);
                            for (tap, at) in taps(of_x, &window, place / of_y[2], place % of_y[2]) {
                                for i in 0..fan_in {
                                    let channel = out / per_group * fan_in + i;
                                    let weight = weight
                                        [(out * fan_in + i) * window.kernel[0] * window.kernel[1] + tap];
                                    sum += weight * image[channel * of_x[1] * of_x[2] + at];
                                }
                            }
                            y.push(sum);
                        }
                    }
                }
                y
            }
            Op::Linear => {
                let (weight, bias) = (parameter(1).unwrap(), parameter(2));
                let product = |row: &[f64], out: usize| {
                    let terms = weight[out * width..][..width].iter().zip(row).map(|(w, x)| w * x);
                    terms.sum::<f64>() + bias.map_or(0.0, |b| b[out])
                };
                rows().flat_map(|row| (0..height).map(move |out| product(row, out))).collect()
            }
            Op::BatchNorm2d { epsilon, .. } => {
                let (weight, bias) = (parameter(1).unwrap(), parameter(2).unwrap());
                let plane = of_x[1] * of_x[2];
                let channel = |i: usize| i / plane % of_x[0];
                let count = (x.len() / of_x[0]) as f64;
                let mean = |of: &dyn Fn(usize, f64) -> f64| {
                    let mut means = vec![0.0; of_x[0]];
                    x.iter().enumerate().for_each(|(i, &x)| means[channel(i)] += of(channel(i), x) / count);
                    means
                };
                let means = mean(&|_, x| x);
                let variances = mean(&|c, x| (x - means[c]).powi(2));
                let normalise = |(i, x): (usize, &f64)| {
                    let c = channel(i);
                    (x - means[c]) / (variances[c] + f64::from(epsilon)).sqrt() * weight[c] + bias[c]
                };
                x.iter().enumerate().map(normalise).collect()
            }
            Op::Relu => {
                *margin = x.iter().fold(*margin, |m, x| if *x == 0.0 { m } else { m.min(x.abs()) });
                x.iter().map(|x| x.max(0.0)).collect()
            }
            Op::MaxPool2d(window) => pool(x, of_x, of_y, &window, |inside| {
                let most = inside.iter().fold(f64::NEG_INFINITY, |m, &x| m.max(x));
                // Numbers that a Relu has cut to zero tie, and have no gradient anyway.
                let others = inside.iter().filter(|&&x| x != most);
                *margin = others.fold(*margin, |m, x| m.min(most - x));
                most
            }),
            Op::AvgPool2d(window) => {
                let area = (window.kernel[0] * window.kernel[1]) as f64;
                pool(x, of_x, of_y, &window, |inside| inside.iter().sum::<f64>() / area)
            }
            Op::GlobalAvgPool => {
                let plane = of_x[1] * of_x[2];
                x.chunks(plane).map(|image| image.iter().sum::<f64>() / plane as f64).collect()
            }
            Op::Add => x.iter().zip(&values[&node.inputs[1]]).map(|(a, b)| a + b).collect(),
            Op::Flatten => x.clone(),
            Op::Dropout { .. } => match self.masks.get(&node.name) {
                Some(mask) => x.iter().zip(mask).map(|(x, factor)| x * factor).collect(),
                None => x.clone(),
            },
            Op::Softmax => rows()
                .flat_map(|row| {
                    let sum: f64 = row.iter().map(|x| x.exp()).sum();
                    row.iter().map(move |x| x.exp() / sum)
                })
                .collect(),
            Op::QuantizeLinear | Op::DequantizeLinear { .. } => unreachable!("training is in float"),
        }
    }
}

/// One number for every window of every plane.
fn pool(
    x: &[f64],
    of_x: &[usize],
    of_y: &[usize],
    window: &Window,
    mut of: impl FnMut(&[f64]) -> f64,
) -> Vec<f64> {
    let mut y = Vec::new();
    for plane in x.chunks(of_x[1] * of_x[2]) {
        for place in 0..of_y[1] * of_y[2] {
            let inside: Vec<f64> =
                taps(of_x, window, place / of_y[2], place % of_y[2]).map(|(_, at)| plane[at]).collect();
            y.push(of(&inside));
        }
    }
    y
}

/// The taps of a window that lie within the image, with their places in a plane.
fn taps(
    image: &[usize],
    window: &Window,
    row: usize,
    column: usize,
) -> impl Iterator<Item = (usize, usize)> + use<> {
    let (height, width) = (image[1], image[2]);
    let Window { kernel, stride, padding } = *window;
    (0..kernel[0] * kernel[1]).filter_map(move |tap| {
        let y = (row * stride[0] + tap / kernel[1]).checked_sub(padding[0]).filter(|y| *y < height)?;
        let x = (column * stride[1] + tap % kernel[1]).checked_sub(padding[1]).filter(|x| *x < width)?;
        Some((tap, y * width + x))
    })
}
