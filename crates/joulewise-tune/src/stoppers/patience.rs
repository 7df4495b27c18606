//! Stopping at a plateau.

use std::collections::BTreeMap;

use crate::direction::Direction;
use crate::stopper::{Stopper, Verdict};
use crate::trial::{Report, TrialId};

/// Ends a trial whose value has not improved by more than `min_gain` for `steps` steps.
#[derive(Clone, Debug)]
pub struct Patience {
    direction: Direction,
    steps: u64,
    min_gain: f64,
    /// The best value of each trial and its step.
    best: BTreeMap<TrialId, (u64, f64)>,
}

impl Patience {
    /// Waits `steps` steps for an improvement of more than `min_gain`.
    pub fn new(direction: Direction, steps: u64, min_gain: f64) -> Self {
        Self { direction, steps, min_gain, best: BTreeMap::new() }
    }

    /// The step at which `trial` was at its best, and its value there.
    pub fn best(&self, trial: TrialId) -> Option<(u64, f64)> {
        self.best.get(&trial).copied()
    }
}

impl Stopper for Patience {
    fn report(&mut self, trial: TrialId, report: &Report) -> Verdict {
        let (step, value) = (report.step, report.value());
        if value.is_nan() {
            return Verdict::Stop;
        }
        let best = self.best.entry(trial).or_insert((step, value));
        if self.direction.gain(value, best.1) > self.min_gain {
            *best = (step, value);
        }
        if step.saturating_sub(best.0) >= self.steps.max(1) { Verdict::Stop } else { Verdict::Continue }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    fn stops_at(values: &[f64], patience: u64) -> Option<usize> {
        let mut stopper = Patience::new(Direction::Max, patience, 0.01);
        values.iter().enumerate().position(|(step, value)| {
            stopper.report(TrialId(0), &Report::of(step as u64, *value)) == Verdict::Stop
        })
    }

    #[test]
    fn patience_is_a_stopper() {
        testing::check_stopper(|direction| Patience::new(direction, 2, 0.0));
    }

    #[test]
    fn it_waits_and_starts_over_after_a_gain() {
        assert_eq!(stops_at(&[0.5, 0.6, 0.605, 0.605], 2), Some(3));
        assert_eq!(stops_at(&[0.5, 0.4, 0.6, 0.5, 0.7, 0.8], 2), None);
        assert_eq!(stops_at(&[0.5, f64::NAN], 9), Some(1));
    }

    #[test]
    fn a_slow_rise_counts_from_the_last_best() {
        assert_eq!(stops_at(&[0.500, 0.506, 0.512, 0.518, 0.524], 2), None);
    }
}
