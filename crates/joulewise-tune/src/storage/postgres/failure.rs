//! What a PostgreSQL server says, told of an address.

use std::error::Error as _;
use std::io;

use postgres::Error;
use postgres::error::SqlState;

use super::distrust;
use crate::storage::{StorageError, StorageErrorKind};

/// What to do about a login that was refused.
const LOGIN: &str = "set PGPASSWORD, or write the password into ~/.pgpass, which nobody else may read";
/// What to do where a server wants what is said to be encrypted.
const ENCRYPT: &str =
    "add ?sslmode=require to the address, or sslmode=verify-full to have the server prove who it is";

/// Whether the connection is gone, so that another one may do better.
pub(super) fn is_broken(error: &Error) -> bool {
    if error.is_closed() || io_error(error).is_some() {
        return true;
    }
    let Some(code) = error.code() else { return false };
    let lost =
        [SqlState::ADMIN_SHUTDOWN, SqlState::CRASH_SHUTDOWN, SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT];
    // Class 08 is all about connections.
    code.code().starts_with("08") || lost.contains(code) || is_crowded(error)
}

/// Whether the server lets nobody in for the moment: it is being started, or has too many clients.
pub(super) fn is_crowded(error: &Error) -> bool {
    error
        .code()
        .is_some_and(|code| [SqlState::CANNOT_CONNECT_NOW, SqlState::TOO_MANY_CONNECTIONS].contains(code))
}

/// What the server at an address said.
pub(super) fn told(address: &str, error: &Error) -> StorageError {
    let (kind, problem, cure) = meaning(error);
    let message = StorageError::new(kind, format!("{address}: {problem}"));
    match cure {
        Some(cure) => message.cured_by(cure),
        None => message,
    }
}

type Meaning = (StorageErrorKind, String, Option<&'static str>);

fn meaning(error: &Error) -> Meaning {
    use StorageErrorKind as Kind;

    let Some(said) = error.as_db_error() else { return without_server(error) };
    let problem = said.message().to_owned();
    let is_unencrypted = problem.contains("no encryption") || problem.contains("SSL off");
    let (kind, cure) = match *said.code() {
        SqlState::INVALID_PASSWORD => (Kind::Denied, Some(LOGIN)),
        SqlState::INVALID_AUTHORIZATION_SPECIFICATION if is_unencrypted => (Kind::Denied, Some(ENCRYPT)),
        SqlState::INVALID_AUTHORIZATION_SPECIFICATION => {
            (Kind::Denied, Some("name the user in the address, and let pg_hba.conf of the server admit them"))
        }
        SqlState::INSUFFICIENT_PRIVILEGE => (
            Kind::Denied,
            Some("have the owner of the database run `CREATE SCHEMA joulewise AUTHORIZATION your_user`"),
        ),
        SqlState::INVALID_CATALOG_NAME => {
            (Kind::Missing, Some("make it with `createdb`, or name another one"))
        }
        SqlState::TOO_MANY_CONNECTIONS => (
            Kind::Busy,
            Some("raise max_connections of the server, or have the workers connect through a pooler"),
        ),
        SqlState::CANNOT_CONNECT_NOW => (Kind::Unreachable, Some("wait until the server is up")),
        SqlState::LOCK_NOT_AVAILABLE => {
            (Kind::Busy, Some("look in pg_stat_activity for a session that holds a transaction open"))
        }
        SqlState::READ_ONLY_SQL_TRANSACTION => {
            (Kind::ReadOnly, Some("name the primary server: this one is a copy that only reads"))
        }
        SqlState::DISK_FULL => (Kind::Full, None),
        SqlState::UNIQUE_VIOLATION => {
            return (Kind::Refused, "a trial or its point was begun before".to_owned(), None);
        }
        SqlState::DATA_CORRUPTED | SqlState::INDEX_CORRUPTED => {
            (Kind::Corrupt, Some("restore the database from a backup"))
        }
        _ => (Kind::Io, None),
    };
    (kind, problem, cure)
}

/// What went wrong before, or instead of, the server's saying anything.
fn without_server(error: &Error) -> Meaning {
    let cause = error.source().map(ToString::to_string);
    let problem = cause.unwrap_or_else(|| error.to_string());
    if problem == "password missing" {
        return (StorageErrorKind::Denied, "the server asks for a password".to_owned(), Some(LOGIN));
    }
    if problem.contains("server does not support TLS") {
        let cure = "leave sslmode away where nobody can listen, or have the server set up with ssl = on";
        return (StorageErrorKind::Denied, "the server does not encrypt".to_owned(), Some(cure));
    }
    if let Some((problem, cure)) = distrust::reason(error) {
        return (StorageErrorKind::Denied, problem, Some(cure));
    }
    let cure = "see that the server runs and that its name, its port and the network are right";
    (StorageErrorKind::Unreachable, problem, Some(cure))
}

/// What the network said, unless it was about a certificate.
fn io_error(error: &Error) -> Option<&io::Error> {
    let found = error.source()?.downcast_ref::<io::Error>()?;
    let is_final = matches!(found.kind(), io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput);
    (!is_final).then_some(found)
}
