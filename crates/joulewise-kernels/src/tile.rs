//! The register tile: the one inner loop behind convolutions, their gradients and matrix products.
#![allow(unsafe_code)]

use crate::isa::Isa;
use crate::simd::Simd;
use crate::simd::portable::Portable;
#[cfg(target_arch = "x86_64")]
use crate::simd::{avx2::Avx2, avx512::Avx512};

/// Most rows that a tile of any instruction set has.
pub(crate) const MAX_ROWS: usize = 14;

/// Most values of a vector of any instruction set.
pub(crate) const MAX_LANES: usize = 16;

/// Most vectors that a row of a tile spans.
pub(crate) const MAX_VECTORS: usize = 3;

/// One dimension of a reduction: how many terms, and how far apart they lie in A (in values) and in B
/// (in rows of B).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Axis {
    pub(crate) count: usize,
    pub(crate) a: usize,
    pub(crate) b: usize,
}

impl Axis {
    /// A dimension of one term.
    pub(crate) const ONE: Self = Self { count: 1, a: 0, b: 0 };
}

/// What is summed over: `C[m][n] = Σ_outer Σ_inner Σ_step A[m + …] · B[…][n]`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reduction {
    pub(crate) outer: Axis,
    pub(crate) inner: Axis,
    pub(crate) step: Axis,
}

impl Reduction {
    /// Number of terms.
    pub(crate) fn depth(&self) -> usize {
        self.outer.count * self.inner.count * self.step.count
    }

    /// The positions in A and B (in rows) of the last term, relative to the first.
    pub(crate) fn last(&self) -> (usize, usize) {
        let axes = [self.outer, self.inner, self.step];
        let reach =
            |stride: fn(&Axis) -> usize| axes.iter().map(|x| x.count.saturating_sub(1) * stride(x)).sum();
        (reach(|x| x.a), reach(|x| x.b))
    }
}

/// What happens to a tile's sums before they are stored.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Finish {
    /// Add what C held before.
    pub(crate) accumulate: bool,
    /// Clamp at zero, after everything else.
    pub(crate) relu: bool,
}

/// The operands of one tile. The pointers' reach is the caller's promise.
#[derive(Clone, Copy)]
pub(crate) struct Operands<'a> {
    pub(crate) a: *const f32,
    /// Offset of every row in A.
    pub(crate) a_rows: &'a [usize; MAX_ROWS],
    pub(crate) b: *const f32,
    /// Distance between rows of B.
    pub(crate) b_row: usize,
    pub(crate) c: *mut f32,
    /// Offset of every row in C.
    pub(crate) c_rows: &'a [usize; MAX_ROWS],
    /// Columns that exist; the lanes after them are neither read from B nor stored.
    pub(crate) columns: usize,
    /// One value for each column, or null.
    pub(crate) bias: *const f32,
    pub(crate) finish: Finish,
}

/// Computes one tile of a fixed height and a fixed number of vectors.
pub(crate) type Tile = unsafe fn(&Reduction, &Operands);

/// Most rows of a tile that spans `vectors` vectors: as many accumulators as leave registers for a
/// row of B and a value of A.
pub(crate) fn max_rows(isa: Isa, vectors: usize) -> usize {
    match isa {
        Isa::Avx512 => [14, 14, 9][vectors - 1],
        Isa::Avx2 => [12, 6, 4][vectors - 1],
        Isa::Portable => [6, 3, 2][vectors - 1],
    }
}

/// Values of a vector.
pub(crate) fn lanes(isa: Isa) -> usize {
    match isa {
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => Avx512::LANES,
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => Avx2::LANES,
        _ => Portable::LANES,
    }
}

