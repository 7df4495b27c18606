//! The stoppers, one file each.

mod halving;
mod patience;

pub use halving::{Rung, SuccessiveHalving};
pub use patience::Patience;
