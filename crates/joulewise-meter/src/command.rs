//! Runs a program to its end, with all that it starts.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

pub use crate::output::Stream;
use crate::output::{OnLine, OnStdout, Output};
use crate::terminal::Terminal;
use crate::{command_group, sys};

/// A program to run. Its streams are the caller's own unless [`on_line`](Command::on_line) takes them.
///
/// While it runs, this process adopts the orphans among its descendants, so that a session counts them too.
#[must_use]
pub struct Command<'a> {
    argv: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
    directory: Option<PathBuf>,
    timeout: Option<Duration>,
    grace: Duration,
    cancel: Option<&'a AtomicBool>,
    on_line: Option<OnLine<'a>>,
    has_input: bool,
    on_stdout: Option<OnStdout<'a>>,
    has_own_group: bool,
    leaves_nothing: bool,
    signals: Option<&'a Signals>,
}

/// Signals that reach this process and are meant for the program that it runs: those that ask to end, `USR1`, `USR2`
/// and `WINCH`. While this lives they do nothing else to this process.
pub struct Signals(sys::Forwarding);

impl Signals {
    /// Holds signals back until a program runs that [takes](Command::signals) them.
    pub fn hold() -> Self {
        Self(sys::Forwarding::start())
    }

    /// The last signal that asked to end, whether a program was there to take it or not.
    pub fn asked_to_end(&self) -> Option<i32> {
        self.0.end()
    }
}

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outcome {
    /// Its exit code; 128 + the signal that ended it; 124 after a timeout.
    pub code: u8,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// From start to end, in seconds.
    pub wall_s: f64,
    /// CPU time of the program and of the descendants that ended before it, in seconds.
    pub cpu_s: f64,
    /// Whether it was ended because its time was over.
    pub timed_out: bool,
    /// Whether it was ended because the caller cancelled it.
    pub cancelled: bool,
}

/// Why a program could not be run.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
pub struct Error {
    code: u8,
    text: String,
}

impl Error {
    /// What a shell would exit with: 127 if there is no such program, 126 if it cannot be executed, else 1.
    pub fn exit_code(&self) -> u8 {
        self.code
    }
}

/// Exit code of a program whose time was over, as that of `timeout`.
const TIMED_OUT: u8 = 124;
/// How soon a cancellation is noticed.
const CANCEL_LATENCY: Duration = Duration::from_millis(50);
/// How often orphans are waited for.
const REAP_PERIOD: Duration = Duration::from_secs(1);
/// How soon a program that a key press has stopped is noticed.
const STOP_LATENCY: Duration = Duration::from_millis(100);
/// How soon the end is noticed on a kernel that cannot tell it.
const POLL_PERIOD: Duration = Duration::from_millis(10);

impl<'a> Command<'a> {
    /// A program, searched for in `PATH`, and its arguments.
    pub fn new<S: Into<OsString>>(argv: impl IntoIterator<Item = S>) -> Self {
        Self {
            argv: argv.into_iter().map(Into::into).collect(),
            environment: Vec::new(),
            directory: None,
            timeout: None,
            grace: Duration::from_secs(5),
            cancel: None,
            on_line: None,
            has_input: true,
            on_stdout: None,
            has_own_group: false,
            leaves_nothing: false,
            signals: None,
        }
    }

    /// Sets a variable of its environment, which is otherwise the caller's.
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// The folder to run it in. Default: the caller's.
    pub fn current_dir(mut self, path: impl Into<PathBuf>) -> Self {
        self.directory = Some(path.into());
        self
    }

    /// Asks it to end (TERM) after that time, and makes it (KILL) when the [`grace`](Self::grace) is over.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Time between asking it to end and making it. Default: 5 s.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// Ends it, as a timeout does, once this is true.
    pub fn cancel(mut self, cancel: &'a AtomicBool) -> Self {
        self.cancel = Some(cancel);
        self
    }

