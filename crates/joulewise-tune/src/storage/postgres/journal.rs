//! The events of one study on the server.

use std::time::Duration;

use postgres::Client;
use postgres::fallible_iterator::FallibleIterator as _;
use postgres::types::Type;

use super::link::{Link, Session, Trouble};
use super::turn::{self, Turn};
use crate::storage::{Decision, Definition, Event, Journal, News, StorageError, StorageErrorKind};
use crate::trial::TrialId;

const RENEW: &str = "UPDATE joulewise.leases SET until_s = extract(epoch FROM clock_timestamp())::float8 + $4
    WHERE study = $1 AND trial = $2 AND fence = $3";
const TIME_OF: &str = "SELECT at_s FROM joulewise.events WHERE study = $1 AND seq = $2";

/// The events of one study, through a connection of its own.
pub(super) struct Log {
    link: Link,
    study: i32,
    definition: Definition,
    /// The number and the time of the last event that is known here.
    known: (u64, f64),
}

impl Log {
    pub(super) fn new(link: Link, study: i32, definition: Definition) -> Self {
        Self { link, study, definition, known: (0, 0.0) }
    }
}

impl Journal for Log {
    fn definition(&self) -> &Definition {
        &self.definition
    }

    fn read(
        &mut self,
        mut after: u64,
        each: &mut dyn FnMut(Event) -> Result<(), StorageError>,
    ) -> Result<(), StorageError> {
        let Self { link, study, known, .. } = self;
        link.persist(|session| {
            recognise(session, *study, *known)?;
            turn::read(&mut session.client, *study, after, &mut |event| {
                after = event.seq;
                *known = latest(*known, &event);
                each(event)
            })
        })
    }

    fn append(&mut self, mut after: u64, decide: &mut Decision<'_>) -> Result<Vec<Event>, StorageError> {
        let Self { link, study, definition, known } = self;
        // What was sent with a commit of which nobody knows what became.
        let mut sent: Vec<Event> = Vec::new();
        let appended = link.persist(|session| {
            recognise(session, *study, *known)?;
            let (turn, standing) = Turn::begin(&mut session.client, *study, after)?;
            let ((last, last_s), events) = (standing.last, standing.news);
            // Nobody had the lock of this study before the fate of that commit was decided.
            if !sent.is_empty() && are_same(&sent, &events)? {
                turn.commit()?;
                return Ok(std::mem::take(&mut sent));
            }
            sent.clear();
            if let Some(event) = events.last() {
                *known = latest(*known, event);
            }
            after = after.max(last);
            let entries = decide(News { events, expired: standing.expired })?;
            if entries.is_empty() {
                return Ok(Vec::new());
            }
            // A clock that was set back must not turn the order around.
            let at_s = standing.now_s.max(last_s);
            sent = (last + 1..).zip(entries).map(|(seq, entry)| Event { seq, at_s, entry }).collect();
            turn.write(&sent, definition)?;
            Ok(std::mem::take(&mut sent))
        })?;
        if let Some(event) = appended.last() {
            *known = latest(*known, event);
        }
        Ok(appended)
    }

    fn renew(&mut self, trial: TrialId, fence: u64) -> Result<bool, StorageError> {
        let Self { link, study, definition, .. } = self;
        let renewed = link.persist(|session| {
            let parameters = [
                (&*study as _, Type::INT4),
                (&(trial.0 as i64) as _, Type::INT8),
                (&(fence as i64) as _, Type::INT8),
                (&definition.lease_s as _, Type::FLOAT8),
            ];
            Ok(session.client.execute_typed(RENEW, &parameters)?)
        })?;
        Ok(renewed > 0)
    }

    fn wait(&mut self, patience: Duration) -> Result<bool, StorageError> {
        let Self { link, study, .. } = self;
        link.persist(|session| {
            if !session.is_listening {
                session.client.batch_execute(&format!("LISTEN joulewise_{study}"))?;
                session.is_listening = true;
                // Something may have happened just before.
                return Ok(true);
            }
            let heard = session.client.notifications().timeout_iter(patience).next()?.is_some();
            if heard || session.client.is_closed() {
                // Whoever works does not read what the server would go on to tell.
                session.client.batch_execute("UNLISTEN *")?;
                session.is_listening = false;
                let mut notifications = session.client.notifications();
                while notifications.iter().next()?.is_some() {}
            }
            Ok(heard)
        })
    }
}

/// Makes sure, over a connection that is new, that the server still has what it had. A copy that takes over from a
/// server that failed may lack the last events, and what was derived from them is then derived from nothing.
fn recognise(session: &mut Session, study: i32, known: (u64, f64)) -> Result<(), Trouble> {
    if !session.is_new || known.0 == 0 {
        session.is_new = false;
        return Ok(());
    }
    if time_of(&mut session.client, study, known.0)? != Some(known.1) {
        let message = format!("the server has lost event {} of the study, which it had confirmed", known.0);
        let error = StorageError::new(StorageErrorKind::Corrupt, message);
        return Err(error.cured_by("start the worker again: it goes on from what the server knows").into());
    }
    session.is_new = false;
    Ok(())
}

fn time_of(client: &mut Client, study: i32, seq: u64) -> Result<Option<f64>, Trouble> {
    let parameters = [(&study as _, Type::INT4), (&(seq as i64) as _, Type::INT8)];
    Ok(client.query_typed_opt(TIME_OF, &parameters)?.map(|row| row.get(0)))
}

fn latest(known: (u64, f64), event: &Event) -> (u64, f64) {
    if event.seq > known.0 { (event.seq, event.at_s) } else { known }
}

/// Whether the first of `there` are `sent`, as they are kept: of numbers, NaN would not equal itself.
fn are_same(sent: &[Event], there: &[Event]) -> Result<bool, StorageError> {
    if there.len() < sent.len() {
        return Ok(false);
    }
    for (sent, there) in sent.iter().zip(there) {
        if (sent.seq, sent.at_s) != (there.seq, there.at_s)
            || turn::text(&sent.entry)? != turn::text(&there.entry)?
        {
            return Ok(false);
        }
    }
    Ok(true)
}
