//! The register tile of integer products, and what becomes of its sums.

use crate::isa::Isa;
use crate::quant::to_u8;
use crate::simd::for_each_isa;
use crate::tile::{MAX_ROWS, MAX_VECTORS, Reduction};

/// Terms that one instruction sums.
pub(super) const GROUP: usize = 4;

/// Most columns of a tile.
pub(super) const MAX_COLUMNS: usize = 16 * MAX_VECTORS;

/// The sums of a tile.
pub(super) type Sums = [[i32; MAX_COLUMNS]; MAX_ROWS];

/// The operands of one tile. The pointers' reach is the caller's promise.
pub(super) struct Operands<'a> {
    pub(super) a: *const u8,
    pub(super) a_rows: &'a [usize; MAX_ROWS],
    pub(super) b: *const i8,
    /// Rows of the tile.
    pub(super) rows: usize,
    /// Columns with padding.
    pub(super) width: usize,
    pub(super) sums: &'a mut Sums,
}

/// Computes one tile of a fixed height and a fixed number of vectors.
pub(super) type Tile = unsafe fn(&Reduction, &mut Operands);

/// The tile of `rows` rows and `vectors` vectors of the instruction set.
pub(super) fn tile(isa: Isa, rows: usize, vectors: usize) -> Tile {
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
        Isa::Avx512 if isa.has_vnni() => table!(vnni:
            1 [1 2 3 4 5 6 7 8 9 10 11 12 13 14] 2 [1 2 3 4 5 6 7 8 9 10 11 12 13 14] 3 [1 2 3 4 5 6 7 8 9]),
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 | Isa::Avx2 => avx2,
        _ => plain,
    }
}

/// Without an instruction for it: eight columns at a time, left to the compiler's vectoriser.
unsafe fn plain(sum: &Reduction, on: &mut Operands) {
    const COLUMNS: usize = 8;
    for (row, sums) in on.a_rows.iter().zip(on.sums.iter_mut()).take(on.rows) {
        for (part, sums) in sums[..on.width].chunks_exact_mut(COLUMNS).enumerate() {
            let mut total = [0_i32; COLUMNS];
            for outer in 0..sum.outer.count {
                for inner in 0..sum.inner.count {
                    let a = row + outer * sum.outer.a + inner * sum.inner.a;
                    let b = outer * sum.outer.b + inner * sum.inner.b;
                    for step in 0..sum.step.count {
                        // SAFETY: the caller promises that the last group of the last row is readable.
                        let (a, b) = unsafe {
                            let b = on.b.add(((b + step) * on.width + part * COLUMNS) * GROUP);
                            let a = on.a.add(a + step * GROUP).cast::<[u8; GROUP]>();
                            (*a, *b.cast::<[[i8; GROUP]; COLUMNS]>())
                        };
                        for (total, b) in total.iter_mut().zip(b) {
                            for (a, b) in a.into_iter().zip(b) {
                                *total += i32::from(a) * i32::from(b);
                            }
                        }
                    }
                }
            }
            sums.copy_from_slice(&total);
        }
    }
}

