//! Stoppers: when going on is not worth it.

use crate::trial::TrialId;

/// Ends trials early.
///
/// [`check_stopper`](crate::testing::check_stopper) tests an implementation.
pub trait Stopper {
    /// Learns the value of `trial` after `step` (which grows), and says whether to go on.
    fn report(&mut self, trial: TrialId, step: u64, value: f64) -> Verdict;
}

/// Whether to go on with a trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Go on.
    Continue,
    /// End it here.
    Stop,
}
