//! Why a command of the user gave no result.

use std::io;
use std::path::Path;

/// A command that gave no result. The message names the command, what is wrong and what to do.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct TaskError {
    kind: TaskErrorKind,
    message: String,
}

/// What went wrong with a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TaskErrorKind {
    /// It could not be started.
    Start,
    /// It ended with an exit code other than 0.
    Failed,
    /// It did not end in time.
    TimedOut,
    /// It ended well and reported no value of the metric.
    NoMetric,
    /// The metric became NaN or infinite.
    NotANumber,
    /// An accuracy that is no fraction.
    NotAFraction,
    /// It left no model.
    NoModel,
    /// Its folder or its log cannot be written, or its metrics cannot be read.
    File,
    /// The user stopped it.
    Cancelled,
}

impl TaskError {
    /// What went wrong.
    pub fn kind(&self) -> TaskErrorKind {
        self.kind
    }

    pub(super) fn new(kind: TaskErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    pub(super) fn file(path: &Path, error: &io::Error) -> Self {
        Self::new(TaskErrorKind::File, format!("cannot use {}: {error}", path.display()))
    }
}
