//! The Matérn kernel of smoothness 5/2 with a length scale for each parameter.

/// Points by columns, one for each feature, as kernels read them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Columns {
    columns: Vec<Vec<f64>>,
    len: usize,
}

impl Columns {
    /// The points of `rows`, of `features` features each.
    pub(crate) fn new<'a>(features: usize, rows: impl IntoIterator<Item = &'a [f64]>) -> Self {
        let mut columns = Self { columns: vec![Vec::new(); features], len: 0 };
        for row in rows {
            columns.push(row);
        }
        columns
    }

    /// Adds a point.
    pub(crate) fn push(&mut self, row: &[f64]) {
        for (column, &x) in self.columns.iter_mut().zip(row) {
            column.push(x);
        }
        self.len += 1;
    }

    /// Leaves the first `n` points.
    pub(crate) fn truncate(&mut self, n: usize) {
        for column in &mut self.columns {
            column.truncate(n);
        }
        self.len = n;
    }

    /// How many points there are.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Feature `f` of all points.
    pub(crate) fn column(&self, f: usize) -> &[f64] {
        &self.columns[f]
    }

    /// Squared distances of `x` to the first `n` points, each feature weighed.
    pub(crate) fn distances(&self, x: &[f64], weights: &[f64], n: usize) -> Vec<f64> {
        let mut squares = vec![0.0; n];
        for ((column, &x), &weight) in self.columns.iter().zip(x).zip(weights) {
            for (square, &other) in squares.iter_mut().zip(column) {
                let difference = x - other;
                *square += weight * (difference * difference);
            }
        }
        squares
    }
}

/// Turns squared distances into correlations.
pub(crate) fn correlations(squares: &mut [f64]) {
    for square in squares {
        *square = correlation((5.0 * *square).sqrt());
    }
}

/// Correlations at squared distances, and their derivatives with respect to these.
pub(crate) fn with_slopes(squares: &mut [f64]) -> Vec<f64> {
    let both = |square: &mut f64| {
        let (value, slope) = with_slope((5.0 * *square).sqrt());
        *square = value;
        slope
    };
    squares.iter_mut().map(both).collect()
}

/// At √5 times a distance.
#[inline]
pub(crate) fn correlation(s: f64) -> f64 {
    (1.0 + s + s * s / 3.0) * exp(-s)
}

/// The same, and its derivative with respect to the squared distance.
#[inline]
pub(crate) fn with_slope(s: f64) -> (f64, f64) {
    let decay = exp(-s);
    ((1.0 + s + s * s / 3.0) * decay, -5.0 / 6.0 * (1.0 + s) * decay)
}

/// exp(x) for x ≤ 0: loops over it fill the lanes of the processor, and no library decides about the last bit.
#[inline]
fn exp(x: f64) -> f64 {
    // Adding 1.5 · 2⁵² rounds to a whole number, which then stands in the low bits.
    const ROUND: f64 = 6_755_399_441_055_744.0;
    const LN_2_HIGH: f64 = 0.693_147_180_369_123_8;
    const LN_2_LOW: f64 = 1.908_214_929_270_587_7e-10;
    let x = x.max(-700.0);
    let shifted = x * std::f64::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = (x - n * LN_2_HIGH) - n * LN_2_LOW;
    // Taylor's series: |r| ≤ ln 2 / 2, so the first term left out is below 1e-17.
    let mut p = 1.0 / 6_227_020_800.0;
    for c in [
        1.0 / 479_001_600.0,
        1.0 / 39_916_800.0,
        1.0 / 3_628_800.0,
        1.0 / 362_880.0,
        1.0 / 40_320.0,
        1.0 / 5_040.0,
        1.0 / 720.0,
        1.0 / 120.0,
        1.0 / 24.0,
        1.0 / 6.0,
        0.5,
        1.0,
        1.0,
    ] {
        p = p * r + c;
    }
    let power = f64::from_bits((shifted.to_bits().wrapping_add(1023)) << 52);
    p * power
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_exponential_is_exact_to_the_last_digits(x in -690.0..=0.0f64) {
            prop_assert!((exp(x) / x.exp() - 1.0).abs() < 4e-16 * 2.0);
        }

        #[test]
        fn slopes_are_derivatives(square in 1e-3..50.0f64) {
            let at = |x: f64| { let mut k = [x]; correlations(&mut k); k[0] };
            let mut k = [square];
            let slope = with_slopes(&mut k)[0];
            let h = 1e-5 * square;
            let difference = (at(square + h) - at(square - h)) / (2.0 * h);
            prop_assert_eq!(k[0], at(square));
            prop_assert!((slope - difference).abs() < 1e-6 * (slope.abs() + 1e-3));
        }
    }

    #[test]
    fn distances_are_weighed() {
        let columns = Columns::new(2, [&[0.0, 1.0][..], &[2.0, 1.0], &[0.0, 0.0]]);
        assert_eq!(columns.distances(&[0.0, 0.0], &[1.0, 10.0], 3), [10.0, 14.0, 0.0]);
        assert_eq!(exp(0.0), 1.0);
        assert!(exp(-1e9) < 1e-300);
    }
}
