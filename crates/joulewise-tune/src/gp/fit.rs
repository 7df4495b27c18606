//! The most plausible length scales and noise.

use super::cholesky::{Factor, dot};
use super::kernel::Kernel;
use super::lbfgs::{self, Limits};
use super::matern::Columns;

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
/// Bounds of the log odds of main effects, and of the logarithm of their narrowing.
const ODDS: (f64, f64) = (-8.0, 8.0);
const NARROWING: (f64, f64) = (-3.0, 6.0);
/// The variance of the priors of both, about even odds and as many times as there are parameters: as the length scale of
/// one parameter alone would be.
const MAIN_VARIANCE: f64 = 2.0;
/// Main effects of lower odds are left out, which is faster.
const LEAST_ODDS: f64 = -4.0;
/// Log odds that are none.
const NO_MAIN_EFFECTS: f64 = -1e3;

/// What a process does not learn from its data point by point.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Hyperparameters {
    /// Logarithms of the length scales, one for each parameter.
    pub(crate) log_scales: Vec<f64>,
    /// The logarithm of the variance of the noise, that of the values being 1.
    pub(crate) log_noise: f64,
    /// The log odds of the share of main effects in the variance.
    pub(crate) main_odds: f64,
    /// The logarithm of how much more a squared distance counts for main effects.
    pub(crate) log_narrowing: f64,
}

impl Hyperparameters {
    /// Where the prior is densest: scales that grow with the root of the dimension (Hvarfner et al. 2024).
    pub(crate) fn prior(parameters: usize) -> Self {
        let mean = scale_mean(parameters);
        Self {
            log_scales: vec![mean - SCALE_DEVIATION * SCALE_DEVIATION; parameters],
            log_noise: FIRST_NOISE,
            main_odds: if parameters > 1 { 0.0 } else { NO_MAIN_EFFECTS },
            log_narrowing: (parameters.max(1) as f64).ln(),
        }
    }

    /// The kernel, where `groups` says which parameter each feature belongs to.
    pub(crate) fn kernel(&self, groups: &[usize]) -> Kernel {
        Kernel {
            weights: groups.iter().map(|&group| (-2.0 * self.log_scales[group]).exp()).collect(),
            groups: groups.to_vec(),
            main: 1.0 / (1.0 + (-self.main_odds).exp()),
            narrowing: self.log_narrowing.exp(),
        }
    }

    /// The variance of the noise.
    pub(crate) fn noise(&self) -> f64 {
        self.log_noise.exp()
    }

