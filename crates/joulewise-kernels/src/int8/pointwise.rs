//! Pooling and addition of quantised images.

use crate::image::Image;
use crate::isa::Isa;
use crate::pool::Pool;
use crate::quant::to_u8;
use crate::simd::for_each_isa;

/// The meaning of quantised values: `x = (q − zero) · scale`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Affine {
    /// The step between neighbouring values.
    pub scale: f32,
    /// The value that means zero.
    pub zero: u8,
}

/// Channels that are summed at once.
const BLOCK: usize = 64;

/// Channels whose largest values are found at once.
const PIECE: usize = 16;

for_each_isa! {
    /// `y = a + b` on slices, each with its own meaning; at least `lowest`, the zero point of `y` for a
    /// fused activation, otherwise 0.
    pub fn add<S>(of_a: Affine, a: &[u8], of_b: Affine, b: &[u8], of_y: Affine, lowest: u8, y: &mut [u8]) {
        assert!(a.len() == y.len() && b.len() == y.len());
        for ((y, a), b) in y.iter_mut().zip(a).zip(b) {
            let a = (i32::from(*a) - i32::from(of_a.zero)) as f32 * of_a.scale;
            let b = (i32::from(*b) - i32::from(of_b.zero)) as f32 * of_b.scale;
            *y = to_u8((a + b) / of_y.scale, of_y.zero, lowest);
        }
    }
}

for_each_isa! {
    /// The largest value of every window, of one image; padding never wins. The meaning stays.
    pub fn max_pool<S>(pool: &Pool, x: &[u8], y: &mut [u8]) {
        pool.check();
        assert!(x.len() >= pool.input.len() && y.len() >= pool.output.len());
        let channels = pool.input.channels;
        if channels.is_multiple_of(PIECE) && pool.padding == [0; 2] {
            for row in 0..pool.output.height {
                let to = y[pool.output.line(row)].as_chunks_mut::<PIECE>().0;
                to.fill([0; PIECE]);
                for tap in 0..pool.kernel[0] {
                    let line = x[pool.input.line(row * pool.stride[0] + tap)].as_chunks::<PIECE>().0;
                    largest(pool, line, to);
                }
            }
            return;
        }
        for (row, column, rows, columns) in pool.windows() {
            let y = &mut y[pool.output.offset(row, column)..][..channels];
            // Whole pieces stay in a register while the pixels pass by.
            let (pieces, rest) = y.as_chunks_mut::<PIECE>();
            let start = PIECE * pieces.len();
            rest.fill(0);
            for line in rows.clone() {
                for at in columns.clone() {
                    let pixel = &x[pool.input.offset(line, at) + start..][..rest.len()];
                    for (most, x) in rest.iter_mut().zip(pixel) {
                        *most = (*most).max(*x);
                    }
                }
            }
            for (piece, y) in pieces.iter_mut().enumerate() {
                let mut most = [0; PIECE];
                for line in rows.clone() {
                    for at in columns.clone() {
                        let pixel = &x[pool.input.offset(line, at) + piece * PIECE..][..PIECE];
                        for i in 0..PIECE {
                            most[i] = most[i].max(pixel[i]);
                        }
                    }
                }
                *y = most;
            }
        }
    }
}

/// Raises each piece of a row of outputs to the largest of its windows in one row of inputs.
#[inline(always)]
fn largest(pool: &Pool, line: &[[u8; PIECE]], to: &mut [[u8; PIECE]]) {
    let pieces = pool.input.channels / PIECE;
    for (column, to) in to.chunks_exact_mut(pieces).enumerate() {
        for tap in 0..pool.kernel[1] {
            let from = &line[(column * pool.stride[1] + tap) * pieces..][..pieces];
            for (most, x) in to.iter_mut().zip(from) {
                for i in 0..PIECE {
                    most[i] = most[i].max(x[i]);
                }
            }
        }
    }
}

/// The mean of every window, of one image, where padding counts as zeros.
pub fn average_pool(isa: Isa, pool: &Pool, of_x: Affine, x: &[u8], of_y: Affine, y: &mut [u8]) {
    pool.check();
    assert!(x.len() >= pool.input.len() && y.len() >= pool.output.len());
    let channels = pool.input.channels;
    let factor = of_x.scale / ((pool.kernel[0] * pool.kernel[1]) as f32 * of_y.scale);
    for (row, column, rows, columns) in pool.windows() {
        let offset = -((rows.len() * columns.len()) as i32) * i32::from(of_x.zero);
        let to = &mut y[pool.output.offset(row, column)..][..channels];
        for (block, to) in to.chunks_mut(BLOCK).enumerate() {
            let mut sums = [offset; BLOCK];
            for line in rows.clone() {
                let first = pool.input.offset(line, columns.start) + block * BLOCK;
                add_pixels(isa, &x[first..], channels, columns.len(), &mut sums[..to.len()]);
            }
            mean(isa, &sums[..to.len()], factor, of_y.zero, to);
        }
    }
}

