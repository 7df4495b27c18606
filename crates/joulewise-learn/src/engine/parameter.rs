//! Parameters in the kernels' order, and the way back to ONNX's.

use joulewise_kernels::{Conv, Isa, Packed, gemm};

use crate::tensor::Tensor;

/// How the numbers of a parameter are reordered for the kernels.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Order {
    /// As they are.
    Plain,
    /// `[out, in, kh, kw]` to `[kh, kw, in, out]`.
    Conv,
    /// `[out, in]` to `[in, out]`, where `in` counts the `[c, h, w]` of the image that was flattened
    /// and the engine's images are `[h, w, c]`.
    Linear { image: [usize; 3] },
}

/// A parameter, its gradient and what the optimiser remembers of it.
#[derive(Clone, Debug)]
pub(crate) struct Parameter {
    pub(crate) name: String,
    pub(crate) shape: Vec<usize>,
    pub(crate) order: Order,
    pub(crate) data: Vec<f32>,
}

impl Parameter {
    pub(crate) fn new(name: &str, tensor: &Tensor, order: Order) -> Option<Self> {
        let values = tensor.as_f32()?;
        let mut data = vec![0.0; values.len()];
        for (to, from) in order.permutation(&tensor.shape).enumerate() {
            data[to] = values[from];
        }
        Some(Self { name: name.to_owned(), shape: tensor.shape.clone(), order, data })
    }

    /// The parameter in ONNX's order.
    pub(crate) fn tensor(&self) -> Tensor {
        let mut values = vec![0.0; self.data.len()];
        for (to, from) in self.order.permutation(&self.shape).enumerate() {
            values[from] = self.data[to];
        }
        Tensor::f32(self.shape.clone(), values)
    }
}

impl Order {
    /// For each number in the kernels' order, its place in ONNX's.
    pub(crate) fn permutation(&self, shape: &[usize]) -> Box<dyn Iterator<Item = usize>> {
        match (self, shape) {
            (Self::Conv, &[out, fan_in, kh, kw]) => Box::new((0..kh * kw).flat_map(move |tap| {
                (0..fan_in).flat_map(move |i| (0..out).map(move |o| (o * fan_in + i) * kh * kw + tap))
            })),
            (&Self::Linear { image: [c, h, w] }, &[out, fan_in]) => {
                Box::new((0..h * w).flat_map(move |pixel| {
                    (0..c).flat_map(move |ch| (0..out).map(move |o| o * fan_in + ch * h * w + pixel))
                }))
            }
            _ => Box::new(0..shape.iter().product()),
        }
    }
}

/// A weight packed in panels for the forward and, in training, for the backward pass.
#[derive(Debug)]
pub(crate) struct Panels {
    pub(crate) parameter: usize,
    pub(crate) shape: PanelShape,
    pub(crate) forward: Packed,
    pub(crate) backward: Option<Packed>,
}

/// A convolution between images, and the same one between their gradients.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ConvPair {
    pub(crate) forward: Conv,
    pub(crate) backward: Conv,
}

/// What the panels are for.
#[derive(Clone, Debug)]
pub(crate) enum PanelShape {
    /// A convolution.
    Conv(Box<ConvPair>),
    /// A linear layer.
    Linear { features: usize, outputs: usize },
}

impl Panels {
    pub(crate) fn new(parameter: usize, shape: PanelShape, needs_backward: bool) -> Self {
        let backward = needs_backward.then(Packed::new);
        Self { parameter, shape, forward: Packed::new(), backward }
    }

    /// Packs the newest numbers.
    pub(crate) fn pack(&mut self, isa: Isa, weights: &[f32]) {
        match &self.shape {
            PanelShape::Conv(pair) => {
                pair.forward.pack_forward(isa, weights, &mut self.forward);
                if let Some(into) = &mut self.backward {
                    pair.backward.pack_backward(isa, weights, into);
                }
            }
            &PanelShape::Linear { features, outputs } => {
                gemm::pack(isa, features, outputs, weights, &mut self.forward);
                if let Some(into) = &mut self.backward {
                    gemm::pack_transposed(isa, outputs, features, weights, into);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reordering_round_trips() {
        for (order, shape) in [
            (Order::Plain, vec![7]),
            (Order::Conv, vec![5, 3, 2, 4]),
            (Order::Linear { image: [3, 2, 4] }, vec![6, 24]),
        ] {
            let n = shape.iter().product::<usize>();
            let tensor = Tensor::f32(shape, (0..n).map(|i| i as f32).collect());
            let parameter = Parameter::new("p", &tensor, order).unwrap();
            assert_eq!(parameter.tensor(), tensor);
        }
    }
}
