//! Running a meter from start to end, and what that took of the machine.

use std::fs::{self, File};
use std::panic::resume_unwind;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::sys;

/// How a meter's process went.
pub(crate) struct Launched {
    /// When it was started and when it was gone, in seconds on the clock that all processes share.
    pub(crate) started_s: f64,
    pub(crate) ended_s: f64,
    /// Its exit code; 128 + the signal that ended it.
    pub(crate) exit_code: i32,
    /// CPU time of it and of all that it waited for, in seconds.
    pub(crate) cpu_s: f64,
    /// When it was looked at, and its CPU time by then, without its children; both in seconds.
    looks: Vec<(f64, f64)>,
    /// The most memory that it held at once, without its children, in MiB.
    pub(crate) rss_mib: f64,
    /// What it wrote to its streams.
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Launched {
    /// Its own CPU time between two moments, in seconds.
    pub(crate) fn cpu_between_s(&self, from_s: f64, to_s: f64) -> f64 {
        let until = |time_s: f64| {
            let looks = self.looks.iter().take_while(|(at_s, _)| *at_s <= time_s);
            looks.last().map_or(0.0, |(_, cpu_s)| *cpu_s)
        };
        until(to_s) - until(from_s)
    }
}

/// How often it is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// Runs it to its end, without input.
pub(crate) fn run(mut command: Command) -> Result<Launched> {
    // Files, since nobody reads while it runs.
    let folder = tempfile::tempdir()?;
    let (stdout, stderr) = (folder.path().join("stdout"), folder.path().join("stderr"));
    command.stdin(Stdio::null()).stdout(File::create(&stdout)?).stderr(File::create(&stderr)?);
    let started_s = sys::monotonic_s();
    let child =
        command.spawn().with_context(|| format!("cannot start {}", command.get_program().display()))?;
    let (pid, is_gone) = (child.id(), AtomicBool::new(false));
    let (ended, ended_s, looks, rss_mib) = thread::scope(|scope| {
        let watching = scope.spawn(|| {
            let (mut looks, mut most_mib) = (Vec::new(), 0.0_f64);
            while !is_gone.load(Ordering::Relaxed) {
                looks.extend(sys::cpu_s_of(pid).map(|cpu_s| (sys::monotonic_s(), cpu_s)));
                most_mib = most_mib.max(peak_mib(pid).unwrap_or(0.0));
                thread::park_timeout(LOOK);
            }
            (looks, most_mib)
        });
        let ended = sys::wait(pid);
        let ended_s = sys::monotonic_s();
        is_gone.store(true, Ordering::Relaxed);
        watching.thread().unpark();
        let (looks, most_mib) = watching.join().unwrap_or_else(|panic| resume_unwind(panic));
        (ended, ended_s, looks, most_mib)
    });
    let ended = ended.context("cannot wait for the meter")?;
    let text = |path| fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    Ok(Launched {
        started_s,
        ended_s,
        exit_code: ended.code,
        cpu_s: ended.cpu_s,
        looks,
        rss_mib,
        stdout: text(stdout)?,
        stderr: text(stderr)?,
    })
}

/// The peak of a process's memory. What the kernel tells whoever waits for it would contain that of its children, and of
/// this process before the meter took its place.
fn peak_mib(pid: u32) -> Option<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(peak.trim().strip_suffix(" kB")?.parse::<f64>().ok()? / 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_told_with_its_end_and_its_streams() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo out; echo err >&2; exit 3"]);
        let launched = run(command).unwrap();
        assert_eq!(
            (launched.exit_code, launched.stdout.as_str(), launched.stderr.as_str()),
            (3, "out\n", "err\n")
        );
        assert!(launched.started_s < launched.ended_s);
        let looks = vec![(1.0, 0.5), (2.0, 0.75), (3.0, 1.0)];
        assert_eq!(Launched { looks, ..launched }.cpu_between_s(1.5, 3.5), 0.5);
        assert!(peak_mib(std::process::id()).unwrap() > 0.5);
    }
}
