//! The memory layout of one image.

/// The layout of one image: pixels in rows, channels fastest (NHWC), with a border of `halo` pixels on
/// every side that the owner keeps at zero.
///
/// The border lets convolutions read their padding as ordinary pixels, without a test in the inner loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Image {
    /// Rows of the interior.
    pub height: usize,
    /// Pixels in a row of the interior.
    pub width: usize,
    /// Values of a pixel.
    pub channels: usize,
    /// Pixels of the border on every side.
    pub halo: usize,
}

impl Image {
    /// Number of values, border included.
    pub fn len(self) -> usize {
        (self.height + 2 * self.halo) * self.row()
    }

    /// Whether the image holds no value.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// Distance between vertical neighbours, in values.
    pub fn row(self) -> usize {
        (self.width + 2 * self.halo) * self.channels
    }

    /// Position of the first channel of the interior pixel (`y`, `x`).
    pub fn offset(self, y: usize, x: usize) -> usize {
        (y + self.halo) * self.row() + (x + self.halo) * self.channels
    }

    /// Number of interior pixels.
    pub fn pixels(self) -> usize {
        self.height * self.width
    }

    /// The values of the interior row `y`, of the length `width · channels`.
    pub fn line(self, y: usize) -> std::ops::Range<usize> {
        let start = self.offset(y, 0);
        start..start + self.width * self.channels
    }

    /// The same image with another border.
    #[must_use]
    pub fn with_halo(self, halo: usize) -> Self {
        Self { halo, ..self }
    }

    /// Whether `other` has the same interior.
    pub fn same_interior(self, other: Self) -> bool {
        self.with_halo(0) == other.with_halo(0)
    }
}
