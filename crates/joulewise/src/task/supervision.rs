//! What ties a command of the user's to a run: how it is stopped, and where it tells of its spans.

use std::io;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use joulewise_meter::spans::{SpanSender, VARIABLE};
use joulewise_meter::{Caveat, Command, EventKind, Session, SpanListener};

/// How a command is watched over.
#[derive(Clone, Copy, Debug)]
pub struct Supervision<'a> {
    /// Set when it is to end.
    pub cancel: &'a AtomicBool,
    /// The socket at which it may tell of its spans.
    pub spans: Option<&'a Path>,
}

impl Supervision<'_> {
    /// The command, told where to send its spans.
    pub(super) fn of<'c>(&self, command: Command<'c>) -> Command<'c> {
        match self.spans {
            Some(socket) => command.env(VARIABLE, socket),
            None => command,
        }
    }

    /// Ends the spans that a command has left open.
    pub(super) fn end_open(&self) {
        // A socket that somebody has removed has no spans to end.
        let _ = self.spans.map(|socket| SpanSender::connect(socket, "joulewise")?.end_open());
    }
}

/// Listens for the spans of commands. Where there is no place for a socket they are not counted, and a caveat says so.
pub(crate) fn listen(session: &Session) -> Option<SpanListener> {
    SpanListener::open(session).map_err(|error| note(session, &error)).ok()
}

fn note(session: &Session, error: &io::Error) {
    let text = format!("spans of the command are not counted: no socket could be made: {error}");
    let caveat = Caveat::new("no-spans", text, "set TMPDIR to a folder that can be written");
    session.emit(EventKind::Caveat(caveat));
}
