//! The events of one study in the file.

use rusqlite::{Connection, Transaction, TransactionBehavior, params};

use super::failure::Failure;
use crate::storage::{
    Decision, Definition, Entry, Event, Journal, News, StorageError, StorageErrorKind, cell, now_s,
};
use crate::trial::TrialId;

const READ: &str = "SELECT seq, at_s, entry FROM events WHERE study = ?1 AND seq > ?2 ORDER BY seq";
const EXPIRED: &str = "SELECT trial FROM leases WHERE study = ?1 AND until_s <= ?2 ORDER BY trial";
const LAST: &str = "SELECT seq, at_s FROM events WHERE study = ?1 ORDER BY seq DESC LIMIT 1";
const APPEND: &str =
    "INSERT INTO events (study, seq, at_s, begun, cell, entry) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
const LEASE: &str = "INSERT INTO leases (study, trial, fence, until_s) VALUES (?1, ?2, ?3, ?4)";
const RELEASE: &str = "DELETE FROM leases WHERE study = ?1 AND trial = ?2";
const RENEW: &str = "UPDATE leases SET until_s = ?4 WHERE study = ?1 AND trial = ?2 AND fence = ?3";

/// The events of one study, through a connection of its own.
#[derive(Debug)]
pub(super) struct Log {
    connection: Connection,
    study: i64,
    definition: Definition,
    failure: Failure,
}

impl Log {
    pub(super) fn new(connection: Connection, study: i64, definition: Definition, failure: Failure) -> Self {
        Self { connection, study, definition, failure }
    }
}

impl Journal for Log {
    fn definition(&self) -> &Definition {
        &self.definition
    }

    fn read(
        &mut self,
        after: u64,
        each: &mut dyn FnMut(Event) -> Result<(), StorageError>,
    ) -> Result<(), StorageError> {
        read(&self.connection, self.study, &self.failure, after, each)
    }

    fn append(&mut self, after: u64, decide: &mut Decision<'_>) -> Result<Vec<Event>, StorageError> {
        let Self { connection, study, definition, failure } = self;
        let begun = connection.transaction_with_behavior(TransactionBehavior::Immediate);
        let transaction = begun.map_err(failure.to("write"))?;
        let mut news = News { events: Vec::new(), expired: Vec::new() };
        read(&transaction, *study, failure, after, &mut |event| {
            news.events.push(event);
            Ok(())
        })?;
        let at_s = now_s();
        news.expired = expired(&transaction, *study, at_s).map_err(failure.to("read"))?;
        let entries = decide(news)?;
        if entries.is_empty() {
            return Ok(Vec::new());
        }
        let events = write(&transaction, *study, definition, failure, at_s, entries)?;
        transaction.commit().map_err(failure.to("write"))?;
        Ok(events)
    }

    fn renew(&mut self, trial: TrialId, fence: u64) -> Result<bool, StorageError> {
        let until_s = now_s() + self.definition.lease_s;
        let renewed = self
            .connection
            .prepare_cached(RENEW)
            .and_then(|mut sql| sql.execute(params![self.study, trial.0 as i64, fence as i64, until_s]));
        Ok(renewed.map_err(self.failure.to("write"))? > 0)
    }
}

fn read(
    connection: &Connection,
    study: i64,
    failure: &Failure,
    after: u64,
    each: &mut dyn FnMut(Event) -> Result<(), StorageError>,
) -> Result<(), StorageError> {
    let mut sql = connection.prepare_cached(READ).map_err(failure.to("read"))?;
    let mut rows = sql.query(params![study, after as i64]).map_err(failure.to("read"))?;
    while let Some(row) = rows.next().map_err(failure.to("read"))? {
        let seq = row.get::<_, i64>(0).map_err(failure.to("read"))? as u64;
        let at_s = row.get(1).map_err(failure.to("read"))?;
        let text = row.get_ref(2).and_then(|text| Ok(text.as_str()?)).map_err(failure.to("read"))?;
        let entry = serde_json::from_str(text).map_err(|error| {
            failure.damaged(&format!("event {seq} of study {study} cannot be read")).because(error)
        })?;
        each(Event { seq, at_s, entry })?;
    }
    Ok(())
}

fn expired(transaction: &Transaction<'_>, study: i64, at_s: f64) -> rusqlite::Result<Vec<TrialId>> {
    let mut sql = transaction.prepare_cached(EXPIRED)?;
    let trials = sql.query_map(params![study, at_s], |row| Ok(TrialId(row.get::<_, i64>(0)? as u64)))?;
    trials.collect()
}

fn write(
    transaction: &Transaction<'_>,
    study: i64,
    definition: &Definition,
    failure: &Failure,
    at_s: f64,
    entries: Vec<Entry>,
) -> Result<Vec<Event>, StorageError> {
    let wrong = failure.to("write");
    let mut last = transaction.prepare_cached(LAST).map_err(&wrong)?;
    let last = last
        .query_row([study], |row| Ok((row.get::<_, i64>(0)? as u64, row.get::<_, f64>(1)?)))
        .or_else(|error| match error {
            rusqlite::Error::QueryReturnedNoRows => Ok((0, 0.0)),
            error => Err(error),
        });
    let (last, last_s) = last.map_err(&wrong)?;
    // A clock that was set back must not turn the order around.
    let at_s = at_s.max(last_s);
    let mut append = transaction.prepare_cached(APPEND).map_err(&wrong)?;
    let mut events = Vec::with_capacity(entries.len());
    for (seq, entry) in (last + 1..).zip(entries) {
        let text = serde_json::to_string(&entry).map_err(|error| {
            StorageError::new(StorageErrorKind::Refused, "an event cannot be written as JSON").because(error)
        })?;
        let begun = match &entry {
            Entry::Asked { trial, .. } => Some(trial.0 as i64),
            _ => None,
        };
        let cell = cell(&entry, definition);
        append.execute(params![study, seq as i64, at_s, begun, cell, text]).map_err(&wrong)?;
        match &entry {
            Entry::Asked { trial, .. } => {
                let until_s = at_s + definition.lease_s;
                let mut lease = transaction.prepare_cached(LEASE).map_err(&wrong)?;
                lease.execute(params![study, trial.0 as i64, seq as i64, until_s]).map_err(&wrong)?;
            }
            Entry::Ended { trial, .. } | Entry::Returned { trial, .. } => {
                let mut release = transaction.prepare_cached(RELEASE).map_err(&wrong)?;
                release.execute(params![study, trial.0 as i64]).map_err(&wrong)?;
            }
            _ => (),
        }
        events.push(Event { seq, at_s, entry });
    }
    Ok(events)
}