    /// Takes its output away from the caller's streams and hands it over line by line, without line ends. A carriage
    /// return ends a line too.
    pub fn on_line(mut self, on_line: impl FnMut(Stream, &str) + 'a) -> Self {
        self.on_line = Some(Box::new(on_line));
        self
    }

    /// Gives it an empty input instead of the caller's.
    pub fn without_input(mut self) -> Self {
        self.has_input = false;
        self
    }

    /// Takes its standard output away from the caller's and hands it over as it comes, in pieces of any length, as long as
    /// that says `true`. Afterwards the program finds nobody at the other end.
    pub fn on_stdout(mut self, on_stdout: impl FnMut(&[u8]) -> bool + 'a) -> Self {
        self.on_stdout = Some(Box::new(on_stdout));
        self
    }

    /// Gives it a process group of its own, so that a timeout or a cancellation reaches all that it started. It is
    /// then in the background of the terminal, and key presses do not reach it, unless it takes
    /// [`signals`](Self::signals) too: then it is given the terminal.
    pub fn process_group(mut self, has_own_group: bool) -> Self {
        self.has_own_group = has_own_group;
        self
    }

    /// Ends (KILL) what it has left running, wherever that has gone: processes whose energy would be taken for that of
    /// whatever follows. Also ends all of it should this process end before it, by SIGKILL too. It gets a
    /// [`process_group`](Self::process_group) of its own.
    pub fn leave_nothing(mut self) -> Self {
        self.leaves_nothing = true;
        self.has_own_group = true;
        self
    }

    /// Says that this process has no other children, and that signals are meant for the program: they are forwarded,
    /// to its whole group if it has one of its own, and orphans are waited for as they end.
    pub fn signals(mut self, signals: &'a Signals) -> Self {
        self.signals = Some(signals);
        self
    }

    /// Runs it to its end.
    pub fn run(mut self) -> Result<Outcome, Error> {
        sys::become_subreaper();
        let started = Instant::now();
        let Spawned { mut child, pid, command } = self.spawn()?;
        let target = if self.has_own_group { -command } else { command };
        let _running = self.has_own_group.then(|| Running::group(command));
        let _receiving = self.signals.map(|signals| Receiving::start(signals, target));
        let has_terminal = self.has_own_group && self.signals.is_some();
        let terminal = has_terminal.then(|| Terminal::lend(command)).flatten();
        let (on_line, on_stdout) = (self.on_line.take(), self.on_stdout.take());
        let mut output = Output::of(&mut child, on_line, on_stdout).map_err(|error| Error {
            code: 1,
            text: format!("cannot read the output of the command: {error}"),
        })?;
        let mut ending = Ending { target, since: None, was_killed: false, timed_out: false };
        let waited_for = match (self.has_own_group, self.signals) {
            (_, Some(_)) => -1,
            (true, None) if !self.leaves_nothing => -pid,
            _ => pid,
        };
        let pidfd = sys::pidfd(pid);
        let mut cpu_s = 0.0;
        let status = loop {
            let mut ended_status = None;
            while let Ok(Some(ended)) = sys::reap(waited_for) {
                cpu_s += ended.cpu_s;
                if ended.pid == pid {
                    ended_status = Some(ended.status);
                }
            }
            output.drain();
            if let Some(status) = ended_status {
                break status;
            }
            if let Some(terminal) = &terminal {
                terminal.follow_stop(command);
            }
            let period = if terminal.is_some() { STOP_LATENCY } else { REAP_PERIOD };
            let look_again = self.signals.map(|_| period);
            let wake =
                self.advance(&mut ending, started, pidfd.is_none()).into_iter().chain(look_again).min();
            output.wait(pidfd.as_ref(), wake);
        };
        if self.has_own_group && (self.leaves_nothing || ending.since.is_some()) {
            sys::kill(target, libc::SIGKILL);
        }
        output.finish();
        let code = match status {
            _ if ending.timed_out => TIMED_OUT,
            Ok(code) => code as u8,
            Err(signal) => (128 + signal) as u8,
        };
        Ok(Outcome {
            code,
            signal: status.err(),
            wall_s: started.elapsed().as_secs_f64(),
            cpu_s,
            timed_out: ending.timed_out,
            cancelled: ending.since.is_some() && !ending.timed_out,
        })
    }

