//! What is known of a trial besides its point and what came of it.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::literal;
use crate::storage::Origin;

/// What is known of a trial besides its point and what came of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Record {
    /// Who evaluates it.
    pub worker: String,
    /// Where its point is from.
    pub origin: Origin,
    /// How many workers went silent over this point before.
    pub attempt: u32,
    /// The number of the event that began it.
    pub fence: u64,
    /// When it began, in seconds since 1970.
    pub began_s: f64,
    /// When it ended, or was declared lost.
    pub ended_s: Option<f64>,
    /// What it had cost when its worker last told, in the unit of the study; its reports and its end tell apart from that.
    pub spent: f64,
    /// Whether its worker gave it back before its end. The point is tried again without counting as an attempt.
    pub is_returned: bool,
    /// Whether another trial of the same point was begun because this one got lost.
    pub is_superseded: bool,
    /// Texts that were kept about it, by their names; in JSON, what they stand for, as in `12.5` and `true`.
    #[serde(serialize_with = "literal::serialize")]
    pub notes: BTreeMap<String, String>,
}

impl Record {
    pub(super) fn new(worker: String, origin: Origin, fence: u64, began_s: f64) -> Self {
        Self {
            worker,
            origin,
            attempt: 0,
            fence,
            began_s,
            ended_s: None,
            spent: 0.0,
            is_returned: false,
            is_superseded: false,
            notes: BTreeMap::new(),
        }
    }
}
