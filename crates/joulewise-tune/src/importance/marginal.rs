//! How the variance of a tree over the whole space is divided among the axes (Hutter et al. 2014).

use super::forest::{Axis, Leaf, Side};

/// Shares of the variance of a tree.
pub(crate) struct Shares {
    /// Of each axis by itself.
    pub(crate) single: Vec<f64>,
    /// Of the axes 0 and 1, 0 and 2, …, 1 and 2, …: what they do together beyond what each does.
    pub(crate) pairs: Vec<f64>,
}

/// An axis, cut wherever a leaf begins or ends.
struct Cells {
    /// How much of the axis each cell is.
    widths: Vec<f64>,
    /// Of each leaf, the runs of cells that it covers: from one up to another.
    runs: Vec<Vec<(usize, usize)>>,
    /// How much of the axis each leaf covers.
    parts: Vec<f64>,
}

impl Cells {
    fn new(axis: Axis, of: usize, leaves: &[Leaf]) -> Self {
        let mut places = vec![0.0, 1.0];
        for leaf in leaves {
            if let Side::Between(low, _) = leaf.sides[of] {
                places.push(low);
            }
        }
        places.sort_by(f64::total_cmp);
        places.dedup();
        let widths: Vec<f64> = match axis {
            Axis::Number => places.windows(2).map(|ends| ends[1] - ends[0]).collect(),
            Axis::Choice(options) => vec![1.0 / options as f64; options],
        };
        let cell = |place: f64| places.partition_point(|other| *other < place);
        let runs: Vec<Vec<(usize, usize)>> = leaves
            .iter()
            .map(|leaf| match &leaf.sides[of] {
                Side::Between(low, high) => vec![(cell(*low), cell(*high))],
                Side::Among(options) => runs(options),
            })
            .collect();
        let part = |runs: &Vec<(usize, usize)>| {
            runs.iter().map(|(from, to)| widths[*from..*to].iter().sum::<f64>()).sum()
        };
        let parts = runs.iter().map(part).collect();
        Self { widths, runs, parts }
    }
}

/// Where `options` are true without a gap.
fn runs(options: &[bool]) -> Vec<(usize, usize)> {
    let mut from = 0;
    let run = |part: &[bool]| {
        let start = from;
        from += part.len();
        part[0].then_some((start, start + part.len()))
    };
    options.chunk_by(|a, b| a == b).filter_map(run).collect()
}

/// The shares of a tree; `None` where it says the same everywhere.
pub(crate) fn shares(axes: &[Axis], leaves: &[Leaf]) -> Option<Shares> {
    let cells: Vec<Cells> = axes.iter().enumerate().map(|(of, axis)| Cells::new(*axis, of, leaves)).collect();
    let volumes: Vec<f64> =
        (0..leaves.len()).map(|leaf| cells.iter().map(|cells| cells.parts[leaf]).product()).collect();
    let mean: f64 = leaves.iter().zip(&volumes).map(|(leaf, volume)| leaf.value * volume).sum();
    // Differences from the mean, so that no digits are lost.
    let values: Vec<f64> = leaves.iter().map(|leaf| leaf.value - mean).collect();
    let total: f64 = values.iter().zip(&volumes).map(|(value, volume)| value * value * volume).sum();
    if total.is_nan() || total <= 0.0 {
        return None;
    }
    let single: Vec<f64> = cells.iter().map(|cells| alone(cells, &values, &volumes) / total).collect();
    let mut pairs = Vec::new();
    for (a, one) in cells.iter().enumerate() {
        for (b, other) in cells.iter().enumerate().skip(a + 1) {
            let both = together(one, other, &values, &volumes) / total;
            pairs.push((both - single[a] - single[b]).max(0.0));
        }
    }
    Some(Shares { single, pairs })
}

/// The variance of the mean over all other axes.
fn alone(cells: &Cells, values: &[f64], volumes: &[f64]) -> f64 {
    let mut changes = vec![0.0; cells.widths.len() + 1];
    for (leaf, runs) in cells.runs.iter().enumerate() {
        let value = values[leaf] * volumes[leaf] / cells.parts[leaf];
        for &(from, to) in runs {
            changes[from] += value;
            changes[to] -= value;
        }
    }
    let mut level = 0.0;
    let square = |(change, width): (&f64, &f64)| {
        level += change;
        level * level * width
    };
    changes.iter().zip(&cells.widths).map(square).sum()
}

/// The same over all axes but two.
fn together(one: &Cells, other: &Cells, values: &[f64], volumes: &[f64]) -> f64 {
    let width = other.widths.len() + 1;
    let mut changes = vec![0.0; (one.widths.len() + 1) * width];
    for leaf in 0..values.len() {
        let value = values[leaf] * volumes[leaf] / (one.parts[leaf] * other.parts[leaf]);
        for &(top, bottom) in &one.runs[leaf] {
            for &(left, right) in &other.runs[leaf] {
                changes[top * width + left] += value;
                changes[top * width + right] -= value;
                changes[bottom * width + left] -= value;
                changes[bottom * width + right] += value;
            }
        }
    }
    let mut levels = vec![0.0; width];
    let mut variance = 0.0;
    for (height, row) in one.widths.iter().zip(changes.chunks(width)) {
        let mut level = 0.0;
        for ((above, change), width) in levels.iter_mut().zip(row).zip(&other.widths) {
            *above += change;
            level += *above;
            variance += level * level * width * height;
        }
    }
    variance
}
