//! Joules of anything: sources, sessions, spans and events.
//!
//! A [`Session`] reads every [`Source`](source::Source) that the machine offers: the processor's energy counters
//! ([`powercap`], else [`perf`]), those of NVIDIA GPUs ([`nvml`]), or, where there are none, a [`model`] on the CPU time
//! of the process tree. Its stages partition the energy, free spans overlap as they like, other processes tell of theirs
//! through a socket ([`spans`]), and all that happens leaves it as [`event`]s. [`command`] runs a program to be metered.

pub mod carbon;
mod cgroup;
pub mod command;
mod command_group;
mod counter;
mod counters;
mod crosscheck;
pub mod cure;
pub mod division;
pub mod energy;
pub mod environment;
pub mod event;
pub mod gpu;
mod history;
pub mod load;
mod meter;
pub mod model;
pub mod nvml;
mod output;
pub mod perf;
pub mod powercap;
pub mod process;
pub mod processor;
mod sampler;
pub mod session;
mod shared;
pub mod source;
mod span;
pub mod spans;
mod stage;
mod stillness;
pub mod survey;
mod suspension;
mod sys;
mod terminal;
pub mod testing;
#[cfg(test)]
mod truth;
mod usage;
mod visible;
mod zone;

pub use command::Command;
pub use energy::{Energy, Estimate, Grams, Joules, Method, Seconds, Watts};
pub use event::{Caveat, Event, EventKind, Observer};
pub use process::{cpu_time_s, tree_cpu_time_s};
pub use session::{Builder, Error, ErrorKind, Session, Snapshot, Summary};
pub use span::Span;
pub use spans::{MetricPoint, MetricSeries, SpanListener, SpanTotal};
pub use stage::StageRecord;
pub use usage::{Covers, DomainUsage, Mark, Shares, Usage};
