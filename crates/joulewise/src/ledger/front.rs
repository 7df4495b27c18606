//! The trade between quality and energy: what no other model beats in both, and where saving begins to hurt.

use joulewise_tune::Direction;

/// A candidate as a point of the trade between quality and energy.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TradeOff {
    /// The metric, larger or smaller being better as the goal says.
    pub metric: f64,
    /// Joules of one inference.
    pub energy_j: f64,
}

/// Indices of the points that no other point beats in both respects, from the cheapest to the dearest.
///
/// Of equal points the first one stays.
pub fn pareto_front(points: &[TradeOff], goal: Direction) -> Vec<usize> {
    let gain = |i: usize| match goal {
        Direction::Max => points[i].metric,
        Direction::Min => -points[i].metric,
    };
    let mut order: Vec<usize> = (0..points.len())
        .filter(|&i| points[i].metric.is_finite() && points[i].energy_j.is_finite())
        .collect();
    order.sort_by(|&a, &b| {
        points[a].energy_j.total_cmp(&points[b].energy_j).then(gain(b).total_cmp(&gain(a))).then(a.cmp(&b))
    });
    let mut best = f64::NEG_INFINITY;
    order.retain(|&i| {
        let better = gain(i) > best;
        best = best.max(gain(i));
        better
    });
    order
}

/// The point of `front` (indices into `points`, cheapest first) that is farthest from the chord between its ends,
/// with the metric and the logarithm of the energy each scaled to one: where saving more begins to hurt.
///
/// `None` for a front of fewer than three points, which has no bend.
pub fn knee(points: &[TradeOff], front: &[usize]) -> Option<usize> {
    let (&cheap, &dear) = (front.first()?, front.last()?);
    let (low, high) = (points[cheap], points[dear]);
    // The chord is the diagonal of the unit square, so the distance from it grows with `y - x`.
    let above = |i: usize| {
        let x = (points[i].energy_j / low.energy_j).ln() / (high.energy_j / low.energy_j).ln();
        let y = (points[i].metric - low.metric) / (high.metric - low.metric);
        y - x
    };
    let inner = front.get(1..front.len() - 1)?;
    inner.iter().copied().max_by(|&a, &b| above(a).total_cmp(&above(b)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_front_keeps_what_nothing_beats_and_bends_at_the_knee() {
        let points: Vec<TradeOff> =
            [(0.80, 1.0), (0.91, 2.0), (0.90, 3.0), (0.92, 9.0), (0.92, 12.0), (0.915, 4.0)]
                .map(|(metric, energy_j)| TradeOff { metric, energy_j })
                .to_vec();
        let front = pareto_front(&points, Direction::Max);
        assert_eq!(front, [0, 1, 5, 3]);
        assert_eq!(knee(&points, &front), Some(1));
        assert_eq!(knee(&points, &front[..2]), None);
        assert_eq!(pareto_front(&points, Direction::Min), [0]);
    }

    proptest! {
        #[test]
        fn nothing_beats_the_front_and_all_else_is_beaten(
            points in prop::collection::vec((0.0f64..1.0, 0.1f64..9.0), 1..30), max: bool,
        ) {
            let points: Vec<TradeOff> = points.into_iter().map(|(metric, energy_j)| TradeOff { metric, energy_j }).collect();
            let goal = if max { Direction::Max } else { Direction::Min };
            let sign = if max { 1.0 } else { -1.0 };
            let front = pareto_front(&points, goal);
            let beats = |a: &TradeOff, b: &TradeOff| a != b && a.energy_j <= b.energy_j && sign * a.metric >= sign * b.metric;
            for (i, point) in points.iter().enumerate() {
                let beaten = points.iter().any(|other| beats(other, point));
                prop_assert!(!(front.contains(&i) && beaten));
                prop_assert!(front.contains(&i) || beaten || points.iter().filter(|p| *p == point).count() > 1);
            }
            prop_assert!(front.windows(2).all(|pair| points[pair[0]].energy_j <= points[pair[1]].energy_j));
            if let Some(knee) = knee(&points, &front) {
                prop_assert!(front[1..front.len() - 1].contains(&knee));
            }
        }
    }
}
