//! From values to pixels, linearly or by logarithm, and the round values to write beside an axis.

/// A mapping from an interval of values to an interval of pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scale {
    low: f64,
    high: f64,
    from: f64,
    to: f64,
    log: bool,
    whole: bool,
}

impl Scale {
    /// A linear scale that covers `values` with a margin of 6 % on either side.
    pub fn linear(values: impl IntoIterator<Item = f64>) -> Self {
        let (low, high) = extent(values, |_| true).unwrap_or((0.0, 1.0));
        let margin = if high > low { (high - low) * 0.06 } else { low.abs().max(1.0) * 0.05 };
        Self { low: low - margin, high: high + margin, from: 0.0, to: 1.0, log: false, whole: false }
    }

    /// A logarithmic scale that covers the positive ones of `values` with a small margin.
    pub fn log(values: impl IntoIterator<Item = f64>) -> Self {
        let (low, high) = extent(values, |value| value > 0.0).unwrap_or((1.0, 10.0));
        let margin = (high / low).powf(0.06).max(1.08);
        Self { low: low / margin, high: high * margin, from: 0.0, to: 1.0, log: true, whole: false }
    }

    /// The same scale with its ends exactly at `low` and `high`.
    #[must_use]
    pub fn spanning(self, low: f64, high: f64) -> Self {
        Self { low, high, ..self }
    }

    /// The same scale onto the pixels between `from` and `to`, which may fall.
    #[must_use]
    pub fn onto(self, from: f64, to: f64) -> Self {
        Self { from, to, ..self }
    }

    /// The same scale with whole numbers beside it, as for what is counted.
    #[must_use]
    pub fn whole(self) -> Self {
        Self { whole: true, ..self }
    }

    /// The values at the ends.
    pub fn domain(&self) -> (f64, f64) {
        (self.low, self.high)
    }

    /// The pixel of `value`; values outside the domain are moved to its ends.
    pub fn at(&self, value: f64) -> f64 {
        let value = if value.is_nan() { self.low } else { value.clamp(self.low, self.high) };
        let share = if self.log {
            (value / self.low).ln() / (self.high / self.low).ln()
        } else {
            (value - self.low) / (self.high - self.low)
        };
        self.from + share * (self.to - self.from)
    }

    /// `n` values from one end to the other, evenly spaced in pixels.
    pub fn steps(&self, n: usize) -> impl Iterator<Item = f64> {
        let Self { low, high, log, .. } = *self;
        (0..n).map(move |i| {
            let share = i as f64 / (n - 1) as f64;
            if log { low * (high / low).powf(share) } else { low + share * (high - low) }
        })
    }

    /// Round values inside the domain, about `wanted` of them.
    pub fn ticks(&self, wanted: usize) -> Vec<f64> {
        if self.log { self.log_ticks(wanted) } else { self.linear_ticks(wanted) }
    }

    fn linear_ticks(&self, wanted: usize) -> Vec<f64> {
        let rough = (self.high - self.low) / wanted.max(1) as f64;
        let power = 10f64.powf(rough.log10().floor());
        let is_round = |step: &f64| *step >= rough * 0.999 && (!self.whole || step.fract() == 0.0);
        let step = [1.0, 2.0, 2.5, 5.0, 10.0].map(|m| m * power).into_iter().find(is_round);
        let step = if self.whole { step.map(|step| step.max(1.0)).or(Some(1.0)) } else { step };
        let step = step.unwrap_or(10.0 * power);
        let first = (self.low / step).ceil() as i64;
        let last = (self.high / step).floor() as i64;
        (first..=last).map(|i| i as f64 * step).collect()
    }

    fn log_ticks(&self, wanted: usize) -> Vec<f64> {
        let (first, last) = (self.low.log10().floor() as i32, self.high.log10().ceil() as i32);
        let within = |mantissas: &[f64], stride: usize| -> Vec<f64> {
            let decades = (first..=last).step_by(stride);
            let values = decades.flat_map(|power| mantissas.iter().map(move |m| m * 10f64.powi(power)));
            values.filter(|v| (self.low..=self.high).contains(v)).collect()
        };
        // Logarithmic ticks crowd towards the end of a decade, so what counts is the closest pair.
        let least = (self.high / self.low).ln() / wanted.max(1) as f64;
        let apart = |ticks: &Vec<f64>| ticks.windows(2).all(|pair| (pair[1] / pair[0]).ln() >= least * 0.8);
        let fine: [&[f64]; 5] = [
            &[
                1.0, 1.2, 1.4, 1.6, 1.8, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5.0, 5.5, 6.0, 6.5, 7.0, 7.5, 8.0,
                8.5, 9.0, 9.5,
            ],
            &[1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0],
            &[1.0, 1.5, 2.0, 3.0, 5.0, 7.0],
            &[1.0, 2.0, 5.0],
            &[1.0, 3.0],
        ];
        let finest = fine.iter().map(|mantissas| within(mantissas, 1)).find(apart);
        finest.or_else(|| (1..=60).map(|stride| within(&[1.0], stride)).find(apart)).unwrap_or_default()
    }
}

fn extent(values: impl IntoIterator<Item = f64>, admit: impl Fn(f64) -> bool) -> Option<(f64, f64)> {
    let admitted = values.into_iter().filter(|&value| value.is_finite() && admit(value));
    admitted.fold(None, |range, value| match range {
        None => Some((value, value)),
        Some((low, high)) => Some((value.min(low), value.max(high))),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ticks_are_round() {
        assert_eq!(Scale::linear([0.0, 10.0]).ticks(5), [0.0, 2.5, 5.0, 7.5, 10.0]);
        assert_eq!(Scale::linear([0.0, 10.0]).whole().ticks(5), [0.0, 5.0, 10.0]);
        assert_eq!(Scale::linear([1.0, 2.0]).whole().ticks(9), [1.0, 2.0]);
        assert_eq!(Scale::linear([0.0, 1e4]).whole().ticks(5), [0.0, 2500.0, 5000.0, 7500.0, 1e4]);
        assert_eq!(Scale::log([1.0, 1e6]).ticks(8), [1.0, 10.0, 100.0, 1e3, 1e4, 1e5, 1e6]);
        assert_eq!(Scale::log([1.1, 9.0]).ticks(5), [1.0, 2.0, 5.0, 10.0]);
        assert_eq!(Scale::log([3.1, 3.9]).ticks(5), [3.0, 3.5, 4.0]);
        assert_eq!(Scale::log([1.0, 1e20]).ticks(6).len(), 7);
    }

    #[test]
    fn nothing_to_cover_still_makes_a_scale() {
        assert!(Scale::log([-1.0, f64::NAN]).onto(0.0, 100.0).at(3.0).is_finite());
        assert!(Scale::linear([]).ticks(4).len() > 2);
        assert!(Scale::linear([0.5]).onto(0.0, 9.0).at(0.5) > 0.0);
    }

    proptest! {
        #[test]
        fn pixels_stay_inside_and_keep_the_order(values in prop::collection::vec(1e-9f64..1e9, 2..20), log: bool) {
            let scale = if log { Scale::log(values.clone()) } else { Scale::linear(values.clone()) };
            let scale = scale.onto(20.0, 300.0);
            for pair in values.windows(2) {
                let (a, b) = (scale.at(pair[0]), scale.at(pair[1]));
                prop_assert!((20.0..=300.0).contains(&a));
                prop_assert!((pair[0] <= pair[1]) == (a <= b) || a == b);
            }
            for tick in scale.ticks(6) {
                let (low, high) = scale.domain();
                prop_assert!(low <= tick && tick <= high);
            }
        }
    }
}
