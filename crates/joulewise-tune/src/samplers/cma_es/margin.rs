//! Whole numbers: no deviation becomes so small that only one of them is drawn (Hamano et al. 2022).

use crate::domain::Domain;
use crate::gp::normal::{log_below, quantile};

/// Widens a normal distribution along an axis of countable values, so that the values beside the one that its mean is
/// at have a probability of `margin` together. `mean` may move within its value or away from a border; what is
/// returned is how much wider the deviation has to be than `deviation`, which it already is by `stretch`.
///
/// A mean in the first or the last value is brought so near to the other ones that the next has this probability.
pub(crate) fn keep(domain: &Domain, margin: f64, mean: &mut f64, stretch: f64, deviation: f64) -> f64 {
    let Some((low, high)) = borders(domain, *mean) else { return stretch };
    let wide = deviation * stretch;
    let below = |x: f64| log_below(x).exp();
    let beneath = low.map_or(0.0, |low| below((low - *mean) / wide));
    let above = high.map_or(0.0, |high| below((*mean - high) / wide));
    match (low, high) {
        (Some(_), Some(_)) if beneath.min(above) >= margin / 2.0 => stretch,
        (Some(low), Some(high)) => {
            // What is too little is made enough; the rest is shared out in proportion.
            let middle = 1.0 - beneath - above;
            let (least_beneath, least_above) = (beneath.max(margin / 2.0), above.max(margin / 2.0));
            let total = least_beneath + least_above + middle;
            let surplus = |share: f64| (1.0 - total) * (share - margin / 2.0) / (total - 1.5 * margin);
            let corrected = |share: f64| -quantile((share + surplus(share)).clamp(1e-10, 0.5 - 1e-10));
            let (beneath, above) = (corrected(least_beneath), corrected(least_above));
            *mean = (low * above + high * beneath) / (beneath + above);
            (high - low) / ((beneath + above) * deviation)
        }
        (Some(border), None) | (None, Some(border)) => {
            if beneath + above < margin {
                let distance = -quantile(margin) * wide;
                *mean = border + distance.copysign(*mean - border);
            }
            stretch
        }
        (None, None) => stretch,
    }
}

/// Where the value at `place` ends towards the smaller and the greater ones; `None` at an end of the domain, and
/// altogether where values are not countable.
fn borders(domain: &Domain, place: f64) -> Option<(Option<f64>, Option<f64>)> {
    let count = domain.cardinality()?;
    let value = domain.at(place);
    let index = domain.index(&value)?;
    let low = (index > 0).then(|| domain.border(index)).flatten();
    let high = (index + 1 < count).then(|| domain.border(index + 1)).flatten();
    Some((low, high))
}
