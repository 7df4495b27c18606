//! `joulewise measure`: the joules of any command.

mod destination;
mod measurement;
mod summary;

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use joulewise_meter::{Command, Session};

use crate::hint;
use destination::Destination;
use measurement::Measurement;

/// Measure the energy of a command.
///
/// The command keeps its input, its output and its exit code. The summary goes to stderr.
#[derive(Debug, Default, clap::Args)]
pub struct Measure {
    /// Print the result as JSON too: the last line of stdout, after the command's own output
    #[arg(long)]
    pub json: bool,
    /// Write the result as JSON to a file
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Fail if an energy counter cannot be read or is lost, instead of saying so
    #[arg(long)]
    pub strict: bool,
    /// The command and its arguments
    #[arg(value_name = "COMMAND", required = true, trailing_var_arg = true)]
    pub command: Vec<OsString>,
}

impl Measure {
    /// Runs the command.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        // Opened first: a path that cannot be written is told before the command runs, not after hours.
        let output = self.output.as_deref().map(Destination::open).transpose()?;
        let session = Session::builder().strict(self.strict).open()?;
        let outcome = match Command::new(&self.command).alone(true).run() {
            Ok(outcome) => outcome,
            Err(error) => {
                let code = ExitCode::from(error.exit_code());
                hint::print(&error.into(), &mut io::stderr().lock())?;
                return Ok(code);
            }
        };
        let intact = session.check();
        let measurement = Measurement::new(&self.command, &outcome, session.finish());
        // The command's exit code is worth more than a summary that nobody reads.
        let _ = measurement.summarise(&mut io::stderr().lock());
        let json = serde_json::to_string(&measurement)?;
        if let Some(output) = output {
            output.write(&json)?;
        }
        if self.json {
            writeln!(io::stdout().lock(), "{json}").context("cannot write to stdout")?;
        }
        intact?;
        Ok(ExitCode::from(outcome.code))
    }
}
