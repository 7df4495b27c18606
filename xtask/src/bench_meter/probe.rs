//! The commands that are measured. They write into a file what they really did.

use std::fmt::Write;
use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Subcommand;

use crate::sys;

/// A command to measure.
#[derive(Subcommand)]
pub(crate) enum Probe {
    /// Sleeps; tells when it began and ended.
    Sleep { told: PathBuf, seconds: f64 },
    /// Starts children one after the other that compute for so long; tells the CPU time of all.
    Storm { told: PathBuf, children: u32, milliseconds: f64 },
    /// Computes until it has used so much CPU time.
    Spin { milliseconds: f64 },
    /// Names spans to the meter, with pauses of another length each; tells when each began and ended.
    Spans { told: PathBuf, count: u32, milliseconds: f64 },
}

impl Probe {
    /// Does it.
    pub(crate) fn run(self) -> Result<()> {
        match self {
            Self::Sleep { told, seconds } => {
                let began_s = sys::monotonic_s();
                thread::sleep(Duration::try_from_secs_f64(seconds).context("not a number of seconds")?);
                tell(&told, &format!("{began_s:.9} {:.9}\n", sys::monotonic_s()))
            }
            Self::Storm { told, children, milliseconds } => {
                let began_s = sys::monotonic_s();
                let of_children_s = storm(children, milliseconds)?;
                let cpu_s = of_children_s + sys::own_cpu_s();
                tell(&told, &format!("{began_s:.9} {:.9}\n{cpu_s:.9}\n", sys::monotonic_s()))
            }
            Self::Spin { milliseconds } => {
                while sys::own_cpu_s() * 1e3 < milliseconds {
                    std::hint::spin_loop();
                }
                Ok(())
            }
            Self::Spans { told, count, milliseconds } => {
                let began_s = sys::monotonic_s();
                let spans = spans(count, milliseconds)?;
                tell(&told, &format!("{began_s:.9} {:.9}\n{spans}", sys::monotonic_s()))
            }
        }
    }
}

/// Gives the CPU time of the children, as the kernel tells their parent after their end.
fn storm(children: u32, milliseconds: f64) -> Result<f64> {
    let this = std::env::current_exe()?;
    let mut cpu_s = 0.0;
    for _ in 0..children {
        let child = Command::new(&this).args(["probe", "spin", &milliseconds.to_string()]).spawn();
        cpu_s += sys::wait(child.context("cannot start a child")?.id())?.cpu_s;
    }
    Ok(cpu_s)
}

fn spans(count: u32, milliseconds: f64) -> Result<String> {
    let socket = UnixDatagram::unbound()?;
    let path = std::env::var_os("JOULEWISE_SPANS").context("nobody listens for spans")?;
    socket.connect(&path).context("cannot reach the meter")?;
    let length = Duration::from_secs_f64(milliseconds / 1e3);
    let mut told = String::new();
    for span in 0..count {
        // Lengths without a common measure with any period of the curves.
        let pause_ms = 170.0 + 61.8 * f64::from(span).sqrt().fract();
        thread::sleep(Duration::from_secs_f64(pause_ms / 1e3));
        let began_s = sys::monotonic_s();
        socket.send(format!("begin {:.0} {span} - span-{span}", began_s * 1e9).as_bytes())?;
        thread::sleep(length);
        let ended_s = sys::monotonic_s();
        socket.send(format!("end {:.0} {span}", ended_s * 1e9).as_bytes())?;
        writeln!(told, "{began_s:.9} {ended_s:.9}")?;
    }
    Ok(told)
}

fn tell(told: &Path, text: &str) -> Result<()> {
    fs::write(told, text).with_context(|| format!("cannot write {}", told.display()))
}

/// What a command told.
pub(crate) struct Account {
    /// When it began and ended, in seconds on the clock that all processes share.
    pub(crate) began_s: f64,
    pub(crate) ended_s: f64,
    /// The lines after the first.
    pub(crate) rest: Vec<Vec<f64>>,
}

impl Account {
    /// Reads what a command wrote.
    pub(crate) fn read(told: &Path) -> Result<Self> {
        let text = fs::read_to_string(told).context("the measured command has told nothing")?;
        Self::parse(&text).with_context(|| format!("the measured command has told `{text}`"))
    }

    fn parse(text: &str) -> Option<Self> {
        let mut lines = text
            .lines()
            .map(|line| line.split_whitespace().map(|word| word.parse().ok()).collect::<Option<Vec<f64>>>());
        let &[began_s, ended_s] = lines.next()??.as_slice() else { return None };
        Some(Self { began_s, ended_s, rest: lines.collect::<Option<_>>()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_has_two_times_and_maybe_more() {
        let account = Account::parse("1.5 2.25\n3\n4 5\n").unwrap();
        assert_eq!((account.began_s, account.ended_s), (1.5, 2.25));
        assert_eq!(account.rest, [vec![3.0], vec![4.0, 5.0]]);
        assert!(Account::parse("").is_none() && Account::parse("1.5\n").is_none());
        assert!(Account::parse("1.5 2.5\nx\n").is_none());
    }
}
