//! Training after the plateau: the metric had come to what it could, and the training went on.
//!
//! ```text
//! plateau  = the first value within half of the admitted loss of the best one: 0.5 pp where nobody says, or 0.5 % of it where
//!            the metric is no fraction
//! at stake = joules of the run − joules up to the plateau
//! low      = joules of the run − joules up to the value after it, which shows that it is one
//! ```
//!
//! The rule is that of the practice `early-stopping`. It assumes that a shorter training would have come as far in as many
//! epochs, which a schedule of the learning rate that is fitted into them changes a little.

use joulewise_tune::Direction;

use super::trace::Curve;
use super::{Judgement, Kind, Trace, names};
use crate::practice::early_stopping::{LEAST_GAIN, plateau};
use crate::report::quantity;

/// Fewest values of which some can be a plateau: one to learn, and two to see that nothing is gained.
const FEWEST: usize = 3;

pub(super) fn find(trace: &Trace) -> Judgement {
    let Some(curves) = judged(trace) else {
        return Err("no metric of quality was told of, as `accuracy` or `val_loss`".to_owned());
    };
    let longest = curves.iter().map(|curve| curve.points.len()).max().unwrap_or(0);
    if longest < FEWEST {
        return Err(format!(
            "`{}` was told of {longest} times, which is too few for a plateau",
            curves[0].metric
        ));
    }
    let (mut at_stake_j, mut low_j, mut shown) = (0.0, 0.0, None);
    for curve in curves {
        let flat = plateau(&curve.values(), curve.direction, near(curve));
        // Nothing shows that a curve is flat before another value has come.
        if flat == 0 || flat + 1 >= curve.points.len() {
            continue;
        }
        at_stake_j += curve.energy_j - curve.points[flat - 1].0;
        low_j += curve.energy_j - curve.points[flat].0;
        shown.get_or_insert((curve, flat));
    }
    let Some((curve, flat)) = shown else { return Ok(None) };
    let unit = if is_fraction(curve) { "pp" } else { "%" };
    let distance = format!("{} {unit}", quantity::plain(100.0 * LEAST_GAIN * curve.admitted));
    let evidence = format!(
        "`{}` was within {distance} of its best, {}, at report {flat} of {}",
        curve.metric,
        shown_value(curve, best(curve)),
        curve.points.len()
    );
    let advice = format!(
        "train for about {:.0} % as long, or stop when `{}` no longer improves, as the practice early-stopping does",
        100.0 * flat as f64 / curve.points.len() as f64,
        curve.metric
    );
    Ok(Some(trace.finding(Kind::AfterPlateau, (low_j, at_stake_j, at_stake_j), evidence, advice)))
}

/// The curves of the metric that shows best whether a training gets anywhere.
pub(super) fn judged(trace: &Trace) -> Option<Vec<&Curve>> {
    let best = trace.curves.iter().min_by_key(|curve| names::rank(&curve.metric))?;
    Some(trace.curves.iter().filter(|curve| curve.metric == best.metric).collect())
}

fn near(curve: &Curve) -> f64 {
    LEAST_GAIN * curve.admitted * if is_fraction(curve) { 1.0 } else { best(curve).abs() }
}

fn best(curve: &Curve) -> f64 {
    curve.values().into_iter().min_by(|&a, &b| curve.direction.compare(a, b)).unwrap_or(f64::NAN)
}

/// Whether the metric is a fraction, of which one percent is one percentage point.
fn is_fraction(curve: &Curve) -> bool {
    let mut values = curve.points.iter().map(|(_, value)| *value).filter(|value| value.is_finite());
    curve.direction == Direction::Max && values.all(|value| (0.0..=1.0).contains(&value))
}

fn shown_value(curve: &Curve, value: f64) -> String {
    if is_fraction(curve) {
        format!("{:.1} %", 100.0 * value)
    } else {
        joulewise_meter::energy::significant(value, 3)
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{curve, trace};
    use super::*;

    /// Ten epochs of 10 J.
    fn found(metric: &str, direction: Direction, values: &[f64]) -> Judgement {
        let mut trace = trace(100.0);
        trace.curves = vec![curve(metric, direction, 10.0, values)];
        find(&trace)
    }

    const FLAT_AFTER_FOUR: [f64; 10] = [0.5, 0.7, 0.85, 0.9, 0.901, 0.899, 0.902, 0.903, 0.9, 0.902];

    #[test]
    fn what_follows_the_plateau_is_at_stake() {
        let finding = found("accuracy", Direction::Max, &FLAT_AFTER_FOUR).unwrap().unwrap();
        assert_eq!((finding.energy_j.value, finding.share), (60.0, 0.6));
        // One more value shows that it is a plateau, and all joules are known within 10 %.
        assert!((finding.energy_j.low - 0.9 * 50.0).abs() < 1e-9, "{finding:?}");
        assert!((finding.energy_j.high - 1.1 * 60.0).abs() < 1e-9, "{finding:?}");
        insta::assert_snapshot!(finding.lines().join("\n"));
    }

    #[test]
    fn a_loss_is_flat_relative_to_its_best_value() {
        let losses = FLAT_AFTER_FOUR.map(|accuracy| 10.0 * (1.0 - accuracy) + 1.0);
        let finding = found("val_loss", Direction::Min, &losses).unwrap().unwrap();
        assert_eq!(finding.energy_j.value, 20.0, "1.98 is not within 0.5 % of 1.97");
        assert!(finding.evidence.starts_with("`val_loss` was within 0.5 % of its best, 1.97, at report 8"));
    }

    #[test]
    fn a_training_that_diverges_was_over_before() {
        let finding = found("accuracy", Direction::Max, &[0.5, 0.6, f64::NAN, f64::NAN]).unwrap().unwrap();
        assert_eq!(finding.energy_j.value, 20.0);
        assert_eq!(found("accuracy", Direction::Max, &[f64::NAN; 5]), Ok(None));
    }

    #[test]
    fn a_curve_that_still_rises_wastes_nothing() {
        let rising: Vec<f64> = (1..=10).map(|i| f64::from(i) / 20.0).collect();
        assert_eq!(found("accuracy", Direction::Max, &rising), Ok(None));
        assert_eq!(found("accuracy", Direction::Max, &[0.5, 0.7, 0.9, 0.9]), Ok(None), "two equal values");
    }

    #[test]
    fn nothing_is_judged_without_a_curve() {
        assert!(find(&trace(100.0)).unwrap_err().contains("no metric"));
        assert!(found("accuracy", Direction::Max, &[0.5, 0.9]).unwrap_err().contains("told of 2 times"));
    }

    #[test]
    fn every_run_has_a_plateau_of_its_own() {
        let mut trace = trace(200.0);
        let flat = curve("accuracy", Direction::Max, 10.0, &FLAT_AFTER_FOUR);
        trace.curves = vec![flat.clone(), curve("loss", Direction::Min, 10.0, &[1.0; 10]), flat];
        assert_eq!(find(&trace).unwrap().unwrap().energy_j.value, 120.0);
    }
}
