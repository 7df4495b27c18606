//! When a search goes nowhere any more.

/// Generations of which there are at least so many before a trend is looked for.
const TREND: usize = 120;

/// The best and the median loss of each generation.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stagnation {
    best: Vec<f64>,
    median: Vec<f64>,
}

impl Stagnation {
    /// Notes a generation by its losses, from the best to the worst, and says whether the search has come to an end: the
    /// last values are all the same up to rounding, or there is no trend (Hansen 2016, appendix B.3).
    pub(crate) fn note(&mut self, losses: &[f64], dimensions: usize) -> bool {
        let [best, .., worst] = losses else { return false };
        self.best.push(*best);
        self.median.push(losses[losses.len() / 2]);
        let per_generation = (30 * dimensions).div_ceil(losses.len());
        let recent = &self.best[self.best.len().saturating_sub(10 + per_generation)..];
        let (low, high) = recent.iter().fold((*best, *worst), |(low, high), x| (low.min(*x), high.max(*x)));
        let is_flat = recent.len() == 10 + per_generation && high - low <= 1e-12 * low.abs().max(1e-3);
        let window = (self.best.len() / 5).max(TREND + per_generation);
        is_flat || (has_no_trend(&self.best, window) && has_no_trend(&self.median, window))
    }
}

/// Whether the last 30 % of the window are not better than the first.
fn has_no_trend(values: &[f64], window: usize) -> bool {
    let Some(start) = values.len().checked_sub(window) else { return false };
    let (part, values) = (window * 3 / 10, &values[start..]);
    let median = |part: &[f64]| {
        let mut part = part.to_vec();
        part.sort_by(f64::total_cmp);
        part[part.len() / 2]
    };
    median(&values[values.len() - part..]) >= median(&values[..part])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends_at(losses: impl Fn(u32) -> [f64; 4]) -> Option<u32> {
        let mut stagnation = Stagnation::default();
        (1..=300).find(|generation| stagnation.note(&losses(*generation), 2))
    }

    #[test]
    fn a_plateau_ends_a_search_and_progress_does_not() {
        assert_eq!(ends_at(|_| [0.5; 4]), Some(25));
        assert_eq!(ends_at(|g| [1.0, 2.0, 3.0, 4.0].map(|x| x / f64::from(g))), None);
        // What swings without getting better goes on for longer.
        assert_eq!(ends_at(|g| [1.0, 2.0, 3.0, 4.0].map(|x| x + f64::from(g % 7))), Some(135));
    }
}
