//! Studies in an SQLite file.
//!
//! Any number of processes of one machine may work on the file at a time. It is in the mode of a write-ahead log: who
//! reads never waits, and who writes waits for its turn. Each event is written in a transaction, so whatever is killed
//! in the middle of it leaves no half of it behind.

mod failure;
mod journal;
mod mounts;
mod schema;

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, OptionalExtension, params};

use super::{Definition, Journal, Storage, StorageError, StorageErrorKind};
pub(crate) use failure::Failure;
use journal::Log;

/// For how long a process waits until others have written.
const PATIENCE: Duration = Duration::from_secs(30);

/// Studies in one file, which [`create`](Storage::create) makes if it is not there.
///
/// A file on a network file system is refused, because locks do not hold there; so are files that are damaged, that
/// are something else, or that a newer Joulewise wrote. None of them is touched.
#[derive(Clone, Debug)]
pub struct Sqlite {
    path: PathBuf,
    is_durable: bool,
}

impl Sqlite {
    /// Studies in the file at `path`.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), is_durable: false }
    }

    /// Has each event on the disk before anybody goes on. Without, an event outlives its process, and a power failure
    /// may take the last of them; with it, a few hundred events a second is all that a disk can do.
    #[must_use]
    pub fn durable(self) -> Self {
        Self { is_durable: true, ..self }
    }

    fn failure(&self) -> Failure {
        Failure::of(&self.path)
    }

    /// The file that must be there.
    fn connect(&self) -> Result<Connection, StorageError> {
        if !self.path.exists() {
            let message = format!("{}: there is no such file", self.path.display());
            return Err(StorageError::new(StorageErrorKind::Missing, message));
        }
        let is_log_empty = || std::fs::metadata(self.log()).map_or(true, |log| log.len() == 0);
        match OpenOptions::new().append(true).open(&self.path) {
            Err(error) if is_read_only(&error) && is_log_empty() => self.connect_to_read(),
            _ => self.connect_or_create(),
        }
    }

    /// Reads a file that nobody can write, as on a medium that is mounted read-only.
    fn connect_to_read(&self) -> Result<Connection, StorageError> {
        self.look_at_header()?;
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
        let connection =
            Connection::open_with_flags(immutable(&self.path), flags).map_err(self.failure().to("open"))?;
        schema::check(&connection, &self.path)?;
        Ok(connection)
    }

    /// What was written and is not yet in the file itself.
    fn log(&self) -> PathBuf {
        let mut log = self.path.clone().into_os_string();
        log.push("-wal");
        log.into()
    }

    fn connect_or_create(&self) -> Result<Connection, StorageError> {
        mounts::refuse_network(&self.path)?;
        self.look_at_header()?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
        let mut connection = Connection::open_with_flags(&self.path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)
            .map_err(self.failure().to("open"))?;
        connection.busy_timeout(PATIENCE).map_err(self.failure().to("open"))?;
        schema::prepare(&mut connection, &self.path)?;
        let synchronous = if self.is_durable { "FULL" } else { "NORMAL" };
        let set = connection.pragma_update(None, "synchronous", synchronous);
        set.map_err(self.failure().to("open"))?;
        // A checkpoint waits for the disk: one for each few thousand events, not for each few hundred.
        connection.pragma_update(None, "wal_autocheckpoint", 4000).map_err(self.failure().to("open"))?;
        Ok(connection)
    }

    /// Refuses what is no study before SQLite, which repairs and tidies what it opens, gets to see it.
    fn look_at_header(&self) -> Result<(), StorageError> {
        let mut header = Vec::new();
        match File::open(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(self.failure().of_io("open", error)),
            Ok(file) => {
                file.take(100)
                    .read_to_end(&mut header)
                    .map_err(|error| self.failure().of_io("read", error))?;
            }
        }
        schema::look_at_header(&header, &self.path)
    }
}

impl Storage for Sqlite {
    fn studies(&mut self) -> Result<Vec<String>, StorageError> {
        let connection = self.connect()?;
        let mut names = connection
            .prepare("SELECT name FROM studies ORDER BY name")
            .map_err(self.failure().to("read"))?;
        let names = names.query_map([], |row| row.get(0)).map_err(self.failure().to("read"))?;
        names.collect::<Result<_, _>>().map_err(self.failure().to("read"))
    }

