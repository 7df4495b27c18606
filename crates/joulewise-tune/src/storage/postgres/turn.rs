//! One worker's turn to write to a study: a transaction that holds the lock of the study.

use postgres::types::Type;
use postgres::{Client, Row};

use super::link::Trouble;
use crate::storage::{Definition, Entry, Event, StorageError, StorageErrorKind, cell};
use crate::trial::TrialId;

/// Tells our locks from those of others who use the database: "JOUL". The second number is that of the study.
pub(super) const LOCKS: i32 = 0x4a4f_554c;

/// What a turn begins with. The commit is not to wait for the disk: [`Turn::commit`] does when the lock is free. Whoever
/// falls silent in the middle, as a process that is suspended, loses its turn.
const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL synchronous_commit = off; \
     SET LOCAL lock_timeout = '90s'; SET LOCAL idle_in_transaction_session_timeout = '60s'";
/// A message to nobody, of which the commit waits until it and all before it are on the disk of the server, and of its
/// copies if it is set up so. Those who wait at a time wait together.
const END: &str = "COMMIT; SELECT pg_logical_emit_message(true, 'joulewise', '')";

const STANDING: &str = "SELECT now_s, coalesce(seq, 0), coalesce(at_s, 0),
        ARRAY(SELECT trial FROM joulewise.leases WHERE study = $1 AND until_s <= now_s ORDER BY trial)
    FROM (SELECT extract(epoch FROM clock_timestamp())::float8 AS now_s) AS clock
    LEFT JOIN LATERAL (SELECT seq, at_s FROM joulewise.events WHERE study = $1 ORDER BY seq DESC LIMIT 1) AS last ON true";
const READ: &str =
    "SELECT seq, at_s, entry FROM joulewise.events WHERE study = $1 AND seq > $2 ORDER BY seq LIMIT $3";
const WRITE: &str = "WITH written AS (
        INSERT INTO joulewise.events (study, seq, at_s, begun, cell, entry)
        SELECT $1, $2 + place, $3, begun, cell, entry
        FROM unnest($4::bigint[], $5::text[], $6::text[]) WITH ORDINALITY AS new (begun, cell, entry, place)
    ), leased AS (
        INSERT INTO joulewise.leases (study, trial, fence, until_s)
        SELECT $1, trial, fence, $9 FROM unnest($7::bigint[], $8::bigint[]) AS new (trial, fence)
    ), released AS (
        DELETE FROM joulewise.leases WHERE study = $1 AND trial = ANY ($10::bigint[])
    )
    SELECT CASE WHEN $11 THEN pg_notify('joulewise_' || $1, '') END";

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
}

impl<'a> Turn<'a> {
    /// Waits for the lock.
    pub(super) fn begin(client: &'a mut Client, study: i32) -> Result<Self, Trouble> {
        let turn = Self { client, study, is_open: true };
        turn.client.batch_execute(&format!("{BEGIN}; SELECT pg_advisory_xact_lock({LOCKS}, {study})"))?;
        Ok(turn)
    }

    pub(super) fn standing(&mut self) -> Result<Standing, Trouble> {
        let row = self.client.query_typed_one(STANDING, &[(&self.study, Type::INT4)])?;
        let expired: Vec<i64> = row.get(3);
        Ok(Standing {
            now_s: row.get(0),
            last: (row.get::<_, i64>(1) as u64, row.get(2)),
            expired: expired.into_iter().map(|trial| TrialId(trial as u64)).collect(),
        })
    }

    /// What happened after number `after`.
    pub(super) fn news(&mut self, after: u64) -> Result<Vec<Event>, Trouble> {
        let mut news = Vec::new();
        read(self.client, self.study, after, &mut |event| {
            news.push(event);
            Ok(())
        })?;
        Ok(news)
    }

    /// Appends events, all of the same time, behind number `last`.
    pub(super) fn write(
        &mut self,
        last: u64,
        at_s: f64,
        entries: &[Entry],
        definition: &Definition,
    ) -> Result<(), Trouble> {
        let mut texts = Vec::with_capacity(entries.len());
        let mut begun = Vec::with_capacity(entries.len());
        let (mut leased, mut released) = (Vec::new(), Vec::new());
        for (seq, entry) in (last + 1..).zip(entries) {
            texts.push(text(entry)?);
            begun.push(None);
            match entry {
                Entry::Asked { trial, .. } => {
                    begun.pop();
                    begun.push(Some(trial.0 as i64));
                    leased.push((trial.0 as i64, seq as i64));
                }
                Entry::Ended { trial, .. } | Entry::Returned { trial, .. } => {
                    leased.retain(|(of, _)| *of != trial.0 as i64);
                    released.push(trial.0 as i64);
                }
                _ => (),
            }
        }
        let cells: Vec<_> = entries.iter().map(|entry| cell(entry, definition)).collect();
        let (trials, fences): (Vec<i64>, Vec<i64>) = leased.into_iter().unzip();
        let gives_work = |entry: &Entry| {
            matches!(entry, Entry::Queued { .. } | Entry::Ended { .. } | Entry::Returned { .. })
        };
        self.client.query_typed(
            WRITE,
            &[
                (&self.study, Type::INT4),
                (&(last as i64), Type::INT8),
                (&at_s, Type::FLOAT8),
                (&begun, Type::INT8_ARRAY),
                (&cells, Type::TEXT_ARRAY),
                (&texts, Type::TEXT_ARRAY),
                (&trials, Type::INT8_ARRAY),
                (&fences, Type::INT8_ARRAY),
                (&(at_s + definition.lease_s), Type::FLOAT8),
                (&released, Type::INT8_ARRAY),
                (&entries.iter().any(gives_work), Type::BOOL),
            ],
        )?;
        Ok(())
    }

    /// Ends the turn and waits until what was written, and all that was seen, is kept for good.
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
            let event = event(study, row)?;
            after = event.seq;
            each(event)?;
        }
        if (rows.len() as i64) < PAGE {
            return Ok(());
        }
    }
}

fn event(study: i32, row: &Row) -> Result<Event, StorageError> {
    let seq = row.get::<_, i64>(0) as u64;
    let entry = serde_json::from_str(row.get(2)).map_err(|error| {
        let message = format!("event {seq} of study {study} cannot be read");
        StorageError::new(StorageErrorKind::Corrupt, message).because(error)
    })?;
    Ok(Event { seq, at_s: row.get(1), entry })
}

/// An entry as it is kept.
pub(super) fn text(entry: &Entry) -> Result<String, StorageError> {
    serde_json::to_string(entry).map_err(|error| {
        StorageError::new(StorageErrorKind::Refused, "an event cannot be written as JSON").because(error)
    })
}
