//! One execution of a command: its output goes to a log and its metrics to whoever watches.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, BufWriter, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use joulewise_meter::command::{Command, Stream};
use joulewise_tune::Verdict;

use super::error::{TaskError, TaskErrorKind};
use super::metrics::{self, Metrics, MetricsFrom, Reported};
use super::supervision::Supervision;

/// The file in `{out}` that both streams of a command are kept in.
pub(crate) const LOG: &str = "output.log";
/// How many lines of its output a failed command is quoted with.
const QUOTED_LINES: usize = 8;
/// How soon a cancellation and a new line of `metrics.jsonl` are noticed.
const WATCH_PERIOD: Duration = Duration::from_millis(50);

/// Is shown each value of the metric as it comes, and says whether to go on.
pub type Watch<'a> = dyn FnMut(&Metrics) -> Verdict + Send + 'a;

/// A command that is ready to run.
pub(crate) struct Execution<'a> {
    /// The program and its arguments.
    pub(crate) argv: &'a [String],
    /// Variables of its environment, beside the caller's.
    pub(crate) environment: &'a [(String, String)],
    /// Where it runs.
    pub(crate) folder: &'a Path,
    /// Where its log and its `metrics.jsonl` are.
    pub(crate) out: &'a Path,
    /// After which it counts as hung.
    pub(crate) timeout: Duration,
    /// The key that says so.
    pub(crate) timeout_key: &'static str,
    /// Where its metrics are.
    pub(crate) metrics: &'a MetricsFrom,
    /// The metric that is watched.
    pub(crate) goal: &'a str,
}

/// What came of it.
pub(crate) struct Ended {
    pub(crate) reported: Reported,
    pub(crate) wall_s: f64,
    pub(crate) cpu_s: f64,
    /// Whether the watcher had seen enough.
    pub(crate) was_stopped: bool,
}

impl Execution<'_> {
    /// Runs it to its end, or until `watch` or the user has had enough.
    pub(crate) fn run(&self, watch: &mut Watch<'_>, by: Supervision<'_>) -> Result<Ended, TaskError> {
        let cancel = by.cancel;
        fs::create_dir_all(self.out).map_err(|error| TaskError::file(self.out, &error))?;
        let log_path = self.out.join(LOG);
        let mut log = Log::create(&log_path).map_err(|error| TaskError::file(&log_path, &error))?;
        let mut on_stdout = Reported::default();
        let live = Live::new(self.goal, watch);
        let (end, has_ended) = (AtomicBool::new(false), AtomicBool::new(false));
        let (outcome, was_stopped) = thread::scope(|scope| {
            let watching = scope.spawn(|| {
                let mut tail = self.tail();
                loop {
                    // Looked at first: what was written before the end is then read below.
                    let is_last = has_ended.load(Ordering::Acquire);
                    if cancel.load(Ordering::Relaxed) || live.stop.load(Ordering::Relaxed) {
                        end.store(true, Ordering::Relaxed);
                    }
                    tail.iter_mut()
                        .flat_map(Tail::lines)
                        .filter_map(|line| metrics::json(&line))
                        .for_each(|metrics| live.see(Source::File, &metrics));
                    if is_last {
                        break;
                    }
                    thread::park_timeout(WATCH_PERIOD);
                }
            });
            let command = Command::new(self.argv.iter().map(String::as_str));
            let command =
                self.environment.iter().fold(command, |command, (name, value)| command.env(name, value));
            let outcome = by
                .of(command)
                .current_dir(self.folder)
                .leave_nothing()
                .timeout(self.timeout)
                .cancel(&end)
                .on_line(|stream, line| {
                    log.line(line);
                    if stream == Stream::Stdout
                        && let Some(metrics) = self.metrics.line(line, self.goal)
                    {
                        live.see(Source::Stdout, &metrics);
                        on_stdout.add(metrics, self.goal);
                    }
                })
                .run();
            let was_stopped = live.stop.load(Ordering::Relaxed);
            has_ended.store(true, Ordering::Release);
            // What it takes to end is not the command's time.
            watching.thread().unpark();
            by.end_open();
            (outcome, was_stopped)
        });
        let outcome = outcome.map_err(|error| TaskError::new(TaskErrorKind::Start, error.to_string()))?;
        let quote = log.finish().map_err(|error| TaskError::file(&log_path, &error))?;
        let failed = |kind, how: String| {
            Err(TaskError::new(kind, format!("`{}` {how}{quote}", self.shown())).with_log(&log_path))
        };
        if cancel.load(Ordering::Relaxed) && outcome.cancelled {
            return Err(TaskError::new(TaskErrorKind::Cancelled, format!("`{}` was stopped", self.shown())));
        }
        if outcome.timed_out {
            let seconds = self.timeout.as_secs_f64();
            return failed(
                TaskErrorKind::TimedOut,
                format!("did not end within {seconds} s: raise `{}` if it takes that long", self.timeout_key),
            );
        }
        if outcome.code != 0 && !was_stopped {
            let how = match outcome.signal {
                Some(signal) => format!("was ended by signal {signal}"),
                None => format!("failed with exit code {}", outcome.code),
            };
            return failed(TaskErrorKind::Failed, how);
        }
        let reported = self
            .metrics
            .collect(self.out, on_stdout, self.goal)
            .map_err(|error| TaskError::file(&self.out.join(metrics::FILE), &error))?;
        Ok(Ended { reported, wall_s: outcome.wall_s, cpu_s: outcome.cpu_s, was_stopped })
    }

    /// The command as messages show it.
    pub(super) fn shown(&self) -> String {
        let shown = shown(self.argv);
        match shown.char_indices().nth(100) {
            Some((end, _)) => format!("{}…", &shown[..end]),
            None => shown,
        }
    }

    /// The file that metrics may come from while the command runs.
    fn tail(&self) -> Option<Tail> {
        let is_file = matches!(self.metrics, MetricsFrom::Auto | MetricsFrom::File);
        is_file.then(|| Tail { path: self.out.join(metrics::FILE), offset: 0 })
    }
}

