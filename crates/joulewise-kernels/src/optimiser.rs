//! Steps of the optimisers, with PyTorch's formulas.
#![allow(unsafe_code)]

use crate::isa::Isa;
use crate::simd::for_each_isa;

/// Stochastic gradient descent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sgd {
    /// Learning rate.
    pub rate: f32,
    /// Share of the previous velocity that is kept.
    pub momentum: f32,
    /// Multiple of the parameter that is added to its gradient.
    pub weight_decay: f32,
    /// Look ahead along the velocity.
    pub nesterov: bool,
}

impl Sgd {
    /// Updates `parameters`; `velocity` starts as zeros.
    pub fn step(&self, isa: Isa, parameters: &mut [f32], gradient: &[f32], velocity: &mut [f32]) {
        sgd(isa, *self, parameters, gradient, velocity);
    }
}

for_each_isa! {
    fn sgd<S>(by: Sgd, parameters: &mut [f32], gradient: &[f32], velocity: &mut [f32]) {
        assert!(parameters.len() == gradient.len() && velocity.len() == gradient.len());
        for ((p, g), v) in parameters.iter_mut().zip(gradient).zip(velocity) {
            let g = g + by.weight_decay * *p;
            *v = by.momentum * *v + g;
            *p -= by.rate * if by.nesterov { g + by.momentum * *v } else { *v };
        }
    }
}

/// Adam, and AdamW where the decay is decoupled.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Adam {
    /// Learning rate.
    pub rate: f32,
    /// Shares of the previous mean and of the previous mean square that are kept; in `f64`, because their
    /// complements count.
    pub betas: [f64; 2],
    /// Added to the root of the mean square.
    pub epsilon: f32,
    /// Strength of the decay.
    pub weight_decay: f32,
    /// Shrink the parameters themselves (AdamW) instead of adding to the gradient.
    pub decoupled: bool,
}

impl Adam {
    /// Updates `parameters` in the step number `step`, counted from 1; `mean` and `square` start as zeros.
    pub fn step(
        &self,
        isa: Isa,
        step: u64,
        parameters: &mut [f32],
        gradient: &[f32],
        mean: &mut [f32],
        square: &mut [f32],
    ) {
        let correction = self.betas.map(|beta| 1.0 - beta.powf(step as f64));
        let rate = (f64::from(self.rate) / correction[0]) as f32;
        adam(isa, *self, rate, correction[1].sqrt() as f32, parameters, gradient, mean, square);
    }
}

for_each_isa! {
    fn adam<S>(
        by: Adam, rate: f32, root_correction: f32, parameters: &mut [f32], gradient: &[f32], mean: &mut [f32],
        square: &mut [f32],
    ) {
        let len = gradient.len();
        assert!(parameters.len() == len && mean.len() == len && square.len() == len);
        let shrink = if by.decoupled { 1.0 - by.rate * by.weight_decay } else { 1.0 };
        let decay = if by.decoupled { 0.0 } else { by.weight_decay };
        let keep = by.betas.map(|beta| beta as f32);
        let take = by.betas.map(|beta| (1.0 - beta) as f32);
        let values = parameters.iter_mut().zip(gradient).zip(mean.iter_mut().zip(square));
        for ((p, g), (m, s)) in values {
            let g = g + decay * *p;
            *m = keep[0] * *m + take[0] * g;
            *s = keep[1] * *s + take[1] * g * g;
            *p = *p * shrink - rate * *m / (s.sqrt() / root_correction + by.epsilon);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three steps on one parameter, by hand in `f64`.
    #[test]
    fn momentum_follows_the_formula() {
        for (isa, nesterov) in Isa::available().flat_map(|isa| [(isa, false), (isa, true)]) {
            let sgd = Sgd { rate: 0.1, momentum: 0.9, weight_decay: 0.01, nesterov };
            let (mut p, mut v) = (vec![1.0_f32; 33], vec![0.0; 33]);
            let (mut expected, mut velocity) = (1.0_f64, 0.0_f64);
            for gradient in [0.5, -0.25, 2.0] {
                sgd.step(isa, &mut p, &[gradient; 33], &mut v);
                let g = f64::from(gradient) + 0.01 * expected;
                velocity = 0.9 * velocity + g;
                expected -= 0.1 * if nesterov { g + 0.9 * velocity } else { velocity };
            }
            assert!(p.iter().all(|&p| (f64::from(p) - expected).abs() < 1e-6), "{isa} {p:?} {expected}");
        }
    }

    #[test]
    fn adam_follows_the_formula() {
        for (isa, decoupled) in Isa::available().flat_map(|isa| [(isa, false), (isa, true)]) {
            let adam = Adam { rate: 0.01, betas: [0.9, 0.999], epsilon: 1e-8, weight_decay: 0.1, decoupled };
            let (mut p, mut m, mut s) = (vec![1.0_f32; 33], vec![0.0; 33], vec![0.0; 33]);
            let (mut expected, mut mean, mut square) = (1.0_f64, 0.0_f64, 0.0_f64);
            for (step, gradient) in [(1, 0.5), (2, -0.25), (3, 2.0)] {
                adam.step(isa, step, &mut p, &[gradient; 33], &mut m, &mut s);
                let mut g = f64::from(gradient);
                if decoupled {
                    expected *= 1.0 - 0.01 * 0.1;
                } else {
                    g += 0.1 * expected;
                }
                mean = 0.9 * mean + 0.1 * g;
                square = 0.999 * square + 0.001 * g * g;
                let step = step as i32;
                let (m, s) = (mean / (1.0 - 0.9_f64.powi(step)), square / (1.0 - 0.999_f64.powi(step)));
                expected -= 0.01 * m / (s.sqrt() + 1e-8);
            }
            assert!(p.iter().all(|&p| (f64::from(p) - expected).abs() < 1e-5), "{isa} {p:?} {expected}");
        }
    }
}
