//! The samplers, one file each.

mod auto;
mod cells;
mod grid;
mod random;
mod sobol;
mod tpe;

pub use auto::Auto;
pub use grid::Grid;
pub use random::{LinearRandom, Random};
pub use sobol::Sobol;
pub use tpe::Tpe;
