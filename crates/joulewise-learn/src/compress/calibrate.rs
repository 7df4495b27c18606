//! The ranges that values take, observed on training images.

use std::collections::BTreeMap;

/// How the range of a value is chosen from what was observed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Calibration {
    /// The smallest and the largest number: nothing is clipped.
    MinMax,
    /// This share of the numbers lies below the upper end, and above the lower end, of the range:
    /// `Percentile(0.9999)` clips one number in ten thousand on each side.
    Percentile(f64),
}

/// Smallest and largest number to represent, by value.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ranges(pub BTreeMap<String, (f32, f32)>);

/// Watches values while training images pass through the float model.
#[derive(Clone, Debug, Default)]
pub struct Calibrator {
    observed: BTreeMap<String, Histogram>,
}

impl Calibrator {
    /// Takes note of numbers of `value`: any number of examples, in any number of calls.
    pub fn observe(&mut self, value: &str, numbers: &[f32]) {
        if let Some(histogram) = self.observed.get_mut(value) {
            histogram.add(numbers);
        } else {
            let mut histogram = Histogram::default();
            histogram.add(numbers);
            self.observed.insert(value.to_owned(), histogram);
        }
    }

    /// The range of every value that was observed.
    pub fn ranges(&self, calibration: Calibration) -> Ranges {
        let range = |h: &Histogram| match calibration {
            Calibration::MinMax => (h.min, h.max),
            Calibration::Percentile(share) => h.clipped(share),
        };
        Ranges(self.observed.iter().map(|(value, h)| (value.clone(), range(h))).collect())
    }
}

const BINS: usize = 4096;

/// Training has diverged when values are this large.
const UNBOUNDED: f32 = 1e30;

/// Counts over `[-limit, limit)`; the limit doubles, and neighbours merge, when a number lies beyond.
#[derive(Clone, Debug)]
struct Histogram {
    min: f32,
    max: f32,
    limit: f32,
    counts: Vec<u64>,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { min: f32::INFINITY, max: f32::NEG_INFINITY, limit: 1.0 / 64.0, counts: vec![0; BINS] }
    }
}

impl Histogram {
    fn add(&mut self, numbers: &[f32]) {
        for &number in numbers {
            // An infinite range stays so, and whoever uses it must refuse it.
            if number.is_nan() || number.abs() >= UNBOUNDED {
                (self.min, self.max) = (f32::NEG_INFINITY, f32::INFINITY);
                continue;
            }
            self.min = self.min.min(number);
            self.max = self.max.max(number);
            while number.abs() >= self.limit {
                self.double();
            }
            let place = (f64::from(number) / f64::from(self.limit) + 1.0) * (BINS / 2) as f64;
            self.counts[(place as usize).min(BINS - 1)] += 1;
        }
    }

    fn double(&mut self) {
        let mut merged = vec![0; BINS];
        for (i, pair) in self.counts.chunks(2).enumerate() {
            merged[BINS / 4 + i] = pair.iter().sum();
        }
        self.counts = merged;
        self.limit *= 2.0;
    }

    /// The range without the tails: at most `1 - share` of the numbers on each side.
    fn clipped(&self, share: f64) -> (f32, f32) {
        if !(self.min.is_finite() && self.max.is_finite()) {
            return (self.min, self.max);
        }
        let total: u64 = self.counts.iter().sum();
        let tail = ((1.0 - share).clamp(0.0, 0.5) * total as f64) as u64;
        let beyond = |counts: &mut dyn Iterator<Item = &u64>| {
            let mut seen = 0;
            counts
                .take_while(|&&count| {
                    seen += count;
                    seen <= tail
                })
                .count()
        };
        let width = f64::from(self.limit) / (BINS / 2) as f64;
        let low = beyond(&mut self.counts.iter()) as f64 * width - f64::from(self.limit);
        let high = f64::from(self.limit) - beyond(&mut self.counts.iter().rev()) as f64 * width;
        (self.min.max(low as f32), self.max.min(high as f32))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn range(numbers: &[f32], calibration: Calibration) -> (f32, f32) {
        let mut calibrator = Calibrator::default();
        calibrator.observe("v", numbers);
        calibrator.ranges(calibration).0["v"]
    }

    #[test]
    fn a_percentile_clips_outliers_on_both_sides() {
        let mut numbers: Vec<f32> = (0..10_000).map(|i| i as f32 / 10_000.0).collect();
        numbers.extend([500.0, -300.0]);
        assert_eq!(range(&numbers, Calibration::MinMax), (-300.0, 500.0));
        let (low, high) = range(&numbers, Calibration::Percentile(0.999));
        assert!((-0.25..=0.01).contains(&low) && (0.99..1.26).contains(&high), "{low} {high}");
        let inside = &numbers[..10_000];
        let (low, high) = range(inside, Calibration::Percentile(0.99));
        assert!((low - 0.01).abs() < 0.001 && (high - 0.99).abs() < 0.001, "{low} {high}");
    }

    #[test]
    fn not_a_number_is_not_hidden() {
        for calibration in [Calibration::MinMax, Calibration::Percentile(0.99)] {
            assert_eq!(range(&[0.5, f32::NAN], calibration), (f32::NEG_INFINITY, f32::INFINITY));
            assert_eq!(range(&[f32::MAX, 0.5], calibration), (f32::NEG_INFINITY, f32::INFINITY));
        }
    }

    proptest! {
        #[test]
        fn nothing_is_clipped_without_tails(numbers in prop::collection::vec(-1e6f32..1e6, 1..50)) {
            let (low, high) = range(&numbers, Calibration::Percentile(1.0));
            prop_assert_eq!((low, high), range(&numbers, Calibration::MinMax));
        }

        #[test]
        fn calls_may_be_cut_anywhere(numbers in prop::collection::vec(-50f32..50.0, 2..60), at in 0usize..60) {
            let (head, tail) = numbers.split_at(at.min(numbers.len()));
            let mut calibrator = Calibrator::default();
            calibrator.observe("v", head);
            calibrator.observe("v", tail);
            let calibration = Calibration::Percentile(0.9);
            prop_assert_eq!(calibrator.ranges(calibration).0["v"], range(&numbers, calibration));
        }
    }
}
