//! The regression of the published search: that of scikit-learn with all its defaults.

/// Points that are predicted at a time.
pub(super) const LANES: usize = 16;

/// What is added to the diagonal: it is no noise, but keeps the matrix positive definite.
const DIAGONAL: f64 = 1e-10;

/// A Gaussian process of mean 0, with the kernel exp(−½ |a − b|²), of values that are taken as they are.
#[derive(Clone, Debug, Default)]
pub(super) struct Regression {
    rows: Vec<Vec<f64>>,
    /// The Cholesky factor.
    factor: Vec<Vec<f64>>,
    /// L⁻¹ y.
    solved: Vec<f64>,
}

impl Regression {
    /// Learns the value at `row`; what rounding cannot tell from earlier ones is left out, where scikit-learn ends with
    /// an error.
    pub(super) fn learn(&mut self, row: Vec<f64>, value: f64) {
        let mut next = Vec::with_capacity(self.rows.len() + 1);
        for (other, l) in self.rows.iter().zip(&self.factor) {
            let sum: f64 = next.iter().zip(l).map(|(a, b)| a * b).sum();
            next.push((kernel(other, &row) - sum) / l[next.len()]);
        }
        let pivot = 1.0 + DIAGONAL - next.iter().map(|l| l * l).sum::<f64>();
        if pivot.is_nan() || pivot <= 0.0 {
            return;
        }
        let sum: f64 = next.iter().zip(&self.solved).map(|(l, y)| l * y).sum();
        self.solved.push((value - sum) / pivot.sqrt());
        next.push(pivot.sqrt());
        self.rows.push(row);
        self.factor.push(next);
    }

    /// Means and standard deviations at as many points as there are lanes, or fewer.
    pub(super) fn predict(&self, points: &[Vec<f64>]) -> impl Iterator<Item = (f64, f64)> {
        let mut solved: Vec<[f64; LANES]> = Vec::with_capacity(self.rows.len());
        let (mut means, mut variances) = ([0.0; LANES], [1.0; LANES]);
        for ((row, l), y) in self.rows.iter().zip(&self.factor).zip(&self.solved) {
            let mut lanes = [0.0; LANES];
            lanes.iter_mut().zip(points).for_each(|(x, point)| *x = kernel(row, point));
            for (l, above) in l.iter().zip(&solved) {
                for k in 0..LANES {
                    lanes[k] -= l * above[k];
                }
            }
            let pivot = l[solved.len()];
            for k in 0..LANES {
                lanes[k] /= pivot;
                means[k] += lanes[k] * y;
                variances[k] -= lanes[k] * lanes[k];
            }
            solved.push(lanes);
        }
        means.into_iter().zip(variances.map(|variance| variance.max(0.0).sqrt())).take(points.len())
    }
}

fn kernel(a: &[f64], b: &[f64]) -> f64 {
    (-0.5 * a.iter().zip(b).map(|(x, y)| (x - y) * (x - y)).sum::<f64>()).exp()
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Reference {
        seen: Vec<Vec<f64>>,
        values: Vec<f64>,
        points: Vec<Vec<f64>>,
        means: Vec<f64>,
        deviations: Vec<f64>,
    }

    #[test]
    fn predictions_are_those_of_scikit_learn() {
        let text = include_str!("../../../tests/reference/paper.json");
        for reference in serde_json::from_str::<Vec<Reference>>(text).unwrap() {
            let mut regression = Regression::default();
            for (row, value) in reference.seen.iter().zip(&reference.values) {
                regression.learn(row.clone(), *value);
            }
            let expected = reference.means.iter().zip(&reference.deviations);
            let predicted = reference.points.chunks(LANES).flat_map(|points| regression.predict(points));
            for ((mean, deviation), (other, spread)) in predicted.zip(expected) {
                assert!((mean - other).abs() < 1e-10, "{mean} {other}");
                assert!((deviation - spread).abs() < 1e-10, "{deviation} {spread}");
            }
        }
    }

    #[test]
    fn what_was_seen_before_is_no_end() {
        let mut regression = Regression::default();
        for value in 0..200 {
            regression.learn(vec![1e-9 * f64::from(value % 2)], f64::from(value));
        }
        assert!(
            regression
                .predict(&[vec![0.0], vec![50.0]])
                .all(|(mean, deviation)| { mean.is_finite() && (0.0..=1.0).contains(&deviation) })
        );
    }
}