    fn create(&mut self, name: &str, definition: &Definition) -> Result<Box<dyn Journal>, StorageError> {
        let text = serde_json::to_string(definition).map_err(|error| {
            StorageError::new(StorageErrorKind::Refused, "the definition cannot be written as JSON")
                .because(error)
        })?;
        let connection = self.connect_or_create()?;
        let sql = "INSERT INTO studies (name, definition) VALUES (?1, ?2) ON CONFLICT (name) DO NOTHING";
        let created = connection.execute(sql, params![name, text]).map_err(self.failure().to("write"))?;
        if created == 0 {
            let message = format!("{}: there is a study `{name}`", self.path.display());
            return Err(StorageError::new(StorageErrorKind::Taken, message));
        }
        let id = connection.last_insert_rowid();
        Ok(Box::new(Log::new(connection, id, definition.clone(), self.failure())))
    }

    fn open(&mut self, name: &str) -> Result<Box<dyn Journal>, StorageError> {
        let connection = self.connect()?;
        let found = connection
            .query_row("SELECT id, definition FROM studies WHERE name = ?1", [name], |row| {
                Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?))
            })
            .optional()
            .map_err(self.failure().to("read"))?;
        let Some((id, text)) = found else {
            let message = format!("{}: there is no study `{name}`", self.path.display());
            return Err(StorageError::new(StorageErrorKind::Missing, message));
        };
        let definition = serde_json::from_str(&text).map_err(|error| {
            let problem = format!("the definition of study `{name}` is damaged");
            self.failure().damaged(&problem).because(error)
        })?;
        Ok(Box::new(Log::new(connection, id, definition, self.failure())))
    }
}

fn is_read_only(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem)
}

/// The address by which SQLite takes a file as it is, without looking for others who use it.
fn immutable(path: &Path) -> String {
    let escaped = |byte: &u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'_' | b'.' => char::from(*byte).to_string(),
        _ => format!("%{byte:02x}"),
    };
    let path: String = path.as_os_str().as_encoded_bytes().iter().map(escaped).collect();
    format!("file:{path}?immutable=1")
}

