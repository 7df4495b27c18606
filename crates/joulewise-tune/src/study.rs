//! Studies: trials, the best of them, and what they cost.

use crate::objective::Objectives;
use crate::point::Point;
use crate::random::Stream;
use crate::sampler::Sampler;
use crate::space::Space;
use crate::trial::{Outcome, Report, State, Trial, TrialId};

/// A search, in memory.
#[derive(Clone, Debug)]
pub struct Study<S> {
    space: Space,
    objectives: Objectives,
    seed: u64,
    sampler: S,
    trials: Vec<Trial>,
}

impl<S: Sampler> Study<S> {
    /// A search of `space`; `seed` keys all of its randomness.
    pub fn new(space: Space, objectives: Objectives, seed: u64, sampler: S) -> Self {
        Self { space, objectives, seed, sampler, trials: Vec::new() }
    }

    /// The next trial. Any number of them may run at a time.
    pub fn ask(&mut self) -> (TrialId, Point) {
        let number = self.trials.len() as u64;
        let point = self.sampler.ask(&self.space, Stream::new(self.seed, number));
        (self.start(point.clone()), point)
    }

    /// Whether the sampler has nothing left to propose, as when every cell of a grid has been tried: asking on would
    /// only repeat trials.
    pub fn is_exhausted(&self) -> bool {
        self.sampler.is_exhausted(&self.space)
    }

    /// Starts a trial of the caller's choice, as in the values that are used today.
    pub fn start(&mut self, point: Point) -> TrialId {
        let id = TrialId(self.trials.len() as u64);
        let trial = Trial::running(id, point);
        self.sampler.tell(&trial);
        self.trials.push(trial);
        id
    }

    /// Notes what a trial reports on the way. Trials of another study are ignored.
    pub fn report(&mut self, id: TrialId, report: Report) {
        if let Some(trial) = self.trials.get_mut(id.0 as usize) {
            trial.curve.push(report);
        }
    }

    /// Ends a trial, or corrects how it ended. One of which a value is missing or not finite has failed; trials of
    /// another study are ignored.
    pub fn tell(&mut self, id: TrialId, outcome: Outcome) {
        let state = if self.objectives.are_finite(&outcome.values) {
            State::Done(outcome)
        } else {
            State::Failed { cost: outcome.cost }
        };
        self.end(id, state);
    }

    /// Ends a trial in a state of the caller's choice. Trials of another study are ignored.
    pub fn end(&mut self, id: TrialId, state: State) {
        if let Some(trial) = self.trials.get_mut(id.0 as usize) {
            trial.state = state;
            self.sampler.tell(trial);
        }
    }

    /// What is searched.
    pub fn space(&self) -> &Space {
        &self.space
    }

    /// What it is after.
    pub fn objectives(&self) -> &Objectives {
        &self.objectives
    }

    /// All trials, by their number.
    pub fn trials(&self) -> &[Trial] {
        &self.trials
    }

    /// The trial that keeps the bounds and has the best value of the first objective; of equal ones the cheapest, then
    /// the oldest.
    pub fn best(&self) -> Option<&Trial> {
        best(&self.objectives, &self.trials)
    }

    /// The trials that keep the bounds and than which no other is nowhere worse and somewhere better; best first.
    /// With one objective the cost of the trial is the second.
    pub fn front(&self) -> Vec<&Trial> {
        front(&self.objectives, &self.trials)
    }

    /// What all trials have cost, those that failed included.
    pub fn cost(&self) -> f64 {
        self.trials.iter().map(Trial::cost).sum()
    }
}

/// The trial that keeps the bounds and has the best value of the first objective; of equal ones the cheapest, then the
/// oldest. Trials that were stopped early do not count.
pub fn best<'a>(objectives: &Objectives, trials: &'a [Trial]) -> Option<&'a Trial> {
    done(trials)
        .filter(|(_, outcome)| objectives.violation(&outcome.values) <= 0.0)
        .min_by(|(_, a), (_, b)| objectives.compare(&a.values, &b.values).then(a.cost.total_cmp(&b.cost)))
        .map(|(trial, _)| trial)
}

