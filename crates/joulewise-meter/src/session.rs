//! A session: the time during which energy is metered, and what used it.

use std::env;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::command_group;
use crate::counters;
use crate::energy::Energy;
use crate::event::{Caveat, EventKind, Observer};
use crate::meter::{Covers, Meter, Totals};
use crate::model::Model;
use crate::process::Tree;
use crate::sampler::Sampler;
use crate::shared::{Shared, lock};
use crate::source::Source;
use crate::span::Span;
use crate::stage::StageRecord;
use crate::usage::Mark;

/// Why a session could not be opened, or cannot be trusted.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
pub struct Error {
    kind: ErrorKind,
    text: String,
}

/// What went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// There are energy counters and they cannot be read; only in strict sessions.
    Unreadable,
    /// A source was lost while it was in use; only in strict sessions.
    SourceLost,
    /// The system does not give out another thread.
    Thread,
}

impl Error {
    /// What went wrong.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }
}

/// How a session is to be opened; made by [`Session::builder`].
#[must_use]
pub struct Builder {
    sysfs_root: PathBuf,
    interval: Duration,
    tree: Tree,
    is_strict: bool,
    sources: Vec<Box<dyn Source>>,
    observers: Vec<Box<dyn Observer + Send>>,
}

impl Builder {
    /// Where to look for the processor's counters. Default: the variable `JOULEWISE_SYSFS`, then `/sys`.
    pub fn sysfs_root(mut self, path: impl Into<PathBuf>) -> Self {
        self.sysfs_root = path.into();
        self
    }

    /// How often the sampling thread reads all sources. Default: 100 ms. Counters that wrap sooner are read sooner.
    pub fn interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    /// Counts the CPU time of that process and of its descendants. Default: this process.
    pub fn process(mut self, pid: i32) -> Self {
        self.tree = Tree::of(pid);
        self
    }

    /// Whether a source that cannot be read, at the start or later, is an error instead of a caveat.
    pub fn strict(mut self, is_strict: bool) -> Self {
        self.is_strict = is_strict;
        self
    }

    /// Sends all events to this observer too.
    pub fn observer(mut self, observer: impl Observer + Send + 'static) -> Self {
        self.observers.push(Box::new(observer));
        self
    }

    /// Reads this source. As soon as one is given, the machine is not searched for others.
    pub fn source(mut self, source: impl Source + 'static) -> Self {
        self.sources.push(Box::new(source));
        self
    }

    /// Opens the sources and starts the sampling thread.
    pub fn open(self) -> Result<Session, Error> {
        let is_discovering = self.sources.is_empty();
        let mut meter = Meter::new(self.tree, is_discovering);
        let mut tick = self.interval;
        if is_discovering {
            let guard = join_processor(&mut meter, &self.sysfs_root, self.is_strict)?;
            tick = tick.min(guard);
        }
        for source in self.sources {
            meter.join(source, Covers::Processor);
        }
        let shared = Arc::new(Shared::new(meter, self.observers));
        let sampler = Sampler {
            shared: Arc::clone(&shared),
            tick,
            interval: self.interval,
            finds_gpus: is_discovering,
        };
        let sampling = thread::Builder::new()
            .name("joulewise-meter".to_owned())
            .spawn(move || sampler.run())
            .map_err(|error| Error {
                kind: ErrorKind::Thread,
                text: format!("cannot start the sampling thread: {error}"),
            })?;
        shared.tell_caveats();
        Ok(Session { shared, sampling: Some(sampling), is_strict: self.is_strict })
    }
}

