//! How alike the values at two points are.

use super::matern::{Columns, correlation, correlations, with_slope, with_slopes};

/// The sum of two parts: one of all parameters together, by the distance of two points, and one of main effects, the
/// mean of the correlations along each parameter alone (Duvenaud et al. 2011). What is learned of a main effect holds
/// everywhere, however far apart points are in the other parameters.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Kernel {
    /// The weight of each feature in a squared distance.
    pub(crate) weights: Vec<f64>,
    /// Which parameter each feature belongs to.
    pub(crate) groups: Vec<usize>,
    /// The share of the main effects in the variance.
    pub(crate) main: f64,
    /// How much more a squared distance counts for main effects.
    pub(crate) narrowing: f64,
}

/// Correlations of a point with others, and how they change.
pub(crate) struct Row {
    /// All of it.
    pub(crate) values: Vec<f64>,
    /// Derivatives with respect to the squared distance along each parameter; where there are no main effects one list,
    /// the same for all of them.
    pub(crate) by_square: Vec<Vec<f64>>,
    /// What main effects say more than the joint part: derivatives with respect to their share.
    pub(crate) by_share: Vec<f64>,
    /// Derivatives with respect to the logarithm of the narrowing.
    pub(crate) by_narrowing: Vec<f64>,
}

impl Kernel {
    /// Correlations of `x` with the first `n` of `points`.
    pub(crate) fn row(&self, points: &Columns, x: &[f64], n: usize) -> Vec<f64> {
        let mut values = points.distances(x, &self.weights, n);
        correlations(&mut values);
        if self.main == 0.0 {
            return values;
        }
        for value in &mut values {
            *value *= 1.0 - self.main;
        }
        let share = self.main / self.parameters();
        for features in self.spans() {
            for (value, s) in values.iter_mut().zip(self.along(points, x, n, features)) {
                *value += share * correlation(s);
            }
        }
        values
    }

    /// The same with derivatives.
    pub(crate) fn row_with_slopes(&self, points: &Columns, x: &[f64], n: usize) -> Row {
        let mut values = points.distances(x, &self.weights, n);
        let mut joint = with_slopes(&mut values);
        if self.main == 0.0 {
            return Row { values, by_square: vec![joint], by_share: Vec::new(), by_narrowing: Vec::new() };
        }
        for slope in &mut joint {
            *slope *= 1.0 - self.main;
        }
        let (parameters, share) = (self.parameters(), self.main / self.parameters());
        let mut by_share: Vec<f64> = values.iter().map(|value| -value).collect();
        let mut by_narrowing = vec![0.0; n];
        let mut by_square = Vec::new();
        for features in self.spans() {
            let mut slopes = joint.clone();
            for (i, s) in self.along(points, x, n, features).into_iter().enumerate() {
                let (value, slope) = with_slope(s);
                by_share[i] += value / parameters;
                by_narrowing[i] += share * slope * s * s / 5.0;
                slopes[i] += share * self.narrowing * slope;
            }
            by_square.push(slopes);
        }
        for (value, contrast) in values.iter_mut().zip(&by_share) {
            *value += self.main * contrast;
        }
        Row { values, by_square, by_share, by_narrowing }
    }

    fn parameters(&self) -> f64 {
        self.groups.iter().max().map_or(0.0, |last| (last + 1) as f64)
    }

    /// The features of each parameter.
    fn spans(&self) -> impl Iterator<Item = std::ops::Range<usize>> {
        let mut end = 0;
        self.groups.chunk_by(|a, b| a == b).map(move |group| {
            let start = end;
            end += group.len();
            start..end
        })
    }

    /// √5 times the distances along the parameter that has these features.
    fn along(&self, points: &Columns, x: &[f64], n: usize, features: std::ops::Range<usize>) -> Vec<f64> {
        let weights = self.weights[features.clone()].iter().map(|weight| 5.0 * self.narrowing * weight);
        if features.len() == 1 {
            let (x, root) = (x[features.start], weights.sum::<f64>().sqrt());
            return points.column(features.start)[..n].iter().map(|other| root * (x - other).abs()).collect();
        }
        let mut squares = vec![0.0; n];
        for (f, weight) in features.zip(weights) {
            for (square, &other) in squares.iter_mut().zip(points.column(f)) {
                let difference = x[f] - other;
                *square += weight * (difference * difference);
            }
        }
        squares.into_iter().map(f64::sqrt).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn kernel(main: f64) -> Kernel {
        Kernel { weights: vec![2.0, 0.5, 0.5, 7.0], groups: vec![0, 1, 1, 2], main, narrowing: 1.7 }
    }

    proptest! {
        #[test]
        fn rows_with_and_without_slopes_agree(
            points in prop::collection::vec(prop::collection::vec(0.0..1.0f64, 4), 1..6),
            main in 0.0..1.0f64,
        ) {
            let columns = Columns::new(4, points.iter().map(|row| &row[..]));
            for kernel in [kernel(main), kernel(0.0)] {
                let x = [0.4, 0.1, 0.9, 0.5];
                let (plain, row) = (kernel.row(&columns, &x, points.len()), kernel.row_with_slopes(&columns, &x, points.len()));
                for (a, b) in plain.iter().zip(&row.values) {
                    prop_assert!((a - b).abs() < 1e-14 && (0.0..=1.0).contains(a));
                }
            }
        }

        /// Two points that differ in one parameter only stay related through the main effects of the others.
        #[test]
        fn main_effects_reach_everywhere(main in 0.01..1.0f64) {
            let columns = Columns::new(4, [&[0.3, 0.0, 0.0, 500.0][..]]);
            let value = kernel(main).row(&columns, &[0.3, 0.0, 0.0, 0.0], 1)[0];
            prop_assert!((value - main * 2.0 / 3.0).abs() < 1e-12, "{value}");
        }
    }
}
