//! Matrix products, and the linear layer with its gradients.

use crate::isa::Isa;
use crate::packed::{Packed, packed_len};
use crate::product::{Columns, Grid, Product};
use crate::tile::{Axis, Finish, Reduction};
use std::ops::Range;

/// Terms that are summed in one go: a panel of so many rows stays in the second-level cache.
const BLOCK_DEPTH: usize = 512;

/// Rows that share a block of the right-hand side.
const BLOCK_ROWS: usize = 256;

/// A matrix by its strides: element (`r`, `c`) is `data[r · rs + c · cs]`.
#[derive(Clone, Copy, Debug)]
pub struct Matrix<'a> {
    /// The values.
    pub data: &'a [f32],
    /// Distance between vertical neighbours.
    pub rs: usize,
    /// Distance between horizontal neighbours.
    pub cs: usize,
}

/// The right-hand side of a product.
#[derive(Clone, Copy, Debug)]
pub enum Right<'a> {
    /// `k` × `n` values packed by [`pack`] or [`pack_transposed`].
    Packed(&'a Packed),
    /// `k` rows of `n` adjacent values, at the given distance.
    Rows(&'a [f32], usize),
}

/// Packs the `k` × `n` matrix `w`, rows adjacent.
pub fn pack(isa: Isa, k: usize, n: usize, w: &[f32], into: &mut Packed) {
    assert_eq!(w.len(), k * n, "the matrix's length");
    into.reset(isa, packed_len(isa, k, n));
    into.fill(0, k, n, 0..k, w, [n, 1]);
}

/// Packs the transpose of the `n` × `k` matrix `w`, rows adjacent: the result is `k` × `n`.
pub fn pack_transposed(isa: Isa, k: usize, n: usize, w: &[f32], into: &mut Packed) {
    assert_eq!(w.len(), k * n, "the matrix's length");
    into.reset(isa, packed_len(isa, k, n));
    into.fill(0, k, n, 0..k, w, [1, k]);
}

/// `c = a · b (+ c) (+ bias)`, clamped at zero with `relu`: `a` is `m` × `k`, `b` is `k` × `n`, `c` is
/// `m` × `n` with rows at the distance `ldc`; `bias` has `n` values.
pub fn gemm(
    isa: Isa,
    m: usize,
    n: usize,
    k: usize,
    a: Matrix,
    b: Right,
    accumulate: bool,
    bias: Option<&[f32]>,
    relu: bool,
    c: &mut [f32],
    ldc: usize,
) {
    let mut first = 0;
    loop {
        let depth = BLOCK_DEPTH.min(k - first);
        let is_last = first + depth == k;
        for row in (0..m).step_by(BLOCK_ROWS) {
            Product {
                isa,
                grid: Grid::line(BLOCK_ROWS.min(m - row), a.rs, ldc),
                reduction: Reduction {
                    outer: Axis::ONE,
                    inner: Axis::ONE,
                    step: Axis { count: depth, a: a.cs, b: 1 },
                },
                columns: n,
                a: &a.data[row * a.rs + first * a.cs..],
                b: match b {
                    Right::Packed(b) => {
                        Columns::Packed { panels: b.panels_at(isa, 0, k, n), depth: k, first }
                    }
                    Right::Rows(b, row) => Columns::Rows(&b[first * row..], row),
                },
                bias: bias.filter(|_| first == 0),
                finish: Finish { accumulate: accumulate || first > 0, relu: relu && is_last },
            }
            .run(&mut c[row * ldc..]);
        }
        first += depth;
        if is_last {
            return;
        }
    }
}

/// `y = x · w (+ bias)`: `x` is `rows` × `inputs`, `y` is `rows` × `outputs`, `w` from [`pack`] with
/// `k = inputs`, `n = outputs`.
pub fn linear_forward(
    isa: Isa,
    rows: usize,
    inputs: usize,
    outputs: usize,
    x: &[f32],
    w: &Packed,
    bias: Option<&[f32]>,
    relu: bool,
    y: &mut [f32],
) {
    let x = Matrix { data: x, rs: inputs, cs: 1 };
    gemm(isa, rows, outputs, inputs, x, Right::Packed(w), false, bias, relu, y, outputs);
}

/// `dx = dy · wᵀ`: `dy` is `rows` × `outputs`, `dx` is `rows` × `inputs`, `w` from [`pack_transposed`] of
/// the `inputs` × `outputs` weights with `k = outputs`, `n = inputs`.
pub fn linear_backward_data(
    isa: Isa,
    rows: usize,
    inputs: usize,
    outputs: usize,
    dy: &[f32],
    w: &Packed,
    dx: &mut [f32],
) {
    let dy = Matrix { data: dy, rs: outputs, cs: 1 };
    gemm(isa, rows, inputs, outputs, dy, Right::Packed(w), false, None, false, dx, inputs);
}

/// Rows `range` of the weights' gradient `dw = xᵀ · dy`, summed over all `rows` of the batch.
///
/// Weights are `[inputs][outputs]`; `dw` holds the rows of the range only, so that threads can share
/// the work.
pub fn linear_backward_weights(
    isa: Isa,
    rows: usize,
    inputs: usize,
    outputs: usize,
    x: &[f32],
    dy: &[f32],
    range: Range<usize>,
    dw: &mut [f32],
) {
    assert_eq!(x.len(), rows * inputs, "the input's length");
    assert_eq!(dy.len(), rows * outputs, "the gradient's length");
    assert_eq!(dw.len(), range.len() * outputs, "the length of the weights' gradient");
    if range.is_empty() {
        return;
    }
    if rows == 0 {
        return dw.fill(0.0);
    }
    let x = Matrix { data: &x[range.start..], rs: 1, cs: inputs };
    gemm(isa, range.len(), outputs, rows, x, Right::Rows(dy, outputs), false, None, false, dw, outputs);
}

/// The bias's gradient: `db += Σ dy` over the rows.
pub fn linear_backward_bias(outputs: usize, dy: &[f32], db: &mut [f32]) {
    assert_eq!(db.len(), outputs, "the bias's length");
    for row in dy.chunks_exact(outputs) {
        for (sum, x) in db.iter_mut().zip(row) {
            *sum += x;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scalar::{assert_close, matmul, random};
    use proptest::prelude::*;

    fn transpose(rows: usize, columns: usize, x: &[f32]) -> Vec<f32> {
        (0..rows * columns).map(|i| x[i % rows * columns + i / rows]).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn linear_and_its_gradients_are_products(
            rows in 1..70usize, inputs in 1..600usize, outputs in 1..70usize, relu: bool, cut in 0.0..1.0,
        ) {
            let (x, w) = (random(1, rows * inputs), random(2, inputs * outputs));
            let (bias, dy) = (random(3, outputs), random(4, rows * outputs));
            let mut y = matmul(rows, outputs, inputs, &x, &w);
            for (i, y) in y.iter_mut().enumerate() {
                *y += f64::from(bias[i % outputs]);
                *y = if relu { y.max(0.0) } else { *y };
            }
            let dx = matmul(rows, inputs, outputs, &dy, &transpose(inputs, outputs, &w));
            let dw = matmul(inputs, outputs, rows, &transpose(rows, inputs, &x), &dy);
            for isa in Isa::available() {
                let mut packed = Packed::new();
                pack(isa, inputs, outputs, &w, &mut packed);
                let mut actual = vec![7.0; rows * outputs];
                linear_forward(isa, rows, inputs, outputs, &x, &packed, Some(&bias), relu, &mut actual);
                assert_close("forward", &actual, &y, 1e-4);

                pack_transposed(isa, outputs, inputs, &w, &mut packed);
                let mut actual = vec![7.0; rows * inputs];
                linear_backward_data(isa, rows, inputs, outputs, &dy, &packed, &mut actual);
                assert_close("data", &actual, &dx, 1e-4);

                let cut = (cut * inputs as f64) as usize;
                let mut actual = vec![7.0; inputs * outputs];
                let (head, tail) = actual.split_at_mut(cut * outputs);
                linear_backward_weights(isa, rows, inputs, outputs, &x, &dy, 0..cut, head);
                linear_backward_weights(isa, rows, inputs, outputs, &x, &dy, cut..inputs, tail);
                assert_close("weights", &actual, &dw, 1e-4);
            }
        }

        #[test]
        fn rows_split_over_threads_give_the_same_bits(rows in 2..70usize, inputs in 1..300usize) {
            let outputs = 40;
            let (x, w) = (random(1, rows * inputs), random(2, inputs * outputs));
            for isa in Isa::available() {
                let mut packed = Packed::new();
                pack(isa, inputs, outputs, &w, &mut packed);
                let mut whole = vec![0.0; rows * outputs];
                linear_forward(isa, rows, inputs, outputs, &x, &packed, None, false, &mut whole);
                let cut = rows / 2;
                let mut parts = vec![0.0; rows * outputs];
                let (head, tail) = parts.split_at_mut(cut * outputs);
                let (x0, x1) = x.split_at(cut * inputs);
                linear_forward(isa, cut, inputs, outputs, x0, &packed, None, false, head);
                linear_forward(isa, rows - cut, inputs, outputs, x1, &packed, None, false, tail);
                prop_assert_eq!(&whole, &parts);
            }
        }
    }

    #[test]
    fn strides_and_accumulation() {
        let (m, n, k, ldc) = (5, 19, 700, 23);
        let (a, b) = (random(1, m * k), random(2, k * n));
        let expected = matmul(m, n, k, &a, &b);
        let transposed = transpose(m, k, &a);
        for isa in Isa::available() {
            let mut c = vec![1.0; m * ldc];
            let a = Matrix { data: &transposed, rs: 1, cs: m };
            gemm(isa, m, n, k, a, Right::Rows(&b, n), true, None, false, &mut c, ldc);
            for (row, expected) in c.chunks_exact(ldc).zip(expected.chunks_exact(n)) {
                let expected: Vec<_> = expected.iter().map(|x| x + 1.0).collect();
                assert_close("sum", &row[..n], &expected, 1e-4);
                assert_eq!(row[n..], [1.0; 4], "columns after the last stay");
            }
        }
    }
}