/// Finds what meters the processor: its counters, else the model. Gives the longest time between two readings.
fn join_processor(meter: &mut Meter, sysfs: &Path, is_strict: bool) -> Result<Duration, Error> {
    let found = counters::open(sysfs);
    if is_strict && let Some(Caveat { text, hint, .. }) = found.caveats.first() {
        let cure = if hint.is_empty() { String::new() } else { format!("; {hint}") };
        return Err(Error { kind: ErrorKind::Unreadable, text: format!("{text}{cure}") });
    }
    let has_refused = !found.caveats.is_empty();
    meter.caveats.extend(found.caveats);
    let Some(source) = found.source else {
        let model = Model::of(meter.tree);
        let (low, high) = model.family().scale;
        let hint = match (has_refused, model.family().is_known()) {
            (true, _) => "make the counters readable",
            (false, true) => "compare CPU seconds first, joules second",
            (false, false) => "the processor is not in the table; compare CPU seconds first, joules second",
        };
        let text = format!(
            "no energy counter can be read: joules are modelled from the CPU time of the process tree, right within \
             ×{low} to ×{high}"
        );
        meter.caveats.push(Caveat::new("modelled-energy", text, hint));
        meter.join(Box::new(model), Covers::Processor);
        return Ok(Duration::MAX);
    };
    meter.join(source, Covers::Processor);
    Ok(found.safe_period.max(Duration::from_millis(2)))
}

/// Meters energy from [`open`](Builder::open) to [`finish`](Session::finish).
///
/// ```
/// # fn main() -> Result<(), joulewise_meter::Error> {
/// use joulewise_meter::Session;
///
/// let session = Session::builder().open()?;
/// let stage = session.open_stage("count", &[]);
/// let sum: u64 = (0..1000).sum();
/// let record = session.close_stage(stage);
/// assert!(record.energy.low <= record.energy.value);
///
/// let summary = session.finish();
/// let entries = summary.stages.iter().map(|stage| stage.energy.value);
/// assert_eq!(entries.fold(0.0, |sum, j| sum + j) + summary.unattributed_j, summary.total.value);
/// # assert_eq!(sum, 499500);
/// # Ok(())
/// # }
/// ```
pub struct Session {
    shared: Arc<Shared>,
    sampling: Option<JoinHandle<()>>,
    is_strict: bool,
}

/// Totals since the session was opened.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Joules.
    pub energy: Energy,
    /// CPU time of the process tree, in seconds.
    pub cpu_s: f64,
    /// Wall time, in seconds.
    pub wall_s: f64,
}

/// What a session used, and on what.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// The stages, in the order of closing.
    pub stages: Vec<StageRecord>,
    /// `energy` of all stages in their order, plus `unattributed_j`: exactly that sum.
    pub total: Energy,
    /// Joules used outside of all stages.
    pub unattributed_j: f64,
    /// CPU time of the process tree, in seconds.
    pub cpu_s: f64,
    /// Wall time, in seconds.
    pub wall_s: f64,
    /// The sources by name.
    pub sources: Vec<String>,
    /// What a reader must know before quoting a number.
    pub caveats: Vec<Caveat>,
    /// What the joules cover, as in `process tree, CPU, modelled`.
    pub scope: String,
}

impl Session {
    /// A session on what this machine offers, to be adjusted and opened.
    pub fn builder() -> Builder {
        Builder {
            sysfs_root: env::var_os("JOULEWISE_SYSFS").map_or_else(|| PathBuf::from("/sys"), PathBuf::from),
            interval: Duration::from_millis(100),
            tree: Tree::OWN,
            is_strict: false,
            sources: Vec::new(),
            observers: Vec::new(),
        }
    }

    /// Opens a stage inside the innermost open one and gives its id. Stages are opened and closed like a stack.
    pub fn open_stage(&self, name: &str, depends_on: &[u32]) -> u32 {
        let (id, parent) = {
            let mut books = self.shared.books();
            let now = books.meter.read();
            books.stages.open(name, depends_on, now)
        };
        self.shared.tell_caveats();
        self.emit(EventKind::StageOpened { id, name: name.to_owned(), parent });
        id
    }

