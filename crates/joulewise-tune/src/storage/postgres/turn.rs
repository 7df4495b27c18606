//! One worker's turn to write to a study: a transaction that holds the lock of the study.

use std::str::FromStr;

use postgres::types::Type;
use postgres::{Client, SimpleQueryMessage, SimpleQueryRow};
use postgres_protocol::escape::escape_literal;

use super::link::Trouble;
use crate::storage::{Definition, Entry, Event, StorageError, StorageErrorKind, cell};
use crate::trial::TrialId;

/// Tells our locks from those of others who use the database: "JOUL". The second number is that of the study.
pub(super) const LOCKS: i32 = 0x4a4f_554c;

/// What a turn begins with. The commit is not to wait for the disk: [`Turn::commit`] does when the lock is free. Whoever
/// falls silent in the middle, as a process that is suspended, loses its turn. Numbers and texts are written so that they
/// are read as they were.
const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL synchronous_commit = off; \
     SET LOCAL lock_timeout = '90s'; SET LOCAL idle_in_transaction_session_timeout = '60s'; \
     SET LOCAL extra_float_digits = 1; SET LOCAL standard_conforming_strings = on";
/// A message to nobody, of which the commit waits until it and all before it are on the disk of the server, and of its
/// copies if it is set up so. Those who wait at a time wait together.
const END: &str = "COMMIT; SELECT pg_logical_emit_message(true, 'joulewise', '')";

const READ: &str =
    "SELECT seq, at_s, entry FROM joulewise.events WHERE study = $1 AND seq > $2 ORDER BY seq LIMIT $3";

/// Events that are read at a time.
const PAGE: i64 = 2000;

/// A transaction that holds the lock of a study. Nothing of it has happened unless it is committed.
pub(super) struct Turn<'a> {
    client: &'a mut Client,
    study: i32,
    is_open: bool,
}

/// How a study stands.
pub(super) struct Standing {
    /// What the server's clock says, in seconds since 1970.
    pub(super) now_s: f64,
    /// The number of its last event and its time; 0 and 0 where there is none.
    pub(super) last: (u64, f64),
    /// The trials of which the lease is over.
    pub(super) expired: Vec<TrialId>,
    /// What happened after the number that was asked for.
    pub(super) news: Vec<Event>,
}

impl<'a> Turn<'a> {
    /// Waits for the lock, and says how the study stands and what happened after number `after`.
    ///
    /// All is asked in one message, and all is written in another: while a message is on its way, others wait.
    pub(super) fn begin(client: &'a mut Client, study: i32, after: u64) -> Result<(Self, Standing), Trouble> {
        let turn = Self { client, study, is_open: true };
        let after = i64::try_from(after).unwrap_or(i64::MAX);
        let said = turn.client.simple_query(&format!(
            "{BEGIN}; SELECT pg_advisory_xact_lock({LOCKS}, {study});
            SELECT now_s, coalesce(seq, 0), coalesce(at_s, 0), array_to_string(ARRAY(
                SELECT trial FROM joulewise.leases WHERE study = {study} AND until_s <= now_s ORDER BY trial), ' ')
            FROM (SELECT extract(epoch FROM clock_timestamp())::float8 AS now_s) AS clock LEFT JOIN LATERAL
                (SELECT seq, at_s FROM joulewise.events WHERE study = {study} ORDER BY seq DESC LIMIT 1) AS last ON true;
            SELECT seq, at_s, entry FROM joulewise.events WHERE study = {study} AND seq > {after} ORDER BY seq LIMIT {PAGE}"
        ))?;
        let mut standing = Standing { now_s: 0.0, last: (0, 0.0), expired: Vec::new(), news: Vec::new() };
        for message in &said {
            let SimpleQueryMessage::Row(row) = message else { continue };
            // The lock says nothing, in a row of one column.
            match row.len() {
                4 => {
                    standing.now_s = number(row, 0)?;
                    standing.last = (number(row, 1)?, number(row, 2)?);
                    let expired = row.get(3).unwrap_or_default().split_whitespace();
                    standing.expired = expired.filter_map(|trial| trial.parse().ok().map(TrialId)).collect();
                }
                3 => {
                    let text = row.get(2).unwrap_or_default();
                    standing.news.push(event(study, number(row, 0)?, number(row, 1)?, text)?);
                }
                _ => {}
            }
        }
        if let Some(shown) =
            standing.news.last().map(|event| event.seq).filter(|shown| *shown < standing.last.0)
        {
            read(turn.client, study, shown, &mut |event| {
                standing.news.push(event);
                Ok(())
            })?;
        }
        Ok((turn, standing))
    }

