//! What is at the path of an export already.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use crate::storage::{Failure, StorageError, StorageErrorKind};

/// The attribute of a study that we wrote: with how many trials.
pub(super) const MARK: &str = "joulewise:trials";

/// Fails where something would be lost: unless there is nothing, an empty file, or what was written of study `name` and
/// has not grown since.
pub(super) fn check(path: &Path, name: &str) -> Result<(), StorageError> {
    let failure = Failure::of(path);
    match fs::metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failure.of_io("read", error)),
        Ok(there) if !there.is_file() => {
            return Err(failure.problem(StorageErrorKind::Refused, "SQLite can write to files only"));
        }
        Ok(there) if there.len() == 0 => return Ok(()),
        Ok(_) => (),
    }
    let refused = |problem: &str| {
        let error = failure.problem(StorageErrorKind::Refused, problem);
        Err(error.cured_by("name another file, or remove this one first"))
    };
    let Ok(studies) = studies(path) else {
        return refused("it is there already, and no file of Optuna");
    };
    match &studies[..] {
        [only] if only.name == name && only.marked == Some(only.trials) => Ok(()),
        [only] if only.name == name => {
            refused(&format!("study `{name}` in it was made by Optuna, or went on there"))
        }
        others => match others.iter().find(|study| study.name != name) {
            Some(other) => refused(&format!("it holds another study, `{}`", other.name)),
            None => refused("it is a file of Optuna already"),
        },
    }
}

struct Study {
    name: String,
    trials: i64,
    /// How many there were when we wrote it.
    marked: Option<i64>,
}

fn studies(path: &Path) -> rusqlite::Result<Vec<Study>> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    let sql = "SELECT study_name,
            (SELECT count(*) FROM trials WHERE trials.study_id = studies.study_id),
            (SELECT CAST(value_json AS INTEGER) FROM study_system_attributes AS attributes
                WHERE attributes.study_id = studies.study_id AND key = ?1)
        FROM studies";
    let study =
        |row: &rusqlite::Row<'_>| Ok(Study { name: row.get(0)?, trials: row.get(1)?, marked: row.get(2)? });
    connection.prepare(sql)?.query_map([MARK], study)?.collect()
}
