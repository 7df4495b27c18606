//! The workers of a command, each in a process of its own.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::process::{Child, ExitStatus};
use std::thread::{self, JoinHandle};

use anyhow::{Context as _, Result, anyhow};
use joulewise_meter::process;

use crate::hint::Hinted;
use crate::tune::worker::Ended;

/// Processes that are not left behind.
#[derive(Default)]
pub(super) struct Workers(Vec<Hired>);

impl Workers {
    pub(super) fn add(&mut self, process: Child) {
        self.0.push(Hired::new(process));
    }

    /// How many have not ended.
    pub(super) fn running(&mut self) -> Result<usize> {
        let mut running = 0;
        for worker in &mut self.0 {
            let status = worker.process.try_wait().context("cannot wait for a worker")?;
            running += usize::from(status.is_none());
        }
        Ok(running)
    }

    pub(super) fn interrupt(&self) {
        for worker in &self.0 {
            process::ask_to_end(worker.process.id() as i32);
        }
    }

    /// How they ended: as one of them says, if any has something to say.
    pub(super) fn verdict(&mut self) -> Result<Ended> {
        for worker in &mut self.0 {
            let status = worker.process.wait().context("cannot wait for a worker")?;
            if !status.success() {
                return Err(worker.failure(status));
            }
        }
        Ok(Ended::Complete)
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        for worker in &mut self.0 {
            if let Ok(None) = worker.process.try_wait() {
                process::ask_to_end(worker.process.id() as i32);
                let _ = worker.process.wait();
            }
        }
    }
}

/// A worker in a process of its own.
struct Hired {
    process: Child,
    /// What it says at its end if it fails.
    failure: Option<JoinHandle<String>>,
}

impl Hired {
    /// Passes on what `process` says, line by line, but for the error that it ends with: several workers may fail for the same
    /// reason.
    fn new(mut process: Child) -> Self {
        let failure = process.stderr.take().map(|said| {
            thread::spawn(move || {
                let mut failure = String::new();
                for line in BufReader::new(said).lines().map_while(Result::ok) {
                    if failure.is_empty() && !line.starts_with(ERROR) {
                        let _ = writeln!(io::stderr(), "{line}");
                    } else {
                        failure.extend([line.as_str(), "\n"]);
                    }
                }
                failure
            })
        });
        Self { process, failure }
    }

    /// Why it failed, in its own words if it had any.
    fn failure(&mut self, status: ExitStatus) -> anyhow::Error {
        let said = self.failure.take().and_then(|reader| reader.join().ok()).unwrap_or_default();
        let Some(said) = said.strip_prefix(ERROR).map(str::trim_end) else {
            let error = anyhow!("a worker failed ({status})");
            return Hinted::new(error, "the study is kept: the same command continues it").into();
        };
        match said.rsplit_once(HINT) {
            Some((what, cure)) => Hinted::new(anyhow!("{what}"), cure).into(),
            None => anyhow!("{said}"),
        }
    }
}

/// How an error of this program begins, and the cure below it.
const ERROR: &str = "error: ";
const HINT: &str = "\nhint: ";
