//! Cholesky factors that grow by rows.

/// L and its inverse of a symmetric positive definite matrix L Lᵀ, both lower triangular.
///
/// Every row is computed from those before it only, always in the same order: rows that are added later give the
/// same bits as if they had been there from the start.
#[derive(Clone, Debug, Default)]
pub(crate) struct Factor {
    rows: Vec<Vec<f64>>,
    inverse: Vec<Vec<f64>>,
}

impl Factor {
    /// How many rows it has.
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Adds a row of the matrix up to its diagonal. `false`, and nothing is added, where the matrix would not be
    /// positive definite.
    pub(crate) fn push(&mut self, row: &[f64]) -> bool {
        let n = self.len();
        debug_assert_eq!(row.len(), n + 1);
        let mut l = row.to_vec();
        for j in 0..n {
            l[j] = (l[j] - dot(&l[..j], &self.rows[j][..j])) / self.rows[j][j];
        }
        let square = row[n] - dot(&l[..n], &l[..n]);
        if square.is_nan() || square <= 0.0 {
            return false;
        }
        let diagonal = square.sqrt();
        l[n] = diagonal;
        let mut inverse = vec![0.0; n + 1];
        combine(&mut inverse, &l[..n], &self.inverse);
        for x in &mut inverse {
            *x /= -diagonal;
        }
        inverse[n] = 1.0 / diagonal;
        self.rows.push(l);
        self.inverse.push(inverse);
        true
    }

    /// Leaves the first `n` rows.
    pub(crate) fn truncate(&mut self, n: usize) {
        self.rows.truncate(n);
        self.inverse.truncate(n);
    }

    /// Row `i` of L, up to its diagonal.
    pub(crate) fn row(&self, i: usize) -> &[f64] {
        &self.rows[i]
    }

    /// L⁻¹ b.
    pub(crate) fn half_solve(&self, b: &[f64]) -> Vec<f64> {
        self.inverse.iter().map(|row| dot(row, &b[..row.len()])).collect()
    }

    /// L⁻¹ b for four at a time: the factor is read once.
    pub(crate) fn half_solve_four(&self, b: [&[f64]; 4]) -> [f64; 4] {
        let mut squares = [0.0; 4];
        for row in &self.inverse {
            let v = dot_four(row, b);
            for (square, v) in squares.iter_mut().zip(v) {
                *square += v * v;
            }
        }
        squares
    }

    /// L⁻ᵀ v.
    pub(crate) fn half_solve_transposed(&self, v: &[f64]) -> Vec<f64> {
        let mut x = vec![0.0; self.len()];
        combine(&mut x, v, &self.inverse);
        x
    }

    /// (L Lᵀ)⁻¹ b.
    pub(crate) fn solve(&self, b: &[f64]) -> Vec<f64> {
        self.half_solve_transposed(&self.half_solve(b))
    }

    /// The logarithm of the determinant of L Lᵀ.
    pub(crate) fn log_determinant(&self) -> f64 {
        2.0 * self.rows.iter().enumerate().map(|(i, row)| row[i].ln()).sum::<f64>()
    }

    /// (L Lᵀ)⁻¹, of which row i ends at its diagonal.
    pub(crate) fn inverse(&self) -> Vec<Vec<f64>> {
        let n = self.len();
        (0..n)
            .map(|i| {
                let weights: Vec<f64> = self.inverse[i..].iter().map(|row| row[i]).collect();
                let mut out = vec![0.0; i + 1];
                combine_heads(&mut out, &weights, &self.inverse[i..]);
                out
            })
            .collect()
    }
}

/// Eight sums side by side: the order is fixed and fills the lanes of any processor.
pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut lanes = [0.0; 8];
    let (a_chunks, b_chunks) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f64 = a_chunks.remainder().iter().zip(b_chunks.remainder()).map(|(a, b)| a * b).sum();
    for (a, b) in a_chunks.zip(b_chunks) {
        for k in 0..8 {
            lanes[k] += a[k] * b[k];
        }
    }
    lanes.iter().sum::<f64>() + rest
}

