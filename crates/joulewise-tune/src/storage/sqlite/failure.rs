//! What SQLite says, told of a file.

use std::io;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

use crate::storage::{StorageError, StorageErrorKind};

/// Makes errors about one file.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    path: PathBuf,
}

impl Failure {
    pub(crate) fn of(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    /// For what went wrong while `doing` something with the file.
    pub(crate) fn to(&self, doing: &'static str) -> impl Fn(rusqlite::Error) -> StorageError + '_ {
        move |error| self.error(doing, error)
    }

    fn error(&self, doing: &str, error: rusqlite::Error) -> StorageError {
        let (kind, problem) = match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                (StorageErrorKind::Busy, "others held it for too long".to_owned())
            }
            Some(ErrorCode::ReadOnly) => (StorageErrorKind::ReadOnly, "it is read-only".to_owned()),
            Some(ErrorCode::DiskFull) => (StorageErrorKind::Full, "the disk is full".to_owned()),
            Some(ErrorCode::DatabaseCorrupt) => (StorageErrorKind::Corrupt, "it is damaged".to_owned()),
            Some(ErrorCode::NotADatabase) => {
                (StorageErrorKind::Foreign, "it is no SQLite database".to_owned())
            }
            Some(ErrorCode::ConstraintViolation) => {
                (StorageErrorKind::Refused, "a trial or its point was begun before".to_owned())
            }
            Some(ErrorCode::PermissionDenied) => (StorageErrorKind::ReadOnly, "permission denied".to_owned()),
            _ => {
                // Both the error and its cause repeat what SQLite says.
                let said = match error {
                    rusqlite::Error::SqliteFailure(_, Some(said)) => said,
                    error => error.to_string(),
                };
                (StorageErrorKind::Io, format!("cannot {doing} it: {said}"))
            }
        };
        self.problem(kind, &problem)
    }

    pub(crate) fn of_io(&self, doing: &str, error: io::Error) -> StorageError {
        StorageError::new(StorageErrorKind::Io, format!("{}: cannot {doing} it", self.path.display()))
            .because(error)
    }

    pub(crate) fn damaged(&self, problem: &str) -> StorageError {
        self.problem(StorageErrorKind::Corrupt, problem)
    }

    pub(crate) fn problem(&self, kind: StorageErrorKind, problem: &str) -> StorageError {
        StorageError::new(kind, format!("{}: {problem}", self.path.display()))
    }
}
