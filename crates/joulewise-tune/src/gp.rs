//! Gaussian processes: what is known about a function from a few of its values, and where it is worth looking.
//!
//! Everything here is plain arithmetic on slices in one fixed order: the same data gives the same bits.

pub(crate) mod acquisition;
pub(crate) mod boxes;
pub(crate) mod cholesky;
pub(crate) mod encoding;
pub(crate) mod fit;
pub(crate) mod kernel;
pub(crate) mod lbfgs;
pub(crate) mod matern;
pub(crate) mod normal;
pub(crate) mod process;
#[cfg(test)]
pub(crate) mod reference;
pub(crate) mod scale;
pub(crate) mod search;
