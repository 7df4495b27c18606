//! What happens in a study.

use serde::{Deserialize, Serialize};

use crate::number;
use crate::point::Point;
use crate::trial::{Report, State, TrialId};

/// Something that happened in a study. A study is the sequence of its events; everything else is a fold over them.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Its place: 1 for the first event of a study, without gaps.
    pub seq: u64,
    /// When it was written, by the storage's clock, in seconds since 1970.
    pub at_s: f64,
    /// What happened.
    pub entry: Entry,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Entry {
    /// A point of the caller's choice waits for a worker.
    Queued {
        /// What is to be evaluated.
        point: Point,
    },
    /// A worker began a trial. The number of this event is the fencing token of its claim.
    Asked {
        /// The number of the trial; they have no gaps.
        trial: TrialId,
        /// What is evaluated.
        point: Point,
        /// Who evaluates it.
        worker: String,
        /// Where the point is from.
        origin: Origin,
    },
    /// A trial told how it does.
    Reported {
        /// Which one.
        trial: TrialId,
        /// What it told.
        report: Report,
    },
    /// A worker told what a trial has cost so far.
    Spent {
        /// Which one.
        trial: TrialId,
        /// What it has cost, in the unit of the study.
        #[serde(with = "number")]
        cost: f64,
    },
    /// A trial ended, or nobody knows what became of it.
    Ended {
        /// Which one.
        trial: TrialId,
        /// How.
        state: State,
    },
    /// A worker gave a trial back before its end, as when it was interrupted.
    Returned {
        /// Which one.
        trial: TrialId,
        /// What it had cost, in the unit of the study.
        #[serde(with = "number")]
        cost: f64,
    },
    /// A worker told how a trial ended after the trial had been given to another. It does not count.
    Orphaned {
        /// Which one.
        trial: TrialId,
        /// What was told.
        state: State,
    },
    /// When a trial of another tool ran, which is not when it was brought.
    Timed {
        /// Which trial.
        trial: TrialId,
        /// When it began, in seconds since 1970.
        #[serde(with = "number")]
        began_s: f64,
        /// When it ended, where that is known.
        ended_s: Option<f64>,
    },
    /// Something worth keeping about a trial, or about the study.
    Noted {
        /// Which trial; `None` for the study.
        trial: Option<TrialId>,
        /// Its name.
        key: String,
        /// What it is now.
        value: String,
    },
}

/// Where the point of a trial is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// The sampler proposed it.
    Sampler,
    /// The caller chose it, by the event of this number.
    Queue(u64),
    /// It is that of this trial, which got lost.
    Retry(TrialId),
    /// It was brought from another tool.
    Import,
}
