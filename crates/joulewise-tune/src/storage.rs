//! Where studies are kept: as the sequence of what happened, which is only ever added to.
//!
//! A [`Storage`] holds studies by name and opens the [`Journal`] of each. What a journal promises is checked by
//! [`check_storage`](crate::testing::check_storage): entries are appended by one worker at a time, after it was
//! shown all that the others appended, and either all of them or none.

mod definition;
mod error;
mod event;
mod memory;
#[cfg(feature = "postgres")]
mod postgres;
mod sqlite;

use std::thread;
use std::time::{Duration, SystemTime};

pub use definition::Definition;
pub use error::{StorageError, StorageErrorKind};
pub use event::{Entry, Event, Origin};
pub use memory::Memory;
#[cfg(feature = "postgres")]
pub use postgres::Postgres;
pub(crate) use sqlite::Failure;
pub use sqlite::Sqlite;

use crate::trial::TrialId;

/// Keeps studies by name.
pub trait Storage {
    /// The names of its studies, in their order.
    fn studies(&mut self) -> Result<Vec<String>, StorageError>;

    /// Begins a study. Fails when the name is taken.
    fn create(&mut self, name: &str, definition: &Definition) -> Result<Box<dyn Journal>, StorageError>;

    /// Opens a study that is there.
    fn open(&mut self, name: &str) -> Result<Box<dyn Journal>, StorageError>;
}

/// What happened in one study.
///
/// A trial that was begun is leased to its worker for as long as the definition says. The lease ends with the
/// trial; it is renewed meanwhile, and once it is over, the next to append is told.
pub trait Journal: Send {
    /// What the study is.
    fn definition(&self) -> &Definition;

    /// Shows `each` of the events after number `after` in their order, and stops at its first error.
    fn read(
        &mut self,
        after: u64,
        each: &mut dyn FnMut(Event) -> Result<(), StorageError>,
    ) -> Result<(), StorageError>;

    /// Shows `decide` what happened after number `after`, and appends what it then wants to, without anybody appending
    /// in between. Returns that with its numbers and times. Nothing is appended after an error.
    ///
    /// Where a connection broke before that was written, `decide` is shown what happened since, and what it wants then
    /// counts.
    fn append(&mut self, after: u64, decide: &mut Decision<'_>) -> Result<Vec<Event>, StorageError>;

    /// Begins the lease of a trial anew; `false` when it is not held by `fence`, the number of the event that began
    /// the trial, any more.
    fn renew(&mut self, trial: TrialId, fence: u64) -> Result<bool, StorageError>;

    /// Waits until there may be work for who found none, since a trial ended or a point was queued, and for no longer
    /// than `patience`. Says whether to look.
    ///
    /// Unless the storage can tell of that itself, it is to be looked for every `patience`.
    fn wait(&mut self, patience: Duration) -> Result<bool, StorageError> {
        thread::sleep(patience);
        Ok(true)
    }
}

/// Decides what to append in view of the news.
pub type Decision<'a> = dyn FnMut(News) -> Result<Vec<Entry>, StorageError> + 'a;

/// What there is to know before an entry is appended.
#[derive(Clone, Debug)]
pub struct News {
    /// What others appended, in its order.
    pub events: Vec<Event>,
    /// The trials of which the lease is over.
    pub expired: Vec<TrialId>,
}

/// What no other trial of an exact study may be: its point, if the sampler proposed it.
fn cell(entry: &Entry, definition: &Definition) -> Option<String> {
    match entry {
        Entry::Asked { point, origin: Origin::Sampler, .. } if definition.exact => Some(point.to_string()),
        _ => None,
    }
}

/// The machine's clock, in seconds since 1970.
fn now_s() -> f64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}
