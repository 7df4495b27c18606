//! How two samples compare.

use crate::quantile::{median, quantile};

const RESAMPLES: usize = 10_000;

/// The ratio of the medians of two samples, with a bootstrap interval of 95 %.
struct Ratio {
    value: f64,
    low: f64,
    high: f64,
}

impl Ratio {
    /// Of ours to theirs; less is better. Each side is drawn anew by itself.
    fn of(ours: &[f64], theirs: &[f64]) -> Self {
        let mut random = fastrand::Rng::with_seed(0);
        let mut resampled = |values: &[f64]| {
            let mut drawn: Vec<f64> =
                (0..values.len()).map(|_| values[random.usize(..values.len())]).collect();
            median(&mut drawn)
        };
        let mut ratios: Vec<f64> = (0..RESAMPLES).map(|_| resampled(ours) / resampled(theirs)).collect();
        Self {
            value: median(&mut ours.to_vec()) / median(&mut theirs.to_vec()),
            low: quantile(&mut ratios, 0.025),
            high: quantile(&mut ratios, 0.975),
        }
    }

    /// What it says: an interval that contains 1 is a tie.
    fn verdict(&self) -> &'static str {
        match (self.low, self.high) {
            (_, high) if high < 1.0 => "better",
            (low, _) if low > 1.0 => "worse",
            _ => "tie",
        }
    }
}

/// Cells of a table: the medians of both, their ratio, its interval, and what it says.
pub(super) fn cells(ours: &[f64], theirs: &[f64]) -> String {
    let ratio = Ratio::of(ours, theirs);
    let of = |values: &[f64]| three(median(&mut values.to_vec()));
    let (low, high) = (three(ratio.low), three(ratio.high));
    format!("{} | {} | {} | {low}–{high} | {} |", of(ours), of(theirs), three(ratio.value), ratio.verdict())
}

/// Three significant digits.
fn three(value: f64) -> String {
    if value != 0.0 && !(1e-3..1e4).contains(&value.abs()) {
        return format!("{value:.2e}");
    }
    let digits = if value == 0.0 { 0 } else { 2 - value.abs().log10().floor() as i32 };
    format!("{value:.*}", digits.max(0) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_clear_is_said_and_what_is_not_is_a_tie() {
        let values: Vec<f64> = (1..=30).map(f64::from).collect();
        let small: Vec<f64> = values.iter().map(|x| 0.01 * x).collect();
        let ratio = Ratio::of(&small, &values);
        assert!((ratio.value - 0.01).abs() < 1e-12 && ratio.low < 0.01 && ratio.high > 0.01);
        assert_eq!(ratio.verdict(), "better");
        assert_eq!(Ratio::of(&values, &small).verdict(), "worse");
        assert_eq!(Ratio::of(&values, &values).verdict(), "tie");
    }
}