/// `y[c]`, the mean of the interior of an image.
pub fn global_average(isa: Isa, image: Image, of_x: Affine, x: &[u8], of_y: Affine, y: &mut [u8]) {
    assert!(x.len() >= image.len() && y.len() >= image.channels);
    let factor = of_x.scale / (image.pixels() as f32 * of_y.scale);
    for (block, y) in y[..image.channels].chunks_mut(BLOCK).enumerate() {
        let mut sums = [-(image.pixels() as i32) * i32::from(of_x.zero); BLOCK];
        for row in 0..image.height {
            let line = &x[image.offset(row, 0) + block * BLOCK..];
            add_pixels(isa, line, image.channels, image.width, &mut sums[..y.len()]);
        }
        mean(isa, &sums[..y.len()], factor, of_y.zero, y);
    }
}

for_each_isa! {
    /// Adds adjacent channels of `pixels` pixels, which are `channels` apart.
    fn add_pixels<S>(x: &[u8], channels: usize, pixels: usize, sums: &mut [i32]) {
        for pixel in 0..pixels {
            let x = &x[pixel * channels..][..sums.len()];
            for (sum, x) in sums.iter_mut().zip(x) {
                *sum += i32::from(*x);
            }
        }
    }
}

for_each_isa! {
    fn mean<S>(sums: &[i32], factor: f32, zero: u8, y: &mut [u8]) {
        for (y, sum) in y.iter_mut().zip(sums) {
            *y = to_u8(*sum as f32 * factor, zero, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scalar::{for_each_window, random};
    use proptest::prelude::*;

    fn bytes(seed: u64, len: usize) -> Vec<u8> {
        random(seed, len).into_iter().map(|x| (x * 127.0 + 128.0) as u8).collect()
    }

    fn quantised(x: f64, of: Affine) -> u8 {
        ((x / f64::from(of.scale)).round_ties_even() + f64::from(of.zero)).clamp(0.0, 255.0) as u8
    }

    fn real(q: u8, of: Affine) -> f64 {
        (f64::from(q) - f64::from(of.zero)) * f64::from(of.scale)
    }

    // Powers of two keep the arithmetic exact, so that rounding is tested and not avoided.
    const OF_A: Affine = Affine { scale: 0.25, zero: 3 };
    const OF_B: Affine = Affine { scale: 0.5, zero: 130 };
    const OF_Y: Affine = Affine { scale: 0.5, zero: 100 };

    proptest! {
        #[test]
        fn addition(len in 1..100usize, relu: bool) {
            let (a, b) = (bytes(1, len), bytes(2, len));
            let lowest = if relu { OF_Y.zero } else { 0 };
            for isa in Isa::available() {
                let mut y = vec![0; len];
                add(isa, OF_A, &a, OF_B, &b, OF_Y, lowest, &mut y);
                for i in 0..len {
                    let expected = quantised(real(a[i], OF_A) + real(b[i], OF_B), OF_Y).max(lowest);
                    prop_assert_eq!(y[i], expected);
                }
            }
        }

        #[test]
        fn pooling(height in 2..8usize, width in 2..8usize, channels in 1..80usize, stride in 1..3usize) {
            let input = Image { height, width, channels, halo: 1 };
            let mut pool =
                Pool { input, output: input, kernel: [2, 2], stride: [stride; 2], padding: [1, 0] };
            let [height, width] = pool.output_size();
            pool.output = Image { height, width, channels, halo: 0 };
            let x = bytes(1, input.len());
            for isa in Isa::available() {
                let mut most = vec![0; pool.output.len()];
                max_pool(isa, &pool, &x, &mut most);
                let mut means = most.clone();
                average_pool(isa, &pool, OF_A, &x, OF_Y, &mut means);
                for_each_window(&pool, |at, window| {
                    assert_eq!(most[at], window.iter().map(|&i| x[i]).max().unwrap());
                    let sum: f64 = window.iter().map(|&i| real(x[i], OF_A)).sum();
                    assert_eq!(means[at], quantised(sum / 4.0, OF_Y));
                });
                let whole = Image { height: 4, width: 4, channels, halo: 0 };
                let x = bytes(2, whole.len());
                let mut y = vec![0; channels];
                global_average(isa, whole, OF_A, &x, OF_Y, &mut y);
                for (c, y) in y.into_iter().enumerate() {
                    let sum: f64 = x.iter().skip(c).step_by(channels).map(|&q| real(q, OF_A)).sum();
                    prop_assert_eq!(y, quantised(sum / 16.0, OF_Y));
                }
            }
        }
    }
}