/// The tile of `rows` rows and `vectors` vectors; within the bounds of [`max_rows`].
pub(crate) fn tile(isa: Isa, rows: usize, vectors: usize) -> Tile {
    macro_rules! table {
        ($function:ident: $($vectors:literal [$($rows:literal)*])*) => {
            match vectors {
                $($vectors => [$($function::<$rows, $vectors> as Tile),*][rows - 1],)*
                _ => unreachable!("a tile spans at most {MAX_VECTORS} vectors"),
            }
        };
    }
    match isa {
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => table!(avx512:
            1 [1 2 3 4 5 6 7 8 9 10 11 12 13 14] 2 [1 2 3 4 5 6 7 8 9 10 11 12 13 14] 3 [1 2 3 4 5 6 7 8 9]),
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => table!(avx2: 1 [1 2 3 4 5 6 7 8 9 10 11 12] 2 [1 2 3 4 5 6] 3 [1 2 3 4]),
        _ => table!(portable: 1 [1 2 3 4 5 6] 2 [1 2 3] 3 [1 2]),
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
unsafe fn avx512<const ROWS: usize, const VECTORS: usize>(sum: &Reduction, on: &Operands) {
    unsafe { compute::<Avx512, ROWS, VECTORS>(sum, on) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn avx2<const ROWS: usize, const VECTORS: usize>(sum: &Reduction, on: &Operands) {
    unsafe { compute::<Avx2, ROWS, VECTORS>(sum, on) }
}

unsafe fn portable<const ROWS: usize, const VECTORS: usize>(sum: &Reduction, on: &Operands) {
    unsafe { compute::<Portable, ROWS, VECTORS>(sum, on) }
}

/// Index loops and no iterators: everything must be unrolled for the sums to stay in registers.
#[expect(clippy::needless_range_loop)]
#[inline(always)]
unsafe fn compute<S: Simd, const ROWS: usize, const VECTORS: usize>(sum: &Reduction, on: &Operands) {
    unsafe {
        let last = VECTORS - 1;
        let mask = S::first(on.columns - last * S::LANES);
        let mut sums = [[S::splat(0.0); VECTORS]; ROWS];
        for outer in 0..sum.outer.count {
            for inner in 0..sum.inner.count {
                let a = on.a.add(outer * sum.outer.a + inner * sum.inner.a);
                let mut b = on.b.add((outer * sum.outer.b + inner * sum.inner.b) * on.b_row);
                let mut rows = [a; ROWS];
                for m in 0..ROWS {
                    rows[m] = a.add(on.a_rows[m]);
                }
                let mut at = 0;
                let b_step = sum.step.b * on.b_row;
                for _ in 0..sum.step.count {
                    let mut row = [S::splat(0.0); VECTORS];
                    for v in 0..last {
                        row[v] = S::load(b.add(v * S::LANES));
                    }
                    row[last] = S::load_masked(b.add(last * S::LANES), mask);
                    for m in 0..ROWS {
                        let value = S::splat(*rows[m].add(at));
                        for v in 0..VECTORS {
                            sums[m][v] = S::fma(value, row[v], sums[m][v]);
                        }
                    }
                    at += sum.step.a;
                    b = b.add(b_step);
                }
            }
        }
        finish::<S, ROWS, VECTORS>(&sums, on, mask);
    }
}

#[expect(clippy::needless_range_loop)]
#[inline(always)]
unsafe fn finish<S: Simd, const ROWS: usize, const VECTORS: usize>(
    sums: &[[S::V; VECTORS]; ROWS],
    on: &Operands,
    last: S::Mask,
) {
    unsafe {
        let all = S::first(S::LANES);
        for v in 0..VECTORS {
            let mask = if v + 1 == VECTORS { last } else { all };
            let at = v * S::LANES;
            let bias = if on.bias.is_null() { S::splat(0.0) } else { S::load_masked(on.bias.add(at), mask) };
            for m in 0..ROWS {
                let c = on.c.add(on.c_rows[m] + at);
                let mut value = S::add(sums[m][v], bias);
                if on.finish.accumulate {
                    value = S::add(value, S::load_masked(c, mask));
                }
                if on.finish.relu {
                    value = S::max(S::splat(0.0), value);
                }
                S::store_masked(c, mask, value);
            }
        }
    }
}
