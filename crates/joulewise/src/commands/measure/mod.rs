//! `joulewise measure`: the joules of any command.

mod carbon;
pub(super) mod caveats;
mod destination;
mod execution;
mod format;
mod idle;
mod live;
mod markers;
mod measurement;
pub(super) mod spans;
mod statistics;
mod summary;
mod watch;

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use joulewise_meter::Session;
use joulewise_meter::command::Signals;

use crate::recipe::quantity::duration;
use crate::task::metrics::MetricsFrom;
use crate::{exit, hint};
use carbon::Carbon;
use destination::Destination;
use execution::{Ended, Execution};
use format::Format;
use format::energibridge::Series;
use markers::SpanPattern;
use measurement::Measurement;
use spans::Spans;

/// Measure the energy of a command.
///
/// The command keeps its input, its output and its exit code. The summary goes to stderr.
#[derive(Debug, clap::Args)]
pub struct Measure {
    /// Time between two readings of the counters, as in 10ms or 1s
    #[arg(short, long, value_name = "TIME", default_value = "100ms", value_parser = time)]
    pub interval: Duration,
    /// Run the command so many times; the result holds the mean and its 95 % interval
    #[arg(short, long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub repeat: u32,
    /// Run the command so many times before, without measuring
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub warmup: u32,
    /// Run this with `sh` before each run of the command, without measuring
    #[arg(long, value_name = "COMMAND")]
    pub prepare: Option<String>,
    /// End the command after that time, with exit code 124
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub timeout: Option<Duration>,
    /// Measure the idle machine for that time before and after, and subtract it
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub idle: Option<Duration>,
    #[command(flatten)]
    carbon: Carbon,
    /// A name for the result
    #[arg(long, value_name = "TEXT")]
    pub label: Option<String>,
    /// Show watts and joules on stderr while the command runs
    #[arg(long)]
    pub live: bool,
    /// Print the result as JSON too: the last line of stdout, after the command's own output
    #[arg(long)]
    pub json: bool,
    /// Write the result in this format: to the file, else to stdout after the command's own output
    #[arg(long, value_name = "FORMAT", value_enum)]
    format: Option<Format>,
    /// Write the result to a file, as JSON unless --format says otherwise
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Exit with 3 where the command worked and anything limits what the numbers mean
    #[arg(long)]
    pub strict: bool,
    /// Take lines of the command's stdout for edges of spans: the group `begin` or `end` of the pattern names them
    #[arg(long, value_name = "REGEX", value_parser = SpanPattern::parse)]
    span_pattern: Vec<SpanPattern>,
    /// Take metrics from the command's stdout, to judge what it wastes: `json` for lines that are JSON objects, or a regular
    /// expression whose groups name them
    #[arg(long, value_name = "HOW", value_parser = metrics)]
    metrics: Option<MetricsFrom>,
    /// Listen for spans at a socket with this path, instead of one in a temporary folder
    #[arg(long, value_name = "PATH")]
    pub span_socket: Option<PathBuf>,
    /// The command and its arguments
    #[arg(value_name = "COMMAND", required = true, trailing_var_arg = true)]
    pub command: Vec<OsString>,
}

/// A time as people write it.
pub(super) fn time(text: &str) -> Result<Duration, String> {
    duration(text)
        .filter(|time| *time >= Duration::from_millis(1))
        .ok_or_else(|| "expected a time of at least 1ms, as in \"10ms\", \"1s\" or \"1min30s\"".to_owned())
}

/// Where metrics are found on stdout.
fn metrics(text: &str) -> Result<MetricsFrom, String> {
    match MetricsFrom::parse(text) {
        Ok(MetricsFrom::Auto | MetricsFrom::File) => {
            Err("only stdout is looked at: `json` or a regular expression".to_owned())
        }
        Ok(from) => Ok(from),
        Err(error) => Err(format!("{error:#}")),
    }
}

impl Measure {
    /// Runs the command.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        // A wrong option and a path that cannot be written are told before the command runs, not after hours.
        let carbon = self.carbon.resolve(self.format)?;
        let destination = self.output.as_deref().map(Destination::open).transpose()?;
        let signals = Signals::hold();
        let session = Session::builder().interval(self.interval).open()?;
        let spans =
            Spans::listen(&session, self.span_socket.as_deref(), &self.span_pattern, self.metrics.as_ref())?;
        let mut runs = match Execution::new(&self, &session, &signals, &spans).run() {
            Ok(runs) => runs,
            Err(Ended { code, error }) => {
                if let Some(error) = error {
                    hint::print(&error, &mut io::stderr().lock())?;
                }
                return Ok(ExitCode::from(code));
            }
        };
        let series = runs.series.take();
        let told = spans.finish();
        let measurement = Measurement::new(&self, runs, told, session.finish(), carbon);
        // The command's exit code is worth more than a summary that nobody reads.
        let _ = measurement.summarise(&mut io::stderr().lock());
        let told = self.tell(&measurement, series.as_ref(), destination);
        let code = match (measurement.exit_code, told) {
            (exit::OK, Err(error)) => return Err(error),
            (code, Err(error)) => {
                hint::print(&error, &mut io::stderr().lock())?;
                code
            }
            (exit::OK, Ok(())) if self.strict && !measurement.caveats.is_empty() => exit::CAVEAT,
            (code, Ok(())) => code,
        };
        Ok(ExitCode::from(code))
    }

    /// Writes the result to where it was asked for.
    fn tell(
        &self,
        measurement: &Measurement,
        series: Option<&Series>,
        destination: Option<Destination>,
    ) -> anyhow::Result<()> {
        let format = self.format.unwrap_or(Format::Json);
        let is_wanted = self.format.is_some() || destination.is_some();
        let text = if is_wanted { format.render(measurement, series)? } else { String::new() };
        let mut to_stdout = String::new();
        match destination {
            Some(destination) => destination.write(&text)?,
            None => to_stdout.push_str(&text),
        }
        if self.json && (format != Format::Json || to_stdout.is_empty()) {
            to_stdout.push_str(&Format::Json.render(measurement, series)?);
        }
        io::stdout().lock().write_all(to_stdout.as_bytes()).map_err(anyhow::Error::from)
    }
}
