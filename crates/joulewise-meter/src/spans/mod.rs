//! Spans, and values of metrics, that other processes tell of.
//!
//! A [`SpanListener`] waits at a Unix datagram socket for the edges of spans. Its path is in the environment of the program
//! that is metered, as [`VARIABLE`]; every process below it may send, through a [`SpanSender`] or by hand:
//!
//! ```text
//! begin NANOSECONDS KEY PARENT NAME
//! end NANOSECONDS KEY
//! metric NANOSECONDS VALUE NAME
//! ```
//!
//! Datagrams, because one system call says it all, nobody has to accept anybody, a process may fork or die at any time,
//! and no message can be torn. The nanoseconds are those of `CLOCK_MONOTONIC`, taken by the sender: however long a message
//! waits, the edge is where the program was. A datagram may hold several lines, so that a sender whose message finds the
//! queue full can keep it, go on working, and send it with the next.

mod book;
mod listener;
mod message;
mod metrics;
mod sender;
mod staircase;

pub use book::{SpanTotal, nested};
pub use listener::{SpanListener, Told};
pub use metrics::{MetricPoint, MetricSeries};
pub use sender::SpanSender;

/// The variable of the environment that names the socket.
pub const VARIABLE: &str = "JOULEWISE_SPANS";
