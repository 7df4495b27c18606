//! The other end of the socket: a process that tells of its spans.

use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::time::Duration;

use super::message::{Content, Edge, Key, Message, named};
use crate::sys;

/// Tells a [`SpanListener`](super::SpanListener), in another process or in this one, of spans that are known by their
/// name alone: an end belongs to the last begin of that name.
pub struct SpanSender {
    socket: UnixDatagram,
    name: String,
}

/// A listener that does not get to read for so long is not worth waiting for.
const PATIENCE: Duration = Duration::from_secs(1);

impl SpanSender {
    /// Connects to the listener at `path`. Spans of senders with the same name, a word, nest in one another.
    pub fn connect(path: &Path, name: &str) -> io::Result<Self> {
        let socket = UnixDatagram::unbound()?;
        socket.set_write_timeout(Some(PATIENCE))?;
        socket.connect(path)?;
        Ok(Self { socket, name: name.replace(char::is_whitespace, "") })
    }

    /// Says that a span begins now.
    pub fn begin(&self, name: &str) -> io::Result<()> {
        self.begin_at(sys::monotonic_ns(), name)
    }

    /// Says that a span began at that time of `CLOCK_MONOTONIC`, in nanoseconds.
    pub fn begin_at(&self, sent_ns: u64, name: &str) -> io::Result<()> {
        let edge = Edge::Begin { key: self.key(), parent: None, name: checked(name)? };
        self.send(&Message::edge(sent_ns, edge))
    }

    /// Says that the span ends now.
    pub fn end(&self, name: &str) -> io::Result<()> {
        self.end_at(sys::monotonic_ns(), name)
    }

    /// Says that the span ended at that time of `CLOCK_MONOTONIC`, in nanoseconds.
    pub fn end_at(&self, sent_ns: u64, name: &str) -> io::Result<()> {
        let edge = Edge::End { key: self.key(), name: checked(name)? };
        self.send(&Message::edge(sent_ns, edge))
    }

    /// Says that whatever is open ends now.
    pub fn end_open(&self) -> io::Result<()> {
        self.send(&Message::edge(sys::monotonic_ns(), Edge::EndOpen))
    }

    /// Says that a metric had that value at that time of `CLOCK_MONOTONIC`, in nanoseconds.
    pub fn metric_at(&self, sent_ns: u64, name: &str, value: f64) -> io::Result<()> {
        self.send(&Message { sent_ns, content: Content::Metric { name: checked(name)?, value } })
    }

    /// The time that edges are marked with: `CLOCK_MONOTONIC` in nanoseconds.
    pub fn now_ns() -> u64 {
        sys::monotonic_ns()
    }

    fn key(&self) -> Key {
        Key::Name { sender: self.name.clone() }
    }

    fn send(&self, message: &Message) -> io::Result<()> {
        self.socket.send(message.to_string().as_bytes()).map(drop)
    }
}

fn checked(name: &str) -> io::Result<String> {
    named(name).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the name is empty"))
}
