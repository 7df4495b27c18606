//! Why a command of the user gave no result.

use std::io;
use std::path::{Path, PathBuf};

use crate::practice::Setback;

/// A command that gave no result. The message names the command, what is wrong and what to do.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}{}", place(log.as_deref()))]
pub struct TaskError {
    kind: TaskErrorKind,
    message: String,
    log: Option<PathBuf>,
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
    /// It left no logits of the teacher, or something else in their place.
    NoLogits,
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
        Self { kind, message: message.into(), log: None }
    }

    /// Says where all of the command's output is.
    pub(super) fn with_log(self, log: &Path) -> Self {
        Self { log: Some(log.to_owned()), ..self }
    }

    /// Without the place of the output, for a caller that removes it.
    #[must_use]
    pub fn without_log(self) -> Self {
        Self { log: None, ..self }
    }

    pub(super) fn file(path: &Path, error: &io::Error) -> Self {
        Self::new(TaskErrorKind::File, format!("cannot use {}: {error}", path.display()))
    }
}

fn place(log: Option<&Path>) -> String {
    log.map_or(String::new(), |log| format!("\nall of its output is in {}", log.display()))
}

impl From<TaskError> for Setback {
    fn from(error: TaskError) -> Self {
        match error.kind {
            TaskErrorKind::Cancelled => Self::Cancelled,
            _ => Self::Failed(error.to_string()),
        }
    }
}
