//! Stopping what will not become the best.

use std::collections::BTreeMap;

use crate::direction::Direction;
use crate::stopper::{Stopper, Verdict};
use crate::trial::{Report, TrialId};

/// Exponents of the power laws.
const POWERS: [f64; 7] = [0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.5];
/// Time constants of the exponentials, in parts of the whole training.
const TIMES: [f64; 5] = [0.03, 0.1, 0.2, 0.4, 1.0];

/// Neighbouring reports err alike: as evidence they count for a quarter.
const TEMPER: f64 = 0.25;

/// Ends a trial whose learning curve, extrapolated to the last step, stays below the best value that another trial
/// has had, its uncertainty included.
///
/// The curve is taken for one that saturates, `a − b · t⁻ᶜ` or `a − b · exp(−t / τ)`, with `b ≥ 0` (Domhan et al. 2015
/// has more families, and finds these to carry most of the weight). For each of a few `c` and `τ`, `a` and `b` follow
/// from least squares in which later steps weigh more. The forecast mixes these fits by how likely they make the curve;
/// its variance is that of the residuals, of the coefficients, and between the fits. A curve that fell is forecast to
/// stay, so a trial that a schedule of the learning rate will still lift wants a larger `deviations`.
#[derive(Clone, Debug)]
pub struct Extrapolation {
    direction: Direction,
    last_step: u64,
    deviations: f64,
    min_points: usize,
    /// Steps and values, turned so that more is better.
    curves: BTreeMap<TrialId, Vec<(u64, f64)>>,
}

/// What a curve is thought to come to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Forecast {
    /// The value to be expected.
    pub value: f64,
    /// Its standard deviation.
    pub deviation: f64,
}

/// One family's fit.
struct Fit {
    value: f64,
    variance: f64,
    /// Weighted mean of the squared residuals.
    residual: f64,
}

impl Extrapolation {
    /// Forecasts the value at `last_step`, and ends trials of which it is 2 standard deviations below the best. It
    /// judges from 5 reports on.
    pub fn new(direction: Direction, last_step: u64) -> Self {
        Self { direction, last_step, deviations: 2.0, min_points: 5, curves: BTreeMap::new() }
    }

    /// Ends trials only when their forecast is so many standard deviations below the best.
    #[must_use]
    pub fn deviations(mut self, deviations: f64) -> Self {
        self.deviations = deviations.max(0.0);
        self
    }

    /// Judges nobody before this many reports, at least 4.
    #[must_use]
    pub fn min_points(mut self, points: usize) -> Self {
        self.min_points = points.max(4);
        self
    }

    /// What `trial` is thought to reach at the last step; `None` before it has reported often enough.
    pub fn forecast(&self, trial: TrialId) -> Option<Forecast> {
        let curve = self.curves.get(&trial).filter(|curve| curve.len() >= self.min_points)?;
        let mut forecast = extrapolate(curve, self.last_step)?;
        forecast.value *= self.sign();
        Some(forecast)
    }

    fn sign(&self) -> f64 {
        if self.direction == Direction::Max { 1.0 } else { -1.0 }
    }

    fn best(&self, is_meant: impl Fn(TrialId) -> bool) -> Option<f64> {
        let meant = self.curves.iter().filter(|(id, _)| is_meant(**id));
        meant.flat_map(|(_, curve)| curve).map(|(_, value)| *value).max_by(f64::total_cmp)
    }
}

impl Stopper for Extrapolation {
    fn report(&mut self, trial: TrialId, report: &Report) -> Verdict {
        let value = report.value() * self.sign();
        if value.is_nan() {
            return Verdict::Stop;
        }
        let curve = self.curves.entry(trial).or_default();
        if value.is_finite() && curve.last().is_none_or(|(step, _)| *step < report.step) {
            curve.push((report.step, value));
        }
        let (Some(best), Some(forecast)) = (self.best(|id| id != trial), self.forecast(trial)) else {
            return Verdict::Continue;
        };
        let leads = self.best(|id| id == trial).is_some_and(|own| own >= best);
        let reach = forecast.value * self.sign() + self.deviations * forecast.deviation;
        if !leads && reach < best { Verdict::Stop } else { Verdict::Continue }
    }
}

/// What a curve of which more is better comes to at `last_step`.
fn extrapolate(curve: &[(u64, f64)], last_step: u64) -> Option<Forecast> {
    let first = curve.first()?.0;
    let time = |step: u64| (step.saturating_sub(first) + 1) as f64;
    let end = time(last_step.max(curve.last()?.0));
    let powers = POWERS.iter().map(|&c| fit(curve, |step| time(step).powf(-c), end.powf(-c)));
    let times = TIMES.iter().map(|part| {
        let tau = part * end;
        fit(curve, |step| (-time(step) / tau).exp(), (-end / tau).exp())
    });
    let fits: Vec<Fit> = powers.chain(times).collect();
    let spread = curve.iter().map(|(_, y)| y.abs()).fold(0.0, f64::max);
    // A perfect fit would outweigh all others infinitely.
    let floor = (1e-6 * spread).powi(2).max(f64::MIN_POSITIVE);
    let likelihood = |fit: &Fit| -0.5 * (curve.len() - 3) as f64 * TEMPER * fit.residual.max(floor).ln();
    let most = fits.iter().map(likelihood).fold(f64::NEG_INFINITY, f64::max);
    let weights: Vec<f64> = fits.iter().map(|fit| (likelihood(fit) - most).exp()).collect();
    let total: f64 = weights.iter().sum();
    let mean = |of: &dyn Fn(&Fit) -> f64| {
        fits.iter().zip(&weights).map(|(fit, weight)| weight * of(fit)).sum::<f64>() / total
    };
    let value = mean(&|fit| fit.value);
    let variance = mean(&|fit| fit.variance + (fit.value - value).powi(2));
    (value.is_finite() && variance.is_finite()).then(|| Forecast { value, deviation: variance.sqrt() })
}

