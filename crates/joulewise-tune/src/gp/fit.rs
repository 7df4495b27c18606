//! The most plausible length scales and noise.

use super::cholesky::{Factor, dot};
use super::lbfgs::{self, Limits};
use super::matern::{Columns, with_slopes};

/// Length scales are at least this, so that points between others are never unrelated to them.
const LEAST_SCALE: f64 = 0.025;
const GREATEST_SCALE: f64 = 1e3;
/// What is computed has no noise at all, and the floor is what its last digits are known by.
const NOISE: (f64, f64) = (1e-8, 1.0);
/// The prior of the logarithm of the noise: its mean and its deviation. Trainings differ by their seeds, and functions
/// of files or formulas do not.
const NOISE_MEAN: f64 = -4.0;
const NOISE_DEVIATION: f64 = 2.0;
/// The logarithm of the noise from which fits set out.
const FIRST_NOISE: f64 = -5.0;
/// The prior of the logarithm of a length scale: its deviation.
const SCALE_DEVIATION: f64 = 1.732_050_807_568_877_2;

/// What a process does not learn from its data point by point.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Hyperparameters {
    /// Logarithms of the length scales, one for each parameter.
    pub(crate) log_scales: Vec<f64>,
    /// The logarithm of the variance of the noise, that of the values being 1.
    pub(crate) log_noise: f64,
}

impl Hyperparameters {
    /// Where the prior is densest: scales that grow with the root of the dimension (Hvarfner et al. 2024).
    pub(crate) fn prior(parameters: usize) -> Self {
        let mean = scale_mean(parameters);
        Self {
            log_scales: vec![mean - SCALE_DEVIATION * SCALE_DEVIATION; parameters],
            log_noise: FIRST_NOISE,
        }
    }

    /// The weight of each feature in a squared distance, where `groups` says which parameter it belongs to.
    pub(crate) fn weights(&self, groups: &[usize]) -> Vec<f64> {
        groups.iter().map(|&group| (-2.0 * self.log_scales[group]).exp()).collect()
    }

    /// The variance of the noise.
    pub(crate) fn noise(&self) -> f64 {
        self.log_noise.exp()
    }

    fn from_slice(parameters: &[f64]) -> Self {
        let (scales, noise) = parameters.split_at(parameters.len() - 1);
        Self { log_scales: scales.to_vec(), log_noise: noise[0] }
    }
}

/// The hyperparameters that are most plausible after `y` was seen at `points`, and the logarithm of how plausible that
/// makes all of it.
pub(crate) fn fit(
    groups: &[usize],
    points: &Columns,
    y: &[f64],
    evaluations: usize,
) -> (Hyperparameters, f64) {
    let parameters = groups.iter().max().map_or(0, |last| last + 1);
    let prior = Hyperparameters::prior(parameters);
    if parameters == 0 || y.len() < 2 {
        return (prior, 0.0);
    }
    let mut start = prior.log_scales.clone();
    start.push(prior.log_noise);
    let mut low = vec![LEAST_SCALE.ln(); parameters];
    let mut high = vec![GREATEST_SCALE.ln(); parameters];
    low.push(NOISE.0.ln());
    high.push(NOISE.1.ln());
    let limits = Limits { evaluations, gradient: 1e-3, gain: 1e-6 };
    let (best, value) = lbfgs::minimise(&start, &low, &high, limits, |x, gradient| {
        -log_posterior(&Hyperparameters::from_slice(x), groups, points, y, gradient)
    });
    if value.is_finite() { (Hyperparameters::from_slice(&best), -value) } else { (prior, f64::NEG_INFINITY) }
}

