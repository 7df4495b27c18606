//! Stoppers: when going on is not worth it.

use crate::trial::{Report, Trial, TrialId};

/// Ends trials early.
///
/// Like a sampler, a stopper is a deterministic fold over what it was told.
/// [`check_stopper`](crate::testing::check_stopper) tests an implementation.
pub trait Stopper {
    /// Learns how `trial` does after a step (which grows), and says whether to go on.
    fn report(&mut self, trial: TrialId, report: &Report) -> Verdict;

    /// Learns how a trial ended, which few stoppers have to know.
    fn end(&mut self, _trial: &Trial) {}
}

/// Whether to go on with a trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Go on.
    Continue,
    /// End it here.
    Stop,
}

impl<S: Stopper + ?Sized> Stopper for Box<S> {
    fn report(&mut self, trial: TrialId, report: &Report) -> Verdict {
        (**self).report(trial, report)
    }

    fn end(&mut self, trial: &Trial) {
        (**self).end(trial);
    }
}