    fn spawn(&self) -> Result<Spawned, Error> {
        let Some((program, arguments)) = self.argv.split_first() else {
            return Err(Error { code: 1, text: "the command is empty".to_owned() });
        };
        let mut command = std::process::Command::new(program);
        command.args(arguments).envs(self.environment.iter().map(|(name, value)| (name, value)));
        if let Some(directory) = &self.directory {
            if !directory.is_dir() {
                let text = format!("cannot run in {}: not a folder", directory.display());
                return Err(Error { code: 1, text });
            }
            command.current_dir(directory);
        }
        if !self.has_input {
            command.stdin(Stdio::null());
        }
        if self.on_stdout.is_some() {
            command.stdout(Stdio::piped());
        }
        if self.on_line.is_some() {
            command.stdout(Stdio::piped()).stderr(Stdio::piped());
        }
        let spawned = if self.leaves_nothing { guarded(&mut command) } else { self.alone(&mut command) };
        spawned.map_err(|error| {
            let code = match error.kind() {
                io::ErrorKind::NotFound => 127,
                io::ErrorKind::OutOfMemory | io::ErrorKind::WouldBlock => 1,
                _ => 126,
            };
            Error { code, text: format!("cannot run `{}`: {error}", program.to_string_lossy()) }
        })
    }

    /// Starts it as a child of this process.
    fn alone(&self, command: &mut std::process::Command) -> io::Result<Spawned> {
        if self.has_own_group {
            command.process_group(0);
        }
        let (child, pid) = match command_group::for_a_command() {
            None => (command.spawn()?, None),
            Some(group) => {
                let spawned = sys::spawn_into(command, &group.handle, self.has_own_group)?;
                if spawned.1.is_none() {
                    command_group::give_up();
                }
                spawned
            }
        };
        let pid = pid.unwrap_or(child.id() as i32);
        Ok(Spawned { child, pid, command: pid })
    }

    /// Ends the program if it is time to; gives the longest time to wait until this must be looked at again.
    fn advance(&self, ending: &mut Ending, started: Instant, must_poll: bool) -> Option<Duration> {
        let is_cancelled = self.cancel.is_some_and(|cancel| cancel.load(Ordering::Relaxed));
        let left = self.timeout.map(|timeout| timeout.saturating_sub(started.elapsed()));
        let next = match ending.since {
            None if is_cancelled => Some(ending.ask(self.grace)),
            None if left == Some(Duration::ZERO) => {
                ending.timed_out = true;
                Some(ending.ask(self.grace))
            }
            None => left,
            Some(since) => ending.kill_after(self.grace.saturating_sub(since.elapsed())),
        };
        let poll = must_poll.then_some(POLL_PERIOD);
        let cancel = self.cancel.map(|_| CANCEL_LATENCY);
        [next, poll, cancel].into_iter().flatten().min()
    }
}

/// A program that was started.
struct Spawned {
    /// Holds its streams.
    child: Child,
    /// The process that is waited for: the program, or its guard.
    pid: i32,
    /// The program.
    command: i32,
}

/// Starts a program with a guard that ends all of it.
fn guarded(command: &mut std::process::Command) -> io::Result<Spawned> {
    let group = command_group::for_a_command();
    let guarded = sys::guard::spawn(command, group.as_ref().map(|group| &group.handle))?;
    if group.is_some() && !guarded.is_in_group {
        command_group::give_up();
    }
    let pid = guarded.guard.id() as i32;
    Ok(Spawned { child: guarded.guard, pid, command: guarded.command })
}

