//! Successive halving: many trials for a short time, few for a long one.

use std::collections::BTreeMap;

use crate::direction::Direction;
use crate::stopper::{Stopper, Verdict};
use crate::stoppers::Resource;
use crate::stoppers::ladder::Ladder;
use crate::trial::{Report, TrialId};

/// Successive halving (Jamieson and Talwalkar 2016): of the trials at each rung, the best 1/`eta` go on, for
/// `eta` times as long.
///
/// Where all trials of a rung can be awaited, [`rungs`](Self::rungs) is the plan and
/// [`survivors`](Self::survivors) decides when they have arrived. As a [`Stopper`] it decides the moment a
/// trial arrives, among those that were there before (the stopping variant of ASHA, Li et al. 2020): nobody
/// waits, and the first ones always go on. A trial arrives at a rung with its first report at or after it, so
/// rungs may also be [costs](Resource::Cost), between two of which trials report when they please.
#[derive(Clone, Debug)]
pub struct SuccessiveHalving {
    direction: Direction,
    eta: u64,
    screened: u64,
    ladder: Ladder<f64>,
}

/// A stage of successive halving.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rung {
    /// How many trials reach it.
    pub trials: usize,
    /// The step that they are taken to, counted from their start.
    pub step: u64,
}

impl SuccessiveHalving {
    /// Rungs from step `min` on, each `eta` times the one before, up to `max`.
    ///
    /// `eta` is at least 2 and `1 ≤ min ≤ max`; other numbers are moved there.
    pub fn new(direction: Direction, eta: u64, min: u64, max: u64) -> Self {
        let min = min.max(1);
        Self::in_resource(direction, Resource::Steps, eta, min as f64, max as f64)
    }

    /// The same in units of a resource, as in joules. `eta` is at least 2 and `0 < min ≤ max`, at most 2⁶⁴ times;
    /// other numbers are moved there.
    pub fn in_resource(direction: Direction, resource: Resource, eta: u64, min: f64, max: f64) -> Self {
        let eta = eta.max(2);
        Self { direction, eta, screened: 0, ladder: Ladder::new(resource, eta, min, max) }
    }

    /// Ends the first so many trials of the study at the first rung, however good they are: with nothing to compare
    /// them with, they would go on, and a sampler that only begins has hardly proposed the best yet.
    #[must_use]
    pub fn screening(mut self, trials: u64) -> Self {
        self.screened = trials;
        self
    }

    pub(crate) fn ladder(&self) -> &Ladder<f64> {
        &self.ladder
    }

    /// The plan for `trials` trials: the last rung is at `max`, and there are no more rungs before it than are
    /// needed to come down to one trial.
    pub fn rungs(&self, trials: usize) -> Vec<Rung> {
        let mut rungs = Vec::new();
        let mut left = trials;
        for step in self.steps() {
            rungs.push(Rung { trials: left, step });
            left = self.keep(left);
        }
        // With few trials the short rungs would find one winner early and then only train it further.
        let useless = rungs.iter().rev().skip(1).take_while(|rung| rung.trials <= 1).count();
        rungs.drain(rungs.len() - 1 - useless..rungs.len() - 1);
        rungs.retain(|rung| rung.trials > 0);
        rungs
    }

    /// Steps that the whole plan takes when a trial that goes on starts afresh.
    pub fn total_steps(&self, trials: usize) -> u64 {
        self.rungs(trials).iter().map(|rung| rung.trials as u64 * rung.step).sum()
    }

    /// The trials of a rung that go on, best first; those that failed do not. Ties go to the older trial.
    pub fn survivors(&self, arrived: &[(TrialId, f64)]) -> Vec<TrialId> {
        let mut order = arrived.iter().filter(|(_, value)| !value.is_nan()).collect::<Vec<_>>();
        order.sort_by(|a, b| self.direction.compare(a.1, b.1).then(a.0.cmp(&b.0)));
        order.iter().take(self.keep(arrived.len())).map(|(id, _)| *id).collect()
    }

    fn keep(&self, trials: usize) -> usize {
        trials.div_ceil(self.eta as usize)
    }

    fn steps(&self) -> Vec<u64> {
        let (eta, max) = (self.eta, self.ladder.max() as u64);
        let next = |step: &u64| (*step < max).then(|| step.saturating_mul(eta).min(max));
        std::iter::successors(Some(self.ladder.min().max(1.0) as u64), next).collect()
    }
}

