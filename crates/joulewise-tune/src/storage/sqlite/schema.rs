//! The tables, and how those of older versions become those of today.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::{Connection, TransactionBehavior};

use super::PATIENCE;
use super::failure::Failure;
use crate::storage::{StorageError, StorageErrorKind};

/// Marks our files in their header: "JOUL".
const APPLICATION_ID: u32 = 0x4a4f_554c;

/// What leads from each version to the next, the first from nothing. What was released is never changed.
const MIGRATIONS: [&str; 2] = [
    // Trials are numbered once, and cells of exact studies done once, whatever the code above believes.
    "CREATE TABLE studies (
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL UNIQUE,
        definition TEXT NOT NULL
    ) STRICT;
    CREATE TABLE events (
        study INTEGER NOT NULL REFERENCES studies,
        seq INTEGER NOT NULL,
        at_s REAL NOT NULL,
        begun INTEGER,
        cell TEXT,
        entry TEXT NOT NULL,
        PRIMARY KEY (study, seq)
    ) STRICT, WITHOUT ROWID;
    CREATE UNIQUE INDEX begun_once ON events (study, begun) WHERE begun IS NOT NULL;
    CREATE UNIQUE INDEX cell_once ON events (study, cell) WHERE cell IS NOT NULL;",
    "CREATE TABLE leases (
        study INTEGER NOT NULL REFERENCES studies,
        trial INTEGER NOT NULL,
        fence INTEGER NOT NULL,
        until_s REAL NOT NULL,
        PRIMARY KEY (study, trial)
    ) STRICT, WITHOUT ROWID;",
];

/// Where the header of an SQLite file has the version and the mark of the application that it belongs to.
const VERSION_AT: usize = 60;
const APPLICATION_AT: usize = 68;

/// What a file is, by the header of SQLite.
struct Mark {
    version: u32,
    application: u32,
}

/// Refuses, by the first 100 bytes of a file, what is no study of a version that is known. Nothing at all is a new file.
pub(super) fn look_at_header(header: &[u8], path: &Path) -> Result<(), StorageError> {
    if header.is_empty() {
        return Ok(());
    }
    if !header.starts_with(b"SQLite format 3\0") {
        return Err(foreign(path, "it is no SQLite database"));
    }
    let Some(word) = header.first_chunk::<100>().map(|header| {
        move |at: usize| u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
    }) else {
        return Err(Failure::of(path).damaged("it ends in the middle of its header"));
    };
    Mark { version: word(VERSION_AT), application: word(APPLICATION_AT) }.check(path)
}

/// Makes the tables, or those of an older version into those of today.
pub(super) fn prepare(connection: &mut Connection, path: &Path) -> Result<(), StorageError> {
    let failure = Failure::of(path);
    let deadline = Instant::now() + PATIENCE;
    loop {
        match migrate(connection, path).and_then(|()| use_log(connection).map_err(failure.to("open"))) {
            // Not everything that takes the file for itself waits for others: two that make it meet here.
            Err(error) if error.kind() == StorageErrorKind::Busy && Instant::now() < deadline => {
                thread::sleep(Duration::from_millis(5));
            }
            other => return other,
        }
    }
}

/// Checks that a file that cannot be written needs no migration.
pub(super) fn check(connection: &Connection, path: &Path) -> Result<(), StorageError> {
    let mark = Mark::of(connection).map_err(Failure::of(path).to("read"))?;
    mark.check(path)?;
    if mark.is_current() {
        return Ok(());
    }
    let message =
        format!("{}: it is read-only and of an older version, which has to be written anew", path.display());
    Err(StorageError::new(StorageErrorKind::ReadOnly, message))
}

fn migrate(connection: &mut Connection, path: &Path) -> Result<(), StorageError> {
    let failure = Failure::of(path);
    let mark = Mark::of(connection).map_err(failure.to("read"))?;
    mark.check(path)?;
    if mark.is_current() {
        return Ok(());
    }
    let transaction =
        connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failure.to("write"))?;
    // Another process may have been faster.
    let mark = Mark::of(&transaction).map_err(failure.to("read"))?;
    mark.check(path)?;
    if mark.application == 0 {
        refuse_tables(&transaction, path)?;
    }
    for migration in MIGRATIONS.iter().skip(mark.version as usize) {
        transaction.execute_batch(migration).map_err(failure.to("write"))?;
    }
    transaction.pragma_update(None, "user_version", MIGRATIONS.len() as u32).map_err(failure.to("write"))?;
    transaction.pragma_update(None, "application_id", APPLICATION_ID).map_err(failure.to("write"))?;
    transaction.commit().map_err(failure.to("write"))
}