/// Process groups of the commands that run now.
static RUNNING: Mutex<Vec<i32>> = Mutex::new(Vec::new());

/// Kills every command that runs in a group of its own, for a process that is about to exit and cannot wait for
/// them.
pub fn kill_running() {
    for group in RUNNING.lock().unwrap_or_else(PoisonError::into_inner).iter() {
        sys::kill(-group, libc::SIGKILL);
    }
}

/// A group is one of [`RUNNING`] while this lives.
struct Running(i32);

impl Running {
    fn group(group: i32) -> Self {
        RUNNING.lock().unwrap_or_else(PoisonError::into_inner).push(group);
        Self(group)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        RUNNING.lock().unwrap_or_else(PoisonError::into_inner).retain(|group| *group != self.0);
    }
}

/// Signals go to a program while this lives.
struct Receiving<'a>(&'a Signals);

impl<'a> Receiving<'a> {
    fn start(signals: &'a Signals, target: i32) -> Self {
        signals.0.to(target);
        Self(signals)
    }
}

impl Drop for Receiving<'_> {
    fn drop(&mut self) {
        self.0.0.to(0);
    }
}

/// How far the ending of a program that would go on has come.
struct Ending {
    /// The process, or the group if negative.
    target: i32,
    since: Option<Instant>,
    was_killed: bool,
    timed_out: bool,
}

impl Ending {
    fn ask(&mut self, grace: Duration) -> Duration {
        sys::kill(self.target, libc::SIGTERM);
        // A stopped program would not get to see it.
        sys::kill(self.target, libc::SIGCONT);
        self.since = Some(Instant::now());
        grace
    }

