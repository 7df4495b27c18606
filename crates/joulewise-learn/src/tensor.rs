//! Named arrays: the parameters of a graph.

use std::collections::BTreeMap;

/// The numbers of a [`Tensor`], row-major.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// 32-bit floats.
    F32(Vec<f32>),
    /// Signed bytes: quantised weights.
    I8(Vec<i8>),
    /// Unsigned bytes: zero points of quantised activations.
    U8(Vec<u8>),
    /// 32-bit integers: quantised biases.
    I32(Vec<i32>),
}

impl Values {
    /// How many numbers there are.
    pub fn len(&self) -> usize {
        match self {
            Self::F32(v) => v.len(),
            Self::I8(v) => v.len(),
            Self::U8(v) => v.len(),
            Self::I32(v) => v.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes that the numbers occupy.
    pub fn bytes(&self) -> usize {
        match self {
            Self::F32(_) | Self::I32(_) => 4 * self.len(),
            Self::I8(_) | Self::U8(_) => self.len(),
        }
    }
}

/// A dense array in the layouts of ONNX and PyTorch: convolution weights are
/// `[out, in / groups, height, width]`, linear weights `[out, in]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// Extent of each dimension; empty for a scalar.
    pub shape: Vec<usize>,
    /// `shape.iter().product()` numbers.
    pub values: Values,
}

impl Tensor {
    /// A float tensor. Panics when `shape` and `values` disagree, which is a bug of the caller.
    pub fn f32(shape: impl Into<Vec<usize>>, values: Vec<f32>) -> Self {
        Self::new(shape.into(), Values::F32(values))
    }

    /// A tensor of any type. Panics when `shape` and `values` disagree, which is a bug of the caller.
    pub fn new(shape: Vec<usize>, values: Values) -> Self {
        assert_eq!(shape.iter().product::<usize>(), values.len(), "shape {shape:?} does not hold the values");
        Self { shape, values }
    }

    /// The floats, or `None` for an integer tensor.
    pub fn as_f32(&self) -> Option<&[f32]> {
        match &self.values {
            Values::F32(v) => Some(v),
            _ => None,
        }
    }

    /// The floats, or `None` for an integer tensor.
    pub fn as_f32_mut(&mut self) -> Option<&mut [f32]> {
        match &mut self.values {
            Values::F32(v) => Some(v),
            _ => None,
        }
    }
}

/// Parameters by name, in a fixed order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Weights(pub BTreeMap<String, Tensor>);

impl Weights {
    /// The tensor called `name`.
    pub fn get(&self, name: &str) -> Option<&Tensor> {
        self.0.get(name)
    }

    /// Adds or replaces a tensor.
    pub fn set(&mut self, name: impl Into<String>, tensor: Tensor) {
        self.0.insert(name.into(), tensor);
    }

    /// Numbers in all tensors together.
    pub fn count(&self) -> usize {
        self.0.values().map(|t| t.values.len()).sum()
    }

    /// Bytes of all tensors together.
    pub fn bytes(&self) -> usize {
        self.0.values().map(|t| t.values.bytes()).sum()
    }
}
