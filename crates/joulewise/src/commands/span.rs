//! `joulewise span`: spans of a shell script.

use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;

use joulewise_meter::spans::{SpanSender, VARIABLE};

use crate::exit;

/// Name a stretch of a script that `joulewise measure` runs
///
/// A span counts whatever the machine uses from its begin to its end. Spans of one shell nest. Where nothing is
/// measured this does nothing, and the script goes on.
#[derive(Clone, Debug, clap::Args)]
pub struct Span {
    /// Which edge
    #[arg(value_enum)]
    pub edge: Edge,
    /// The name; spans of the same name are added up
    #[arg(value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub name: String,
}

/// An edge of a span.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Edge {
    /// It begins now
    Begin,
    /// The last one of that name ends now
    End,
}

impl Span {
    /// Runs the command.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let now_ns = SpanSender::now_ns();
        let Some(socket) = std::env::var_os(VARIABLE).filter(|path| !path.is_empty()) else {
            self.note("nothing is measured here");
            return Ok(ExitCode::from(exit::OK));
        };
        // The shell that asks: its spans nest in one another, and in no others.
        let shell = std::os::unix::process::parent_id().to_string();
        let sent = SpanSender::connect(Path::new(&socket), &shell).and_then(|sender| match self.edge {
            Edge::Begin => sender.begin_at(now_ns, &self.name),
            Edge::End => sender.end_at(now_ns, &self.name),
        });
        if let Err(error) = sent {
            self.note(&format!("cannot reach the meter at {}: {error}", Path::new(&socket).display()));
        }
        Ok(ExitCode::from(exit::OK))
    }

    /// Says once for each span why it is not counted: that must not be what breaks a script.
    fn note(&self, why: &str) {
        if self.edge == Edge::Begin {
            // Nobody is left to tell when stderr is closed.
            let _ =
                writeln!(io::stderr().lock(), "joulewise: the span `{}` is not counted: {why}", self.name);
        }
    }
}