/// The folder that a file is, or would be, in.
fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::direction::Direction;
    use crate::objective::Objectives;
    use crate::space::Space;
    use crate::testing;

    #[test]
    fn sqlite_is_a_storage() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("what? #1 %20.db");
        testing::check_storage(|| Sqlite::at(&path));
    }

    fn definition() -> Definition {
        let space = Space::new().float("x", 0.0, 1.0).unwrap();
        Definition::new(space, Objectives::single(Direction::Max), 1, "random")
    }

    /// A file that is to be refused, and how it looks after that.
    fn refusal(contents: &[u8]) -> (StorageErrorKind, String) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("study.db");
        std::fs::write(&path, contents).unwrap();
        let mut sqlite = Sqlite::at(&path);
        let error = sqlite.open("s").err().or(sqlite.create("s", &definition()).err()).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), contents, "the file was touched");
        assert_eq!(
            std::fs::read_dir(folder.path()).unwrap().count(),
            1,
            "something was left beside the file"
        );
        let message = error.to_string();
        let file = format!("{}: ", path.display());
        (error.kind(), message.strip_prefix(&file).unwrap_or(&message).to_owned())
    }

    /// The bytes of a study file.
    fn file(change: impl FnOnce(&Connection)) -> Vec<u8> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("study.db");
        drop(Sqlite::at(&path).create("s", &definition()).unwrap());
        let connection = Connection::open(&path).unwrap();
        change(&connection);
        drop(connection);
        std::fs::read(&path).unwrap()
    }

    #[test]
    fn what_is_no_study_is_refused_and_left_alone() {
        let text = b"x = 1\n".repeat(100);
        assert_eq!(refusal(&text), (StorageErrorKind::Foreign, "it is no SQLite database".to_owned()));
        let cut = &file(|_| ())[..60];
        let ends = "it ends in the middle of its header".to_owned();
        assert_eq!(refusal(cut), (StorageErrorKind::Corrupt, ends));
        let newer = file(|c| c.pragma_update(None, "user_version", 99).unwrap());
        let problem = "it has studies of version 99, and this Joulewise knows up to version 2".to_owned();
        assert_eq!(refusal(&newer), (StorageErrorKind::Newer, problem));
        let marked = file(|c| c.pragma_update(None, "application_id", 7).unwrap());
        let other = "it is a database of something else".to_owned();
        assert_eq!(refusal(&marked), (StorageErrorKind::Foreign, other.clone()));
        let unmarked = file(|c| {
            c.pragma_update(None, "application_id", 0).unwrap();
            c.pragma_update(None, "journal_mode", "DELETE").unwrap();
        });
        assert_eq!(refusal(&unmarked), (StorageErrorKind::Foreign, other));
    }

    #[test]
    fn damage_is_told_and_what_is_there_is_kept() {
        let mut damaged = file(|_| ());
        for byte in &mut damaged[4096..] {
            *byte = 0x55;
        }
        let (kind, message) = refusal(&damaged);
        assert_eq!((kind, message.as_str()), (StorageErrorKind::Corrupt, "it is damaged"));

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("study.db");
        let garbled = file(|c| {
            let sql =
                "INSERT INTO events (study, seq, at_s, entry) VALUES (1, 1, 0.0, '{\"kind\":\"asked\"')";
            c.execute(sql, []).unwrap();
        });
        std::fs::write(&path, garbled).unwrap();
        let mut journal = Sqlite::at(&path).open("s").unwrap();
        let error = journal.read(0, &mut |_| Ok(())).unwrap_err();
        assert_eq!(error.kind(), StorageErrorKind::Corrupt);
        assert!(error.to_string().ends_with("event 1 of study 1 cannot be read"), "{error}");
    }

    #[test]
    fn a_file_that_is_not_there_is_made_by_create_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("study.db");
        let mut sqlite = Sqlite::at(&path);
        assert_eq!(sqlite.open("s").err().unwrap().kind(), StorageErrorKind::Missing);
        assert_eq!(sqlite.studies().unwrap_err().kind(), StorageErrorKind::Missing);
        assert!(!path.exists());
        assert!(Sqlite::at(folder.path().join("no/such/folder.db")).create("s", &definition()).is_err());
        drop(sqlite.create("s", &definition()).unwrap());
        assert_eq!(sqlite.studies().unwrap(), ["s"]);
    }

    #[test]
    fn a_full_disk_is_told_and_takes_nothing_that_was_there() {
        let folder = tempfile::tempdir().unwrap();
        let sqlite = Sqlite::at(folder.path().join("study.db"));
        drop(sqlite.clone().create("s", &definition()).unwrap());
        let connection = sqlite.connect().unwrap();
        connection.pragma_update(None, "max_page_count", 12).unwrap();
        let mut full = Log::new(connection, 1, definition(), sqlite.failure());
        let note = |length: usize| crate::storage::Entry::Noted {
            trial: None,
            key: "k".to_owned(),
            value: "x".repeat(length),
        };
        full.append(0, &mut |_| Ok(vec![note(10)])).unwrap();
        let error = full.append(0, &mut |_| Ok(vec![note(20), note(100_000)])).unwrap_err();
        assert_eq!(error.kind(), StorageErrorKind::Full);
        assert!(error.to_string().ends_with("the disk is full") && error.cure().is_some(), "{error}");
        full.append(0, &mut |_| Ok(vec![note(30)])).unwrap();
        let mut kept = Vec::new();
        let mut journal = sqlite.clone().open("s").unwrap();
        journal
            .read(0, &mut |event| {
                kept.push(event.seq);
                Ok(())
            })
            .unwrap();
        assert_eq!(kept, [1, 2]);
    }

    #[test]
    fn a_file_that_cannot_be_written_is_read_all_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s?t #1.db");
        std::fs::write(&path, file(|_| ())).unwrap();
        let sqlite = Sqlite::at(&path);
        let connection = sqlite.connect_to_read().unwrap();
        let mut journal = Log::new(connection, 1, definition(), sqlite.failure());
        journal.read(0, &mut |_| Ok(())).unwrap();
        let note = crate::storage::Entry::Noted { trial: None, key: "k".to_owned(), value: String::new() };
        let error = journal.append(0, &mut |_| Ok(vec![note.clone()])).unwrap_err();
        assert_eq!(error.kind(), StorageErrorKind::ReadOnly, "{error}");
    }

    #[test]
    fn many_processes_may_make_the_file_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("study.db");
        let create = |i: usize| drop(Sqlite::at(&path).create(&i.to_string(), &definition()).unwrap());
        std::thread::scope(|scope| (0..8).for_each(|i| drop(scope.spawn(move || create(i)))));
        assert_eq!(Sqlite::at(&path).studies().unwrap().len(), 8);
    }
}
