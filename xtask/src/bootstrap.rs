//! How sure a statistic of a sample is.

use crate::quantile::quantile;

const RESAMPLES: usize = 10_000;

/// The 95 % interval of `statistic` by the percentiles of a bootstrap: of a sample of `count` it is told the places, which
/// are drawn with replacement. The draw is the same each time.
pub(crate) fn interval(count: usize, statistic: impl Fn(&[usize]) -> f64) -> (f64, f64) {
    let mut random = fastrand::Rng::with_seed(0);
    let mut drawn = vec![0; count];
    let mut statistics: Vec<f64> = (0..RESAMPLES)
        .map(|_| {
            drawn.fill_with(|| random.usize(..count));
            statistic(&drawn)
        })
        .collect();
    (quantile(&mut statistics, 0.025), quantile(&mut statistics, 0.975))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_of_a_mean_is_that_of_the_normal_distribution() {
        let sample: Vec<f64> = (0..400).map(|i| f64::from(i % 20)).collect();
        let mean =
            |places: &[usize]| places.iter().map(|&place| sample[place]).sum::<f64>() / places.len() as f64;
        let (low, high) = interval(sample.len(), mean);
        let (deviation, root) = (33.25_f64.sqrt(), 20.0);
        assert!((low - (9.5 - 1.96 * deviation / root)).abs() < 0.03, "{low}");
        assert!((high - (9.5 + 1.96 * deviation / root)).abs() < 0.03, "{high}");
    }
}
