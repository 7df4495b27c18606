//! Which parameters a value hangs on.

mod forest;
mod marginal;

use self::forest::{Axis, Table};
use crate::domain::Domain;
use crate::point::Point;
use crate::random::Stream;
use crate::space::Space;

/// Trials below which nothing can be said.
const LEAST: usize = 12;
/// Trees of a forest.
const TREES: u64 = 48;
/// What is drawn for parameters that are not active, of the seed of the forest.
const ABSENT: u64 = 1;

/// What a parameter explains by itself, or two of them together beyond what each does.
#[derive(Clone, Debug, PartialEq)]
pub struct Importance {
    /// One name or two.
    pub parameters: Vec<String>,
    /// The share of the variance over the whole space, from 0 to 1.
    pub share: f64,
}

/// The importances of all parameters that have more than one value, and of all pairs of them: each kind by its share, the
/// largest first. Nothing where fewer than 12 trials have a value that is finite, or all have the same.
///
/// This is functional analysis of variance (Hutter et al. 2014): of a random forest that is fitted to the trials, the
/// variance over the whole space, every value of a parameter being equally likely (in the logarithm where it is
/// logarithmic), is divided into what hangs on one parameter, on two, and on more. So it does not matter that a search
/// has looked more often at some places than at others, as long as it has looked at all of them.
///
/// A parameter that is not active has no influence: whichever value it would have, the trial would have come to the
/// same. It is given one at random.
pub fn importances(space: &Space, trials: &[(&Point, f64)]) -> Vec<Importance> {
    let searched: Vec<(&str, &Domain)> =
        space.parameters().filter(|(_, domain)| domain.cardinality() != Some(1)).collect();
    let trials: Vec<&(&Point, f64)> = trials.iter().filter(|(_, value)| value.is_finite()).collect();
    if trials.len() < LEAST || searched.is_empty() {
        return Vec::new();
    }
    let axes: Vec<Axis> = searched.iter().map(|(_, domain)| axis(domain)).collect();
    let mut absent = Stream::new(0, 0).branch(ABSENT);
    let mut rows = Vec::with_capacity(trials.len());
    for (point, _) in &trials {
        let coordinate = |((name, domain), axis): (&(&str, &Domain), &Axis)| {
            let unit = point.get(name).map_or_else(|| absent.unit(), |value| domain.unit(value));
            match axis {
                Axis::Number => unit,
                Axis::Choice(count) => (unit * *count as f64).floor(),
            }
        };
        rows.push(searched.iter().zip(&axes).map(coordinate).collect());
    }
    let table = Table { axes, rows, values: trials.iter().map(|(_, value)| *value).collect() };
    let shares: Vec<marginal::Shares> = (0..TREES)
        .filter_map(|tree| marginal::shares(&table.axes, &table.tree(&mut Stream::new(0, tree))))
        .collect();
    if shares.is_empty() {
        return Vec::new();
    }
    let mean =
        |of: &dyn Fn(&marginal::Shares) -> f64| shares.iter().map(of).sum::<f64>() / shares.len() as f64;
    let named = |axes: &[usize], share| Importance {
        parameters: axes.iter().map(|axis| searched[*axis].0.to_owned()).collect(),
        share,
    };
    let all = 0..searched.len();
    let mut single: Vec<Importance> =
        all.clone().map(|axis| named(&[axis], mean(&|shares| shares.single[axis]))).collect();
    let pairs = all.clone().flat_map(|a| all.clone().skip(a + 1).map(move |b| [a, b]));
    let mut pairs: Vec<Importance> =
        pairs.enumerate().map(|(place, pair)| named(&pair, mean(&|shares| shares.pairs[place]))).collect();
    // The sorts are stable: equal ones stay in the order of their names.
    single.sort_by(|a, b| b.share.total_cmp(&a.share));
    pairs.sort_by(|a, b| b.share.total_cmp(&a.share));
    single.extend(pairs);
    single
}

fn axis(domain: &Domain) -> Axis {
    match domain.cardinality() {
        Some(count) if domain.is_categorical() => Axis::Choice(count as usize),
        _ => Axis::Number,
    }
}

#[cfg(test)]
mod tests;