/// A command as a shell reads it.
pub(crate) fn shown(argv: &[String]) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "-_./=:,@%+".contains(c);
    let words = argv.iter().map(|word| {
        let plain = !word.is_empty() && word.chars().all(is_plain);
        if plain { word.clone() } else { format!("'{}'", word.replace('\'', r"'\''")) }
    });
    words.collect::<Vec<_>>().join(" ")
}

/// Where a value came from.
#[derive(Clone, Copy, PartialEq)]
enum Source {
    File,
    Stdout,
}

/// The watcher, told from the thread that reads the output and from the one that reads the file.
struct Live<'a, 'b> {
    goal: &'a str,
    watch: Mutex<(&'a mut Watch<'b>, Option<Source>)>,
    stop: AtomicBool,
}

impl<'a, 'b> Live<'a, 'b> {
    fn new(goal: &'a str, watch: &'a mut Watch<'b>) -> Self {
        Self { goal, watch: Mutex::new((watch, None)), stop: AtomicBool::new(false) }
    }

    fn see(&self, source: Source, metrics: &Metrics) {
        let Some(value) = metrics.get(self.goal) else { return };
        let mut locked = self.watch.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let (watch, first) = &mut *locked;
        // A command that tells in both places tells the same twice.
        if *first.get_or_insert(source) != source {
            return;
        }
        // What follows a value that is not a number only costs energy.
        if watch(metrics) == Verdict::Stop || !value.is_finite() {
            self.stop.store(true, Ordering::Relaxed);
        }
    }
}

/// A growing file of lines.
struct Tail {
    path: PathBuf,
    offset: u64,
}

impl Tail {
    /// The whole lines that are new. A file that cannot be read now is read when the command has ended.
    fn lines(&mut self) -> Vec<String> {
        let mut new = Vec::new();
        let read = File::open(&self.path).and_then(|mut file| {
            file.seek(SeekFrom::Start(self.offset))?;
            file.read_to_end(&mut new)
        });
        let whole = new.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
        if read.is_err() || whole == 0 {
            return Vec::new();
        }
        self.offset += whole as u64;
        String::from_utf8_lossy(&new[..whole]).lines().map(str::to_owned).collect()
    }
}

/// Everything that a command printed, and the last lines of it.
struct Log {
    file: BufWriter<File>,
    last: VecDeque<String>,
    result: io::Result<()>,
}

impl Log {
    fn create(path: &Path) -> io::Result<Self> {
        Ok(Self { file: BufWriter::new(File::create(path)?), last: VecDeque::new(), result: Ok(()) })
    }

    fn line(&mut self, line: &str) {
        if self.result.is_ok() {
            self.result = writeln!(self.file, "{line}");
        }
        if line.trim().is_empty() {
            return;
        }
        if self.last.len() == QUOTED_LINES {
            self.last.pop_front();
        }
        self.last.push_back(line.to_owned());
    }

    /// The last lines, as a quotation below a message.
    fn finish(self) -> io::Result<String> {
        self.result?;
        self.file.into_inner().map_err(io::IntoInnerError::into_error)?;
        Ok(self.last.iter().flat_map(|line| ["\n  | ", line.as_str()]).collect())
    }
}
