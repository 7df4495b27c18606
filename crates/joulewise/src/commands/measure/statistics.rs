//! The mean of repeated runs, and how well it is known.

use serde::Serialize;

/// A mean of joules or seconds, with its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Scatter {
    pub(super) mean: f64,
    pub(super) low: f64,
    pub(super) high: f64,
    /// The standard deviation of a single run.
    pub(super) deviation: f64,
}

/// Two-sided 95 % quantiles of Student's distribution for 1, 2, … degrees of freedom.
const STUDENT: [f64; 30] = [
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131,
    2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
];

impl Scatter {
    /// The mean of the values; `None` for fewer than two, which tell nothing about its interval.
    pub(super) fn of(values: impl Iterator<Item = f64> + Clone) -> Option<Self> {
        let count = values.clone().count();
        if count < 2 {
            return None;
        }
        let n = count as f64;
        let mean = values.clone().sum::<f64>() / n;
        let deviation = (values.map(|value| (value - mean).powi(2)).sum::<f64>() / (n - 1.0)).sqrt();
        // Beyond the table the quantile falls towards the normal distribution's 1.96.
        let quantile = STUDENT.get(count - 2).copied().unwrap_or(1.96 + 2.45 / (n - 1.0));
        let half = quantile * deviation / n.sqrt();
        // Neither joules nor seconds are negative.
        Some(Self { mean, low: (mean - half).max(0.0), high: mean + half, deviation })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_run_tells_nothing_about_the_interval() {
        assert_eq!(Scatter::of([3.0].into_iter()), None);
    }

    #[test]
    fn the_interval_is_students() {
        let mean = Scatter::of([1.0, 2.0, 3.0, 4.0, 5.0].into_iter()).unwrap();
        assert_eq!((mean.mean, mean.deviation), (3.0, 2.5f64.sqrt()));
        assert!((mean.high - 3.0 - 1.9633).abs() < 1e-3, "{mean:?}");
        assert_eq!(mean.high - 3.0, 3.0 - mean.low);
    }

    #[test]
    fn the_quantile_goes_on_beyond_the_table() {
        let half =
            |n: usize| Scatter::of((0..n).map(|i| (i % 2) as f64)).map(|mean| mean.high - mean.mean).unwrap();
        assert!(half(31) > half(32) && half(32) > half(200));
    }
}