    fn kill_after(&mut self, left: Duration) -> Option<Duration> {
        if left > Duration::ZERO {
            return Some(left);
        }
        if !self.was_killed {
            sys::kill(self.target, libc::SIGKILL);
            self.was_killed = true;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::thread;

    use super::*;

    fn sh(script: &str) -> Command<'static> {
        Command::new(["sh", "-c", script])
    }

    #[test]
    fn exit_codes_are_those_of_a_shell() {
        assert_eq!(sh("exit 0").run().unwrap().code, 0);
        assert_eq!(sh("exit 42").run().unwrap().code, 42);
        let killed = sh("kill -SEGV $$").run().unwrap();
        assert_eq!((killed.code, killed.signal), (128 + 11, Some(11)));
        assert_eq!(Command::new(["joulewise-no-such-program"]).run().unwrap_err().exit_code(), 127);
        assert_eq!(Command::new(["/"]).run().unwrap_err().exit_code(), 126);
        assert!(Command::new(Vec::<String>::new()).run().is_err());
    }

    #[test]
    fn a_missing_folder_is_not_a_missing_program() {
        let error = sh("true").current_dir("/no/such/folder").run().unwrap_err();
        assert_eq!(error.to_string(), "cannot run in /no/such/folder: not a folder");
    }

    #[test]
    fn lines_come_from_both_streams() {
        let mut lines = Vec::new();
        let outcome = sh("echo one; printf 'a\\rb\\r\\nc\\n'; echo two >&2; printf $WORD")
            .env("WORD", "end")
            .on_line(|stream, line| lines.push((stream, line.to_owned())))
            .run()
            .unwrap();
        assert_eq!(outcome.code, 0);
        let of = |wanted| -> Vec<&str> {
            lines.iter().filter(|(stream, _)| *stream == wanted).map(|(_, line)| line.as_str()).collect()
        };
        assert_eq!(of(Stream::Stdout), ["one", "a", "b", "c", "end"]);
        assert_eq!(of(Stream::Stderr), ["two"]);
    }

    #[test]
    fn an_input_may_be_empty() {
        assert_eq!(sh("read line").without_input().run().unwrap().code, 1);
    }

    #[test]
    fn stdout_comes_byte_for_byte_until_there_is_enough_of_it() {
        let mut bytes = Vec::new();
        let outcome = sh("printf 'a\\r\\n\\0\\377'; sleep 0.01; printf b")
            .on_stdout(|piece| {
                bytes.extend_from_slice(piece);
                true
            })
            .run()
            .unwrap();
        assert_eq!((outcome.code, bytes.as_slice()), (0, &b"a\r\n\0\xffb"[..]));
        let outcome = sh("while echo y; do :; done 2>/dev/null; exit 7").on_stdout(|_| false).run().unwrap();
        assert!(outcome.code == 7 || outcome.signal == Some(13), "{outcome:?}");
    }

    #[test]
    fn more_output_than_a_pipe_holds_is_read() {
        let mut bytes = 0;
        let script =
            "i=0; while [ $i -lt 3000 ]; do echo 0123456789012345678901234567890123456789; i=$((i+1)); done";
        sh(script).on_line(|_, line| bytes += line.len() + 1).run().unwrap();
        assert_eq!(bytes, 3000 * 41);
    }

    #[test]
    fn a_timeout_ends_the_whole_group() {
        let mut lines = 0;
        let outcome = sh("trap '' TERM; echo ready; sh -c 'trap \"\" TERM; sleep 600' & wait; sleep 600")
            .process_group(true)
            .timeout(Duration::from_millis(100))
            .grace(Duration::from_millis(100))
            .on_line(|_, _| lines += 1)
            .run()
            .unwrap();
        assert_eq!((outcome.code, outcome.signal, outcome.timed_out), (124, Some(9), true));
        assert!(!outcome.cancelled);
    }

    #[test]
    fn a_program_that_never_stops_talking_is_ended_too() {
        let mut lines = 0_u64;
        let outcome = Command::new(["yes"])
            .leave_nothing()
            .timeout(Duration::from_millis(100))
            .on_line(|_, _| lines += 1)
            .run()
            .unwrap();
        assert!(outcome.timed_out && lines > 0, "{outcome:?}");
    }

    #[test]
    fn what_a_program_leaves_running_may_be_ended() {
        let folder = tempfile::tempdir().unwrap();
        let leave = "sh -c 'echo $$ > left; exec sleep 600' & while ! [ -s left ]; do sleep 0.01; done";
        sh(leave).current_dir(folder.path()).process_group(true).leave_nothing().run().unwrap();
        let left = std::fs::read_to_string(folder.path().join("left")).unwrap();
        assert!(!Path::new("/proc").join(left.trim()).exists());
    }

    #[test]
    fn a_daemon_is_left_neither() {
        let folder = tempfile::tempdir().unwrap();
        // An orphan in a session of its own, which has children that ignore every request.
        let daemon = "setsid sh -c 'trap \"\" TERM HUP; sleep 600 & echo $! > child; echo $$ > left; wait' &";
        let leave = format!("({daemon}); while ! [ -s left ]; do sleep 0.01; done; exit 7");
        let outcome = sh(&leave).current_dir(folder.path()).leave_nothing().run().unwrap();
        assert_eq!((outcome.code, outcome.signal), (7, None));
        for name in ["left", "child"] {
            let pid = std::fs::read_to_string(folder.path().join(name)).unwrap();
            assert!(!Path::new("/proc").join(pid.trim()).exists(), "{name}");
        }
    }

    #[test]
    fn a_guard_ends_as_its_command_does() {
        let of = |script: &str| {
            let outcome = sh(script).leave_nothing().run().unwrap();
            (outcome.code, outcome.signal)
        };
        assert_eq!(of("exit 0"), (0, None));
        assert_eq!(of("exit 42"), (42, None));
        assert_eq!(of("kill -SEGV $$"), (128 + 11, Some(11)));
        assert_eq!(of("kill -KILL $$"), (128 + 9, Some(9)));
        let code = |program: &str| Command::new([program]).leave_nothing().run().unwrap_err().exit_code();
        assert_eq!((code("joulewise-no-such-program"), code("/")), (127, 126));
    }

    #[test]
    fn time_of_what_a_guard_adopts_is_counted() {
        let spin = "i=0; while [ $i -lt 60000 ]; do i=$((i+1)); done";
        let orphan = format!(
            "(setsid sh -c '{spin}; : > done' &); while ! [ -e done ]; do sleep 0.01; done; sleep 0.05"
        );
        let run = |script: &str| {
            let folder = tempfile::tempdir().unwrap();
            sh(script).current_dir(folder.path()).leave_nothing().run().unwrap()
        };
        let (counted, only_waiting) = (run(&orphan), run("sleep 0.05"));
        assert!(counted.cpu_s > only_waiting.cpu_s + 0.01, "{} s", counted.cpu_s);
    }

    #[test]
    fn what_a_guard_watches_over_can_be_asked_to_end() {
        let (cancel, mut lines) = (AtomicBool::new(false), Vec::new());
        let outcome =
            sh("trap 'echo ended; exit 3' TERM; echo ready; while :; do sleep 0.01; done 2>/dev/null")
                .leave_nothing()
                .cancel(&cancel)
                .on_line(|stream, line| {
                    if stream == Stream::Stdout {
                        lines.push(line.to_owned());
                        cancel.store(true, Ordering::Relaxed);
                    }
                })
                .run()
                .unwrap();
        assert_eq!((outcome.code, outcome.cancelled), (3, true));
        assert_eq!(lines, ["ready", "ended"]);
    }

    #[test]
    fn a_program_can_be_cancelled() {
        let cancel = AtomicBool::new(false);
        let outcome = thread::scope(|scope| {
            let running = scope.spawn(|| {
                sh("echo started; exec sleep 600")
                    .cancel(&cancel)
                    .on_line(|_, _| {
                        cancel.store(true, Ordering::Relaxed);
                    })
                    .run()
            });
            running.join().unwrap().unwrap()
        });
        assert_eq!((outcome.code, outcome.cancelled, outcome.timed_out), (128 + 15, true, false));
    }

    #[test]
    fn time_of_processes_that_nobody_waits_for_is_counted_where_a_group_can_be_made() {
        if command_group::for_a_command().is_none() {
            // Nothing was asked of this machine that it could refuse: it has no control groups for us.
            assert!(!command_group::read().is_complete);
            return;
        }
        let spin = "i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done";
        // Whoever ignores the end of its children never gets to know what they used.
        let script = format!("BEGIN {{ system(\"{spin}\") }}");
        let ignores = ["env", "--ignore-signal=CHLD", "awk", script.as_str()];
        let before = command_group::read();
        let outcome = Command::new(ignores).process_group(true).without_input().run().unwrap();
        let used_s = command_group::read().cpu_s - before.cpu_s;
        assert!(used_s > 0.05, "{used_s} s in the group, {} s known by waiting", outcome.cpu_s);
        // A program that cannot be executed is told of as before.
        assert_eq!(Command::new(["joulewise-no-such-program"]).run().unwrap_err().exit_code(), 127);
    }

    #[test]
    fn time_of_orphans_in_the_group_is_counted() {
        // The inner shell is orphaned when its parent ends, and ends before the outer one.
        let spin = "i=0; while [ $i -lt 60000 ]; do i=$((i+1)); done";
        let script =
            format!("(sh -c '{spin}; : > done' &); while ! [ -e done ]; do sleep 0.01; done; sleep 0.05");
        let folder = tempfile::tempdir().unwrap();
        let counted = sh(&script).current_dir(folder.path()).process_group(true).run().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let only_waiting = sh("sleep 0.05").current_dir(folder.path()).process_group(true).run().unwrap();
        assert!(counted.cpu_s > only_waiting.cpu_s + 0.01, "{} s", counted.cpu_s);
    }
}