    fn from_slice(parameters: &[f64]) -> Self {
        let (scales, rest) = parameters.split_at(parameters.len() - 3);
        Self { log_scales: scales.to_vec(), log_noise: rest[0], main_odds: rest[1], log_narrowing: rest[2] }
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
    start.extend([prior.log_noise, prior.main_odds, prior.log_narrowing]);
    let mut low = vec![LEAST_SCALE.ln(); parameters];
    let mut high = vec![GREATEST_SCALE.ln(); parameters];
    // One parameter alone is all of it.
    let odds = if parameters > 1 { ODDS } else { (NO_MAIN_EFFECTS, NO_MAIN_EFFECTS) };
    low.extend([NOISE.0.ln(), odds.0, NARROWING.0]);
    high.extend([NOISE.1.ln(), odds.1, NARROWING.1]);
    let limits = Limits { evaluations, gradient: 1e-3, gain: 1e-6 };
    let (best, value) = lbfgs::minimise(&start, &low, &high, limits, |x, gradient| {
        -log_posterior(&Hyperparameters::from_slice(x), groups, points, y, gradient)
    });
    if !value.is_finite() {
        return (prior, f64::NEG_INFINITY);
    }
    let mut found = Hyperparameters::from_slice(&best);
    if found.main_odds < LEAST_ODDS {
        found.main_odds = NO_MAIN_EFFECTS;
    }
    (found, -value)
}

/// The logarithm of the likelihood of `y` times the prior, its constants aside, the constant mean being the most plausible
/// one. Writes the negated gradient with respect to the logarithms, in the order of the fields.
pub(super) fn log_posterior(
    at: &Hyperparameters,
    groups: &[usize],
    points: &Columns,
    y: &[f64],
    gradient: &mut [f64],
) -> f64 {
    let n = y.len();
    let kernel = at.kernel(groups);
    let noise = at.noise();
    let mut factor = Factor::default();
    let mut rows = Vec::with_capacity(n);
    let mut x = vec![0.0; groups.len()];
    for i in 0..n {
        for (f, x) in x.iter_mut().enumerate() {
            *x = points.column(f)[i];
        }
        let mut row = kernel.row_with_slopes(points, &x, i + 1);
        row.values[i] += noise;
        if !factor.push(&row.values) {
            return f64::NAN;
        }
        rows.push(row);
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
    let (mut main_slope, mut narrowing_slope) = (0.0, 0.0);
    for (i, (inverse, row)) in inverse.iter().zip(&rows).enumerate() {
        noise_slope += alpha[i] * alpha[i] - inverse[i];
        let pull: Vec<f64> = (0..i).map(|j| alpha[i] * alpha[j] - inverse[j]).collect();
        let pulled = |slopes: &[f64]| -> Vec<f64> { pull.iter().zip(slopes).map(|(a, b)| a * b).collect() };
        let by_square: Vec<Vec<f64>> = row.by_square.iter().map(|slopes| pulled(slopes)).collect();
        for (f, &group) in groups.iter().enumerate() {
            let pull = &by_square[group.min(by_square.len() - 1)];
            // d r² / d log ℓ = −2 w Δ²; the gradient is negated.
            gradient[group] +=
                2.0 * kernel.weights[f] * weighed_squares(pull, points.column(f), points.column(f)[i]);
        }
        if kernel.main > 0.0 {
            main_slope += dot(&pull, &row.by_share[..i]);
            narrowing_slope += dot(&pull, &row.by_narrowing[..i]);
        }
    }
    let noise_at = gradient.len() - 3;
    gradient[noise_at] = -0.5 * noise * noise_slope;
    gradient[noise_at + 1] = -kernel.main * (1.0 - kernel.main) * main_slope;
    gradient[noise_at + 2] = -narrowing_slope;

    let (mean, variance) = (scale_mean(at.log_scales.len()), SCALE_DEVIATION * SCALE_DEVIATION);
    let mut prior = 0.0;
    for (log, gradient) in at.log_scales.iter().zip(gradient.iter_mut()) {
        prior -= (log - mean).powi(2) / (2.0 * variance) + log;
        *gradient += (log - mean) / variance + 1.0;
    }
    let variance = NOISE_DEVIATION * NOISE_DEVIATION;
    prior -= (at.log_noise - NOISE_MEAN).powi(2) / (2.0 * variance) + at.log_noise;
    gradient[noise_at] += (at.log_noise - NOISE_MEAN) / variance + 1.0;
    let even = (at.log_scales.len() as f64).ln();
    if kernel.main > 0.0 {
        for (i, off) in [(noise_at + 1, at.main_odds), (noise_at + 2, at.log_narrowing - even)] {
            prior -= off * off / (2.0 * MAIN_VARIANCE);
            gradient[i] += off / MAIN_VARIANCE;
        }
    }
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
        let at = [-0.5, 0.3, 0.8, -3.0, 0.3, 1.2];
        let groups = [0, 1, 2];
        let value =
            |x: &[f64]| log_posterior(&Hyperparameters::from_slice(x), &groups, &points, &y, &mut [0.0; 6]);
        let mut gradient = [0.0; 6];
        log_posterior(&Hyperparameters::from_slice(&at), &groups, &points, &y, &mut gradient);
        for i in 0..6 {
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