    /// Appends events, and ends the turn as [`commit`](Self::commit) does.
    pub(super) fn write(mut self, events: &[Event], definition: &Definition) -> Result<(), Trouble> {
        let study = self.study;
        let (mut rows, mut leased, mut released) = (Vec::new(), Vec::new(), Vec::new());
        for Event { seq, at_s, entry } in events {
            let begun = match entry {
                Entry::Asked { trial, .. } => {
                    leased.push((
                        trial.0,
                        format!("({study}, {}, {seq}, '{}')", trial.0, at_s + definition.lease_s),
                    ));
                    trial.0.to_string()
                }
                Entry::Ended { trial, .. } | Entry::Returned { trial, .. } => {
                    leased.retain(|(of, _)| *of != trial.0);
                    released.push(trial.0.to_string());
                    "NULL".to_owned()
                }
                _ => "NULL".to_owned(),
            };
            let cell = cell(entry, definition).map_or("NULL".to_owned(), |cell| escape_literal(&cell));
            rows.push(format!(
                "({study}, {seq}, '{at_s}', {begun}, {cell}, {})",
                escape_literal(&text(entry)?)
            ));
        }
        let columns = "joulewise.events (study, seq, at_s, begun, cell, entry)";
        let mut statements = vec![format!("INSERT INTO {columns} VALUES {}", rows.join(", "))];
        if !leased.is_empty() {
            let leased: Vec<String> = leased.into_iter().map(|(_, lease)| lease).collect();
            let columns = "joulewise.leases (study, trial, fence, until_s)";
            statements.push(format!("INSERT INTO {columns} VALUES {}", leased.join(", ")));
        }
        if !released.is_empty() {
            let trials = released.join(", ");
            statements
                .push(format!("DELETE FROM joulewise.leases WHERE study = {study} AND trial IN ({trials})"));
        }
        let gives_work = |event: &Event| {
            matches!(event.entry, Entry::Queued { .. } | Entry::Ended { .. } | Entry::Returned { .. })
        };
        if events.iter().any(gives_work) {
            statements.push(format!("NOTIFY joulewise_{study}"));
        }
        statements.push(END.to_owned());
        self.client.batch_execute(&statements.join("; "))?;
        self.is_open = false;
        Ok(())
    }

    /// Ends the turn and waits until all that was seen is kept for good.
    pub(super) fn commit(mut self) -> Result<(), Trouble> {
        self.client.batch_execute(END)?;
        self.is_open = false;
        Ok(())
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if self.is_open {
            // Where that fails, the connection is gone, and the server ends the transaction by itself.
            let _ = self.client.batch_execute("ROLLBACK");
        }
    }
}

/// Shows `each` of the events after number `after`, page by page.
pub(super) fn read(
    client: &mut Client,
    study: i32,
    mut after: u64,
    each: &mut dyn FnMut(Event) -> Result<(), StorageError>,
) -> Result<(), Trouble> {
    loop {
        // No number is as high as those that ask for none.
        let from = i64::try_from(after).unwrap_or(i64::MAX);
        let page = [(&study as _, Type::INT4), (&from as _, Type::INT8), (&PAGE as _, Type::INT8)];
        let rows = client.query_typed(READ, &page)?;
        for row in &rows {
            let event = event(study, row.get::<_, i64>(0) as u64, row.get(1), row.get(2))?;
            after = event.seq;
            each(event)?;
        }
        if (rows.len() as i64) < PAGE {
            return Ok(());
        }
    }
}

fn event(study: i32, seq: u64, at_s: f64, text: &str) -> Result<Event, StorageError> {
    let entry = serde_json::from_str(text).map_err(|error| {
        let message = format!("event {seq} of study {study} cannot be read");
        StorageError::new(StorageErrorKind::Corrupt, message).because(error)
    })?;
    Ok(Event { seq, at_s, entry })
}

/// A number that the server writes as text.
fn number<T: FromStr>(row: &SimpleQueryRow, column: usize) -> Result<T, StorageError> {
    row.get(column).and_then(|text| text.parse().ok()).ok_or_else(|| {
        StorageError::new(StorageErrorKind::Corrupt, "the server has something else than numbers")
    })
}

/// An entry as it is kept.
pub(super) fn text(entry: &Entry) -> Result<String, StorageError> {
    serde_json::to_string(entry).map_err(|error| {
        StorageError::new(StorageErrorKind::Refused, "an event cannot be written as JSON").because(error)
    })
}
