//! Wilcoxon's signed-rank test.

use crate::gp::normal::log_below;

/// Up to so many differences the distribution is known exactly: of all that differ, and where some are equal or 0.
const EXACT: usize = 50;
const EXACT_WITH_TIES: usize = 13;

/// The probability that `losses`, had they been as likely below 0 as above, would have been so much above it.
///
/// A difference of 0 counts half on each side. Beyond the exact sizes the sum of ranks is taken for normal, with a
/// variance that equal ones make smaller.
pub(crate) fn probability(losses: &[f64]) -> f64 {
    let mut sizes: Vec<f64> = losses.iter().map(|loss| loss.abs()).collect();
    sizes.sort_by(f64::total_cmp);
    // Twice the rank: equal ones share the mean of theirs, which may be a half.
    let rank = |loss: f64| {
        let before = sizes.partition_point(|size| *size < loss.abs());
        let after = sizes.partition_point(|size| *size <= loss.abs());
        before + after + 1
    };
    let ranks: Vec<usize> = losses.iter().map(|loss| rank(*loss)).collect();
    let of = |wanted: fn(f64) -> bool| -> Vec<usize> {
        losses.iter().zip(&ranks).filter(|(loss, _)| wanted(**loss)).map(|(_, rank)| *rank).collect()
    };
    let above = of(|loss| loss > 0.0).iter().sum::<usize>();
    let ties: Vec<usize> = sizes.chunk_by(|a, b| a == b).map(<[f64]>::len).collect();
    let is_plain = sizes.first().is_none_or(|least| *least > 0.0) && ties.iter().all(|count| *count == 1);
    if losses.len() <= EXACT_WITH_TIES || is_plain && losses.len() <= EXACT {
        return exact(&of(|loss| loss != 0.0), above);
    }
    let n = losses.len() as f64;
    let zeros = of(|loss| loss == 0.0).iter().sum::<usize>();
    let doubled = above as f64 + zeros as f64 / 2.0;
    let sum = doubled / 2.0;
    let correction: f64 = ties.iter().map(|&count| (count as f64).powi(3) - count as f64).sum();
    let deviation = ((n * (n + 1.0) * (2.0 * n + 1.0) - correction / 2.0) / 24.0).sqrt();
    log_below(-(sum - n * (n + 1.0) / 4.0) / deviation).exp()
}

/// The share of all ways to choose among `ranks` that sum to `least` or more.
fn exact(ranks: &[usize], least: usize) -> f64 {
    let mut shares = vec![0.0; ranks.iter().sum::<usize>() + 1];
    shares[0] = 1.0;
    let mut reached = 0;
    for &rank in ranks {
        reached += rank;
        for sum in (0..=reached).rev() {
            let with = if sum >= rank { shares[sum - rank] } else { 0.0 };
            shares[sum] = 0.5 * (shares[sum] + with);
        }
    }
    shares[least..].iter().sum()
}
