//! Minimisation within bounds: projected L-BFGS.

use super::cholesky::dot;

/// Pairs of steps and changes of the gradient that are remembered.
const MEMORY: usize = 8;

/// What has to be kept while a function is minimised.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// How often the function may be evaluated.
    pub(crate) evaluations: usize,
    /// It ends where no component of the projected gradient is greater.
    pub(crate) gradient: f64,
    /// It ends where a step gains less, relative to the value.
    pub(crate) gain: f64,
}

/// A point near the least value of `function` between `low` and `high`, found from `start` on, and the value there.
/// The function writes its gradient; where it is not finite the search goes back.
pub(crate) fn minimise(
    start: &[f64],
    low: &[f64],
    high: &[f64],
    limits: Limits,
    mut function: impl FnMut(&[f64], &mut [f64]) -> f64,
) -> (Vec<f64>, f64) {
    let n = start.len();
    let project = |x: &mut [f64]| {
        for (x, (low, high)) in x.iter_mut().zip(low.iter().zip(high)) {
            *x = x.clamp(*low, *high);
        }
    };
    let mut x = start.to_vec();
    project(&mut x);
    let mut gradient = vec![0.0; n];
    let mut value = function(&x, &mut gradient);
    let mut evaluations = 1;
    let mut memory: Vec<(Vec<f64>, Vec<f64>)> = Vec::new();
    while value.is_finite() && evaluations < limits.evaluations {
        // A variable at a bound that the gradient presses against stays there.
        let is_free: Vec<bool> = (0..n)
            .map(|i| !(x[i] <= low[i] && gradient[i] > 0.0 || x[i] >= high[i] && gradient[i] < 0.0))
            .collect();
        let free = |v: &[f64]| -> Vec<f64> {
            v.iter().zip(&is_free).map(|(x, free)| if *free { *x } else { 0.0 }).collect()
        };
        let steepest = free(&gradient);
        if steepest.iter().all(|g| g.abs() <= limits.gradient) {
            break;
        }
        let mut direction = descent(&steepest, &memory, free);
        let mut slope = dot(&direction, &steepest);
        if slope.is_nan() || slope >= 0.0 {
            memory.clear();
            direction = steepest.iter().map(|g| -g).collect();
            slope = -dot(&steepest, &steepest);
        }
        let length = dot(&direction, &direction).sqrt();
        let mut step = if memory.is_empty() { (1.0 / length).min(1.0) } else { 1.0 };
        let mut next = vec![0.0; n];
        let mut next_gradient = vec![0.0; n];
        let accepted = loop {
            for i in 0..n {
                next[i] = x[i] + step * direction[i];
            }
            project(&mut next);
            let next_value = function(&next, &mut next_gradient);
            evaluations += 1;
            let moved: f64 = (0..n).map(|i| (next[i] - x[i]) * steepest[i]).sum();
            if next_value <= value + 1e-4 * moved && next_value.is_finite() {
                break Some(next_value);
            }
            if evaluations >= limits.evaluations || step * length < 1e-12 {
                break None;
            }
            // The minimum of the parabola through what is known, within reason.
            let parabola = -0.5 * slope * step * step / (next_value - value - slope * step);
            step = if parabola.is_finite() { parabola.clamp(0.1 * step, 0.5 * step) } else { 0.1 * step };
        };
        let Some(next_value) = accepted else { break };
        let moved: Vec<f64> = (0..n).map(|i| next[i] - x[i]).collect();
        let turned: Vec<f64> = (0..n).map(|i| next_gradient[i] - gradient[i]).collect();
        if dot(&moved, &turned) > 1e-10 * dot(&turned, &turned).sqrt() * dot(&moved, &moved).sqrt() {
            memory.push((moved, turned));
            if memory.len() > MEMORY {
                memory.remove(0);
            }
        }
        let gain = value - next_value;
        (x, gradient, value) = (next, next_gradient, next_value);
        if gain <= limits.gain * value.abs().max(1.0) {
            break;
        }
    }
    (x, value)
}

