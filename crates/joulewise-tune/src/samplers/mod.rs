//! The samplers, one file each.

mod auto;
mod cells;
mod gp;
mod grid;
mod paper;
mod random;
mod sobol;
mod tpe;

pub use auto::Auto;
pub use gp::Gp;
pub use grid::Grid;
pub use paper::Paper;
pub use random::{LinearRandom, Random};
pub use sobol::Sobol;
pub use tpe::Tpe;