/// Four dot products with the same row.
fn dot_four(row: &[f64], b: [&[f64]; 4]) -> [f64; 4] {
    let n = row.len();
    let b = b.map(|b| &b[..n]);
    let mut lanes = [[0.0; 4]; 4];
    let whole = n - n % 4;
    let mut at = 0;
    while at < whole {
        let x: [f64; 4] = std::array::from_fn(|k| row[at + k]);
        for (lanes, b) in lanes.iter_mut().zip(b) {
            for k in 0..4 {
                lanes[k] += x[k] * b[at + k];
            }
        }
        at += 4;
    }
    std::array::from_fn(|c| {
        let rest: f64 = row[whole..].iter().zip(&b[c][whole..]).map(|(a, b)| a * b).sum();
        lanes[c].iter().sum::<f64>() + rest
    })
}

/// Adds `weights[k] · rows[k]` for all k; rows may be shorter than `out`.
fn combine(out: &mut [f64], weights: &[f64], rows: &[Vec<f64>]) {
    for (weight, row) in weights.iter().zip(rows) {
        for (out, x) in out.iter_mut().zip(row) {
            *out += weight * x;
        }
    }
}

/// The same where rows are at least as long as `out`: four of them at a time.
fn combine_heads(out: &mut [f64], weights: &[f64], rows: &[Vec<f64>]) {
    let n = out.len();
    let (fours, rest) = (rows.chunks_exact(4), weights.len() - weights.len() % 4);
    for (weights, rows) in weights.chunks_exact(4).zip(fours) {
        let [a, b, c, d] = [&rows[0][..n], &rows[1][..n], &rows[2][..n], &rows[3][..n]];
        for i in 0..n {
            out[i] += weights[0] * a[i] + weights[1] * b[i] + weights[2] * c[i] + weights[3] * d[i];
        }
    }
    combine(out, &weights[rest..], &rows[rest..]);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// B Bᵀ + I, which is positive definite whatever B is.
    fn matrix(b: &[Vec<f64>]) -> Vec<Vec<f64>> {
        let entry = |i: usize, j: usize| dot(&b[i], &b[j]) + f64::from(u8::from(i == j));
        (0..b.len()).map(|i| (0..b.len()).map(|j| entry(i, j)).collect()).collect()
    }

    proptest! {
        #[test]
        fn factors_solve(b in (1usize..30).prop_flat_map(|n| {
            prop::collection::vec(prop::collection::vec(-2.0..2.0f64, 5), n)
        })) {
            let a = matrix(&b);
            let mut factor = Factor::default();
            for (i, row) in a.iter().enumerate() {
                prop_assert!(factor.push(&row[..=i]));
            }
            let right: Vec<f64> = (0..a.len()).map(|i| (i as f64).sin()).collect();
            let x = factor.solve(&right);
            for (row, right) in a.iter().zip(&right) {
                prop_assert!((dot(row, &x) - right).abs() < 1e-9);
            }
            let inverse = factor.inverse();
            let at = |i: usize, j: usize| if j <= i { inverse[i][j] } else { inverse[j][i] };
            for (i, row) in a.iter().enumerate() {
                for j in 0..a.len() {
                    let product: f64 = row.iter().enumerate().map(|(k, x)| x * at(k, j)).sum();
                    prop_assert!((product - f64::from(u8::from(i == j))).abs() < 1e-9);
                }
            }
            let half = factor.half_solve(&right);
            let squares = factor.half_solve_four([&right; 4]);
            prop_assert!((squares[2] - dot(&half, &half)).abs() < 1e-9 * (1.0 + squares[2]));
            // The determinant by what the last row adds.
            let last = a.len() - 1;
            let mut shorter = factor.clone();
            shorter.truncate(last);
            let schur = a[last][last] - dot(&a[last][..last], &shorter.solve(&a[last][..last]));
            prop_assert!((factor.log_determinant() - shorter.log_determinant() - schur.ln()).abs() < 1e-9);
            prop_assert!(shorter.push(&a[last]));
            prop_assert_eq!(shorter.solve(&right), x, "rows that come later give the same bits");
        }
    }

    #[test]
    fn what_is_not_positive_definite_is_refused() {
        let mut factor = Factor::default();
        assert!(factor.push(&[1.0]));
        assert!(!factor.push(&[1.0, 1.0]) && !factor.push(&[f64::NAN, 1.0]));
        assert_eq!(factor.len(), 1);
        assert!(factor.push(&[0.5, 1.0]));
    }
}
