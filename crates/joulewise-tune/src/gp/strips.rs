//! The volume that a value of two coordinates is expected to add to a front.

use super::normal::{log_below, log_density, log_gain, log_one_minus_exp};
use super::process::Belief;

/// What a front of two coordinates, both to be small, leaves to be won below a reference point: a staircase of
/// strips, each of them as deep as nothing dominates it.
#[derive(Clone, Debug)]
pub(crate) struct Strips {
    /// From where to where in the first coordinate, and how far up in the second.
    strips: Vec<(f64, f64, f64)>,
}

impl Strips {
    /// Below `reference`, of which `front` holds what is dominated already.
    pub(crate) fn new(front: &[[f64; 2]], reference: [f64; 2]) -> Self {
        let mut front: Vec<[f64; 2]> = front
            .iter()
            .copied()
            .filter(|point| point[0] < reference[0] && point[1] < reference[1])
            .collect();
        front.sort_by(|a, b| a[0].total_cmp(&b[0]).then(a[1].total_cmp(&b[1])));
        let (mut from, mut ceiling) = (f64::NEG_INFINITY, reference[1]);
        let mut strips = Vec::new();
        for [x, y] in front {
            if y < ceiling {
                if x > from {
                    strips.push((from, x, ceiling));
                }
                (from, ceiling) = (x, y);
            }
        }
        strips.push((from, reference[0], ceiling));
        Self { strips }
    }

    /// The logarithm of the expected volume, exactly: where the two values are independent, that of a strip is the
    /// product of an integral over each coordinate (Emmerich et al. 2011). Then its derivatives with respect to both
    /// means and both deviations.
    pub(crate) fn log_gain(&self, first: Belief, second: Belief) -> (f64, [f64; 2], [f64; 2]) {
        let terms: Vec<(f64, [f64; 2], [f64; 2])> = self
            .strips
            .iter()
            .map(|&(from, to, ceiling)| {
                let (width, width_mean, width_deviation) = log_between(first, from, to);
                let (depth, depth_mean, depth_deviation) = log_up_to(second, ceiling);
                (width + depth, [width_mean, depth_mean], [width_deviation, depth_deviation])
            })
            .collect();
        let greatest = terms.iter().map(|(log, ..)| *log).fold(f64::NEG_INFINITY, f64::max);
        if !greatest.is_finite() {
            return (greatest, [0.0; 2], [0.0; 2]);
        }
        let (mut sum, mut means, mut deviations) = (0.0, [0.0; 2], [0.0; 2]);
        for (log, mean, deviation) in terms {
            let share = (log - greatest).exp();
            sum += share;
            for i in 0..2 {
                means[i] += share * mean[i];
                deviations[i] += share * deviation[i];
            }
        }
        (greatest + sum.ln(), means.map(|x| x / sum), deviations.map(|x| x / sum))
    }
}

/// The logarithm of ∫ P(value ≤ z) dz up to `end`: by how much the value is expected to lie below it. Then its
/// derivatives with respect to the mean and the deviation.
pub(crate) fn log_up_to(belief: Belief, end: f64) -> (f64, f64, f64) {
    let u = (end - belief.mean) / belief.deviation;
    let log = log_gain(u);
    let mean = -(log_below(u) - log).exp() / belief.deviation;
    let deviation = (log_density(u) - log).exp() / belief.deviation;
    (log + belief.deviation.ln(), mean, deviation)
}

/// The same from `start` to `end`.
fn log_between(belief: Belief, start: f64, end: f64) -> (f64, f64, f64) {
    let (to, to_mean, to_deviation) = log_up_to(belief, end);
    if start == f64::NEG_INFINITY {
        return (to, to_mean, to_deviation);
    }
    let (from, from_mean, from_deviation) = log_up_to(belief, start);
    let log = to + log_one_minus_exp((from - to).min(-f64::MIN_POSITIVE));
    // Shares of the two ends in their difference.
    let (to_share, from_share) = ((to - log).exp(), (from - log).exp());
    if !(log.is_finite() && to_share.is_finite()) {
        return (f64::NEG_INFINITY, 0.0, 0.0);
    }
    let difference = |to: f64, from: f64| to_share * to - from_share * from;
    (log, difference(to_mean, from_mean), difference(to_deviation, from_deviation))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn belief(mean: f64, deviation: f64) -> Belief {
        Belief { mean, deviation }
    }

    #[test]
    fn a_sure_value_adds_its_box() {
        let strips = Strips::new(&[[0.0, 1.0], [1.0, 0.0], [0.5, 0.5], [0.6, 0.7], [3.0, -1.0]], [2.0, 2.0]);
        let volume = |x: f64, y: f64| strips.log_gain(belief(x, 1e-9), belief(y, 1e-9)).0.exp();
        // Only what no point dominates counts: 0.25 to 0.5 by 0.25 to 1 and 0.5 to 1 by 0.25 to 0.5.
        assert!((volume(0.25, 0.25) - 0.25 * 0.75 - 0.5 * 0.25).abs() < 1e-6);
        assert!(volume(0.7, 0.7) < 1e-6);
        assert!(
            (Strips::new(&[], [1.0, 2.0]).log_gain(belief(0.0, 1e-9), belief(0.0, 1e-9)).0.exp() - 2.0).abs()
                < 1e-6
        );
    }

    proptest! {
        #[test]
        fn derivatives_are_those_of_the_value(
            front in prop::collection::vec((-1.0..1.0f64, -1.0..1.0f64), 0..6),
            a in -1.5..1.5f64, b in -1.5..1.5f64, s in 0.05..1.0f64, t in 0.05..1.0f64,
        ) {
            let front: Vec<[f64; 2]> = front.iter().map(|&(x, y)| [x, y]).collect();
            let strips = Strips::new(&front, [1.0, 1.0]);
            let at = |x: [f64; 4]| strips.log_gain(belief(x[0], x[1]), belief(x[2], x[3]));
            let x = [a, s, b, t];
            let (_, means, deviations) = at(x);
            for (i, slope) in [means[0], deviations[0], means[1], deviations[1]].into_iter().enumerate() {
                let step = |by: f64| { let mut x = x; x[i] += by; at(x).0 };
                let difference = (step(1e-6) - step(-1e-6)) / 2e-6;
                prop_assert!((slope - difference).abs() < 1e-4 * slope.abs().max(1.0), "{slope} {difference}");
            }
        }
    }
}
