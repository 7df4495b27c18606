//! What a source of energy readings is.

use std::time::Instant;

use crate::energy::Method;
use crate::event::Caveat;

/// Knows the cumulative joules of some domains since it was opened.
///
/// An implementation can be checked with [`testing::check_source`](crate::testing::check_source).
pub trait Source: Send {
    /// What a person calls this source, as in `powercap: package-0, dram-0`.
    fn name(&self) -> String;

    /// The domains, in a fixed order that [`read`](Self::read) follows. They form a forest.
    fn domains(&self) -> &[Domain];

    /// Overwrites `into` with the joules of each domain since the source was opened. They never decrease: wraps
    /// of the hardware's counters are unfolded here.
    fn read(&mut self, into: &mut Reading) -> Result<(), ReadError>;
}

/// A part of the machine whose energy is known.
#[derive(Clone, Debug, PartialEq)]
pub struct Domain {
    /// Unique within the source, as in `package-0`.
    pub name: String,
    /// Whether the domain counts towards the total.
    pub place: Place,
    /// How its joules are obtained.
    pub method: Method,
    /// Factors from a value to the ends of the part of its interval that all readings share: `(low, high)` with
    /// `low ≤ 1 ≤ high`.
    pub scale: (f64, f64),
}

/// Where a domain stands in the forest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Summed: the total of a source is that of its roots.
    Root,
    /// Part of the domain with that index, which already contains its joules.
    Inside(usize),
    /// Overlaps with others in a way that is not known exactly: shown, never summed.
    Beside,
}

/// The joules of each domain of a source at one moment.
#[derive(Clone, Debug)]
pub struct Reading {
    /// When it was taken.
    pub at: Instant,
    /// Cumulative joules, in the order of the domains.
    pub joules: Vec<f64>,
    /// How many joules the counter may lag behind, in the order of the domains.
    pub lag_j: Vec<f64>,
    /// Times that the counter did not tell about, in the order of the domains.
    pub gaps: Vec<Gaps>,
    /// How long what the source meters was busy since the source was opened, in seconds, where that is known.
    pub busy_s: Option<f64>,
    /// CPU time of the process tree, if the source had to look it up: the reader need not do so again.
    pub tree_cpu_s: Option<f64>,
    /// What happened since the last reading, as a counter that was reset. The reader takes them out.
    pub caveats: Vec<Caveat>,
}

impl Reading {
    /// A reading of zeros for so many domains.
    pub fn new(domains: usize) -> Self {
        Self {
            at: Instant::now(),
            joules: vec![0.0; domains],
            lag_j: vec![0.0; domains],
            gaps: vec![Gaps::default(); domains],
            busy_s: None,
            tree_cpu_s: None,
            caveats: Vec::new(),
        }
    }
}

/// Times that a counter did not tell about, since its source was opened: after a reset, or when it may have wrapped
/// unseen.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Gaps {
    /// How long they were, in seconds.
    pub time_s: f64,
    /// The part of the domain's joules that was not read but is assumed for them.
    pub assumed_j: f64,
    /// How many joules more they may have held.
    pub doubt_j: f64,
}

/// Why a source could not be read.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
pub struct ReadError {
    kind: ReadErrorKind,
    text: String,
}

/// What the reader should do about a [`ReadError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadErrorKind {
    /// Try again at the next reading.
    Retry,
    /// The hardware is no longer there.
    Gone,
    /// The source cannot be read, and will not be again.
    Fatal,
}

impl ReadError {
    /// An error of that kind; `text` names what failed and why.
    pub fn new(kind: ReadErrorKind, text: impl Into<String>) -> Self {
        Self { kind, text: text.into() }
    }

    /// What the reader should do about it.
    pub fn kind(&self) -> ReadErrorKind {
        self.kind
    }
}
