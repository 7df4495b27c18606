//! Free spans: named stretches of work that may overlap, on any thread.

use std::sync::Arc;

use crate::energy::{Energy, Estimate};
use crate::event::EventKind;
use crate::meter::Totals;
use crate::session::Snapshot;
use crate::shared::Shared;

/// Meters from its opening until it is closed or dropped; made by [`Session::span`](crate::Session::span).
///
/// It counts all that the session counts in that time, also what other threads use.
pub struct Span {
    shared: Arc<Shared>,
    name: String,
    stage: Option<u32>,
    opened: Totals,
    is_closed: bool,
}

impl Span {
    pub(crate) fn open(shared: Arc<Shared>, name: &str) -> Self {
        let (stage, opened) = {
            let mut books = shared.books();
            (books.stages.innermost(), books.meter.read())
        };
        Self { shared, name: name.to_owned(), stage, opened, is_closed: false }
    }

    /// What was used since the span was opened.
    pub fn so_far(&self) -> Snapshot {
        let now = self.shared.read();
        Snapshot {
            energy: now.since(&self.opened).energy(),
            cpu_s: now.cpu_s - self.opened.cpu_s,
            wall_s: now.at_s - self.opened.at_s,
        }
    }

    /// Joules since the span was opened with the parts of the interval apart, to be compared with another span of
    /// the same session.
    pub fn estimate(&self) -> Estimate {
        self.shared.read().since(&self.opened)
    }

    /// Ends the span and gives its joules.
    pub fn close(mut self) -> Energy {
        self.end()
    }

    fn end(&mut self) -> Energy {
        self.is_closed = true;
        let Snapshot { energy, cpu_s, wall_s } = self.so_far();
        let (name, stage) = (self.name.clone(), self.stage);
        self.shared.emit(EventKind::SpanClosed { name, stage, energy, cpu_s, wall_s });
        energy
    }
}

impl Drop for Span {
    fn drop(&mut self) {
        if !self.is_closed {
            self.end();
        }
    }
}
