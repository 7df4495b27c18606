//! The tables, and how those of older versions become those of today.

use postgres::Client;
use postgres::types::Type;

use super::link::Trouble;
use super::turn::LOCKS;
use crate::storage::{StorageError, StorageErrorKind};

/// What leads from each version to the next, the first from nothing. What was released is never changed.
const MIGRATIONS: [&str; 1] = [
    // Trials are numbered once, and cells of exact studies done once, whatever the code above believes. A point may be
    // longer than what an index holds, so its cell is known by 128 bits.
    "CREATE TABLE joulewise.version (number INTEGER NOT NULL);
    INSERT INTO joulewise.version VALUES (0);
    CREATE TABLE joulewise.studies (
        id INTEGER GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        name TEXT NOT NULL UNIQUE,
        definition TEXT NOT NULL
    );
    CREATE TABLE joulewise.events (
        study INTEGER NOT NULL REFERENCES joulewise.studies,
        seq BIGINT NOT NULL,
        at_s DOUBLE PRECISION NOT NULL,
        begun BIGINT,
        cell TEXT,
        entry TEXT NOT NULL,
        PRIMARY KEY (study, seq)
    );
    CREATE UNIQUE INDEX begun_once ON joulewise.events (study, begun) WHERE begun IS NOT NULL;
    CREATE UNIQUE INDEX cell_once ON joulewise.events
        (study, hashtextextended(cell, 0), hashtextextended(cell, 1)) WHERE cell IS NOT NULL;
    CREATE TABLE joulewise.leases (
        study INTEGER NOT NULL REFERENCES joulewise.studies,
        trial BIGINT NOT NULL,
        fence BIGINT NOT NULL,
        until_s DOUBLE PRECISION NOT NULL,
        PRIMARY KEY (study, trial)
    ) WITH (fillfactor = 50);",
];

/// What there is of the schema. Asked of the catalogue as it stands: what a session remembers of names may be older.
const THERE: &str = "SELECT count(*) FILTER (WHERE relname = 'version') > 0, count(relname), count(*) > 0
    FROM pg_namespace LEFT JOIN pg_class ON relnamespace = pg_namespace.oid WHERE nspname = 'joulewise'";

/// Brings the tables of an older version to today, and makes them where there are none, if that is wanted.
pub(super) fn prepare(client: &mut Client, address: &str, may_create: bool) -> Result<(), Trouble> {
    match There::find(client, address)? {
        There::Version(version) if version == MIGRATIONS.len() => return Ok(()),
        There::Nothing | There::Schema if !may_create => {
            return Err(problem(StorageErrorKind::Missing, address, "the database holds no studies").into());
        }
        _ => {}
    }
    client.batch_execute(&format!("BEGIN; SELECT pg_advisory_xact_lock({LOCKS}, 0)"))?;
    let migrated = migrate(client, address);
    client.batch_execute(if migrated.is_ok() { "COMMIT" } else { "ROLLBACK" })?;
    migrated
}

fn migrate(client: &mut Client, address: &str) -> Result<(), Trouble> {
    // Another process may have been faster.
    let there = match There::find(client, address)? {
        There::Nothing => {
            client.batch_execute("CREATE SCHEMA joulewise")?;
            0
        }
        There::Schema => 0,
        There::Version(version) => version,
    };
    for migration in MIGRATIONS.iter().skip(there) {
        client.batch_execute(migration)?;
    }
    let number = MIGRATIONS.len() as i32;
    client.execute_typed("UPDATE joulewise.version SET number = $1", &[(&number, Type::INT4)])?;
    Ok(())
}

/// What there is.
enum There {
    Nothing,
    /// A schema that is empty, as one that was made for us.
    Schema,
    /// Tables of a version that is known.
    Version(usize),
}

impl There {
    fn find(client: &mut Client, address: &str) -> Result<Self, Trouble> {
        let row = client.query_typed_one(THERE, &[])?;
        let (has_version, relations, has_schema): (bool, i64, bool) = (row.get(0), row.get(1), row.get(2));
        if !has_version {
            return match (relations, has_schema) {
                (0, false) => Ok(Self::Nothing),
                (0, true) => Ok(Self::Schema),
                _ => {
                    let told = "the database has a schema `joulewise` of something else";
                    let error = problem(StorageErrorKind::Foreign, address, told);
                    Err(error.cured_by("name another database").into())
                }
            };
        }
        let version: i32 = client.query_typed_one("SELECT number FROM joulewise.version", &[])?.get(0);
        let newest = MIGRATIONS.len();
        match usize::try_from(version) {
            Ok(version) if version <= newest => Ok(Self::Version(version)),
            _ => {
                let told = format!(
                    "it has studies of version {version}, and this Joulewise knows up to version {newest}"
                );
                Err(problem(StorageErrorKind::Newer, address, &told).into())
            }
        }
    }
}

fn problem(kind: StorageErrorKind, address: &str, problem: &str) -> StorageError {
    StorageError::new(kind, format!("{address}: {problem}"))
}
