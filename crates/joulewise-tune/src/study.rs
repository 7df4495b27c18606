//! Studies: trials, the best of them, and what they cost.

use crate::direction::Direction;
use crate::random::Stream;
use crate::sampler::Sampler;
use crate::space::{Point, Space};
use crate::trial::{Outcome, State, Trial, TrialId};

/// A search, in memory.
#[derive(Clone, Debug)]
pub struct Study<S> {
    space: Space,
    direction: Direction,
    seed: u64,
    sampler: S,
    trials: Vec<Trial>,
}

impl<S: Sampler> Study<S> {
    /// A search of `space`; `seed` keys all of its randomness.
    pub fn new(space: Space, direction: Direction, seed: u64, sampler: S) -> Self {
        Self { space, direction, seed, sampler, trials: Vec::new() }
    }

    /// The next trial. Any number of them may run at a time.
    pub fn ask(&mut self) -> (TrialId, Point) {
        let number = self.trials.len() as u64;
        let point = self.sampler.ask(&self.space, Stream::new(self.seed, number));
        (self.start(point.clone()), point)
    }

    /// Starts a trial of the caller's choice, as in the values that are used today.
    pub fn start(&mut self, point: Point) -> TrialId {
        let id = TrialId(self.trials.len() as u64);
        let trial = Trial { id, point, state: State::Running, curve: Vec::new() };
        self.sampler.tell(&trial);
        self.trials.push(trial);
        id
    }

    /// Notes an intermediate value of a trial. Trials of another study are ignored.
    pub fn report(&mut self, id: TrialId, step: u64, value: f64) {
        if let Some(trial) = self.trials.get_mut(id.0 as usize) {
            trial.curve.push((step, value));
        }
    }

    /// Ends a trial, or corrects how it ended. Trials of another study are ignored.
    pub fn tell(&mut self, id: TrialId, outcome: Outcome) {
        if let Some(trial) = self.trials.get_mut(id.0 as usize) {
            trial.state = State::after(outcome);
            self.sampler.tell(trial);
        }
    }

    /// What is searched.
    pub fn space(&self) -> &Space {
        &self.space
    }

    /// All trials, by their number.
    pub fn trials(&self) -> &[Trial] {
        &self.trials
    }

    /// The trial with the best value; of equal ones the cheapest, then the oldest.
    pub fn best(&self) -> Option<&Trial> {
        self.done().min_by(|(_, a), (_, b)| self.order(a, b)).map(|(trial, _)| trial)
    }

    /// The trials than which no other is both at least as good and cheaper, or better and as cheap; best first.
    pub fn front(&self) -> Vec<&Trial> {
        let mut done = self.done().collect::<Vec<_>>();
        done.sort_by(|(_, a), (_, b)| self.order(a, b));
        let mut cheapest = f64::INFINITY;
        done.retain(|(_, outcome)| {
            let new = outcome.cost < cheapest;
            cheapest = cheapest.min(outcome.cost);
            new
        });
        done.into_iter().map(|(trial, _)| trial).collect()
    }

    /// What all trials have cost, those that failed included.
    pub fn cost(&self) -> f64 {
        self.trials.iter().map(Trial::cost).sum()
    }

    fn done(&self) -> impl Iterator<Item = (&Trial, Outcome)> {
        self.trials.iter().filter_map(|trial| match trial.state {
            State::Done(outcome) => Some((trial, outcome)),
            _ => None,
        })
    }

    fn order(&self, a: &Outcome, b: &Outcome) -> std::cmp::Ordering {
        self.direction.compare(a.value, b.value).then(a.cost.total_cmp(&b.cost))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::sampler::Random;

    fn study(direction: Direction, outcomes: &[(f64, f64)]) -> Study<Random> {
        let mut study = Study::new(Space::new().float("x", 0.0, 1.0).unwrap(), direction, 1, Random);
        for &(value, cost) in outcomes {
            let (id, _) = study.ask();
            study.tell(id, Outcome { value, cost });
        }
        study
    }

    fn ids(trials: &[&Trial]) -> Vec<u64> {
        trials.iter().map(|trial| trial.id.0).collect()
    }

    #[test]
    fn the_best_and_the_front() {
        let outcomes = [(0.9, 10.0), (f64::NAN, 99.0), (0.8, 5.0), (0.8, 6.0), (0.9, 9.0), (0.1, 7.0)];
        let max = study(Direction::Max, &outcomes);
        assert_eq!(max.best().unwrap().id, TrialId(4));
        assert_eq!(ids(&max.front()), [4, 2]);
        let min = study(Direction::Min, &outcomes);
        assert_eq!(min.best().unwrap().id, TrialId(5));
        assert_eq!(ids(&min.front()), [5, 2]);
        assert_eq!(max.cost(), 136.0);
    }

    #[test]
    fn a_study_of_failures_has_no_best() {
        let study = study(Direction::Max, &[(f64::NAN, 1.0)]);
        assert!(study.best().is_none() && study.front().is_empty());
        assert_eq!(study.trials()[0].state, State::Failed { cost: 1.0 });
    }

    #[test]
    fn a_trial_draws_the_same_whatever_runs_beside_it() {
        let mut parallel = study(Direction::Max, &[]);
        let asked = [parallel.ask().1, parallel.ask().1, parallel.ask().1];
        let sequential = study(Direction::Max, &[(0.1, 1.0), (f64::NAN, 1.0), (0.3, 1.0)]);
        let points = sequential.trials().iter().map(|trial| trial.point.clone());
        assert_eq!(points.collect::<Vec<_>>(), asked);
    }

    #[test]
    fn curves_are_kept_and_strangers_ignored() {
        let mut study = study(Direction::Max, &[(0.5, 1.0)]);
        study.report(TrialId(0), 1, 0.3);
        study.report(TrialId(7), 1, 0.3);
        study.tell(TrialId(7), Outcome { value: 1.0, cost: 1.0 });
        assert_eq!(study.trials().len(), 1);
        assert_eq!(study.trials()[0].curve, [(1, 0.3)]);
    }

    proptest! {
        #[test]
        fn nothing_dominates_the_front(outcomes in prop::collection::vec((0u8..20, 0u8..20), 1..40)) {
            let outcomes = outcomes.iter().map(|&(v, c)| (f64::from(v), f64::from(c))).collect::<Vec<_>>();
            let study = study(Direction::Max, &outcomes);
            let front = ids(&study.front());
            for &(value, cost) in &outcomes {
                let dominated = outcomes.iter().any(|&(v, c)| v >= value && c <= cost && (v > value || c < cost));
                let in_front = front.iter().any(|&other| outcomes[other as usize] == (value, cost));
                prop_assert_eq!(in_front, !dominated);
            }
        }
    }
}