/// Least squares of `a − b · decay(step)`, to be read at a step where the decay is `at_end`.
fn fit(curve: &[(u64, f64)], decay: impl Fn(u64) -> f64, at_end: f64) -> Fit {
    let count = curve.len() as f64;
    // The last report weighs twice as much as the first.
    let points: Vec<(f64, f64, f64)> = curve
        .iter()
        .enumerate()
        .map(|(i, &(step, y))| ((1.0 + i as f64 / (count - 1.0)) / (1.5 * count), decay(step), y))
        .collect();
    let mean = |of: &dyn Fn(f64, f64) -> f64| points.iter().map(|&(w, x, y)| w * of(x, y)).sum::<f64>();
    let (mean_x, mean_y) = (mean(&|x, _| x), mean(&|_, y| y));
    let (var_x, cov) = (mean(&|x, _| (x - mean_x).powi(2)), mean(&|x, y| (x - mean_x) * (y - mean_y)));
    let slope = if var_x > 0.0 { (cov / var_x).min(0.0) } else { 0.0 };
    let residual = mean(&|x, y| (y - mean_y - slope * (x - mean_x)).powi(2));
    let leverage = if var_x > 0.0 { (at_end - mean_x).powi(2) / var_x } else { 0.0 };
    // Three parameters were fitted, the exponent among them.
    let noise = residual * count / (count - 3.0);
    let value = mean_y + slope * (at_end - mean_x);
    Fit { value, variance: noise * (1.0 + (1.0 + leverage) / count), residual }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::random::Stream;
    use crate::testing;

    fn run(stopper: &mut Extrapolation, id: u64, curve: impl Fn(f64) -> f64, steps: u64) -> Option<u64> {
        (1..=steps)
            .find(|&step| stopper.report(TrialId(id), &Report::of(step, curve(step as f64))) == Verdict::Stop)
    }

    #[test]
    fn extrapolation_is_a_stopper() {
        testing::check_stopper(|direction| Extrapolation::new(direction, 30));
        testing::check_stopper(|direction| Extrapolation::new(direction, 3).deviations(0.0).min_points(0));
    }

    #[test]
    fn hopeless_trials_end_and_late_bloomers_do_not() {
        for (direction, sign) in [(Direction::Max, 1.0), (Direction::Min, -1.0)] {
            let mut stopper = Extrapolation::new(direction, 100);
            assert_eq!(run(&mut stopper, 0, |t| sign * (0.9 - 0.5 / t), 100), None);
            let hopeless = run(&mut stopper, 1, |t| sign * (0.6 - 0.4 / t), 100);
            assert!(hopeless.is_some_and(|step| step <= 10), "{hopeless:?}");
            assert_eq!(run(&mut stopper, 2, |t| sign * (0.95 - 0.9 * (-t / 30.0).exp()), 100), None);
        }
    }

    #[test]
    fn a_forecast_needs_reports() {
        let mut stopper = Extrapolation::new(Direction::Min, 50);
        run(&mut stopper, 0, |t| 1.0 / t, 4);
        assert_eq!(stopper.forecast(TrialId(0)), None);
        run(&mut stopper, 1, |t| 0.2 + 1.0 / t, 10);
        let forecast = stopper.forecast(TrialId(1)).unwrap();
        assert!((forecast.value - 0.22).abs() < 0.01, "{forecast:?}");
    }

    /// Of noisy curves of its own families and of others, at most a few end above the interval.
    #[test]
    fn the_interval_holds() {
        let mut stream = Stream::new(5, 0);
        let (mut outside, trials) = (0, 600);
        for trial in 0..trials {
            let (a, b, c) = (stream.unit(), 0.1 + stream.unit(), 0.2 + 1.5 * stream.unit());
            let noise = 0.01 * stream.unit();
            let truth = |t: f64| match trial % 3 {
                0 => a - b * t.powf(-c),
                1 => a - b * (-t / (5.0 + 30.0 * c)).exp(),
                _ => a - b / (1.0 + (t / 5.0).powf(1.0 + c)),
            };
            let known = 8 + stream.below(30);
            let mut curve = |step: u64| {
                // The sum of uniform numbers is normal enough.
                let normal = (0..12).map(|_| stream.unit()).sum::<f64>() - 6.0;
                (step, truth(step as f64) + noise * normal)
            };
            let curve: Vec<_> = (1..=known).map(&mut curve).collect();
            let forecast = extrapolate(&curve, 100).unwrap();
            outside += usize::from(truth(100.0) > forecast.value + 2.0 * forecast.deviation);
        }
        assert!(outside * 20 < trials, "{outside} of {trials}");
    }

    proptest! {
        #[test]
        fn verdicts_do_not_hang_on_units(
            reports in prop::collection::vec((0u64..4, 0u64..30, -50i8..50), 1..80), scale in 0i32..9,
        ) {
            let run = |scale: f64, direction| {
                let mut stopper = Extrapolation::new(direction, 40);
                let report = |&(id, step, value): &(u64, u64, i8)| {
                    stopper.report(TrialId(id), &Report::of(step, scale * f64::from(value)))
                };
                reports.iter().map(report).collect::<Vec<_>>()
            };
            let expected = run(1.0, Direction::Max);
            prop_assert_eq!(&run(2f64.powi(scale), Direction::Max), &expected);
            prop_assert_eq!(&run(-1.0, Direction::Min), &expected);
        }
    }
}
