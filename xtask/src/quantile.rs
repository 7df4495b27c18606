//! Order statistics of small samples.

/// Sorts the values and returns the middle one.
pub(crate) fn median(values: &mut [f64]) -> f64 {
    quantile(values, 0.5)
}

/// Sorts the values and returns the one below which lies that share of them, between neighbours in proportion; NaN where
/// there are none.
pub(crate) fn quantile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let Some(last) = values.len().checked_sub(1) else { return f64::NAN };
    let at = share * last as f64;
    let (low, high) = (values[at.floor() as usize], values[at.ceil() as usize]);
    low + (high - low) * at.fract()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_of_odd_and_even_counts() {
        assert_eq!(median(&mut [3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&mut [4.0, 1.0, 2.0, 3.0]), 2.5);
    }

    #[test]
    fn quantiles_lie_between_the_ends() {
        let mut values = [5.0, 1.0, 4.0, 2.0, 3.0];
        assert_eq!((quantile(&mut values, 0.0), quantile(&mut values, 1.0)), (1.0, 5.0));
        assert_eq!(quantile(&mut values, 0.875), 4.5);
        assert!(quantile(&mut [], 0.5).is_nan());
    }
}
