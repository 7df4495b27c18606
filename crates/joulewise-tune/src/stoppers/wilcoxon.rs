//! Stopping what is worse than the best on the same instances.

mod signed_rank;

use std::collections::BTreeMap;

use self::signed_rank::probability;
use crate::direction::Direction;
use crate::stopper::{Stopper, Verdict};
use crate::trial::{Report, State, Trial, TrialId};

/// Ends a trial that is worse than the best one on the instances that both have seen, going by Wilcoxon's signed-rank
/// test (1945).
///
/// It is for trials of which a step is no progress but an instance: a fold of a cross-validation, a seed, a data set. The
/// value of the trial is the mean over them, and each of them says something of it. Instances are told apart by the step;
/// they may come in any order.
///
/// The best is the one with the best value among the trials that [came to their end](Stopper::end). Where the last
/// report of it has just that value, it is no instance but their mean. A trial goes on as long as the mean of its
/// instances is better than that of the best, whatever the test says.
#[derive(Clone, Debug)]
pub struct Wilcoxon {
    direction: Direction,
    p: f64,
    min_instances: usize,
    instances: BTreeMap<TrialId, BTreeMap<u64, f64>>,
    best: Option<Best>,
}

#[derive(Clone, Debug)]
struct Best {
    value: f64,
    instances: BTreeMap<u64, f64>,
}

impl Wilcoxon {
    /// Ends trials that would be as bad by chance, were they no worse than the best, with a probability below `p`.
    pub fn new(direction: Direction, p: f64) -> Self {
        Self { direction, p, min_instances: 2, instances: BTreeMap::new(), best: None }
    }

    /// Judges nobody before this many instances, at least 2, that the best has seen too.
    #[must_use]
    pub fn min_instances(mut self, instances: usize) -> Self {
        self.min_instances = instances.max(2);
        self
    }

    fn is_worse(&self, own: &BTreeMap<u64, f64>, best: &BTreeMap<u64, f64>) -> bool {
        let loss = |(step, own): (&u64, &f64)| Some(self.direction.gain(*best.get(step)?, *own));
        let losses: Vec<f64> = own.iter().filter_map(loss).filter(|loss| !loss.is_nan()).collect();
        losses.len() >= self.min_instances
            && self.direction.gain(mean(best), mean(own)) > 0.0
            && probability(&losses) < self.p
    }
}

fn mean(instances: &BTreeMap<u64, f64>) -> f64 {
    instances.values().sum::<f64>() / instances.len() as f64
}

impl Stopper for Wilcoxon {
    fn report(&mut self, trial: TrialId, report: &Report) -> Verdict {
        if report.value().is_nan() {
            return Verdict::Stop;
        }
        self.instances.entry(trial).or_default().insert(report.step, report.value());
        let (own, best) = (&self.instances[&trial], &self.best);
        let is_worse = best.as_ref().is_some_and(|best| self.is_worse(own, &best.instances));
        if is_worse { Verdict::Stop } else { Verdict::Continue }
    }

    fn end(&mut self, trial: &Trial) {
        let Some(mut instances) = self.instances.remove(&trial.id) else { return };
        let (State::Done(_), Some(value)) = (&trial.state, trial.value()) else { return };
        let best = self.best.as_ref().map_or(f64::NAN, |best| best.value);
        if self.direction.compare(value, best).is_lt() {
            if instances.len() > 1 {
                let last = instances.pop_last();
                instances.extend(last.filter(|(_, last)| *last != value));
            }
            self.best = Some(Best { value, instances });
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::gp::reference::list;
    use crate::point::Point;
    use crate::testing;
    use crate::trial::Outcome;

    /// What SciPy and Optuna say: `tests/reference/signed_rank.py` wrote it.
    fn reference() -> Value {
        serde_json::from_str(include_str!("../../tests/reference/signed_rank.json")).unwrap()
    }

    fn end(stopper: &mut Wilcoxon, id: u64, value: f64) {
        let state = State::Done(Outcome::of(value, 1.0));
        stopper.end(&Trial { id: TrialId(id), point: Point::default(), state, curve: Vec::new() });
    }

    /// Reports the instances of a trial, and says after which ones it was to stop.
    fn verdicts(stopper: &mut Wilcoxon, id: u64, instances: &[f64]) -> Vec<bool> {
        let report = |(value, step): (&f64, u64)| stopper.report(TrialId(id), &Report::of(step, *value));
        instances.iter().zip(1..).map(report).map(|verdict| verdict == Verdict::Stop).collect()
    }

    #[test]
    fn wilcoxon_is_a_stopper() {
        testing::check_stopper(|direction| Wilcoxon::new(direction, 0.1));
        testing::check_stopper(|direction| Wilcoxon::new(direction, 0.4).min_instances(5));
    }

    #[test]
    fn probabilities_are_those_of_scipy() {
        for case in reference()["tests"].as_array().unwrap() {
            let (p, theirs) = (probability(&list(&case["losses"])), case["p"].as_f64().unwrap());
            assert!((p - theirs).abs() < 1e-12 * theirs.max(1e-3), "{p} for {case}");
        }
    }

    #[test]
    fn verdicts_are_those_of_optuna() {
        let mut stops = 0;
        for case in reference()["verdicts"].as_array().unwrap() {
            let direction = if case["maximise"] == true { Direction::Max } else { Direction::Min };
            let least = case["min_instances"].as_u64().unwrap() as usize;
            let mut stopper = Wilcoxon::new(direction, case["p"].as_f64().unwrap()).min_instances(least);
            let best = list(&case["best"]);
            verdicts(&mut stopper, 0, &best);
            end(&mut stopper, 0, best.iter().sum::<f64>() / best.len() as f64);
            let ours = verdicts(&mut stopper, 1, &list(&case["trial"]));
            let theirs: Vec<bool> =
                case["stops"].as_array().unwrap().iter().map(|stop| stop == true).collect();
            assert_eq!(ours, theirs, "{case}");
            stops += theirs.iter().filter(|stop| **stop).count();
        }
        assert!(stops > 100, "{stops}");
    }

    #[test]
    fn the_mean_at_the_end_is_no_instance() {
        let mut stopper = Wilcoxon::new(Direction::Max, 0.3);
        verdicts(&mut stopper, 0, &[0.8, 0.9, 0.7, 0.8]);
        end(&mut stopper, 0, 0.8);
        assert_eq!(stopper.best.as_ref().unwrap().instances.len(), 3);
        // What is worse on the first two ends there; its own mean would be the fourth.
        assert_eq!(verdicts(&mut stopper, 1, &[0.7, 0.6]), [false, true]);
        assert_eq!(verdicts(&mut stopper, 2, &[0.9, 0.95, 0.75, 0.867]), [false; 4]);
        end(&mut stopper, 2, 0.867);
        assert_eq!(stopper.best.unwrap().value, 0.867);
    }
}
