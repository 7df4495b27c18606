//! Tasks: what is to be learned, and by whom.

pub mod metrics;
pub mod template;
