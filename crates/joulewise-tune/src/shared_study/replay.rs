//! Whether a study's suggestions can be derived again.

use super::fold::Fold;
use crate::point::Point;
use crate::sampler::Sampler;
use crate::storage::{Entry, Journal, Origin, StorageError};
use crate::trial::TrialId;

/// A suggestion, as it was made and as it is made again.
#[derive(Clone, Debug, PartialEq)]
pub struct Replayed {
    /// Of which trial.
    pub id: TrialId,
    /// What was evaluated.
    pub recorded: Point,
    /// What the sampler says now, of the same seed and after the same events; `None` when it says that the search is
    /// over.
    pub derived: Option<Point>,
}

impl Replayed {
    /// Whether both are the same, bit for bit.
    pub fn agrees(&self) -> bool {
        // The text is the shortest that reads back as the same bits.
        self.derived.as_ref().is_some_and(|derived| {
            *derived == self.recorded && derived.to_string() == self.recorded.to_string()
        })
    }
}

/// Derives again what `sampler`, a new one, suggested for each trial up to number `upto` that it was asked for, and
/// shows `each` of them.
pub fn replay<S: Sampler>(
    journal: &mut dyn Journal,
    sampler: S,
    upto: Option<TrialId>,
    mut each: impl FnMut(Replayed),
) -> Result<(), StorageError> {
    let mut fold = Fold::new(journal.definition().clone(), sampler);
    journal.read(0, &mut |event| {
        if let Entry::Asked { trial, point, origin: Origin::Sampler, .. } = &event.entry
            && upto.is_none_or(|last| *trial <= last)
        {
            each(Replayed { id: *trial, recorded: point.clone(), derived: fold.propose() });
        }
        fold.apply(event)
    })
}