fn use_log(connection: &Connection) -> rusqlite::Result<()> {
    let mode: String = connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
    if mode == "wal" {
        return Ok(());
    }
    Err(rusqlite::Error::SqliteFailure(
        rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY),
        Some(format!("the journal mode is `{mode}`")),
    ))
}

/// Refuses the tables of somebody else.
fn refuse_tables(connection: &Connection, path: &Path) -> Result<(), StorageError> {
    let names = || -> rusqlite::Result<Vec<String>> {
        connection
            .prepare("SELECT name FROM sqlite_schema WHERE type = 'table'")?
            .query_map([], |row| row.get(0))?
            .collect()
    };
    let names = names().map_err(Failure::of(path).to("read"))?;
    let is_optuna =
        ["studies", "trial_params", "alembic_version"].iter().all(|t| names.iter().any(|n| n == t));
    match names.is_empty() {
        true => Ok(()),
        false if is_optuna => Err(foreign(path, "it is a file of Optuna")
            .cured_by("bring its studies with `joulewise tune import optuna FILE`")),
        false => Err(foreign(path, "it is a database of something else")),
    }
}

fn foreign(path: &Path, problem: &str) -> StorageError {
    StorageError::new(StorageErrorKind::Foreign, format!("{}: {problem}", path.display()))
}

impl Mark {
    fn of(connection: &Connection) -> rusqlite::Result<Self> {
        let read = |name| connection.pragma_query_value(None, name, |row| row.get(0));
        Ok(Self { version: read("user_version")?, application: read("application_id")? })
    }

    fn is_current(&self) -> bool {
        self.application == APPLICATION_ID && self.version as usize == MIGRATIONS.len()
    }

    fn check(&self, path: &Path) -> Result<(), StorageError> {
        match self.application {
            // A new file, or one of a tool that leaves no mark: its tables will tell.
            0 => Ok(()),
            APPLICATION_ID if self.version as usize <= MIGRATIONS.len() => Ok(()),
            APPLICATION_ID => {
                let message = format!(
                    "{}: it has studies of version {}, and this Joulewise knows up to version {}",
                    path.display(),
                    self.version,
                    MIGRATIONS.len()
                );
                Err(StorageError::new(StorageErrorKind::Newer, message))
            }
            _ => Err(foreign(path, "it is a database of something else")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::{Sqlite, Storage};

    #[test]
    fn an_older_file_becomes_one_of_today_and_keeps_everything() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("study.db");
        let old = Connection::open(&path).unwrap();
        old.execute_batch(MIGRATIONS[0]).unwrap();
        old.pragma_update(None, "user_version", 1).unwrap();
        old.pragma_update(None, "application_id", APPLICATION_ID).unwrap();
        let definition = r#"{"space":{"parameters":{}},"objectives":[{"metric":"m","goal":"max"}],"seed":1,
            "sampler":"random","lease_s":60.0,"retries":2}"#;
        old.execute("INSERT INTO studies (name, definition) VALUES ('s', ?1)", [definition]).unwrap();
        let entry = r#"{"kind":"noted","trial":null,"key":"k","value":"v"}"#;
        old.execute("INSERT INTO events VALUES (1, 1, 0.0, NULL, NULL, ?1)", [entry]).unwrap();
        drop(old);

        let mut journal = Sqlite::at(&path).open("s").unwrap();
        let mut keys = Vec::new();
        let read = journal.read(0, &mut |event| {
            keys.push(event.entry);
            Ok(())
        });
        read.unwrap();
        assert_eq!(keys.len(), 1);
        assert!(!journal.renew(crate::trial::TrialId(0), 1).unwrap(), "leases came with version 2");
        let connection = Connection::open(&path).unwrap();
        assert!(Mark::of(&connection).unwrap().is_current());
    }
}
