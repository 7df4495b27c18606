//! Tasks: what is to be learned, and by whom.

mod error;
pub(crate) mod execution;
mod logits;
mod supervision;

pub mod command;
pub mod graph;
pub mod metrics;
pub mod template;

pub use command::{CommandTask, Deployed, Trained};
pub use error::{TaskError, TaskErrorKind};
pub use logits::Logits;
pub use supervision::Supervision;
pub(crate) use supervision::listen;

use joulewise_meter::Caveat;

use crate::practice::Setback;
use graph::GraphTask;

/// What is to be learned, and by whom.
pub enum Task {
    /// A graph and pictures, on our own engine.
    Graph(Box<GraphTask>),
    /// The user's own commands.
    Commands(Box<CommandTask>),
}

impl Task {
    /// The graph task; a reason to skip where the training is the user's own command.
    pub fn graph(&self) -> Result<&GraphTask, Setback> {
        match self {
            Self::Graph(task) => Ok(task),
            Self::Commands(_) => {
                Err(Setback::Skipped("needs a network of our own engine; this training is a command".into()))
            }
        }
    }

    /// The instruction set of our kernels; empty where they are not used.
    pub fn isa(&self) -> &'static str {
        match self {
            Self::Graph(task) => task.cpu.isa().name(),
            Self::Commands(_) => "",
        }
    }

    /// Whether an inference of its models can be priced.
    pub fn prices_inference(&self) -> bool {
        match self {
            Self::Graph(_) => true,
            Self::Commands(task) => task.has_deploy(),
        }
    }

    /// What a reader of its results must know.
    pub fn caveats(&self) -> Vec<Caveat> {
        match self {
            Self::Graph(task) => task.caveats(),
            Self::Commands(task) => task.caveats(),
        }
    }
}
