//! Eigenvectors of symmetric matrices.

/// Rows of equal length.
pub(crate) type Matrix = Vec<Vec<f64>>;

/// Sweeps after which it is precise enough; five are usual.
const SWEEPS: usize = 60;

/// The eigenvalues of a symmetric matrix, and its eigenvectors as columns (Jacobi's method, Golub and Van Loan 2013,
/// section 8.5).
pub(crate) fn symmetric(mut a: Matrix) -> (Vec<f64>, Matrix) {
    let n = a.len();
    let mut vectors = identity(n);
    for _ in 0..SWEEPS {
        let on: f64 = (0..n).map(|i| a[i][i] * a[i][i]).sum();
        let off: f64 = (0..n).flat_map(|i| (0..i).map(move |j| (i, j))).map(|(i, j)| a[i][j] * a[i][j]).sum();
        // What is not finite is no reason to go on.
        if off <= 1e-32 * on || !off.is_finite() {
            break;
        }
        for p in 0..n {
            for q in p + 1..n {
                rotate(&mut a, &mut vectors, p, q);
            }
        }
    }
    ((0..n).map(|i| a[i][i]).collect(), vectors)
}

/// Turns the plane of two axes so that their covariance becomes 0.
fn rotate(a: &mut Matrix, vectors: &mut Matrix, p: usize, q: usize) {
    if a[p][q] == 0.0 {
        return;
    }
    let theta = (a[q][q] - a[p][p]) / (2.0 * a[p][q]);
    let t = theta.signum() / (theta.abs() + theta.hypot(1.0));
    let c = 1.0 / t.hypot(1.0);
    let s = t * c;
    for row in a.iter_mut().chain(vectors.iter_mut()) {
        (row[p], row[q]) = (c * row[p] - s * row[q], s * row[p] + c * row[q]);
    }
    let (before, from) = a.split_at_mut(q);
    for (x, y) in before[p].iter_mut().zip(&mut from[0]) {
        (*x, *y) = (c * *x - s * *y, s * *x + c * *y);
    }
}

/// The matrix that changes nothing.
pub(crate) fn identity(n: usize) -> Matrix {
    (0..n).map(|i| (0..n).map(|j| if i == j { 1.0 } else { 0.0 }).collect()).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_parts_make_the_whole(n in 1usize..9, seed in prop::collection::vec(-3.0..3.0f64, 64)) {
            // AᵀA of any A, so that it is a covariance.
            let a: Matrix = (0..n).map(|i| seed[i * n..(i + 1) * n].to_vec()).collect();
            let dot = |i: usize, j: usize| (0..n).map(|k| a[k][i] * a[k][j]).sum::<f64>();
            let whole: Matrix = (0..n).map(|i| (0..n).map(|j| dot(i, j)).collect()).collect();
            let (values, vectors) = symmetric(whole.clone());
            prop_assert!(values.iter().all(|value| *value > -1e-12 * (1.0 + whole[0][0])));
            for i in 0..n {
                for j in 0..n {
                    let back: f64 = (0..n).map(|k| vectors[i][k] * values[k] * vectors[j][k]).sum();
                    prop_assert!((back - whole[i][j]).abs() < 1e-10, "{back} for {}", whole[i][j]);
                    let product: f64 = (0..n).map(|k| vectors[k][i] * vectors[k][j]).sum();
                    let expected = f64::from(u8::from(i == j));
                    prop_assert!((product - expected).abs() < 1e-12);
                }
            }
        }
    }

    #[test]
    fn what_is_not_finite_ends_too() {
        assert_eq!(symmetric(vec![vec![f64::NAN; 3]; 3]).0.len(), 3);
    }
}
