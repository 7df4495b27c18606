//! Studies on a PostgreSQL server.
//!
//! Any number of processes of any number of machines may work on a study at a time, each through a connection of its
//! own. Who reads never waits. Who writes holds the lock of the study, a lock of the transaction and not of the session,
//! from being shown the news to having committed: what is asked next depends on all that happened, in its order, so
//! there is no queue out of which two could be served at a time. The lock is let go before the disk is waited for, and
//! that wait is shared: nothing counts as written before the server has it for good, and yet the next worker need not
//! stand by.
//!
//! Leases and times are by the clock of the server alone. Nothing but waiting for others uses what belongs to a session,
//! so a pooler of connections may stand in between.

mod address;
mod distrust;
mod encryption;
mod failure;
mod journal;
mod link;
mod password_file;
mod schema;
mod turn;

use std::fmt;

use postgres::types::Type;

use super::{Definition, Journal, Storage, StorageError, StorageErrorKind};
use address::Address;
use journal::Log;
use link::Link;

/// Studies in one database of a PostgreSQL server, in a schema of their own, which [`create`](Storage::create) makes if
/// it is not there.
///
/// Tables that a newer Joulewise made are refused, those of an older one are brought to today. When the connection
/// breaks, as when the server is restarted, a study that is open connects again for some minutes, and finds out what had
/// become of its last event instead of writing it twice.
#[derive(Clone)]
pub struct Postgres {
    address: Address,
}

impl Postgres {
    /// Whether `text` is the address of a server: `postgresql://…` or `postgres://…`.
    pub fn is_address(text: &str) -> bool {
        Address::rest(text).is_some()
    }

    /// Studies at an address such as `postgresql://user@host:5432/database?sslmode=verify-full`. What it does not say is
    /// taken from the variables `PGHOST`, `PGPORT`, `PGUSER`, `PGDATABASE`, `PGSSLMODE` and `PGSSLROOTCERT`; the password
    /// from the address, from `PGPASSWORD`, or from the file `PGPASSFILE`, which is `~/.pgpass` if not set.
    pub fn at(address: &str) -> Result<Self, StorageError> {
        Ok(Self { address: Address::read(address, &|name| std::env::var(name).ok())? })
    }

    /// The address as it was given, without the password.
    pub fn address(&self) -> &str {
        self.address.shown()
    }

    /// The password that stands in the address, for another process that is to connect.
    pub fn password(&self) -> Option<&str> {
        self.address.password()
    }

    /// A connection to tables of today.
    fn connect(&self, may_create: bool) -> Result<Link, StorageError> {
        let mut link = Link::open(self.address.clone())?;
        link.persist(|session| schema::prepare(&mut session.client, self.address(), may_create))?;
        Ok(link)
    }
}

impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Postgres").field("address", &self.address()).finish_non_exhaustive()
    }
}

impl Storage for Postgres {
    fn studies(&mut self) -> Result<Vec<String>, StorageError> {
        // Sorted here: the order of texts on a server is that of its language.
        let sql = "SELECT name FROM joulewise.studies";
        let rows = self.connect(false)?.persist(|session| Ok(session.client.query_typed(sql, &[])?))?;
        let mut names: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
        names.sort_unstable();
        Ok(names)
    }

    fn create(&mut self, name: &str, definition: &Definition) -> Result<Box<dyn Journal>, StorageError> {
        let text = serde_json::to_string(definition).map_err(|error| {
            StorageError::new(StorageErrorKind::Refused, "the definition cannot be written as JSON")
                .because(error)
        })?;
        if name.contains('\0') {
            let message = "the name of a study cannot hold the character of the number 0";
            return Err(StorageError::new(StorageErrorKind::Refused, message));
        }
        let mut link = self.connect(true)?;
        let sql = "INSERT INTO joulewise.studies (name, definition) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING RETURNING id";
        let created = link.persist(|session| {
            Ok(session.client.query_typed_opt(sql, &[(&name, Type::TEXT), (&text, Type::TEXT)])?)
        })?;
        let Some(row) = created else {
            let message = format!("{}: there is a study `{name}`", self.address());
            return Err(StorageError::new(StorageErrorKind::Taken, message));
        };
        Ok(Box::new(Log::new(link, row.get(0), definition.clone())))
    }

    fn open(&mut self, name: &str) -> Result<Box<dyn Journal>, StorageError> {
        let mut link = self.connect(false)?;
        let missing = || {
            let message = format!("{}: there is no study `{name}`", self.address());
            StorageError::new(StorageErrorKind::Missing, message)
        };
        if name.contains('\0') {
            return Err(missing());
        }
        let sql = "SELECT id, definition FROM joulewise.studies WHERE name = $1";
        let found = link
            .persist(|session| Ok(session.client.query_typed_opt(sql, &[(&name, Type::TEXT)])?))?
            .ok_or_else(missing)?;
        let definition = serde_json::from_str(found.get(1)).map_err(|error| {
            let message = format!("{}: the definition of study `{name}` is damaged", self.address());
            StorageError::new(StorageErrorKind::Corrupt, message).because(error)
        })?;
        Ok(Box::new(Log::new(link, found.get(0), definition)))
    }
}
