//! Stopping what is behind most of the others.

use std::collections::BTreeMap;

use crate::direction::Direction;
use crate::stopper::{Stopper, Verdict};
use crate::trial::{Report, TrialId};

/// Ends a trial that is behind a share of the others: more of them than that were strictly better by the same step.
/// With a share of one half it is the median rule (Golovin et al. 2017).
///
/// What counts is the best value up to the step, of this trial and of all others that came at least as far, whether
/// they have ended or not. Only ranks matter, no distances.
#[derive(Clone, Debug)]
pub struct Percentile {
    direction: Direction,
    share: f64,
    warm_up: u64,
    min_trials: usize,
    curves: BTreeMap<TrialId, Curve>,
}

#[derive(Clone, Debug, Default)]
struct Curve {
    last_step: u64,
    /// Steps at which the best value so far changed, and that value.
    best: Vec<(u64, f64)>,
}

impl Percentile {
    /// Ends trials that more than half of the others were ahead of.
    pub fn median(direction: Direction) -> Self {
        Self::new(direction, 0.5)
    }

    /// Ends trials that more than `share` of the others were ahead of: with 0.25 only the best quarter goes on.
    /// 5 others have to have come as far before it judges.
    pub fn new(direction: Direction, share: f64) -> Self {
        Self { direction, share, warm_up: 0, min_trials: 5, curves: BTreeMap::new() }
    }

    /// Judges nobody before this step.
    #[must_use]
    pub fn warm_up(mut self, steps: u64) -> Self {
        self.warm_up = steps;
        self
    }

    /// Judges nobody before this many others have come as far.
    #[must_use]
    pub fn min_trials(mut self, trials: usize) -> Self {
        self.min_trials = trials.max(1);
        self
    }
}

impl Curve {
    /// The best value up to `step`, of a trial that came so far.
    fn at(&self, step: u64) -> Option<f64> {
        if self.last_step < step {
            return None;
        }
        let until = self.best.partition_point(|(at, _)| *at <= step);
        self.best[..until].last().map(|(_, value)| *value)
    }
}

impl Stopper for Percentile {
    fn report(&mut self, trial: TrialId, report: &Report) -> Verdict {
        let (step, value) = (report.step, report.value());
        if value.is_nan() {
            return Verdict::Stop;
        }
        let curve = self.curves.entry(trial).or_default();
        curve.last_step = curve.last_step.max(step);
        let so_far = curve.best.last().map_or(f64::NAN, |(_, value)| *value);
        let best = if self.direction.compare(value, so_far).is_lt() { value } else { so_far };
        if best != so_far {
            curve.best.push((curve.last_step, best));
        }
        if step < self.warm_up {
            return Verdict::Continue;
        }
        let others = self.curves.iter().filter(|(id, _)| **id != trial);
        let others: Vec<f64> = others.filter_map(|(_, curve)| curve.at(step)).collect();
        let ahead = others.iter().filter(|other| self.direction.compare(**other, best).is_lt()).count();
        let is_behind = ahead as f64 > self.share * others.len() as f64;
        if others.len() >= self.min_trials && is_behind { Verdict::Stop } else { Verdict::Continue }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing;

    fn verdicts(mut stopper: Percentile, reports: &[(u64, u64, f64)]) -> Vec<Verdict> {
        let report =
            |&(id, step, value): &(u64, u64, f64)| stopper.report(TrialId(id), &Report::of(step, value));
        reports.iter().map(report).collect()
    }

    #[test]
    fn percentiles_are_stoppers() {
        testing::check_stopper(Percentile::median);
        testing::check_stopper(|direction| Percentile::new(direction, 0.0).min_trials(0));
    }

    #[test]
    fn the_worse_half_ends() {
        let mut stopper = Percentile::median(Direction::Max).warm_up(2).min_trials(3);
        let mut report = |id, step, value| stopper.report(TrialId(id), &Report::of(step, value));
        for (id, value) in [(0, 0.5), (1, 0.6), (2, 0.7)] {
            assert_eq!(report(id, 2, value), Verdict::Continue, "too few others");
        }
        assert_eq!(report(3, 1, 0.1), Verdict::Continue, "warming up");
        assert_eq!(report(3, 2, 0.65), Verdict::Continue, "one of three is ahead");
        assert_eq!(report(4, 2, 0.55), Verdict::Stop, "three of four are");
        assert_eq!(report(5, 9, 0.1), Verdict::Continue, "nobody else has come so far");
        assert_eq!(report(1, 3, 0.2), Verdict::Continue, "0.6 was its best");
    }

    proptest! {
        #[test]
        fn only_ranks_matter(
            reports in prop::collection::vec((0u64..9, 0u64..6, -5i8..5), 1..80), share in 0.0..1.0f64,
        ) {
            let reports: Vec<_> = reports.iter().map(|&(id, step, v)| (id, step, f64::from(v))).collect();
            let bent: Vec<_> = reports.iter().map(|&(id, step, v)| (id, step, (v / 3.0).exp() - 9.0)).collect();
            let turned: Vec<_> = reports.iter().map(|&(id, step, v)| (id, step, -v)).collect();
            let of = |direction| Percentile::new(direction, share).min_trials(2);
            let expected = verdicts(of(Direction::Max), &reports);
            prop_assert_eq!(&verdicts(of(Direction::Max), &bent), &expected);
            prop_assert_eq!(&verdicts(of(Direction::Min), &turned), &expected);
        }
    }
}
