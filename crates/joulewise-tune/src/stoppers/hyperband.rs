//! Hyperband: successive halving without a guess of how early to judge.

use crate::direction::Direction;
use crate::stopper::{Stopper, Verdict};
use crate::stoppers::{Resource, SuccessiveHalving};
use crate::trial::{Report, TrialId};

/// Hyperband (Li et al. 2018): brackets of successive halving of which one judges early and stops most of its
/// trials, the next one judges later, and the last stops nobody.
///
/// A trial's bracket follows from its number, so that workers need to agree on nothing. Brackets get trials in
/// proportion to how many fit into the same budget, spread evenly over the numbers.
#[derive(Clone, Debug)]
pub struct Hyperband {
    brackets: Vec<SuccessiveHalving>,
    /// The brackets of the first trials; those after them start over.
    turns: Vec<usize>,
}

impl Hyperband {
    /// Brackets of rungs between `min` and `max`, each rung `eta` times the one before. The numbers are moved to
    /// where [`SuccessiveHalving::new`] moves them.
    pub fn new(direction: Direction, eta: u64, min: u64, max: u64) -> Self {
        Self::in_resource(direction, Resource::Steps, eta, min as f64, max as f64)
    }

    /// The same in units of a resource, as in joules.
    pub fn in_resource(direction: Direction, resource: Resource, eta: u64, min: f64, max: f64) -> Self {
        let first = SuccessiveHalving::in_resource(direction, resource, eta, min, max);
        let ladder = first.ladder();
        let (eta, min, max) = (ladder.eta(), ladder.min(), ladder.max());
        // The tolerance makes log₃ 27 be 3.
        let last = ((max / min).ln() / eta.ln() + 1e-9).floor() as i32;
        let bracket = |s: i32| {
            let start = min * eta.powi(s);
            SuccessiveHalving::in_resource(direction, resource, eta as u64, start, max)
        };
        let trials = |s: i32| {
            let rungs = f64::from(last - s);
            (f64::from(last + 1) / (rungs + 1.0) * eta.powf(rungs)).ceil()
        };
        let weights: Vec<f64> = (0..=last).map(trials).collect();
        Self { brackets: (0..=last).map(bracket).collect(), turns: turns(&weights) }
    }

    /// Which bracket a trial belongs to, from 0, which judges the earliest.
    pub fn bracket(&self, trial: TrialId) -> usize {
        self.turns[(trial.0 % self.turns.len() as u64) as usize]
    }

    /// How many brackets there are.
    pub fn brackets(&self) -> usize {
        self.brackets.len()
    }
}

impl Stopper for Hyperband {
    fn report(&mut self, trial: TrialId, report: &Report) -> Verdict {
        let bracket = self.bracket(trial);
        self.brackets[bracket].report(trial, report)
    }
}

/// Turns in proportion to `weights`, never many of one kind in a row if it can be helped.
fn turns(weights: &[f64]) -> Vec<usize> {
    // More turns than this would only make the proportions finer than anybody runs trials.
    const LONGEST: f64 = 1000.0;
    let total: f64 = weights.iter().sum();
    let scale = (LONGEST / total).min(1.0);
    let weights: Vec<u64> = weights.iter().map(|weight| (weight * scale).ceil() as u64).collect();
    let total: u64 = weights.iter().sum();
    let mut owed = vec![0i64; weights.len()];
    let mut turns = Vec::new();
    for _ in 0..total {
        owed.iter_mut().zip(&weights).for_each(|(owed, weight)| *owed += *weight as i64);
        let next = (0..owed.len()).rev().max_by_key(|&i| owed[i]).unwrap_or(0);
        owed[next] -= total as i64;
        turns.push(next);
    }
    turns
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    #[test]
    fn hyperband_is_a_stopper() {
        testing::check_stopper(|direction| Hyperband::new(direction, 3, 1, 27));
        testing::check_stopper(|direction| Hyperband::in_resource(direction, Resource::Cost, 3, 0.5, 20.0));
    }

    #[test]
    fn brackets_share_the_trials_as_the_paper_does() {
        let hyperband = Hyperband::new(Direction::Max, 3, 1, 81);
        assert_eq!(hyperband.brackets(), 5);
        let count = |bracket| (0..143).filter(|&id| hyperband.bracket(TrialId(id)) == bracket).count();
        assert_eq!([0, 1, 2, 3, 4].map(count), [81, 34, 15, 8, 5]);
        let early = (0..10).filter(|&id| hyperband.bracket(TrialId(id)) == 0).count();
        assert!((4..8).contains(&early), "brackets take turns: {early} of 10");
        assert_eq!(Hyperband::new(Direction::Max, 3, 5, 5).brackets(), 1);
    }

    #[test]
    fn brackets_do_not_know_each_other() {
        let mut hyperband = Hyperband::new(Direction::Max, 2, 1, 4);
        let of = |hyperband: &Hyperband, bracket| {
            (0..).map(TrialId).filter(|id| hyperband.bracket(*id) == bracket).take(2).collect::<Vec<_>>()
        };
        let (early, late, never) = (of(&hyperband, 0), of(&hyperband, 1), of(&hyperband, 2));
        let mut report = |id, step, value| hyperband.report(id, &Report::of(step, value));
        assert_eq!(report(early[0], 1, 0.9), Verdict::Continue);
        assert_eq!(report(late[0], 2, 0.1), Verdict::Continue, "the first of its bracket");
        assert_eq!(report(early[1], 1, 0.8), Verdict::Stop);
        assert_eq!(report(late[1], 1, 0.0), Verdict::Continue, "its first rung is at 2");
        assert_eq!(report(late[1], 2, 0.0), Verdict::Stop);
        assert_eq!(report(never[0], 4, 0.5), Verdict::Continue);
        assert_eq!(report(never[1], 4, 0.0), Verdict::Continue);
    }

    #[test]
    fn extreme_numbers_end() {
        let wide = Hyperband::new(Direction::Min, 2, 1, u64::MAX);
        assert_eq!(wide.brackets(), 65);
        assert!((0..5000).map(|id| wide.bracket(TrialId(id))).max() == Some(64));
        let odd = Hyperband::in_resource(Direction::Min, Resource::Cost, 0, f64::NAN, f64::INFINITY);
        assert!(odd.brackets() >= 1);
    }
}