    /// Closes a stage, and first those nested in it that are still open.
    ///
    /// # Panics
    ///
    /// If `id` is not that of an open stage.
    pub fn close_stage(&self, id: u32) -> StageRecord {
        let closed = {
            let mut books = self.shared.books();
            assert!(books.stages.is_open(id), "stage {id} is not open");
            let now = books.meter.read();
            let mut closed = Vec::new();
            while books.stages.is_open(id) {
                closed.extend(books.stages.close_innermost(now));
            }
            closed
        };
        self.shared.tell_caveats();
        self.shared.emit_closed(&closed);
        closed.into_iter().next_back().expect("the stage was open, so at least one was closed")
    }

    /// Adds a stage to those that another depends on.
    pub fn depend(&self, id: u32, on: u32) {
        self.shared.books().stages.depend(id, on);
    }

    /// A free span from now to its [`close`](Span::close) or drop; spans may overlap, on any thread.
    pub fn span(&self, name: &str) -> Span {
        Span::open(Arc::clone(&self.shared), name)
    }

    /// Sends an event of the caller's to the observers.
    pub fn emit(&self, kind: EventKind) {
        if let EventKind::Caveat(caveat) = &kind {
            self.shared.books().note(caveat);
        }
        self.shared.emit(kind);
    }

    /// The totals so far, read now.
    pub fn reading(&self) -> Snapshot {
        let now = self.shared.read();
        Snapshot { energy: now.since(&Totals::START).energy(), cpu_s: now.cpu_s, wall_s: now.at_s }
    }

    /// This moment, to say later what was [used since](Mark::since).
    pub fn mark(&self) -> Mark {
        Mark::now(&mut self.shared.books().meter)
    }

    /// The sources by name.
    pub fn sources(&self) -> Vec<String> {
        self.shared.books().meter.names()
    }

    /// What a reader must know before quoting a number, as far as it has come to light.
    pub fn caveats(&self) -> Vec<Caveat> {
        self.shared.tell_caveats();
        self.shared.books().told.clone()
    }

    /// Whether any of its joules are counted, rather than modelled from CPU time.
    pub fn has_counter(&self) -> bool {
        self.shared.books().meter.has_counter()
    }

    /// In a strict session, an error once a source was lost.
    pub fn check(&self) -> Result<(), Error> {
        match &self.shared.books().meter.lost {
            Some(lost) if self.is_strict => {
                Err(Error { kind: ErrorKind::SourceLost, text: format!("lost an energy source: {lost}") })
            }
            _ => Ok(()),
        }
    }

    /// Ends the session; stages that are still open are closed.
    pub fn finish(mut self) -> Summary {
        self.stop_sampling();
        let (closed, mut summary) = {
            let books = &mut *self.shared.books();
            let now = books.meter.read();
            let mut closed = Vec::new();
            while let Some(record) = books.stages.close_innermost(now) {
                closed.push(record);
            }
            let unattributed = books.stages.unattributed(now);
            let stages = std::mem::take(&mut books.stages.closed);
            let entries: Energy = stages.iter().map(|stage| stage.energy).sum();
            let summary = Summary {
                total: entries + unattributed,
                unattributed_j: unattributed.value,
                stages,
                cpu_s: now.cpu_s,
                wall_s: now.at_s,
                sources: books.meter.names(),
                caveats: Vec::new(),
                scope: books.meter.scope(),
            };
            (closed, summary)
        };
        self.shared.tell_caveats();
        self.shared.emit_closed(&closed);
        self.shared.emit(EventKind::Finished);
        summary.caveats = std::mem::take(&mut self.shared.books().told);
        summary
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    fn stop_sampling(&mut self) {
        *lock(&self.shared.stopping) = true;
        self.shared.stop.notify_all();
        let Some(sampling) = self.sampling.take() else { return };
        if !self.shared.is_loading.load(Ordering::Acquire) {
            // A panic of an observer on that thread has been reported there.
            let _ = sampling.join();
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.stop_sampling();
        command_group::remove();
    }
}