/// The two-loop recursion (Nocedal 1980) on the free variables.
fn descent(gradient: &[f64], memory: &[(Vec<f64>, Vec<f64>)], free: impl Fn(&[f64]) -> Vec<f64>) -> Vec<f64> {
    let pairs: Vec<(Vec<f64>, Vec<f64>, f64)> = memory
        .iter()
        .map(|(s, y)| (free(s), free(y)))
        .map(|(s, y)| {
            let curvature = dot(&s, &y);
            (s, y, curvature)
        })
        .filter(|(_, _, curvature)| *curvature > 1e-300)
        .collect();
    let mut q = gradient.to_vec();
    let mut factors = Vec::with_capacity(pairs.len());
    for (s, y, curvature) in pairs.iter().rev() {
        let factor = dot(s, &q) / curvature;
        q.iter_mut().zip(y).for_each(|(q, y)| *q -= factor * y);
        factors.push(factor);
    }
    if let Some((_, y, curvature)) = pairs.last() {
        let scale = curvature / dot(y, y);
        q.iter_mut().for_each(|q| *q *= scale);
    }
    for ((s, y, curvature), factor) in pairs.iter().zip(factors.into_iter().rev()) {
        let correction = factor - dot(y, &q) / curvature;
        q.iter_mut().zip(s).for_each(|(q, s)| *q += correction * s);
    }
    q.iter_mut().for_each(|q| *q = -*q);
    q
}

#[cfg(test)]
pub(super) fn rosenbrock(x: &[f64], gradient: &mut [f64]) -> f64 {
    gradient.fill(0.0);
    let mut value = 0.0;
    for i in 0..x.len() - 1 {
        let (bend, rest) = (x[i + 1] - x[i] * x[i], 1.0 - x[i]);
        value += 100.0 * bend * bend + rest * rest;
        gradient[i] += -400.0 * bend * x[i] - 2.0 * rest;
        gradient[i + 1] += 200.0 * bend;
    }
    value
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIMITS: Limits = Limits { evaluations: 500, gradient: 1e-9, gain: 0.0 };

    #[test]
    fn valleys_and_bounds_are_followed() {
        let (x, value) = minimise(&[-1.2, 1.0, 0.3], &[-5.0; 3], &[5.0; 3], LIMITS, rosenbrock);
        assert!(value < 1e-15 && x.iter().all(|x| (x - 1.0).abs() < 1e-6), "{x:?}");
        // With x ≤ 0.5 the minimum is at (0.5, 0.25).
        let (x, value) = minimise(&[-1.2, 1.0], &[-5.0; 2], &[0.5, 5.0], LIMITS, rosenbrock);
        assert!((value - 0.25).abs() < 1e-12 && (x[0], (x[1] - 0.25).abs() < 1e-6) == (0.5, true), "{x:?}");
    }

    #[test]
    fn a_function_without_values_ends_where_it_began() {
        let (x, value) = minimise(&[0.5], &[0.0], &[1.0], LIMITS, |_, _| f64::NAN);
        assert!(x == [0.5] && value.is_nan());
    }

    proptest! {
        /// A separable parabola has its bounded minimum where the free one is clamped.
        #[test]
        fn parabolas_are_solved(terms in prop::collection::vec((-2.0..2.0f64, 0.01..100.0f64), 1..8)) {
            let n = terms.len();
            let parabola = |x: &[f64], gradient: &mut [f64]| {
                let mut value = 0.0;
                for (i, (centre, weight)) in terms.iter().enumerate() {
                    value += weight * (x[i] - centre).powi(2);
                    gradient[i] = 2.0 * weight * (x[i] - centre);
                }
                value
            };
            let (x, _) = minimise(&vec![0.1; n], &vec![-1.0; n], &vec![1.0; n], LIMITS, parabola);
            for (x, (centre, _)) in x.iter().zip(&terms) {
                prop_assert!((x - centre.clamp(-1.0, 1.0)).abs() < 1e-5, "{x} {centre}");
            }
        }
    }
}
