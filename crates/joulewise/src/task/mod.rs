//! Tasks: what is to be learned, and by whom.

mod error;
mod execution;

pub mod command;
pub mod graph;
pub mod metrics;
pub mod template;

pub use command::{CommandTask, Deployed, Trained};
pub use error::{TaskError, TaskErrorKind};

use crate::practice::Setback;
use graph::GraphTask;

/// What is to be learned, and by whom.
pub enum Task {
    /// A graph and pictures, on our own engine.
    Graph(Box<GraphTask>),
}

impl Task {
    /// The graph task; a reason to skip where the training is the user's own command.
    pub fn graph(&self) -> Result<&GraphTask, Setback> {
        match self {
            Self::Graph(task) => Ok(task),
        }
    }

    /// The instruction set of our kernels; empty where they are not used.
    pub fn isa(&self) -> &'static str {
        match self {
            Self::Graph(task) => task.cpu.isa().name(),
        }
    }
}
