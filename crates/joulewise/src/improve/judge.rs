//! Whether a candidate holds: one look at the judging images, with a bound on its loss.

/// Candidates that one run judges at the most: the bound is corrected for as many.
const MOST_JUDGED: f64 = 20.0;
/// Chance, over the whole run, that some candidate passes for holding and does not.
const ERROR: f64 = 0.05;

/// A loss against the baseline on the same images, and the most it may be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Loss {
    /// Observed loss, a fraction; negative for a gain.
    pub value: f64,
    /// Upper end of its one-sided interval.
    pub bound: f64,
}

impl Loss {
    /// The loss of accuracy between two models that were right about `baseline` and `candidate`, image by
    /// image.
    ///
    /// Only images on which the two differ count (McNemar): with `b` lost and `c` won of `n` images the loss
    /// is `(b - c) / n` and its variance `(b + c - (b - c)² / n) / n²`. Half an image is added to each, so that
    /// two models that agree everywhere are not taken for equal (Agresti and Min 2005).
    pub fn paired(baseline: &[bool], candidate: &[bool]) -> Self {
        let n = baseline.len().max(1) as f64;
        let count = |lost: bool| {
            baseline.iter().zip(candidate).filter(|&(&b, &c)| b != c && b == lost).count() as f64
        };
        let (lost, won) = (count(true), count(false));
        let value = (lost - won) / n;
        let (lost, won, n) = (lost + 0.5, won + 0.5, n + 1.0);
        let deviation = (lost + won - (lost - won).powi(2) / n).sqrt() / n;
        Self { value, bound: (lost - won) / n + quantile(1.0 - ERROR / MOST_JUDGED) * deviation }
    }

    /// Whether the loss is at most `admitted`, as far as these images can tell.
    pub fn holds(&self, admitted: f64) -> bool {
        self.bound <= admitted
    }

    /// The decision in a sentence.
    pub fn reason(&self, admitted: f64) -> String {
        let Self { value, bound } = *self;
        let verdict = if self.holds(admitted) {
            "within"
        } else if value <= admitted {
            "not shown to be within"
        } else {
            "more than"
        };
        format!(
            "{} on the judging images (at most {:.2} pp lost), {verdict} the admitted {:.2} pp",
            change(value, &format!("{:.2}", 100.0 * value.abs()), " pp"),
            100.0 * bound.max(0.0),
            100.0 * admitted,
        )
    }
}

/// A loss in words, `size` being how large it is: `loses 0.31 pp`, or that there is none as far as `size` shows.
pub(super) fn change(loss: f64, size: &str, unit: &str) -> String {
    match () {
        () if size.parse() == Ok(0.0) => "neither gains nor loses".to_owned(),
        () if loss > 0.0 => format!("loses {size}{unit}"),
        () => format!("gains {size}{unit}"),
    }
}

/// 95 % Wilson interval of a share of `n`.
pub fn wilson(share: f64, n: usize) -> (f64, f64) {
    let (n, z) = (n.max(1) as f64, 1.959_964);
    let centre = (share + z * z / (2.0 * n)) / (1.0 + z * z / n);
    let half = z / (1.0 + z * z / n) * (share * (1.0 - share) / n + z * z / (4.0 * n * n)).sqrt();
    ((centre - half).max(0.0), (centre + half).min(1.0))
}

/// Quantile of the standard normal distribution for `p > 0.5` (Abramowitz and Stegun 26.2.23, error
/// below 4.5e-4).
fn quantile(p: f64) -> f64 {
    let t = (-2.0 * (1.0 - p).ln()).sqrt();
    t - (2.515_517 + 0.802_853 * t + 0.010_328 * t * t)
        / (1.0 + 1.432_788 * t + 0.189_269 * t * t + 0.001_308 * t * t * t)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcomes(n: usize, wrong: std::ops::Range<usize>) -> Vec<bool> {
        (0..n).map(|i| !wrong.contains(&i)).collect()
    }

    #[test]
    fn quantiles_are_those_of_the_table() {
        for (p, z) in [(0.95, 1.6449), (0.975, 1.95996), (0.9975, 2.8070)] {
            assert!((quantile(p) - z).abs() < 5e-4);
        }
    }

    #[test]
    fn equal_models_hold_and_worse_ones_do_not() {
        let baseline = outcomes(4000, 0..80);
        assert!(Loss::paired(&baseline, &baseline).holds(0.01));
        let worse = Loss::paired(&baseline, &outcomes(4000, 0..140));
        assert!((worse.value - 0.015).abs() < 1e-12);
        assert!(!worse.holds(0.01));
    }

    #[test]
    fn reasons_speak_of_percentage_points_and_of_no_gain_where_there_is_none() {
        let said = |value| Loss { value, bound: 0.008 }.reason(0.01);
        let rest = "on the judging images (at most 0.80 pp lost), within the admitted 1.00 pp";
        assert_eq!(said(0.0031), format!("loses 0.31 pp {rest}"));
        assert_eq!(said(-0.0031), format!("gains 0.31 pp {rest}"));
        assert_eq!(said(0.00004), format!("neither gains nor loses {rest}"));
    }

    #[test]
    fn few_images_prove_little() {
        let baseline = outcomes(100, 0..2);
        assert!(!Loss::paired(&baseline, &outcomes(100, 0..3)).holds(0.01));
    }

    #[test]
    fn a_wilson_interval_contains_the_share() {
        let (low, high) = wilson(0.97, 5000);
        assert!(low < 0.97 && 0.97 < high && high - low < 0.011);
        assert!((wilson(1.0, 10).1 - 1.0).abs() < 1e-12);
    }
}
