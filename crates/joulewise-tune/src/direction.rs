//! Which way a value improves.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

/// Which way a value improves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// More is better.
    #[default]
    Max,
    /// Less is better.
    Min,
}

impl Direction {
    /// Orders values from the best to the worst; NaN is worse than everything.
    pub fn compare(self, a: f64, b: f64) -> Ordering {
        let finite = match self {
            Self::Max => b.total_cmp(&a),
            Self::Min => a.total_cmp(&b),
        };
        a.is_nan().cmp(&b.is_nan()).then(if a == b { Ordering::Equal } else { finite })
    }

    /// By how much `a` is better than `b`; negative when it is worse.
    pub fn gain(self, a: f64, b: f64) -> f64 {
        match self {
            Self::Max => a - b,
            Self::Min => b - a,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nan_is_worst_either_way() {
        for (direction, best) in [(Direction::Max, 2.0), (Direction::Min, 1.0)] {
            for nan in [f64::NAN, -f64::NAN] {
                let mut values = [nan, 1.0, 2.0, nan];
                values.sort_by(|a, b| direction.compare(*a, *b));
                assert_eq!(values[0], best);
                assert!(values[2].is_nan() && values[3].is_nan());
            }
            assert_eq!(direction.compare(0.0, -0.0), Ordering::Equal);
        }
    }
}
