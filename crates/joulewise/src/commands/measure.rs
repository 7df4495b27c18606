//! `joulewise measure`: the joules of any command.

use std::ffi::OsString;
use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use joulewise_meter::command::Outcome;
use joulewise_meter::{Command, Energy, Joules, Seconds, Session, Summary, cpu_time_s};
use serde::Serialize;
use tempfile::NamedTempFile;

use crate::hint::{self, Hint as _};
use crate::result::SCHEMA;

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

/// The machine-readable result.
#[derive(Serialize)]
struct Measurement {
    schema: u32,
    command: Vec<String>,
    exit_code: u8,
    signal: Option<i32>,
    energy_j: Energy,
    power_w: f64,
    wall_s: f64,
    cpu_s: f64,
    /// CPU time of the meter itself, which `cpu_s` contains.
    own_cpu_s: f64,
    scope: String,
    sources: Vec<String>,
    caveats: Vec<joulewise_meter::Caveat>,
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

impl Measurement {
    fn new(command: &[OsString], outcome: &Outcome, summary: Summary) -> Self {
        Self {
            schema: SCHEMA,
            command: command.iter().map(|word| word.to_string_lossy().into_owned()).collect(),
            exit_code: outcome.code,
            signal: outcome.signal,
            energy_j: summary.total,
            power_w: summary.total.value / summary.wall_s,
            wall_s: summary.wall_s,
            cpu_s: summary.cpu_s,
            own_cpu_s: cpu_time_s(),
            scope: summary.scope,
            sources: summary.sources,
            caveats: summary.caveats,
        }
    }

    /// Three lines: the energy; the time; what was counted, and what limits it.
    fn summarise(&self, out: &mut impl Write) -> io::Result<()> {
        let power = Joules(self.energy_j.value) / Seconds(self.wall_s);
        writeln!(out, "joulewise: {}, {power} on average", self.energy_j)?;
        writeln!(
            out,
            "           {} of wall time, {} of CPU time",
            Seconds(self.wall_s),
            Seconds(self.cpu_s)
        )?;
        write!(out, "           {} ({})", self.scope, self.sources.join("; "))?;
        // That the energy is modelled has been said by then.
        for caveat in self.caveats.iter().filter(|caveat| caveat.code != "modelled-energy") {
            write!(out, "; {}", caveat.text)?;
            if !caveat.hint.is_empty() {
                write!(out, " ({})", caveat.hint)?;
            }
        }
        writeln!(out)
    }
}

/// Where the result is written.
enum Destination<'a> {
    /// A file that appears under its name once it is whole.
    File { temporary: NamedTempFile, path: &'a Path },
    /// A pipe or a device, which cannot be replaced.
    Stream { stream: File, path: &'a Path },
}

impl<'a> Destination<'a> {
    fn open(path: &'a Path) -> anyhow::Result<Self> {
        let cannot = || format!("cannot write {}", path.display());
        if path.is_dir() {
            return Err(anyhow::anyhow!("is a folder")).hint("name a file").with_context(cannot);
        }
        if path.exists() && !path.is_file() {
            let stream = OpenOptions::new().write(true).open(path).with_context(cannot)?;
            return Ok(Self::Stream { stream, path });
        }
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let temporary = tempfile::Builder::new()
            .prefix(".joulewise-")
            .permissions(Permissions::from_mode(0o666))
            .tempfile_in(folder.unwrap_or_else(|| Path::new(".")))
            .with_context(cannot)?;
        Ok(Self::File { temporary, path })
    }

    fn write(self, json: &str) -> anyhow::Result<()> {
        let cannot = |path: &Path| format!("cannot write {}", path.display());
        match self {
            Self::File { mut temporary, path } => {
                writeln!(temporary, "{json}").with_context(|| cannot(path))?;
                temporary.persist(path).map_err(|error| error.error).with_context(|| cannot(path))?;
                Ok(())
            }
            Self::Stream { mut stream, path } => writeln!(stream, "{json}").with_context(|| cannot(path)),
        }
    }
}
