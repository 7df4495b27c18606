//! The samplers, one file each.

mod auto;
mod cells;
mod cma_es;
mod gp;
mod grid;
mod nsga_ii;
mod paper;
mod random;
mod sobol;
mod tpe;

pub use auto::Auto;
pub use cma_es::CmaEs;
pub use gp::Gp;
pub use grid::Grid;
pub use nsga_ii::NsgaIi;
pub use paper::Paper;
pub use random::{LinearRandom, Random};
pub use sobol::Sobol;
pub use tpe::Tpe;
