//! Studies in memory, for as long as the process lives.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{
    Decision, Definition, Entry, Event, Journal, News, Storage, StorageError, StorageErrorKind, cell, now_s,
};
use crate::trial::TrialId;

/// Studies in memory. Clones share them, between threads too.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    studies: Arc<Mutex<BTreeMap<String, Handle>>>,
}

/// One of the studies.
#[derive(Clone, Debug)]
struct Handle {
    definition: Arc<Definition>,
    log: Arc<Mutex<Log>>,
}

#[derive(Debug, Default)]
struct Log {
    events: Vec<Event>,
    /// By trial: the fencing token, and when it ends.
    leases: BTreeMap<TrialId, (u64, f64)>,
    /// Trials that were begun.
    begun: BTreeSet<TrialId>,
    /// Points that must not be proposed again.
    cells: BTreeSet<String>,
}

impl Memory {
    /// No studies yet.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Storage for Memory {
    fn studies(&mut self) -> Result<Vec<String>, StorageError> {
        Ok(held(&self.studies).keys().cloned().collect())
    }

    fn create(&mut self, name: &str, definition: &Definition) -> Result<Box<dyn Journal>, StorageError> {
        let mut studies = held(&self.studies);
        if studies.contains_key(name) {
            return Err(StorageError::new(StorageErrorKind::Taken, format!("there is a study `{name}`")));
        }
        let handle = Handle { definition: Arc::new(definition.clone()), log: Arc::default() };
        studies.insert(name.to_owned(), handle.clone());
        Ok(Box::new(handle))
    }

    fn open(&mut self, name: &str) -> Result<Box<dyn Journal>, StorageError> {
        match held(&self.studies).get(name) {
            Some(handle) => Ok(Box::new(handle.clone())),
            None => Err(StorageError::new(StorageErrorKind::Missing, format!("there is no study `{name}`"))),
        }
    }
}

impl Journal for Handle {
    fn definition(&self) -> &Definition {
        &self.definition
    }

    fn read(
        &mut self,
        after: u64,
        each: &mut dyn FnMut(Event) -> Result<(), StorageError>,
    ) -> Result<(), StorageError> {
        let news = held(&self.log).since(after);
        news.into_iter().try_for_each(each)
    }

    fn append(&mut self, after: u64, decide: &mut Decision<'_>) -> Result<Vec<Event>, StorageError> {
        let mut log = held(&self.log);
        let at_s = now_s();
        let expired =
            log.leases.iter().filter(|(_, (_, until))| *until <= at_s).map(|(trial, _)| *trial).collect();
        let entries = decide(News { events: log.since(after), expired })?;
        log.refuse_what_is_there(&entries, &self.definition)?;
        let first = log.events.len() as u64 + 1;
        let events: Vec<Event> =
            (first..).zip(entries).map(|(seq, entry)| Event { seq, at_s, entry }).collect();
        for event in &events {
            log.push(event.clone(), &self.definition);
        }
        Ok(events)
    }

    fn renew(&mut self, trial: TrialId, fence: u64) -> Result<bool, StorageError> {
        let until = now_s() + self.definition.lease_s;
        let mut log = held(&self.log);
        let lease = log.leases.get_mut(&trial).filter(|lease| lease.0 == fence);
        Ok(lease.map(|lease| lease.1 = until).is_some())
    }
}

impl Log {
    fn since(&self, after: u64) -> Vec<Event> {
        self.events.get(after as usize..).unwrap_or_default().to_vec()
    }

    /// Refuses to begin a trial twice, and to propose a point again where that must not be.
    fn refuse_what_is_there(&self, entries: &[Entry], definition: &Definition) -> Result<(), StorageError> {
        let (mut begun, mut cells) = (BTreeSet::new(), BTreeSet::new());
        for entry in entries {
            let Entry::Asked { trial, .. } = entry else { continue };
            let cell = cell(entry, definition);
            let is_cell_taken = cell.is_some_and(|cell| self.cells.contains(&cell) || !cells.insert(cell));
            if is_cell_taken || self.begun.contains(trial) || !begun.insert(*trial) {
                return Err(StorageError::begun_twice(*trial));
            }
        }
        Ok(())
    }

    fn push(&mut self, event: Event, definition: &Definition) {
        match &event.entry {
            Entry::Asked { trial, .. } => {
                self.begun.insert(*trial);
                self.cells.extend(cell(&event.entry, definition));
                self.leases.insert(*trial, (event.seq, event.at_s + definition.lease_s));
            }
            Entry::Ended { trial, .. } | Entry::Returned { trial, .. } => {
                self.leases.remove(trial);
            }
            _ => (),
        }
        self.events.push(event);
    }
}

/// What a thread that panicked left is whole: nothing is written before everything was decided.
fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    #[test]
    fn memory_is_a_storage() {
        let memory = Memory::new();
        testing::check_storage(|| memory.clone());
    }
}
