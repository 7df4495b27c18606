//! Rewrites of a model that make it cheaper to run: batch normalisation folded away, whole channels
//! removed, arithmetic in eight bits.
//!
//! Every rewrite takes a model and gives another; what it cannot rewrite it refuses, naming the node.

pub mod calibrate;
pub mod fold;
pub mod groups;
pub mod plan;
pub mod prune;
pub mod quantise;
#[cfg(test)]
mod tests;

pub use calibrate::{Calibration, Calibrator, Ranges};
pub use fold::fold_batchnorm;
pub use groups::{Group, groups};
pub use plan::{Importance, Plan, plan};
pub use prune::prune;
pub use quantise::{quantise, values_to_calibrate};