/// Eight columns and up to six rows at a time: products of pairs in 16 bits, exact in 32.
///
/// The instruction that multiplies bytes would be twice as fast, and saturates.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn avx2(sum: &Reduction, on: &mut Operands) {
    for column in (0..on.width).step_by(8) {
        for row in (0..on.rows).step_by(6) {
            let block = match on.rows - row {
                1 => avx2_block::<1>,
                2 => avx2_block::<2>,
                3 => avx2_block::<3>,
                4 => avx2_block::<4>,
                5 => avx2_block::<5>,
                _ => avx2_block::<6>,
            };
            // SAFETY: the caller's promise holds for each of the tile's rows and columns.
            unsafe { block(sum, on, row, column) }
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[expect(clippy::needless_range_loop)]
#[target_feature(enable = "avx2,fma")]
unsafe fn avx2_block<const ROWS: usize>(sum: &Reduction, on: &mut Operands, row: usize, column: usize) {
    use std::arch::x86_64::{
        _mm_loadu_si128, _mm_set1_epi32, _mm256_add_epi32, _mm256_cvtepi8_epi16, _mm256_cvtepu8_epi16,
        _mm256_hadd_epi32, _mm256_madd_epi16, _mm256_permute4x64_epi64, _mm256_setzero_si256,
        _mm256_storeu_si256,
    };
    let mut sums = [[_mm256_setzero_si256(); 2]; ROWS];
    // SAFETY: the caller promises that the last group of the last row is readable; the panel has eight
    // columns from `column` on.
    unsafe {
        let mut b = on.b.add(column * GROUP);
        for outer in 0..sum.outer.count {
            for inner in 0..sum.inner.count {
                let a = on.a.add(outer * sum.outer.a + inner * sum.inner.a);
                let mut rows = [a; ROWS];
                for m in 0..ROWS {
                    rows[m] = a.add(on.a_rows[row + m]);
                }
                for at in 0..sum.step.count {
                    let mut weights = [_mm256_setzero_si256(); 2];
                    for v in 0..2 {
                        weights[v] = _mm256_cvtepi8_epi16(_mm_loadu_si128(b.add(v * 4 * GROUP).cast()));
                    }
                    for m in 0..ROWS {
                        let group = rows[m].add(at * GROUP).cast::<i32>().read_unaligned();
                        let group = _mm256_cvtepu8_epi16(_mm_set1_epi32(group));
                        for v in 0..2 {
                            let pairs = _mm256_madd_epi16(group, weights[v]);
                            sums[m][v] = _mm256_add_epi32(sums[m][v], pairs);
                        }
                    }
                    b = b.add(on.width * GROUP);
                }
            }
        }
        for m in 0..ROWS {
            // Every column has two sums; adding neighbours swaps the middle quarters.
            let total = _mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_hadd_epi32(sums[m][0], sums[m][1]));
            _mm256_storeu_si256(on.sums[row + m].as_mut_ptr().add(column).cast(), total);
        }
    }
}

/// As the tile of `f32`, with four terms for every lane.
#[cfg(target_arch = "x86_64")]
#[expect(clippy::needless_range_loop)]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma")]
unsafe fn vnni<const ROWS: usize, const VECTORS: usize>(sum: &Reduction, on: &mut Operands) {
    use std::arch::x86_64::{
        __m512i, _mm512_dpbusd_epi32, _mm512_loadu_si512, _mm512_set1_epi32, _mm512_setzero_si512,
        _mm512_storeu_si512,
    };
    const LANES: usize = 16;
    let mut sums: [[__m512i; VECTORS]; ROWS] = [[_mm512_setzero_si512(); VECTORS]; ROWS];
    // SAFETY: the caller promises that the last group of the last row is readable; a tile's sums hold
    // `ROWS` rows of `VECTORS` vectors.
    unsafe {
        for outer in 0..sum.outer.count {
            for inner in 0..sum.inner.count {
                let a = on.a.add(outer * sum.outer.a + inner * sum.inner.a);
                let start = (outer * sum.outer.b + inner * sum.inner.b) * VECTORS * LANES * GROUP;
                let mut b = on.b.add(start);
                let mut rows = [a; ROWS];
                for m in 0..ROWS {
                    rows[m] = a.add(on.a_rows[m]);
                }
                for at in 0..sum.step.count {
                    let mut row = [_mm512_setzero_si512(); VECTORS];
                    for v in 0..VECTORS {
                        row[v] = _mm512_loadu_si512(b.add(v * LANES * GROUP).cast());
                    }
                    for m in 0..ROWS {
                        let group = rows[m].add(at * GROUP).cast::<i32>().read_unaligned();
                        let group = _mm512_set1_epi32(group);
                        for v in 0..VECTORS {
                            sums[m][v] = _mm512_dpbusd_epi32(sums[m][v], group, row[v]);
                        }
                    }
                    b = b.add(VECTORS * LANES * GROUP);
                }
            }
        }
        for m in 0..ROWS {
            for v in 0..VECTORS {
                _mm512_storeu_si512(on.sums[m].as_mut_ptr().add(v * LANES).cast(), sums[m][v]);
            }
        }
    }
}

/// Channels that are finished at once.
const BLOCK: usize = 16;

for_each_isa! {
    /// Stores rows of adjacent channels at `starts`: `q = clamp(round((sum + offset) · scale) + zero)`, at
    /// least `lowest`. There are as many channels as `offsets`.
    pub(super) fn requantise<S>(
        sums: &[[i32; MAX_COLUMNS]], starts: &[usize], offsets: &[i32], scale: &[f32], zero: u8, lowest: u8,
        q: &mut [u8],
    ) {
        let (offsets, rest) = offsets.as_chunks();
        let (scales, rest_of_scale) = scale[..BLOCK * offsets.len() + rest.len()].as_chunks();
        for (block, (offsets, scale)) in offsets.iter().zip(scales).enumerate() {
            requantise_block(sums, starts, block * BLOCK, BLOCK, offsets, scale, zero, lowest, q);
        }
        if !rest.is_empty() {
            let (first, count) = (BLOCK * offsets.len(), rest.len());
            let (offsets, scale) = (padded(rest), padded(rest_of_scale));
            requantise_block(sums, starts, first, count, &offsets, &scale, zero, lowest, q);
        }
    }
}

/// Stores the `count` channels from `first` on. It is compiled twice: where the count is known, a copy is one
/// instruction, otherwise a call.
#[inline(always)]
fn requantise_block(
    sums: &[[i32; MAX_COLUMNS]],
    starts: &[usize],
    first: usize,
    count: usize,
    offsets: &[i32; BLOCK],
    scale: &[f32; BLOCK],
    zero: u8,
    lowest: u8,
    q: &mut [u8],
) {
    for (sums, start) in sums.iter().zip(starts) {
        let mut values = [0; BLOCK];
        for (i, sum) in sums[first..][..BLOCK].iter().enumerate() {
            values[i] = to_u8((sum + offsets[i]) as f32 * scale[i], zero, lowest);
        }
        q[start + first..][..count].copy_from_slice(&values[..count]);
    }
}

for_each_isa! {
    /// Stores rows of adjacent channels at `starts`: `y = (sum + offset) · scale`, clamped at zero with
    /// `relu`. There are as many channels as `offsets`.
    pub(super) fn dequantise<S>(
        sums: &[[i32; MAX_COLUMNS]], starts: &[usize], offsets: &[i32], scale: &[f32], relu: bool,
        y: &mut [f32],
    ) {
        let lowest = if relu { 0.0 } else { f32::NEG_INFINITY };
        for (sums, start) in sums.iter().zip(starts) {
            let y = &mut y[*start..][..offsets.len()];
            for (((y, sum), offset), scale) in y.iter_mut().zip(sums).zip(offsets).zip(scale) {
                *y = ((sum + offset) as f32 * scale).max(lowest);
            }
        }
    }
}

fn padded<T: Copy + Default>(values: &[T]) -> [T; BLOCK] {
    let mut all = [T::default(); BLOCK];
    all[..values.len()].copy_from_slice(values);
    all
}
