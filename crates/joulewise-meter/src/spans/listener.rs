//! The socket, and the thread that turns what arrives there into joules.

use std::collections::VecDeque;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::book::{Book, Closed, SpanTotal};
use super::message::{Content, Edge, Message};
use super::metrics::{MetricSeries, Metrics};
use super::staircase::{Shown, Staircase};
use crate::event::{Caveat, EventKind};
use crate::meter::Totals;
use crate::session::Session;
use crate::shared::Shared;
use crate::sys;

/// Listens for spans from its opening to its [`finish`](Self::finish).
///
/// Where a stage is open as it is opened, the spans are parts of the innermost one: they are told of with it, provided that
/// listening ends before it is closed.
pub struct SpanListener {
    path: PathBuf,
    stop: Arc<AtomicBool>,
    wake: UnixDatagram,
    thread: Option<JoinHandle<Told>>,
    /// Holds the socket if nobody chose a place for it.
    _folder: Option<TempDir>,
}

/// What programs told of.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Told {
    /// What their spans used, by name.
    pub spans: Vec<SpanTotal>,
    /// The values of their metrics, by name.
    pub metrics: Vec<MetricSeries>,
}

impl SpanListener {
    /// Listens at a new socket in a folder that only this user can enter.
    pub fn open(session: &Session) -> io::Result<Self> {
        let folder = |parent: &Path| tempfile::Builder::new().prefix("joulewise-").tempdir_in(parent);
        let in_folder = |folder: TempDir| {
            let path = folder.path().join("spans");
            Self::start(session, path, Some(folder))
        };
        let tried = folder(&std::env::temp_dir()).and_then(in_folder);
        // A socket's path has at most 107 bytes, and clusters like long names for temporary folders.
        tried.or_else(|_| folder(Path::new("/tmp")).and_then(in_folder))
    }

    /// Listens at a new socket with that path, as one that a container shares with its host. It is removed at the end.
    pub fn open_at(session: &Session, path: &Path) -> io::Result<Self> {
        Self::start(session, path.to_owned(), None)
    }

    fn start(session: &Session, path: PathBuf, folder: Option<TempDir>) -> io::Result<Self> {
        let socket = UnixDatagram::bind(&path)?;
        socket.set_nonblocking(true)?;
        let wake = UnixDatagram::unbound()?;
        wake.connect(&path)?;
        wake.set_nonblocking(true)?;
        let stop = Arc::new(AtomicBool::new(false));
        let listening = Listening::new(Arc::clone(session.shared()), socket, Arc::clone(&stop));
        let thread =
            thread::Builder::new().name("joulewise-spans".to_owned()).spawn(move || listening.run())?;
        Ok(Self { path, stop, wake, thread: Some(thread), _folder: folder })
    }

    /// The socket, to be named in the environment as [`VARIABLE`](super::VARIABLE).
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Stops listening. What has been sent by now is taken in, and spans that are still open end here.
    pub fn finish(mut self) -> Told {
        self.end()
    }

    fn end(&mut self) -> Told {
        self.stop.store(true, Ordering::Release);
        // If the queue is full the thread is awake anyway.
        let _ = self.wake.send(&[]);
        // A panic of an observer on that thread has been reported there.
        self.thread.take().and_then(|thread| thread.join().ok()).unwrap_or_default()
    }
}

