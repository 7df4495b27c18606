//! The right-hand side of a product, rearranged once for many uses.
#![allow(unsafe_code)]

use crate::isa::Isa;
use crate::tile;
use std::ops::{Deref, DerefMut, Range};

/// A cache line of values; a vector of lines starts on a line.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
struct Line([f32; 16]);

/// Zeros that become values: a slice of `f32` that starts on a cache line, as vectors like it.
#[derive(Clone, Debug, Default)]
pub struct Aligned {
    lines: Vec<Line>,
    len: usize,
}

impl Aligned {
    /// `len` zeros.
    pub fn zeros(len: usize) -> Self {
        Self { lines: vec![Line([0.0; 16]); len.div_ceil(16)], len }
    }

    /// Changes the length; new values are arbitrary, those that stay keep theirs.
    pub fn resize(&mut self, len: usize) {
        self.lines.resize(len.div_ceil(16), Line([0.0; 16]));
        self.len = len;
    }
}

impl Deref for Aligned {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        // SAFETY: a line is exactly 16 values without padding, and there are lines for `len` values.
        unsafe { std::slice::from_raw_parts(self.lines.as_ptr().cast(), self.len) }
    }
}

impl DerefMut for Aligned {
    fn deref_mut(&mut self) -> &mut [f32] {
        // SAFETY: as above.
        unsafe { std::slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), self.len) }
    }
}

/// A matrix in panels of one to three vectors of columns, zero padded to whole vectors; rows of a panel
/// are adjacent. Weights are packed once per step and used for every image.
///
/// The layout depends on the instruction set; use it with the one that it was packed for.
#[derive(Clone, Debug)]
pub struct Packed {
    isa: Isa,
    values: Aligned,
}

impl Default for Packed {
    fn default() -> Self {
        Self { isa: Isa::Portable, values: Aligned::default() }
    }
}

impl Packed {
    /// An empty matrix, to be filled by one of the `pack` functions.
    pub fn new() -> Self {
        Self::default()
    }

    /// Drops the contents and makes room for `len` values.
    pub(crate) fn reset(&mut self, isa: Isa, len: usize) {
        self.isa = isa;
        self.values.resize(len);
    }

    /// Packs the rows `rows` of `depth` × `columns` values whose panels start at `at`: the value in the row
    /// `rows.start + r` and the column `c` is `w[r · rs + c · cs]`.
    pub(crate) fn fill(
        &mut self,
        at: usize,
        depth: usize,
        columns: usize,
        rows: Range<usize>,
        w: &[f32],
        [rs, cs]: [usize; 2],
    ) {
        if rows.is_empty() || columns == 0 {
            return;
        }
        assert!((rows.len() - 1) * rs + (columns - 1) * cs < w.len(), "the matrix is too short");
        let end = at + packed_len(self.isa, depth, columns);
        assert!(rows.end <= depth && end <= self.values.len(), "the packed matrix is too short");
        let panels_of_it = &mut self.values[at..end];
        for panel in panels(self.isa, columns) {
            let panel_rows = &mut panels_of_it[panel.start * depth..][..panel.width * depth];
            let packed = panel_rows.chunks_exact_mut(panel.width).skip(rows.start).take(rows.len());
            for (r, row) in packed.enumerate() {
                let (filled, padding) = row.split_at_mut(panel.columns);
                padding.fill(0.0);
                let first = r * rs + panel.start * cs;
                if cs == 1 {
                    filled.copy_from_slice(&w[first..first + panel.columns]);
                    continue;
                }
                for (c, x) in filled.iter_mut().enumerate() {
                    // SAFETY: the last value of the last row lies within `w`, as checked above.
                    *x = unsafe { *w.get_unchecked(first + c * cs) };
                }
            }
        }
    }

    /// Keeps `values` as they are.
    pub(crate) fn copy(&mut self, isa: Isa, values: &[f32]) {
        self.reset(isa, values.len());
        self.values.copy_from_slice(values);
    }

    /// Keeps `values` as they are, from `at` on.
    pub(crate) fn put(&mut self, at: usize, values: &[f32]) {
        self.values[at..at + values.len()].copy_from_slice(values);
    }

    /// What [`Packed::copy`] and [`Packed::put`] have kept.
    pub(crate) fn copied(&self, isa: Isa, len: usize) -> &[f32] {
        assert_eq!((self.isa, self.values.len()), (isa, len), "weights were packed for something else");
        &self.values
    }

    /// The panels from `at`, checked to hold `depth` × `columns` values for `isa`.
    pub(crate) fn panels_at(&self, isa: Isa, at: usize, depth: usize, columns: usize) -> &[f32] {
        assert_eq!(self.isa, isa, "weights were packed for another instruction set");
        &self.values[at..at + packed_len(isa, depth, columns)]
    }
}

/// A range of columns that one tile spans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Panel {
    /// First column.
    pub(crate) start: usize,
    /// Columns that exist.
    pub(crate) columns: usize,
    /// Vectors that they fill.
    pub(crate) vectors: usize,
    /// Columns with padding.
    pub(crate) width: usize,
}

/// Values that a packed matrix of `depth` × `columns` takes.
pub(crate) fn packed_len(isa: Isa, depth: usize, columns: usize) -> usize {
    depth * columns.next_multiple_of(tile::lanes(isa))
}

/// Cuts columns in panels of two vectors, and one of three where their number is odd: tiles of two are
/// the tallest, a single vector would read A once for every product.
pub(crate) fn panels(isa: Isa, columns: usize) -> impl Iterator<Item = Panel> + Clone {
    let lanes = tile::lanes(isa);
    let mut start = 0;
    std::iter::from_fn(move || {
        let left = (columns - start).div_ceil(lanes);
        let vectors = match left {
            0 => return None,
            1 | 3 => left,
            _ => 2,
        };
        let width = vectors * lanes;
        let columns = width.min(columns - start);
        let panel = Panel { start, columns, vectors, width };
        start += columns;
        Some(panel)
    })
}
