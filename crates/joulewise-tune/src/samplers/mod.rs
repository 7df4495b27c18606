//! The samplers, one file each.

mod random;

pub use random::Random;
