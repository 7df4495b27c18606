//! Products of any shape, cut into register tiles.
#![allow(unsafe_code)]

use crate::isa::Isa;
use crate::packed::{Panel, packed_len, panels};
use crate::tile::{self, Finish, MAX_ROWS, Operands, Reduction};

/// The rows of a product: a grid, each with its offset in A and in C.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Grid {
    pub(crate) height: usize,
    pub(crate) width: usize,
    /// Distances between vertical and horizontal neighbours in A.
    pub(crate) a: [usize; 2],
    /// Distances between vertical and horizontal neighbours in C.
    pub(crate) c: [usize; 2],
}

impl Grid {
    /// Rows at equal distances.
    pub(crate) fn line(rows: usize, a: usize, c: usize) -> Self {
        Self { height: 1, width: rows, a: [0, a], c: [0, c] }
    }

    pub(crate) fn len(&self) -> usize {
        self.height * self.width
    }

    /// Offsets of the last row in A and C.
    pub(crate) fn last(&self) -> (usize, usize) {
        let reach = |stride: [usize; 2]| (self.height - 1) * stride[0] + (self.width - 1) * stride[1];
        (reach(self.a), reach(self.c))
    }
}

/// Where the values of B are.
#[derive(Clone, Copy)]
pub(crate) enum Columns<'a> {
    /// Panels of `depth` rows, as in [`Packed`](crate::Packed), of which the reduction starts at the row `first`.
    Packed { panels: &'a [f32], depth: usize, first: usize },
    /// Rows at the given distance.
    Rows(&'a [f32], usize),
}

/// `C (+)= A · B (+ bias)`, where a row of the product is a place of a grid and the reduction has three
/// dimensions.
pub(crate) struct Product<'a> {
    pub(crate) isa: Isa,
    pub(crate) grid: Grid,
    pub(crate) reduction: Reduction,
    /// Columns of B and C.
    pub(crate) columns: usize,
    pub(crate) a: &'a [f32],
    pub(crate) b: Columns<'a>,
    pub(crate) bias: Option<&'a [f32]>,
    pub(crate) finish: Finish,
}

impl Product<'_> {
    /// Computes the product into `c`.
    pub(crate) fn run(&self, c: &mut [f32]) {
        if self.grid.len() == 0 || self.columns == 0 {
            return;
        }
        self.check(c.len());
        let c = c.as_mut_ptr();
        match self.b {
            // A panel of weights stays in the cache while the rows pass by.
            Columns::Packed { .. } => {
                for panel in panels(self.isa, self.columns) {
                    let most = tile::max_rows(self.isa, panel.vectors);
                    let mut tiles = Tiles::new(self.grid, most);
                    while tiles.advance() {
                        self.tile(&tiles, panel, c);
                    }
                }
            }
            // Few terms, many rows: all of B stays in the cache while the rows pass by.
            Columns::Rows(..) => {
                let most = panels(self.isa, self.columns)
                    .map(|panel| tile::max_rows(self.isa, panel.vectors))
                    .min()
                    .unwrap_or(1);
                let mut tiles = Tiles::new(self.grid, most);
                while tiles.advance() {
                    for panel in panels(self.isa, self.columns) {
                        self.tile(&tiles, panel, c);
                    }
                }
            }
        }
    }

    fn tile(&self, tile: &Tiles, panel: Panel, c: *mut f32) {
        let (b, b_row) = match self.b {
            Columns::Packed { panels, depth, first } => {
                (panels[panel.start * depth + first * panel.width..].as_ptr(), panel.width)
            }
            Columns::Rows(b, row) => (b[panel.start..].as_ptr(), row),
        };
        let operands = Operands {
            a: self.a.as_ptr(),
            a_rows: &tile.a,
            b,
            b_row,
            // SAFETY: `check` has found the last column of the last row within C.
            c: unsafe { c.add(panel.start) },
            c_rows: &tile.c,
            columns: panel.columns,
            bias: self.bias.map_or(std::ptr::null(), |bias| bias[panel.start..].as_ptr()),
            finish: self.finish,
        };
        // SAFETY: `check` has found that the processor has the instruction set and that the last term of
        // the last row lies within A, B, C and the bias.
        unsafe { tile::tile(self.isa, tile.len, panel.vectors)(&self.reduction, &operands) }
    }

    /// Panics unless every access of the product is within its slices.
    fn check(&self, c_len: usize) {
        self.isa.check();
        let ((a_row, c_row), (a_term, b_term)) = (self.grid.last(), self.reduction.last());
        assert!(c_row + self.columns <= c_len, "the result is too short");
        assert!(self.bias.is_none_or(|bias| bias.len() >= self.columns), "the bias is too short");
        if self.reduction.depth() == 0 {
            return;
        }
        assert!(a_row + a_term < self.a.len(), "the left-hand side is too short");
        match self.b {
            Columns::Packed { panels, depth, first } => {
                assert!(first + b_term < depth, "the packed matrix has too few rows");
                assert!(
                    panels.len() >= packed_len(self.isa, depth, self.columns),
                    "the panels are too short"
                );
            }
            Columns::Rows(b, row) => {
                assert!(b_term * row + self.columns <= b.len(), "the right-hand side is too short");
            }
        }
    }
}

/// Cuts a grid into tiles whose heights differ by at most one, and holds the rows of the present one.
pub(crate) struct Tiles {
    grid: Grid,
    y: usize,
    x: usize,
    left: usize,
    count: usize,
    /// Rows of the present tile.
    pub(crate) len: usize,
    /// Their offsets in A.
    pub(crate) a: [usize; MAX_ROWS],
    /// Their offsets in C.
    pub(crate) c: [usize; MAX_ROWS],
}

impl Tiles {
    pub(crate) fn new(grid: Grid, most: usize) -> Self {
        let (left, count) = (grid.len(), grid.len().div_ceil(most));
        Self { grid, y: 0, x: 0, left, count, len: 0, a: [0; MAX_ROWS], c: [0; MAX_ROWS] }
    }

    /// Moves to the next tile; false after the last. No iterator: that would copy the offsets.
    pub(crate) fn advance(&mut self) -> bool {
        if self.count == 0 {
            return false;
        }
        self.len = self.left.div_ceil(self.count);
        self.count -= 1;
        self.left -= self.len;
        for (a, c) in self.a.iter_mut().zip(&mut self.c).take(self.len) {
            *a = self.y * self.grid.a[0] + self.x * self.grid.a[1];
            *c = self.y * self.grid.c[0] + self.x * self.grid.c[1];
            self.x += 1;
            if self.x == self.grid.width {
                (self.x, self.y) = (0, self.y + 1);
            }
        }
        true
    }
}
