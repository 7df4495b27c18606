//! Successive halving where there is more than one objective.

use std::collections::BTreeMap;

use crate::front;
use crate::objective::Objectives;
use crate::stopper::{Stopper, Verdict};
use crate::stoppers::Resource;
use crate::stoppers::ladder::Ladder;
use crate::trial::{Report, TrialId};

/// Successive halving by Pareto fronts (Schmucker et al. 2021): at each rung the first 1/`eta` go on, in the order of
/// the fronts that they are in and, within a front, of how far they are from those before them.
///
/// Trials that miss a bound come after all that keep them. A value that is not known yet is the worst there is of what
/// is optimised, and keeps a bound. Everything else is as with
/// [`SuccessiveHalving`](super::SuccessiveHalving).
#[derive(Clone, Debug)]
pub struct ParetoHalving {
    objectives: Objectives,
    ladder: Ladder<Standing>,
}

#[derive(Clone, Debug)]
struct Standing {
    losses: Vec<f64>,
    violation: f64,
}

impl ParetoHalving {
    /// Rungs from step `min` on, each `eta` times the one before, below `max`. `eta` is at least 2 and
    /// `1 ≤ min ≤ max`; other numbers are moved there.
    pub fn new(objectives: &Objectives, eta: u64, min: u64, max: u64) -> Self {
        let min = min.max(1);
        Self::in_resource(objectives, Resource::Steps, eta, min as f64, max as f64)
    }

    /// The same in units of a resource, as in joules; `0 < min ≤ max`.
    pub fn in_resource(objectives: &Objectives, resource: Resource, eta: u64, min: f64, max: f64) -> Self {
        Self { objectives: objectives.clone(), ladder: Ladder::new(resource, eta, min, max) }
    }

    fn standing(&self, values: &[f64]) -> Standing {
        let losses =
            self.objectives.losses(values).map(|loss| if loss.is_nan() { f64::INFINITY } else { loss });
        let missed = self.objectives.violations(values).filter(|by| by.is_finite()).map(|by| by.max(0.0));
        Standing { losses: losses.collect(), violation: missed.sum() }
    }
}

impl Stopper for ParetoHalving {
    fn report(&mut self, trial: TrialId, report: &Report) -> Verdict {
        if report.value().is_nan() {
            return Verdict::Stop;
        }
        let standing = self.standing(&report.values);
        if self.ladder.goes_on(trial, report, &standing, order) { Verdict::Continue } else { Verdict::Stop }
    }
}

/// From the best to the worst.
fn order(arrived: &BTreeMap<TrialId, Standing>) -> Vec<TrialId> {
    let ids: Vec<TrialId> = arrived.keys().copied().collect();
    let points: Vec<Vec<f64>> = arrived.values().map(|standing| standing.losses.clone()).collect();
    let violations: Vec<f64> = arrived.values().map(|standing| standing.violation).collect();
    let (mut left, mut missing): (Vec<usize>, Vec<usize>) =
        (0..ids.len()).partition(|&index| violations[index] <= 0.0);
    let mut order = Vec::with_capacity(ids.len());
    while !left.is_empty() {
        let (front, rest) = front::peel(&points, &left);
        order.extend(front::spread(&points, &front));
        left = rest;
    }
    missing.sort_by(|&a, &b| violations[a].total_cmp(&violations[b]));
    order.extend(missing);
    order.into_iter().map(|index| ids[index]).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Direction;
    use crate::objective::{Goal, Objective};
    use crate::stoppers::SuccessiveHalving;
    use crate::testing;

    fn objectives(goals: &[Goal]) -> Objectives {
        let objective = |(i, goal): (usize, &Goal)| Objective { metric: format!("m{i}"), goal: *goal };
        Objectives::new(goals.iter().enumerate().map(objective).collect()).unwrap()
    }

    #[test]
    fn pareto_halving_is_a_stopper() {
        testing::check_stopper(|direction| ParetoHalving::new(&Objectives::single(direction), 3, 1, 27));
    }

    #[test]
    fn fronts_come_first_then_distance() {
        let objectives = objectives(&[Goal::Max, Goal::Min, Goal::AtMost(10.0)]);
        let halving = ParetoHalving::new(&objectives, 2, 1, 8);
        let reports =
            [[0.5, 5.0, 1.0], [0.9, 9.0, 1.0], [0.4, 6.0, 1.0], [0.52, 5.1, 1.0], [0.99, 1.0, 11.0]];
        let arrived = (0..).map(TrialId).zip(reports.iter().map(|values| halving.standing(values))).collect();
        let ids: Vec<u64> = order(&arrived).iter().map(|id| id.0).collect();
        assert_eq!(ids, [1, 0, 3, 2, 4]);
    }

    #[test]
    fn what_is_not_known_yet_ends_nobody_for_a_bound() {
        let objectives = objectives(&[Goal::Max, Goal::AtMost(10.0)]);
        let mut halving = ParetoHalving::new(&objectives, 2, 1, 8);
        let mut report =
            |id, values: Vec<f64>| halving.report(TrialId(id), &Report { step: 1, values, cost: 1.0 });
        assert_eq!(report(0, vec![0.5, 20.0]), Verdict::Continue);
        assert_eq!(report(1, vec![0.4, f64::NAN]), Verdict::Continue);
        assert_eq!(report(2, vec![0.9, 31.0]), Verdict::Stop);
        assert_eq!(report(3, vec![]), Verdict::Stop);
    }

    proptest! {
        #[test]
        fn with_one_objective_it_is_successive_halving(
            reports in prop::collection::vec((0u64..9, 1u64..20, -9i8..9), 1..80), eta in 2u64..5,
        ) {
            for direction in [Direction::Max, Direction::Min] {
                let mut pareto = ParetoHalving::new(&Objectives::single(direction), eta, 1, 16);
                let mut plain = SuccessiveHalving::new(direction, eta, 1, 16);
                for &(id, step, value) in &reports {
                    let report = Report::of(step, f64::from(value));
                    prop_assert_eq!(pareto.report(TrialId(id), &report), plain.report(TrialId(id), &report));
                }
            }
        }

        #[test]
        fn the_order_does_not_hang_on_units(points in prop::collection::vec((0u8..9, 0u8..9), 1..20)) {
            let place = |scale: f64| {
                let standing = |&(a, b): &(u8, u8)| {
                    Standing { losses: vec![f64::from(a), f64::from(b) * scale], violation: 0.0 }
                };
                order(&(0..).map(TrialId).zip(points.iter().map(standing)).collect())
            };
            prop_assert_eq!(place(1.0), place(1024.0));
        }
    }
}
