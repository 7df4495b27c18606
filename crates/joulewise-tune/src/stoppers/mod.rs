//! The stoppers, one file each.

mod extrapolation;
mod halving;
mod hyperband;
mod ladder;
mod pareto;
mod patience;
mod percentile;
mod thrift;
mod wilcoxon;

pub use extrapolation::{Extrapolation, Forecast};
pub use halving::{Rung, SuccessiveHalving};
pub use hyperband::Hyperband;
pub use ladder::Resource;
pub use pareto::ParetoHalving;
pub use patience::Patience;
pub use percentile::Percentile;
pub use thrift::Thrift;
pub use wilcoxon::Wilcoxon;
