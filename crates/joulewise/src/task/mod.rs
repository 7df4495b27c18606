//! Tasks: what is to be learned, and by whom.

mod error;
mod execution;

pub mod command;
pub mod metrics;
pub mod template;

pub use command::{CommandTask, Deployed, Trained};
pub use error::{TaskError, TaskErrorKind};
