//! What stopped trials would have come to, had they gone on as others did.

use std::collections::BTreeMap;

use crate::trial::{Report, Trial};

/// The first loss of a trial after each of its steps, as far as it is known.
pub(crate) type Curve = Vec<(u64, f64)>;

/// The curve of `trial`, of which `loss` makes losses of values.
pub(crate) fn of(trial: &Trial, loss: impl Fn(&[f64]) -> Option<f64>) -> Curve {
    let point = |report: &Report| Some((report.step, loss(&report.values).filter(|loss| loss.is_finite())?));
    trial.curve.iter().filter_map(point).collect()
}

/// By step at which some curve ends, what is to be added to its last loss: the median of what those that went on from there
/// changed by until the next of them ended, and so on until there are none. Half of the good ones may be expected to change
/// by more: this is to compare those that were stopped with those that were not, and no forecast.
pub(crate) fn gains(curves: &[Curve]) -> BTreeMap<u64, f64> {
    let mut ends: Vec<u64> = curves.iter().filter_map(|curve| Some(curve.last()?.0)).collect();
    ends.sort_unstable();
    ends.dedup();
    let mut gains = BTreeMap::new();
    let Some(&last) = ends.last() else { return gains };
    gains.insert(last, 0.0);
    for pair in ends.windows(2).rev() {
        let [step, next] = *pair else { continue };
        let change = |curve: &Curve| Some(at(curve, next)? - at(curve, step)?);
        let mut changes: Vec<f64> = curves.iter().filter_map(change).collect();
        changes.sort_by(f64::total_cmp);
        let median = changes.get(changes.len() / 2).copied().unwrap_or(0.0);
        gains.insert(step, median + gains[&next]);
    }
    gains
}

/// The loss at a step; `None` where the curve ends before it.
fn at(curve: &Curve, step: u64) -> Option<f64> {
    let after = curve.partition_point(|point| point.0 <= step);
    (curve.last()?.0 >= step).then(|| curve.get(after.checked_sub(1)?).map(|point| point.1)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stopped_curve_gains_what_those_that_went_on_gained() {
        let curves: [Curve; 4] = [
            vec![(1, 0.9)],
            vec![(1, 0.5), (2, 0.4), (3, 0.35)],
            vec![(1, 0.6), (2, 0.45), (3, 0.3), (9, 0.1)],
            vec![(1, 0.55), (3, 0.4), (9, 0.3)],
        ];
        let gains = gains(&curves);
        let near = |step: u64, gain: f64| assert!((gains[&step] - gain).abs() < 1e-12, "{gains:?}");
        near(9, 0.0);
        // Of −0.2 and −0.1, and of −0.15, −0.3 and −0.15: medians, the upper of two.
        near(3, -0.1);
        near(1, -0.25);
        assert_eq!(gains.len(), 3);
    }

    #[test]
    fn without_curves_there_is_nothing_to_gain() {
        assert!(gains(&[]).is_empty());
        assert!(gains(&[Curve::new()]).is_empty());
    }
}
