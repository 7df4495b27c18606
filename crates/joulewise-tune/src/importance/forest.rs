//! Regression trees (Breiman et al. 1984), each of a sample of the trials (Breiman 2001).

use crate::random::Stream;

/// Rows of a sample. More make a forest slower and hardly better.
const SAMPLE: usize = 1000;
/// Splits above a leaf.
const DEPTH: usize = 64;

/// Trials as numbers.
pub(crate) struct Table {
    pub(crate) axes: Vec<Axis>,
    /// Of each trial its coordinates.
    pub(crate) rows: Vec<Vec<f64>>,
    pub(crate) values: Vec<f64>,
}

/// What a coordinate is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Axis {
    /// A place between 0 and 1.
    Number,
    /// The number of one of so many options.
    Choice(usize),
}

/// A part of the space, in which a tree says one value.
#[derive(Clone, Debug)]
pub(crate) struct Leaf {
    pub(crate) value: f64,
    pub(crate) sides: Vec<Side>,
}

/// Where a leaf lies on an axis.
#[derive(Clone, Debug)]
pub(crate) enum Side {
    /// From one place to another.
    Between(f64, f64),
    /// Among these options.
    Among(Vec<bool>),
}

/// How a part is divided.
struct Split {
    axis: usize,
    cut: Cut,
    /// By how much the squares become less.
    gain: f64,
}

enum Cut {
    /// What is below goes to one side.
    At(f64),
    /// These options go to one side.
    Of(Vec<bool>),
}

impl Table {
    /// The leaves of a tree that has learnt from as many trials as there are, drawn with replacement.
    pub(crate) fn tree(&self, stream: &mut Stream) -> Vec<Leaf> {
        let count = self.rows.len();
        let sample: Vec<usize> =
            (0..count.min(SAMPLE)).map(|_| stream.below(count as u64) as usize).collect();
        let side = |axis: &Axis| match axis {
            Axis::Number => Side::Between(0.0, 1.0),
            Axis::Choice(options) => Side::Among(vec![true; *options]),
        };
        let mut leaves = Vec::new();
        let mut open = vec![(sample, self.axes.iter().map(side).collect::<Vec<Side>>(), DEPTH)];
        while let Some((rows, sides, depth)) = open.pop() {
            match self.split(&rows, &sides).filter(|_| depth > 0) {
                Some(split) => {
                    let (left, right): (Vec<usize>, Vec<usize>) =
                        rows.into_iter().partition(|row| split.is_left(&self.rows[*row]));
                    let [lower, upper] = split.sides(sides);
                    open.extend([(left, lower, depth - 1), (right, upper, depth - 1)]);
                }
                None => leaves.push(Leaf { value: self.mean(&rows), sides }),
            }
        }
        leaves
    }

    fn mean(&self, rows: &[usize]) -> f64 {
        rows.iter().map(|row| self.values[*row]).sum::<f64>() / rows.len() as f64
    }

    /// The split after which the squares around the means are least.
    fn split(&self, rows: &[usize], sides: &[Side]) -> Option<Split> {
        let mean = self.mean(rows);
        let squares: f64 = rows.iter().map(|row| (self.values[*row] - mean).powi(2)).sum();
        // Rounding alone is no reason to go on.
        if squares <= 1e-24 * rows.len() as f64 * mean.abs().max(f64::MIN_POSITIVE).powi(2) {
            return None;
        }
        let mut best: Option<Split> = None;
        for (axis, side) in sides.iter().enumerate() {
            let split = match side {
                Side::Between(..) => self.cut(rows, axis, mean),
                Side::Among(options) => self.division(rows, axis, mean, options),
            };
            if let Some(split) = split
                && best.as_ref().is_none_or(|best| split.gain > best.gain)
            {
                best = Some(split);
            }
        }
        best
    }

    /// The best place to cut a number at: half way between two of those that are there.
    fn cut(&self, rows: &[usize], axis: usize, mean: f64) -> Option<Split> {
        let mut seen: Vec<(f64, f64)> =
            rows.iter().map(|row| (self.rows[*row][axis], self.values[*row] - mean)).collect();
        seen.sort_by(|a, b| a.0.total_cmp(&b.0));
        let (at, gain) = best_cut(&seen, |a, b| a.0 < b.0)?;
        Some(Split { axis, cut: Cut::At(f64::midpoint(seen[at - 1].0, seen[at].0)), gain })
    }

    /// The best division of options: in the order of their means one side comes before the other (Breiman et al. 1984,
    /// theorem 4.5). Options that are not there go with the larger side.
    fn division(&self, rows: &[usize], axis: usize, mean: f64, options: &[bool]) -> Option<Split> {
        let mut of: Vec<(f64, f64)> = vec![(0.0, 0.0); options.len()];
        for &row in rows {
            let option = &mut of[self.rows[row][axis] as usize];
            *option = (option.0 + self.values[row] - mean, option.1 + 1.0);
        }
        let average = |option: usize| of[option].0 / of[option].1;
        let mut seen: Vec<(f64, f64)> =
            rows.iter().map(|row| (self.rows[*row][axis], self.values[*row] - mean)).collect();
        let order = |option: f64| (average(option as usize), option);
        seen.sort_by(|a, b| {
            let (a, b) = (order(a.0), order(b.0));
            a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1))
        });
        let (at, gain) = best_cut(&seen, |a, b| a.0 != b.0)?;
        let with_absent = 2 * at > seen.len();
        let is_left = |option: usize| seen[..at].iter().any(|(seen, _)| *seen as usize == option);
        let left = (0..options.len())
            .map(|option| if of[option].1 > 0.0 { is_left(option) } else { with_absent })
            .collect();
        Some(Split { axis, cut: Cut::Of(left), gain })
    }
}

/// Before which of the sorted coordinates, with their differences from the mean, to cut, and what that gains; only
/// between those that `differ`.
fn best_cut(seen: &[(f64, f64)], differ: impl Fn(&(f64, f64), &(f64, f64)) -> bool) -> Option<(usize, f64)> {
    let (n, mut sum) = (seen.len() as f64, 0.0);
    let mut best: Option<(usize, f64)> = None;
    for at in 1..seen.len() {
        sum += seen[at - 1].1;
        let left = at as f64;
        // The differences sum to 0, so that both sides have the same sum but for the sign.
        let gain = sum * sum * (1.0 / left + 1.0 / (n - left));
        if differ(&seen[at - 1], &seen[at]) && best.is_none_or(|(_, best)| gain > best) {
            best = Some((at, gain));
        }
    }
    best
}

impl Split {
    fn is_left(&self, row: &[f64]) -> bool {
        match &self.cut {
            Cut::At(place) => row[self.axis] < *place,
            Cut::Of(options) => options[row[self.axis] as usize],
        }
    }

    /// Both parts of a part.
    fn sides(&self, sides: Vec<Side>) -> [Vec<Side>; 2] {
        let (mut lower, mut upper) = (sides.clone(), sides);
        match (&mut lower[self.axis], &mut upper[self.axis], &self.cut) {
            (Side::Between(_, high), Side::Between(low, _), Cut::At(place)) => {
                (*high, *low) = (*place, *place);
            }
            (Side::Among(one), Side::Among(other), Cut::Of(options)) => {
                one.iter_mut().zip(options).for_each(|(is_there, left)| *is_there &= *left);
                other.iter_mut().zip(options).for_each(|(is_there, left)| *is_there &= !*left);
            }
            // A cut is of the kind of its axis.
            _ => {}
        }
        [lower, upper]
    }
}
