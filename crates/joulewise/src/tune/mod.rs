//! `joulewise tune`: searches whose trials are metered, one by one, and whose joules count.

pub mod caveats;
pub mod command;
mod configspace;
pub mod cost;
pub mod importance;
pub mod live;
pub mod objective;
mod parameters;
pub mod plan;
pub mod sampler;
pub mod stopper;
mod training;
pub mod trial;
mod wandb;
pub mod worker;
pub mod workshop;