/// The trials that keep the bounds and than which no other is nowhere worse and somewhere better; best first. With
/// one objective the cost of the trial is the second. Of equal ones the oldest is there.
pub fn front<'a>(objectives: &Objectives, trials: &'a [Trial]) -> Vec<&'a Trial> {
    let axes = |outcome: &Outcome| {
        let mut axes: Vec<f64> = objectives.losses(&outcome.values).collect();
        if axes.len() == 1 {
            // Nobody knows that it is cheap.
            axes.push(if outcome.cost.is_nan() { f64::INFINITY } else { outcome.cost });
        }
        axes
    };
    let mut points: Vec<(&Trial, Vec<f64>)> = done(trials)
        .filter(|(_, outcome)| objectives.violation(&outcome.values) <= 0.0)
        .map(|(trial, outcome)| (trial, axes(outcome)))
        .collect();
    points.sort_by(|(a, x), (b, y)| x.partial_cmp(y).unwrap_or(a.id.cmp(&b.id)));
    let mut front: Vec<(&Trial, Vec<f64>)> = Vec::new();
    for (trial, axes) in points {
        // Whatever is at least as good everywhere comes earlier in this order.
        if !front.iter().any(|(_, other)| other.iter().zip(&axes).all(|(a, b)| a <= b)) {
            front.push((trial, axes));
        }
    }
    front.into_iter().map(|(trial, _)| trial).collect()
}

fn done(trials: &[Trial]) -> impl Iterator<Item = (&Trial, &Outcome)> {
    trials.iter().filter_map(|trial| match &trial.state {
        State::Done(outcome) => Some((trial, outcome)),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::direction::Direction;
    use crate::objective::{Goal, Objective};
    use crate::samplers::Random;

    fn study(direction: Direction, outcomes: &[(f64, f64)]) -> Study<Random> {
        let space = Space::new().float("x", 0.0, 1.0).unwrap();
        let mut study = Study::new(space, Objectives::single(direction), 1, Random);
        for &(value, cost) in outcomes {
            let (id, _) = study.ask();
            study.tell(id, Outcome::of(value, cost));
        }
        study
    }

    fn ids(trials: &[&Trial]) -> Vec<u64> {
        trials.iter().map(|trial| trial.id.0).collect()
    }

    #[test]
    fn ties_go_to_the_cheaper_and_failures_never_win() {
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
        let study = study(Direction::Max, &[(f64::NAN, 1.0), (f64::INFINITY, 2.0)]);
        assert!(study.best().is_none() && study.front().is_empty());
        assert_eq!(study.trials()[0].state, State::Failed { cost: 1.0 });
        assert_eq!(study.trials()[1].state, State::Failed { cost: 2.0 });
    }

    #[test]
    fn bounds_decide_first_and_stopped_trials_are_not_the_best() {
        let bounded = |metric: &str, goal| Objective { metric: metric.to_owned(), goal };
        let objectives =
            Objectives::new(vec![bounded("accuracy", Goal::Max), bounded("bytes", Goal::AtMost(10.0))])
                .unwrap();
        let mut study = Study::new(Space::new(), objectives, 1, Random);
        for values in [vec![0.9, 20.0], vec![0.7, 9.0], vec![0.8, 11.0], vec![0.6, 1.0]] {
            let (id, _) = study.ask();
            study.tell(id, Outcome { values, cost: 1.0 });
        }
        let (id, _) = study.ask();
        study.end(id, State::Stopped(Outcome { values: vec![0.99, 1.0], cost: 1.0 }));
        assert_eq!(study.best().unwrap().id, TrialId(1));
        assert_eq!(ids(&study.front()), [1]);
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
        let report = Report { step: 1, values: vec![0.3], cost: 0.5 };
        study.report(TrialId(0), report.clone());
        study.report(TrialId(7), report.clone());
        study.tell(TrialId(7), Outcome::of(1.0, 1.0));
        assert_eq!(study.trials().len(), 1);
        assert_eq!(study.trials()[0].curve, [report]);
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
