//! The log of a run, which begins before there is a folder to keep it in.

use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result};
use joulewise_meter::{Event, EventKind, Observer};

use crate::run::{self, Run};

/// Keeps events in memory until it is attached to a run, and appends them to its `events.jsonl` then.
#[derive(Clone, Default)]
pub(super) struct Log(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    early: Vec<Event>,
    file: Option<BufWriter<File>>,
    failure: Option<io::Error>,
}

impl Log {
    /// From now on events go to the run's file, those so far first.
    pub(super) fn attach(&self, run: &Run) -> Result<()> {
        let path = run.path(run::EVENTS);
        let file = File::options()
            .create(true)
            .append(true)
            .open(&path)
            .with_context(|| format!("cannot open {}", path.display()))?;
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        inner.file = Some(BufWriter::new(file));
        for event in std::mem::take(&mut inner.early) {
            inner.write(&event);
        }
        Ok(())
    }

    /// Fails when an event could not be written.
    pub(super) fn close(&self, run: &Run) -> Result<()> {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        inner.flush();
        match inner.failure.take() {
            Some(error) => {
                Err(error).with_context(|| format!("cannot write {}", run.path(run::EVENTS).display()))
            }
            None => Ok(()),
        }
    }
}

impl Observer for Log {
    fn on(&mut self, event: &Event) {
        // Thousands of lines that no reader of the log asks for: progress and samples are for the eye, and the end of a
        // stage tells what its spans add up to.
        if matches!(
            event.kind,
            EventKind::Progress { .. } | EventKind::Sample { .. } | EventKind::SpanClosed { .. }
        ) {
            return;
        }
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if inner.file.is_some() {
            inner.write(event);
        } else {
            inner.early.push(event.clone());
        }
    }
}

impl Inner {
    fn write(&mut self, event: &Event) {
        let Some(file) = &mut self.file else { return };
        let written = serde_json::to_writer(&mut *file, event).map_err(io::Error::from);
        if let Err(error) = written.and_then(|()| file.write_all(b"\n")) {
            self.failure.get_or_insert(error);
        }
        // A stage is worth a flush: the log is complete up to it whatever happens next.
        if matches!(event.kind, EventKind::StageClosed { .. } | EventKind::Candidate { .. }) {
            self.flush();
        }
    }

    fn flush(&mut self) {
        if let Some(Err(error)) = self.file.as_mut().map(io::Write::flush) {
            self.failure.get_or_insert(error);
        }
    }
}
