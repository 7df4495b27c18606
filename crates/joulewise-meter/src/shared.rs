//! What a session, its spans and its sampling thread share.

use std::sync::atomic::AtomicBool;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::event::{Caveat, Event, EventKind, Observer};
use crate::meter::{Meter, Totals};
use crate::stage::{StageRecord, Stages};

pub(crate) struct Shared {
    books: Mutex<Books>,
    observers: Mutex<Vec<Box<dyn Observer + Send>>>,
    pub(crate) stopping: Mutex<bool>,
    pub(crate) stop: Condvar,
    /// Loading the GPU driver's library takes up to a second; whoever stops does not wait for it.
    pub(crate) is_loading: AtomicBool,
}

/// Who used what.
pub(crate) struct Books {
    pub(crate) meter: Meter,
    pub(crate) stages: Stages,
    /// The caveats that the observers know.
    pub(crate) told: Vec<Caveat>,
}

/// A caveat that comes again and again is not told more often than this.
const MOST_OF_A_KIND: usize = 5;

impl Shared {
    pub(crate) fn new(mut meter: Meter, observers: Vec<Box<dyn Observer + Send>>) -> Self {
        let stages = Stages::new(meter.read());
        Self {
            books: Mutex::new(Books { meter, stages, told: Vec::new() }),
            observers: Mutex::new(observers),
            stopping: Mutex::new(false),
            stop: Condvar::new(),
            is_loading: AtomicBool::new(false),
        }
    }

    pub(crate) fn books(&self) -> MutexGuard<'_, Books> {
        lock(&self.books)
    }

    /// Reads all sources. What they bring to light is told later, since an observer may be the one who asks.
    pub(crate) fn read(&self) -> Totals {
        self.books().meter.read()
    }

    /// Reads all sources without looking up the CPU time of the process tree.
    pub(crate) fn sample(&self) -> Totals {
        self.books().meter.sample()
    }

    /// Sends an event to all observers. Never call it with the books in hand: an observer may ask for a reading.
    pub(crate) fn emit(&self, kind: EventKind) {
        let mut observers = lock(&self.observers);
        let event = Event { at_s: self.books().meter.at_s(), kind };
        for observer in observers.iter_mut() {
            observer.on(&event);
        }
    }

    pub(crate) fn emit_closed(&self, stages: &[StageRecord]) {
        for stage in stages {
            self.emit(EventKind::StageClosed {
                id: stage.id,
                name: stage.name.clone(),
                energy: stage.energy,
                cpu_s: stage.cpu_s,
                wall_s: stage.wall_s,
                spans: stage.spans.clone(),
            });
        }
    }

    /// Emits what the sources have brought to light.
    pub(crate) fn tell_caveats(&self) {
        let new: Vec<Caveat> = {
            let books = &mut *self.books();
            let found = std::mem::take(&mut books.meter.caveats);
            found.into_iter().filter(|caveat| books.note(caveat)).collect()
        };
        for caveat in new {
            self.emit(EventKind::Caveat(caveat));
        }
    }
}

impl Books {
    /// Keeps a caveat for the summary, unless it is there already or there are enough of its kind.
    pub(crate) fn note(&mut self, caveat: &Caveat) -> bool {
        let of_a_kind = self.told.iter().filter(|told| told.code == caveat.code).count();
        let is_new = of_a_kind < MOST_OF_A_KIND && !self.told.contains(caveat);
        if is_new {
            self.told.push(caveat.clone());
        }
        is_new
    }
}

/// Locks even after another thread panicked: the numbers are whole after each statement.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
