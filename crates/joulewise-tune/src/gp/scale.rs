//! Values on the scale on which a process sees them.

/// Powers that a scale may have; 1 leaves values as they are, less draws the bad ones together.
const POWERS: (f64, f64) = (-1.0, 1.0);

/// From values to about standard normal ones, order kept.
#[derive(Clone, Debug)]
pub(crate) struct Scale {
    first: Affine,
    power: f64,
    second: Affine,
}

#[derive(Clone, Copy, Debug)]
struct Affine {
    centre: f64,
    spread: f64,
}

impl Scale {
    /// Mean 0 and variance 1.
    pub(crate) fn affine(values: &[f64]) -> Self {
        Self { first: Affine::of(values), power: 1.0, second: Affine { centre: 0.0, spread: 1.0 } }
    }

    /// The most nearly normal of the transforms of Box and Cox (1964) that draw great values together, counted from the
    /// least in units of the median: where a few losses are huge, what distinguishes the good ones is not lost beside
    /// them.
    pub(crate) fn power(values: &[f64]) -> Self {
        let first = Affine::above_least(values);
        let standard: Vec<f64> = values.iter().map(|&y| first.apply(y)).collect();
        let jacobian: f64 = standard.iter().map(|y| y.ln_1p()).sum();
        let likelihood = |power: f64| {
            let spread = Affine::of(&standard.iter().map(|&y| box_cox(y, power)).collect::<Vec<_>>()).spread;
            (power - 1.0) * jacobian - standard.len() as f64 * spread.ln()
        };
        let power = greatest(POWERS, likelihood);
        let second = Affine::of(&standard.iter().map(|&y| box_cox(y, power)).collect::<Vec<_>>());
        Self { first, power, second }
    }

    /// A value on this scale.
    pub(crate) fn apply(&self, value: f64) -> f64 {
        self.second.apply(box_cox(self.first.apply(value), self.power))
    }

    /// The logarithm of how much a value changes on this scale when it changes itself.
    pub(crate) fn log_slope(&self, value: f64) -> f64 {
        let bend = if self.power == 1.0 { 0.0 } else { (self.power - 1.0) * self.first.apply(value).ln_1p() };
        bend - self.first.spread.ln() - self.second.spread.ln()
    }

    /// What one unit of this scale is worth; of an affine one.
    pub(crate) fn spread(&self) -> f64 {
        self.first.spread
    }

    /// What 0 of this scale is; of an affine one.
    pub(crate) fn centre(&self) -> f64 {
        self.first.centre
    }
}

impl Affine {
    fn of(values: &[f64]) -> Self {
        // Squares of what is divided by the greatest do not overflow.
        let greatest = values.iter().fold(0.0, |most: f64, y| most.max(y.abs()));
        if greatest == 0.0 {
            return Self { centre: 0.0, spread: 1.0 };
        }
        let n = values.len() as f64;
        let mean = values.iter().map(|y| y / greatest / n).sum::<f64>();
        let variance = values.iter().map(|y| (y / greatest - mean).powi(2)).sum::<f64>() / (n - 1.0).max(1.0);
        // Values that differ by rounding only are equal.
        let deviation = if variance.sqrt() > 1e-12 { variance.sqrt() } else { 1.0 };
        Self { centre: mean * greatest, spread: deviation * greatest }
    }

    /// From the least value to the median; to the greatest where the median is the least.
    fn above_least(values: &[f64]) -> Self {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (least, median, greatest) = (sorted[0], sorted[sorted.len() / 2], sorted[sorted.len() - 1]);
        // Halves, whose difference does not overflow.
        let spread = if median > least { median / 2.0 - least / 2.0 } else { greatest / 2.0 - least / 2.0 };
        let is_flat = spread <= 1e-12 * least.abs().max(greatest.abs());
        Self {
            centre: least,
            spread: if is_flat { least.abs().max(1.0) } else { 2.0 * spread.min(f64::MAX / 2.0) },
        }
    }

    fn apply(self, value: f64) -> f64 {
        // Of halves for the same reason.
        2.0 * (value / 2.0 - self.centre / 2.0) / self.spread
    }
}

/// Of 1 + y, for y ≥ 0 unless the power is 1.
fn box_cox(y: f64, power: f64) -> f64 {
    if power == 1.0 {
        y
    } else if power == 0.0 {
        y.ln_1p()
    } else {
        (power * y.ln_1p()).exp_m1() / power
    }
}

/// Where a function with one hill is greatest: golden section.
fn greatest((mut low, mut high): (f64, f64), function: impl Fn(f64) -> f64) -> f64 {
    let ratio = (5.0f64.sqrt() - 1.0) / 2.0;
    let (mut a, mut b) = (high - ratio * (high - low), low + ratio * (high - low));
    let (mut at_a, mut at_b) = (function(a), function(b));
    for _ in 0..20 {
        if at_a > at_b {
            (high, b, at_b) = (b, a, at_a);
            a = high - ratio * (high - low);
            at_a = function(a);
        } else {
            (low, a, at_a) = (a, b, at_b);
            b = low + ratio * (high - low);
            at_b = function(b);
        }
    }
    f64::midpoint(low, high)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn great_losses_are_drawn_together() {
        let values: Vec<f64> = (0..40).map(|i| (f64::from(i) / 4.0).exp()).collect();
        let (affine, power) = (Scale::affine(&values), Scale::power(&values));
        let gap = |scale: &Scale| scale.apply(values[1]) - scale.apply(values[0]);
        assert!(gap(&power) > 10.0 * gap(&affine), "{} {power:?}", gap(&affine));
        assert!((affine.apply(affine.centre() + 2.0 * affine.spread()) - 2.0).abs() < 1e-12);
    }

    proptest! {
        #[test]
        fn scales_keep_the_order_and_stay_finite(values in prop::collection::vec(-1e300..1e300f64, 1..30)) {
            for scale in [Scale::affine(&values), Scale::power(&values)] {
                let mut sorted = values.clone();
                sorted.sort_by(f64::total_cmp);
                let scaled: Vec<f64> = sorted.iter().map(|&y| scale.apply(y)).collect();
                prop_assert!(scaled.iter().all(|y| y.is_finite()));
                prop_assert!(scaled.windows(2).all(|pair| pair[0] <= pair[1]));
            }
        }
    }
}
