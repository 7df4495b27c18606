//! Runs the command: idling, preparation, warm-up and the runs that are measured.

use std::io::{self, Write};

use anyhow::anyhow;
use jiff::Timestamp;
use joulewise_meter::command::{self, Outcome, Signals};
use joulewise_meter::division::{Division, Idle};
use joulewise_meter::{Command, Mark, Method, Session, Usage};

use super::Measure;
use super::format::Format;
use super::format::energibridge::Series;
use super::idle;
use super::live::Live;
use super::spans::Spans;
use super::watch::Watch;
use crate::exit;
use crate::hint::Hinted;

/// What it takes to run the command.
pub(super) struct Execution<'a> {
    measure: &'a Measure,
    session: &'a Session,
    signals: &'a Signals,
    spans: &'a Spans<'a>,
}

/// One run of the command.
pub(super) struct Run {
    pub(super) started: Timestamp,
    /// The same moment in the session.
    pub(super) begun: Mark,
    pub(super) outcome: Outcome,
    pub(super) usage: Usage,
}

/// All runs that were measured; there is at least one.
pub(super) struct Runs {
    /// In order.
    pub(super) each: Vec<Run>,
    pub(super) division: Division,
    /// The idle power before and after, if it was measured.
    pub(super) idle: Option<(Idle, Idle)>,
    /// All readings, if the format takes them.
    pub(super) series: Option<Series>,
}

/// Why there is nothing to report.
pub(super) struct Ended {
    pub(super) code: u8,
    pub(super) error: Option<anyhow::Error>,
}

impl From<command::Error> for Ended {
    fn from(error: command::Error) -> Self {
        let code = error.exit_code();
        let hint = match code {
            127 => Some("check the name, or give the whole path"),
            126 => Some("make it executable with chmod +x, or name the program that runs it first"),
            _ => None,
        };
        let error = match hint {
            Some(hint) => Hinted::new(error, hint).into(),
            None => error.into(),
        };
        Self { code, error: Some(error) }
    }
}

impl<'a> Execution<'a> {
    pub(super) fn new(
        measure: &'a Measure,
        session: &'a Session,
        signals: &'a Signals,
        spans: &'a Spans<'a>,
    ) -> Self {
        Self { measure, session, signals, spans }
    }

    /// Everything in its order. A run that fails is the last one.
    pub(super) fn run(&self) -> Result<Runs, Ended> {
        let idle_before = self.idle()?;
        for _ in 0..self.measure.warmup {
            self.prepare()?;
            let outcome = self.command().run()?;
            if outcome.code != exit::OK {
                let error = anyhow!("the warm-up run ended with exit code {}", outcome.code);
                let error = Hinted::new(error, "a command that is repeated must work every time");
                return Err(Ended { code: outcome.code, error: Some(error.into()) });
            }
            self.stop_if_asked()?;
        }
        let mut watch = Watch::new(self.session);
        watch.live = self.measure.live.then(Live::new);
        watch.series = (self.measure.format == Some(Format::EnergibridgeCsv))
            .then(|| Series::new(self.measure.interval));
        let mut runs: Vec<Run> = Vec::new();
        while runs.len() < self.measure.repeat as usize {
            self.prepare()?;
            let started = Timestamp::now();
            let (outcome, begun, usage) = watch.during(|| self.spans.of(self.command()).run());
            let outcome = outcome?;
            self.spans.end_open();
            runs.push(Run { started, begun, outcome, usage });
            if outcome.code != exit::OK || self.signals.asked_to_end().is_some() {
                break;
            }
        }
        let idle_after = if self.signals.asked_to_end().is_none() { self.idle()? } else { None };
        let idle = idle_before.map(|before| (before, idle_after.unwrap_or(before)));
        let Watch { division, series, .. } = watch;
        Ok(Runs { each: runs, division, idle, series })
    }

    /// The idle machine, where it is asked for and there is a counter that tells.
    fn idle(&self) -> Result<Option<Idle>, Ended> {
        let is_measured = self.session.reading().energy.method == Method::Measured;
        let Some(time) = self.measure.idle.filter(|_| is_measured) else { return Ok(None) };
        let idle = idle::measure(self.session, self.signals, time);
        self.stop_if_asked()?;
        Ok(Some(idle))
    }

    fn prepare(&self) -> Result<(), Ended> {
        let Some(script) = &self.measure.prepare else { return Ok(()) };
        let mut stderr = io::stderr().lock();
        // stdout belongs to the command and to the result.
        let outcome = Command::new(["sh", "-c", script])
            .process_group(true)
            .signals(self.signals)
            .on_line(|_, line| drop(writeln!(stderr, "{line}")))
            .run()?;
        self.stop_if_asked()?;
        if outcome.code != exit::OK {
            let error = anyhow!("the preparation `{script}` ended with exit code {}", outcome.code);
            let error =
                Hinted::new(error, "what it said is above; end it with `|| true` where that is no failure");
            return Err(Ended { code: exit::ERROR, error: Some(error.into()) });
        }
        Ok(())
    }

    fn command(&self) -> Command<'_> {
        let command = Command::new(&self.measure.command).process_group(true).signals(self.signals);
        match self.measure.timeout {
            Some(timeout) => command.timeout(timeout),
            None => command,
        }
    }

    fn stop_if_asked(&self) -> Result<(), Ended> {
        match self.signals.asked_to_end() {
            Some(signal) => Err(Ended { code: (128 + signal) as u8, error: None }),
            None => Ok(()),
        }
    }
}
