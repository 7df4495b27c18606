//! Stopping what others did for much less.

use std::collections::BTreeMap;

use crate::direction::Direction;
use crate::stopper::{Stopper, Verdict};
use crate::trial::{Report, TrialId};

/// Ends a trial that has spent more than `factor` times what another trial needed to be as good (the stopping rule of
/// Zeus, You et al. 2023, with a factor of 2).
///
/// A trial that is better than all others ever were is never ended.
#[derive(Clone, Debug)]
pub struct Thrift {
    direction: Direction,
    factor: f64,
    /// Of each trial, the values at which it was better than ever before, and what it had cost then.
    records: BTreeMap<TrialId, Vec<(f64, f64)>>,
}

impl Thrift {
    /// Ends trials that cost more than `factor` times the least that another one needed; 1 or more.
    pub fn new(direction: Direction, factor: f64) -> Self {
        Self { direction, factor: factor.max(1.0), records: BTreeMap::new() }
    }

    /// The least that a trial other than `but` has cost when it was first as good as `value`.
    fn least_cost(&self, value: f64, but: TrialId) -> Option<f64> {
        let others = self.records.iter().filter(|(id, _)| **id != but);
        let costs = others.filter_map(|(_, records)| {
            let worse = records.partition_point(|(record, _)| self.direction.compare(*record, value).is_gt());
            records.get(worse).map(|(_, cost)| *cost)
        });
        costs.min_by(f64::total_cmp)
    }
}

impl Stopper for Thrift {
    fn report(&mut self, trial: TrialId, report: &Report) -> Verdict {
        let value = report.value();
        if value.is_nan() {
            return Verdict::Stop;
        }
        let records = self.records.entry(trial).or_default();
        let so_far = records.last().map_or(f64::NAN, |(value, _)| *value);
        if self.direction.compare(value, so_far).is_lt() {
            records.push((value, report.cost));
        }
        let best = records.last().map_or(value, |(value, _)| *value);
        match self.least_cost(best, trial) {
            Some(least) if report.cost > self.factor * least => Verdict::Stop,
            _ => Verdict::Continue,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing;

    fn report(stopper: &mut Thrift, id: u64, cost: f64, value: f64) -> Verdict {
        stopper.report(TrialId(id), &Report { step: cost as u64, values: vec![value], cost })
    }

    #[test]
    fn thrift_is_a_stopper() {
        testing::check_stopper(|direction| Thrift::new(direction, 2.0));
    }

    #[test]
    fn what_others_did_for_half_ends() {
        let mut stopper = Thrift::new(Direction::Max, 2.0);
        assert_eq!(report(&mut stopper, 0, 10.0, 0.5), Verdict::Continue);
        assert_eq!(report(&mut stopper, 0, 20.0, 0.7), Verdict::Continue);
        assert_eq!(report(&mut stopper, 1, 15.0, 0.4), Verdict::Continue);
        assert_eq!(report(&mut stopper, 1, 20.0, 0.5), Verdict::Continue, "not more than twice");
        assert_eq!(report(&mut stopper, 1, 25.0, 0.5), Verdict::Stop);
        assert_eq!(report(&mut stopper, 2, 39.0, 0.6), Verdict::Continue, "the other had 0.7 at 20");
        assert_eq!(report(&mut stopper, 2, 99.0, 0.8), Verdict::Continue, "nobody was as good");
    }

    proptest! {
        #[test]
        fn only_ranks_and_ratios_matter(
            reports in prop::collection::vec((0u64..6, 1u8..50, -5i8..5), 1..60), unit in 1u8..5,
        ) {
            let mut stoppers = [Thrift::new(Direction::Max, 2.0), Thrift::new(Direction::Min, 2.0)];
            for (id, cost, value) in reports {
                let (cost, value) = (f64::from(cost), f64::from(value));
                let verdict = report(&mut stoppers[0], id, cost, value);
                let scaled = f64::from(unit) * cost;
                prop_assert_eq!(report(&mut stoppers[1], id, scaled, -value.powi(3)), verdict);
            }
        }
    }
}