/// The logarithm of the likelihood of `y` times the prior, its constants aside, the constant mean being the most plausible one. Writes the
/// negated gradient with respect to the logarithms.
pub(super) fn log_posterior(
    at: &Hyperparameters,
    groups: &[usize],
    points: &Columns,
    y: &[f64],
    gradient: &mut [f64],
) -> f64 {
    let n = y.len();
    let weights = at.weights(groups);
    let noise = at.noise();
    let mut factor = Factor::default();
    let mut slopes = Vec::with_capacity(n);
    let mut x = vec![0.0; groups.len()];
    for i in 0..n {
        for (f, x) in x.iter_mut().enumerate() {
            *x = points.column(f)[i];
        }
        let mut row = points.distances(&x, &weights, i + 1);
        slopes.push(with_slopes(&mut row));
        row[i] += noise;
        if !factor.push(&row) {
            return f64::NAN;
        }
    }
    let ones = factor.solve(&vec![1.0; n]);
    let mean = dot(&ones, y) / ones.iter().sum::<f64>();
    let residuals: Vec<f64> = y.iter().map(|y| y - mean).collect();
    let alpha = factor.solve(&residuals);
    let likelihood =
        -0.5 * (dot(&residuals, &alpha) + factor.log_determinant() + n as f64 * std::f64::consts::TAU.ln());

    gradient.fill(0.0);
    let inverse = factor.inverse();
    let mut noise_slope = 0.0;
    for (i, (inverse, slopes)) in inverse.iter().zip(&slopes).enumerate() {
        noise_slope += alpha[i] * alpha[i] - inverse[i];
        let pull: Vec<f64> = (0..i).map(|j| (alpha[i] * alpha[j] - inverse[j]) * slopes[j]).collect();
        for (f, &group) in groups.iter().enumerate() {
            // d r² / d log ℓ = −2 w Δ²; the gradient is negated.
            gradient[group] +=
                2.0 * weights[f] * weighed_squares(&pull, points.column(f), points.column(f)[i]);
        }
    }
    let last = gradient.len() - 1;
    gradient[last] = -0.5 * noise * noise_slope;

    let (mean, variance) = (scale_mean(at.log_scales.len()), SCALE_DEVIATION * SCALE_DEVIATION);
    let mut prior = 0.0;
    for (log, gradient) in at.log_scales.iter().zip(gradient.iter_mut()) {
        prior -= (log - mean).powi(2) / (2.0 * variance) + log;
        *gradient += (log - mean) / variance + 1.0;
    }
    let variance = NOISE_DEVIATION * NOISE_DEVIATION;
    prior -= (at.log_noise - NOISE_MEAN).powi(2) / (2.0 * variance) + at.log_noise;
    gradient[last] += (at.log_noise - NOISE_MEAN) / variance + 1.0;
    likelihood + prior
}

/// The mean of the prior of the logarithm of a length scale in so many dimensions.
fn scale_mean(parameters: usize) -> f64 {
    std::f64::consts::SQRT_2 + 0.5 * (parameters.max(1) as f64).ln()
}

/// Σ weight (x − column)².
fn weighed_squares(weights: &[f64], column: &[f64], x: f64) -> f64 {
    let mut lanes = [0.0; 8];
    let column = &column[..weights.len()];
    let (chunks, columns) = (weights.chunks_exact(8), column.chunks_exact(8));
    let term = |weight: f64, other: f64| {
        let difference = x - other;
        weight * (difference * difference)
    };
    let rest: f64 = chunks.remainder().iter().zip(columns.remainder()).map(|(&w, &c)| term(w, c)).sum();
    for (weights, column) in chunks.zip(columns) {
        for k in 0..8 {
            lanes[k] += term(weights[k], column[k]);
        }
    }
    lanes.iter().sum::<f64>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(n: usize) -> (Columns, Vec<f64>) {
        let rows: Vec<[f64; 3]> = (0..n)
            .map(|i| [0.754_877, 0.569_840, 0.430_159].map(|a: f64| (0.5 + a * i as f64).fract()))
            .collect();
        let y = rows.iter().map(|x| (6.0 * x[0]).sin() + 0.3 * x[1]).collect();
        (Columns::new(3, rows.iter().map(|row| &row[..])), y)
    }

    #[test]
    fn the_gradient_is_that_of_the_posterior() {
        let (points, y) = data(23);
        let at = [-0.5, 0.3, 0.8, -3.0];
        let groups = [0, 1, 2];
        let value =
            |x: &[f64]| log_posterior(&Hyperparameters::from_slice(x), &groups, &points, &y, &mut [0.0; 4]);
        let mut gradient = [0.0; 4];
        log_posterior(&Hyperparameters::from_slice(&at), &groups, &points, &y, &mut gradient);
        for i in 0..4 {
            let step = |by: f64| {
                let mut x = at;
                x[i] += by;
                value(&x)
            };
            let difference = (step(1e-5) - step(-1e-5)) / 2e-5;
            assert!((gradient[i] + difference).abs() < 1e-5 * difference.abs().max(1.0), "{i}");
        }
    }

    #[test]
    fn what_matters_gets_a_short_scale() {
        let (points, y) = data(40);
        let (found, _) = fit(&[0, 1, 2], &points, &y, 100);
        assert!(found.log_scales[0] + 1.0 < found.log_scales[1], "{found:?}");
        assert!(found.log_scales[0] + 1.0 < found.log_scales[2] && found.noise() < 1e-3, "{found:?}");
        assert_eq!(found, fit(&[0, 1, 2], &points, &y, 100).0);
        assert_eq!(fit(&[0, 1, 2], &Columns::new(3, []), &[], 100).0, Hyperparameters::prior(3));
    }
}
