//! Models as graphs, ONNX in and out, a CPU engine, training, data and compression.

pub mod architecture;
pub mod atomic;
pub mod builders;
pub mod compress;
pub mod data;
pub mod engine;
pub mod graph;
pub mod head;
pub mod npy;
pub mod onnx;
pub mod random;
pub mod reference;
pub mod shape;
pub mod tensor;
pub mod train;

pub use architecture::Architecture;
pub use graph::{Graph, Model, Node, Op, Window};
pub use head::Head;
pub use shape::{GraphError, Shapes};
pub use tensor::{Tensor, Values, Weights};
