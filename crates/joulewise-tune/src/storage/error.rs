//! Why a study cannot be read or written.

use crate::trial::TrialId;

/// Why a study cannot be read or written. Nothing was changed.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct StorageError {
    kind: StorageErrorKind,
    message: String,
    cure: Option<&'static str>,
    #[source]
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// What kind of [`StorageError`] it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StorageErrorKind {
    /// There is a study of this name.
    Taken,
    /// There is no study, or no trial, of this name.
    Missing,
    /// A newer Joulewise wrote it.
    Newer,
    /// It is something else than a study.
    Foreign,
    /// It is damaged.
    Corrupt,
    /// It cannot be written.
    ReadOnly,
    /// The disk is full.
    Full,
    /// Others held it for longer than is waited.
    Busy,
    /// It lies where several machines write at a time, and locks do not hold.
    Network,
    /// The server lets nobody in by this name and password, or not so far.
    Denied,
    /// The server does not answer.
    Unreachable,
    /// What was asked for makes no sense.
    Refused,
    /// Reading or writing failed otherwise.
    Io,
}

impl StorageError {
    /// An error for a message that names the study, or its file, and what is wrong.
    pub fn new(kind: StorageErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), cure: None, source: None }
    }

    /// Two workers began the same trial or were proposed the same point, which a storage must not let happen.
    pub(crate) fn begun_twice(trial: TrialId) -> Self {
        Self::new(StorageErrorKind::Refused, format!("trial {} or its point was begun before", trial.0))
    }

    /// Attaches its cause.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Attaches what to do about this one.
    #[must_use]
    pub(crate) fn cured_by(mut self, cure: &'static str) -> Self {
        self.cure = Some(cure);
        self
    }

    /// What kind it is.
    pub fn kind(&self) -> StorageErrorKind {
        self.kind
    }

    /// What to do about it, where that is known.
    pub fn cure(&self) -> Option<&'static str> {
        self.cure.or(match self.kind {
            StorageErrorKind::Taken => Some("choose another name, or continue the study that is there"),
            StorageErrorKind::Newer => Some("install the Joulewise that wrote it, or a later one"),
            StorageErrorKind::Corrupt => {
                Some("restore it from a backup, or save what is left with `sqlite3 FILE .recover`")
            }
            StorageErrorKind::Full => Some("free some space and go on: what was told before is kept"),
            StorageErrorKind::Busy => Some("look for a program that holds the file open in a transaction"),
            StorageErrorKind::Network => Some(
                "put the study on a disk of this machine or, for workers of several machines, on a PostgreSQL server",
            ),
            StorageErrorKind::Foreign => Some("name another file: this one was not made for studies"),
            StorageErrorKind::ReadOnly => Some("copy it to where it can be written"),
            _ => None,
        })
    }
}
