//! `joulewise attach`: the joules of a process that runs already.

use std::io::{self, Read as _, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use joulewise_meter::spans::Told;
use joulewise_meter::{Caveat, Energy, MetricSeries, Seconds, Session, SpanTotal, Summary, Watts, process};
use serde::Serialize;

use super::measure::caveats;
use super::measure::spans::{self, Spans};
use super::measure::time;
use crate::exit;
use crate::hint::Hint as _;
use crate::result::SCHEMA;
use crate::waste::trace::RecordedMetric;
use crate::waste::{Recording, Trace, Waste};

/// Measure a process that runs already, as a notebook's kernel, and all that it starts
///
/// Measures until the process ends or Ctrl-C; the process goes on. The summary goes to stderr.
#[derive(Clone, Debug, clap::Args)]
pub struct Attach {
    /// The process
    #[arg(value_name = "PID", value_parser = clap::value_parser!(i32).range(1..=1 << 22))]
    pub process: i32,
    /// Time between two readings of the counters, as in 10ms or 1s
    #[arg(short, long, value_name = "TIME", default_value = "100ms", value_parser = time)]
    pub interval: Duration,
    /// Listen for spans at a socket with this path, instead of one in a temporary folder
    #[arg(long, value_name = "PATH")]
    pub span_socket: Option<PathBuf>,
    /// Stop measuring when stdin ends, too
    #[arg(long)]
    pub until_eof: bool,
    /// Print the result as JSON to stdout
    #[arg(long)]
    pub json: bool,
}

/// The machine-readable result.
#[derive(Serialize)]
struct Attachment {
    schema: u32,
    process: i32,
    energy_j: Energy,
    power_w: f64,
    wall_s: f64,
    cpu_s: f64,
    scope: String,
    sources: Vec<String>,
    caveats: Vec<Caveat>,
    spans: Vec<SpanTotal>,
    waste: Waste,
    trace: Recording,
}

impl Attach {
    /// Runs the command.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        if !process::exists(self.process) {
            return Err(anyhow!("there is no process {}", self.process)).hint("name one that is running");
        }
        let session = Session::builder().process(self.process).interval(self.interval).open()?;
        let spans = Spans::listen(&session, self.span_socket.as_deref(), &[], None)?;
        self.wait()?;
        let told = spans.finish();
        let result = Attachment::new(self.process, told, session.finish());
        // What was asked for on stdout is worth more than a summary that nobody reads.
        let _ = result.summarise(&mut io::stderr().lock());
        if self.json {
            let json = serde_json::to_string(&result)?;
            writeln!(io::stdout().lock(), "{json}")?;
        }
        Ok(ExitCode::from(exit::OK))
    }

    /// Until the process ends, or somebody has had enough.
    fn wait(&self) -> anyhow::Result<()> {
        let (enough, had_enough) = mpsc::channel();
        let say = |to: &Sender<()>| {
            let to = to.clone();
            move || {
                // Only the first word counts; whoever comes later speaks to nobody.
                let _ = to.send(());
            }
        };
        ctrlc::set_handler(say(&enough)).context("cannot wait for Ctrl-C")?;
        if self.until_eof {
            let say = say(&enough);
            thread::spawn(move || {
                let mut byte = [0];
                while io::stdin().read(&mut byte).is_ok_and(|length| length > 0) {}
                say();
            });
        }
        let (process, say) = (self.process, say(&enough));
        thread::spawn(move || {
            process::wait_for_end(process);
            say();
        });
        had_enough.recv().context("nobody is left to say when to stop")
    }
}

impl Attachment {
    fn new(process: i32, told: Told, summary: Summary) -> Self {
        // The session is the run: both begin and end together.
        let metric =
            |series: MetricSeries| RecordedMetric { name: series.name, run: 1, points: series.points };
        let trace =
            Recording { metrics: told.metrics.into_iter().map(metric).collect(), ..Recording::default() };
        Self {
            waste: Waste::in_trace(&Trace::of_runs(&[summary.total], told.spans.clone(), &trace, None)),
            trace,
            schema: SCHEMA,
            process,
            energy_j: summary.total,
            power_w: summary.total.value / summary.wall_s,
            wall_s: summary.wall_s,
            cpu_s: summary.cpu_s,
            scope: summary.scope,
            sources: summary.sources,
            caveats: summary.caveats,
            spans: told.spans,
        }
    }

    fn summarise(&self, out: &mut impl Write) -> io::Result<()> {
        writeln!(out, "joulewise: {}, {} on average", self.energy_j, Watts(self.power_w))?;
        writeln!(
            out,
            "           {} of wall time, {} of CPU time",
            Seconds(self.wall_s),
            Seconds(self.cpu_s)
        )?;
        writeln!(out, "           {} ({})", self.scope, self.sources.join("; "))?;
        caveats::lines(&self.caveats).try_for_each(|line| writeln!(out, "           {line}"))?;
        spans::write(&self.spans, 1, out)?;
        self.waste.lines().try_for_each(|line| writeln!(out, "           {line}"))
    }
}
