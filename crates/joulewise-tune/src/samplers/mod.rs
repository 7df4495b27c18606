//! The samplers, one file each.

mod grid;
mod random;
mod sobol;

pub use grid::Grid;
pub use random::{LinearRandom, Random};
pub use sobol::Sobol;