impl Stopper for SuccessiveHalving {
    fn report(&mut self, trial: TrialId, report: &Report) -> Verdict {
        let (value, direction) = (report.value(), self.direction);
        if value.is_nan() {
            return Verdict::Stop;
        }
        let order = |arrived: &BTreeMap<TrialId, f64>| {
            let mut ids: Vec<TrialId> = arrived.keys().copied().collect();
            // The sort is stable: ties go to the older trial.
            ids.sort_by(|a, b| direction.compare(arrived[a], arrived[b]));
            ids
        };
        let goes_on = self.ladder.goes_on(trial, report, &value, order);
        let is_screened = trial.0 < self.screened && self.ladder.is_on(report);
        if goes_on && !is_screened { Verdict::Continue } else { Verdict::Stop }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing;

    fn rungs(trials: usize, eta: u64, min: u64, max: u64) -> Vec<(usize, u64)> {
        let halving = SuccessiveHalving::new(Direction::Max, eta, min, max);
        halving.rungs(trials).iter().map(|rung| (rung.trials, rung.step)).collect()
    }

    #[test]
    fn the_first_trials_end_at_the_first_rung_and_set_the_mark_for_the_others() {
        let mut halving = SuccessiveHalving::new(Direction::Max, 3, 2, 27).screening(3);
        for (trial, value) in [(0, 0.5), (1, 0.9), (2, 0.7)] {
            assert_eq!(halving.report(TrialId(trial), &Report::of(1, value)), Verdict::Continue);
            assert_eq!(halving.report(TrialId(trial), &Report::of(2, value)), Verdict::Stop);
        }
        assert_eq!(halving.report(TrialId(3), &Report::of(2, 0.6)), Verdict::Stop);
        assert_eq!(halving.report(TrialId(4), &Report::of(2, 0.8)), Verdict::Continue);
        assert_eq!(halving.report(TrialId(4), &Report::of(6, 0.8)), Verdict::Continue);
    }

    #[test]
    fn halving_is_a_stopper() {
        testing::check_stopper(|direction| SuccessiveHalving::new(direction, 3, 1, 27));
        testing::check_stopper(|direction| {
            SuccessiveHalving::in_resource(direction, Resource::Cost, 2, 0.7, 20.0)
        });
    }

    #[test]
    fn the_plan_trains_fewer_for_longer() {
        assert_eq!(rungs(27, 3, 1, 27), [(27, 1), (9, 3), (3, 9), (1, 27)]);
        assert_eq!(rungs(8, 2, 2, 10), [(8, 2), (4, 4), (2, 8), (1, 10)]);
        assert_eq!(rungs(4, 4, 1, 100), [(4, 1), (1, 100)]);
        assert_eq!(rungs(1, 4, 1, 100), [(1, 100)]);
        assert_eq!(rungs(5, 3, 7, 7), [(5, 7)]);
        assert_eq!(rungs(0, 3, 1, 9), []);
        assert_eq!(SuccessiveHalving::new(Direction::Max, 3, 1, 27).total_steps(27), 108);
    }

    #[test]
    fn survivors_are_the_best_and_ties_go_to_the_older() {
        let arrived = [(TrialId(0), 0.5), (TrialId(1), 0.9), (TrialId(2), 0.9), (TrialId(3), f64::NAN)];
        let survivors = |direction| SuccessiveHalving::new(direction, 2, 1, 8).survivors(&arrived);
        assert_eq!(survivors(Direction::Max), [TrialId(1), TrialId(2)]);
        assert_eq!(survivors(Direction::Min), [TrialId(0), TrialId(1)]);
        let failed = [(TrialId(0), f64::NAN); 4];
        assert_eq!(SuccessiveHalving::new(Direction::Max, 2, 1, 8).survivors(&failed), []);
    }

    #[test]
    fn as_a_stopper_it_decides_among_those_that_came_before() {
        let mut halving = SuccessiveHalving::new(Direction::Max, 2, 1, 8);
        assert_eq!(halving.report(TrialId(0), &Report::of(1, 0.5)), Verdict::Continue);
        assert_eq!(halving.report(TrialId(1), &Report::of(1, 0.4)), Verdict::Stop);
        assert_eq!(halving.report(TrialId(2), &Report::of(1, 0.6)), Verdict::Continue);
        assert_eq!(halving.report(TrialId(0), &Report::of(2, 0.6)), Verdict::Continue);
        assert_eq!(halving.report(TrialId(2), &Report::of(2, 0.5)), Verdict::Stop);
        assert_eq!(halving.report(TrialId(0), &Report::of(3, 0.1)), Verdict::Continue, "3 is no rung");
        assert_eq!(halving.report(TrialId(3), &Report::of(3, 0.1)), Verdict::Stop, "but past one");
    }

    #[test]
    fn trials_may_be_compared_when_they_have_spent_as_much() {
        let mut halving = SuccessiveHalving::in_resource(Direction::Max, Resource::Cost, 2, 10.0, 40.0);
        let mut report =
            |id, step, cost, value| halving.report(TrialId(id), &Report { step, values: vec![value], cost });
        assert_eq!(report(0, 1, 12.0, 0.5), Verdict::Continue);
        assert_eq!(report(1, 1, 4.0, 0.1), Verdict::Continue, "it has spent too little to be judged");
        assert_eq!(report(1, 2, 9.0, 0.3), Verdict::Continue);
        assert_eq!(report(1, 3, 14.0, 0.6), Verdict::Continue, "better than the other was for as much");
        assert_eq!(
            report(2, 1, 25.0, 0.45),
            Verdict::Stop,
            "two rungs at once: the first at one, the last at the other"
        );
        assert_eq!(report(0, 9, 90.0, 0.9), Verdict::Continue);
    }

    proptest! {
        #[test]
        fn plans_shrink_and_end_at_the_maximum(
            trials in 1usize..500, eta in 0u64..6, min in 0u64..50, max in 0u64..500,
        ) {
            let plan = rungs(trials, eta, min, max);
            prop_assert_eq!(plan[0].0, trials);
            prop_assert_eq!(plan.last().unwrap().1, max.max(min).max(1));
            prop_assert!(plan.windows(2).all(|pair| pair[1].0 < pair[0].0 && pair[1].1 > pair[0].1), "{:?}", plan);
        }
    }
}