impl Drop for SpanListener {
    fn drop(&mut self) {
        if self.thread.is_some() {
            self.end();
        }
        // Nobody can be helped where this fails.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// What the thread works on.
struct Listening {
    shared: Arc<Shared>,
    /// The stage that the spans are parts of.
    stage: Option<u32>,
    socket: UnixDatagram,
    stop: Arc<AtomicBool>,
    /// What was said of moments whose joules are not yet known.
    pending: VecDeque<Pending>,
    book: Book,
    metrics: Metrics,
    /// When the thread began.
    started: Instant,
    /// When it last read everything.
    read_at: Instant,
    /// The `CLOCK_MONOTONIC` of the moment when the session was opened, in nanoseconds.
    zero_ns: u64,
    /// Datagrams or lines of them that are no messages.
    garbled: u64,
    /// Edges between readings that were taken for other reasons, and all.
    unread: u64,
    edges: u64,
}

struct Pending {
    at_s: f64,
    content: Content,
    /// The counters around it, if they were polled.
    shown: Vec<Option<Shown>>,
}

/// Time between two polls of the counters.
const POLL_PERIOD: Duration = Duration::from_micros(100);
/// A counter that has not moved twice in this time after an edge moves too slowly to be waited for.
const PATIENCE_S: f64 = 4e-3;
/// Polling ends here, however many edges come.
const LONGEST_POLLING: Duration = Duration::from_millis(20);
/// How long an edge may wait for a reading that others share.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// And a value of a metric, which opens nothing and which nothing waits for.
const LOOK_AGAIN_FOR_METRICS: Duration = Duration::from_secs(1);
/// The part of one CPU that readings for the sake of edges may take.
const SHARE_OF_CPU: f64 = 0.05;
/// What they may take at once, in seconds of CPU time.
const HEAD_START_S: f64 = 0.1;
/// More datagrams than a queue usually holds.
const MOST_AT_ONCE: usize = 1000;
/// Longer than what senders put together.
const LONGEST_DATAGRAM: usize = 1 << 16;

impl Listening {
    fn new(shared: Arc<Shared>, socket: UnixDatagram, stop: Arc<AtomicBool>) -> Self {
        let (zero_ns, stage) = (zero_ns(&shared), shared.books().stages.innermost());
        Self {
            shared,
            stage,
            socket,
            stop,
            pending: VecDeque::new(),
            book: Book::default(),
            metrics: Metrics::default(),
            started: Instant::now(),
            read_at: Instant::now(),
            zero_ns,
            garbled: 0,
            unread: 0,
            edges: 0,
        }
    }

    fn run(mut self) -> Told {
        sys::sharpen_timers();
        let mut datagram = vec![0; LONGEST_DATAGRAM];
        loop {
            // Looked at first: what was sent before the end was asked for is then found below.
            let is_stopping = self.stop.load(Ordering::Acquire);
            let has_news = self.receive(&mut datagram);
            if has_news && self.may_read() {
                self.read_closely(&mut datagram);
            } else if has_news {
                self.unread += 1;
            }
            if is_stopping {
                return self.finish();
            }
            if self.patience().is_some_and(|patience| self.read_at.elapsed() >= patience) {
                self.read();
            }
            self.settle();
            // The one who stops could not wake this thread as long as the queue was full, so it is asked again.
            if !self.stop.load(Ordering::Acquire) {
                sys::wait_readable_at_most(self.socket.as_raw_fd(), self.patience());
            }
        }
    }

    /// How long what is pending may wait for a reading that others share, if anything is.
    fn patience(&self) -> Option<Duration> {
        let is_edge = |pending: &Pending| matches!(pending.content, Content::Edge(_));
        let patience = if self.pending.iter().any(is_edge) { LOOK_AGAIN } else { LOOK_AGAIN_FOR_METRICS };
        (!self.pending.is_empty()).then_some(patience)
    }

    /// Takes in the messages that are there; says whether any of them is worth a reading.
    fn receive(&mut self, datagram: &mut [u8]) -> bool {
        let before = self.edges;
        // Whoever sends without end does not keep this from anything else.
        for _ in 0..MOST_AT_ONCE {
            let Ok(length) = self.socket.recv(datagram) else { break };
            for line in String::from_utf8_lossy(&datagram[..length]).lines() {
                let Some(Message { sent_ns, content }) = Message::parse(line) else {
                    self.garbled += 1;
                    continue;
                };
                // A time that was not yet, or that was before the session, is that of another clock.
                let now_ns = sys::monotonic_ns();
                let sent_ns = if (self.zero_ns..=now_ns).contains(&sent_ns) { sent_ns } else { now_ns };
                let at_s = sent_ns.saturating_sub(self.zero_ns) as f64 * 1e-9;
                // The end of what a program left open says nothing that is worth a reading of its own.
                self.edges += u64::from(matches!(&content, Content::Edge(edge) if *edge != Edge::EndOpen));
                self.pending.push_back(Pending { at_s, content, shown: Vec::new() });
            }
        }
        self.edges > before
    }

    /// Whether another reading for the sake of an edge is cheap enough.
    fn may_read(&self) -> bool {
        sys::thread_cpu_s() <= HEAD_START_S + SHARE_OF_CPU * self.started.elapsed().as_secs_f64()
    }

    /// Reads everything around the edges that are pending, and the counters that move in steps until it is known what
    /// they would have shown.
    fn read_closely(&mut self, datagram: &mut [u8]) {
        self.read();
        let began = Instant::now();
        let mut staircase = Staircase::default();
        loop {
            let (at_s, joules) = {
                let meter = &mut self.shared.books().meter;
                let joules = meter.poll();
                (meter.at_s(), joules)
            };
            staircase.push(at_s, joules);
            let last_s = self.pending.iter().map(|pending| pending.at_s).fold(0.0, f64::max);
            if staircase.tells(last_s) || at_s > last_s + PATIENCE_S || began.elapsed() > LONGEST_POLLING {
                break;
            }
            sys::wait_readable_at_most(self.socket.as_raw_fd(), Some(POLL_PERIOD));
            self.receive(datagram);
        }
        self.read();
        for pending in &mut self.pending {
            pending.shown = staircase.at(pending.at_s);
        }
    }

    fn read(&mut self) -> Totals {
        self.read_at = Instant::now();
        self.shared.read()
    }

    /// Books the edges that lie before the last reading.
    fn settle(&mut self) {
        let mut closed = Vec::new();
        {
            let meter = &self.shared.books().meter;
            let scales = meter.stepped_scales();
            let known_s = meter.history.known_s();
            while let Some(pending) = self.pending.pop_front_if(|pending| pending.at_s <= known_s) {
                let read = meter.history.at(pending.at_s);
                let known = pending.shown.iter().zip(&read.stepped_j).zip(&scales);
                let now = known.fold(read.totals, |totals, ((shown, between), &scale)| {
                    let Some(Shown { joules, .. }) = *shown else { return totals };
                    totals.corrected(joules.max(between.from_j) - between.at_j, scale)
                });
                let doubt_j = pending.shown.iter().flatten().map(|shown| shown.doubt_j).sum();
                let now = now.doubted(doubt_j);
                match pending.content {
                    Content::Edge(edge) => closed.extend(self.book.take(edge, now)),
                    Content::Metric { name, value } => self.metrics.add(name, value, now),
                }
            }
        }
        self.emit(closed);
    }

    fn emit(&self, closed: Vec<Closed>) {
        for Closed { name, energy, cpu_s, wall_s } in closed {
            self.shared.emit(EventKind::SpanClosed { name, stage: self.stage, energy, cpu_s, wall_s });
        }
    }

    fn finish(mut self) -> Told {
        let now = self.read();
        self.settle();
        let left = self.book.close_all(now);
        self.emit(left);
        let (caveats, spans) = (self.caveats(), self.book.totals());
        {
            let mut books = self.shared.books();
            books.meter.caveats.extend(caveats);
            if let Some(stage) = self.stage {
                books.stages.add_spans(stage, &spans);
            }
        }
        self.shared.tell_caveats();
        Told { spans, metrics: self.metrics.series }
    }

    fn caveats(&self) -> Vec<Caveat> {
        let mut caveats = Vec::new();
        let lost = self.garbled + self.book.unfitting;
        if lost > 0 {
            let text = format!("{lost} of {} messages about spans made no sense", self.edges + self.garbled);
            caveats.push(Caveat::new("span-messages", text, "end every span that was begun, once"));
        }
        if self.unread > 0 {
            let text = "edges of spans came faster than the meter may read: joules are shared out evenly between its readings";
            caveats.push(Caveat::new("spans-too-fast", text, "name longer stretches"));
        }
        caveats
    }
}

/// The `CLOCK_MONOTONIC` of the moment when the session was opened, in nanoseconds.
fn zero_ns(shared: &Shared) -> u64 {
    // The thread may be put to sleep between the two clocks: of several tries the shortest is right.
    let look = |_| {
        let before_ns = sys::monotonic_ns();
        let at_ns = (shared.books().meter.at_s() * 1e9) as u64;
        (sys::monotonic_ns() - before_ns, before_ns.saturating_sub(at_ns))
    };
    (0..5).map(look).min().map_or(0, |(_, zero_ns)| zero_ns)
}
