//! Models as graphs, ONNX in and out, a CPU engine, training, data and compression.

pub mod graph;
pub mod tensor;

pub use graph::{Graph, Model, Node, Op, Window};
pub use tensor::{Tensor, Values, Weights};
