//! The normal distribution.

use std::f64::consts::SQRT_2;

use crate::random::Stream;

/// The share of it below `x`, to 7 digits (Abramowitz and Stegun 1964, 7.1.26).
pub(crate) fn below(x: f64) -> f64 {
    let z = x.abs() / SQRT_2;
    let t = 1.0 / (1.0 + 0.327_591_1 * z);
    let mut sum = 1.061_405_429;
    for coefficient in [-1.453_152_027, 1.421_413_741, -0.284_496_736, 0.254_829_592] {
        sum = sum * t + coefficient;
    }
    let tail = 0.5 * sum * t * (-z * z).exp();
    if x < 0.0 { tail } else { 1.0 - tail }
}

/// A draw from the part on the unit interval of the one with mean `centre`, which lies there, and deviation `sigma`.
pub(crate) fn draw_on_unit(centre: f64, sigma: f64, stream: &mut Stream) -> f64 {
    // At worst a third of the draws lies there.
    let mut draws = (0..100).map(|_| centre + sigma * stream.normal());
    draws.find(|x| (0.0..=1.0).contains(x)).unwrap_or(centre)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_those_of_the_table() {
        for (x, share) in [(0.0, 0.5), (1.0, 0.841_344_746), (-1.0, 0.158_655_254), (3.0, 0.998_650_102)] {
            assert!((below(x) - share).abs() < 2e-7, "{x}");
        }
        assert!(below(-40.0) >= 0.0 && below(40.0) <= 1.0);
    }

    #[test]
    fn draws_have_its_shape() {
        let mut stream = Stream::new(1, 0);
        let draws: Vec<f64> = (0..20_000).map(|_| stream.normal()).collect();
        for x in [-1.5, -0.5, 0.0, 0.7, 2.0] {
            let share = draws.iter().filter(|draw| **draw < x).count() as f64 / draws.len() as f64;
            assert!((share - below(x)).abs() < 0.01, "{x}: {share}");
        }
        assert!((0..1000).all(|_| (0.0..=1.0).contains(&draw_on_unit(0.0, 1.0, &mut stream))));
    }
}
