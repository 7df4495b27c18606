//! Cheap features of images: means of blocks of pixels, and their principal components.

use rayon::prelude::*;

use super::Images;
use crate::random::Stream;

/// Blocks along each side of an image, where it has as many pixels.
const BLOCKS: usize = 8;
/// Rows from which principal components are estimated.
const SAMPLE: usize = 8192;
/// Rounds of the power iteration.
const ROUNDS: usize = 12;

/// One row of numbers for each example.
#[derive(Clone, Debug)]
pub struct Features {
    /// Numbers in a row.
    pub(super) width: usize,
    /// The rows, one after the other.
    pub(super) rows: Vec<f32>,
}

impl Features {
    /// The images at `indices`, centred, scaled to length 1 and projected onto blocks: an orthogonal
    /// projection, so that two rows are never farther apart than their images. A constant image gives zeros.
    pub(super) fn unit_blocks(images: &Images, indices: &[u32]) -> Self {
        let [channels, height, width] = images.shape;
        let (down, across) = (BLOCKS.min(height), BLOCKS.min(width));
        let blocks = down * across * channels;
        // The block of each sample, and 1/√(samples in a block).
        let block_of: Vec<u16> = (0..images.samples())
            .map(|sample| {
                let (y, x, channel) =
                    (sample / channels / width, sample / channels % width, sample % channels);
                (((y * down / height) * across + x * across / width) * channels + channel) as u16
            })
            .collect();
        let mut sizes = vec![0u32; blocks];
        for &block in &block_of {
            sizes[block as usize] += 1;
        }
        let mut rows = vec![0.0f32; indices.len() * blocks];
        rows.par_chunks_exact_mut(blocks.max(1)).zip(indices).for_each(|(row, &index)| {
            let pixels = images.pixels_of(index as usize);
            let (mean, deviation) = moments(pixels);
            if deviation == 0.0 {
                return;
            }
            let mut sums = vec![0u32; blocks];
            pixels
                .iter()
                .zip(&block_of)
                .for_each(|(&pixel, &block)| sums[block as usize] += u32::from(pixel));
            let norm = deviation * (pixels.len() as f64).sqrt();
            for ((value, &sum), &size) in row.iter_mut().zip(&sums).zip(&sizes) {
                let size = f64::from(size);
                *value = ((f64::from(sum) - mean * size) / (size.sqrt() * norm)) as f32;
            }
        });
        Self { width: blocks, rows }
    }

    /// Rows of `width` numbers. Panics when they do not fill the last one, which is a bug of the caller.
    pub fn new(width: usize, rows: Vec<f32>) -> Self {
        assert!(width > 0 && rows.len().is_multiple_of(width), "{} numbers in rows of {width}", rows.len());
        Self { width, rows }
    }

    /// Row number `i`.
    pub fn row(&self, i: usize) -> &[f32] {
        &self.rows[i * self.width..(i + 1) * self.width]
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.rows.len().checked_div(self.width).unwrap_or(0)
    }

    /// Projections of all rows onto the `count` directions in which they vary most: orthonormal, found by
    /// power iteration on at most [`SAMPLE`] rows.
    pub(super) fn principal(&self, count: usize) -> Self {
        let width = self.width;
        let count = count.min(width);
        let covariance = self.covariance();
        let mut random = Stream::new(0, "principal components");
        let mut axes: Vec<Vec<f32>> =
            (0..count).map(|_| (0..width).map(|_| random.uniform(-1.0, 1.0)).collect()).collect();
        for _ in 0..ROUNDS {
            for axis in &mut axes {
                *axis = covariance.chunks_exact(width).map(|row| dot(row, axis)).collect();
            }
            // Gram–Schmidt; what is left of an axis without variance stays zero.
            for i in 0..count {
                let (before, rest) = axes.split_at_mut(i);
                let axis = &mut rest[0];
                let length = dot(axis, axis).sqrt();
                for other in before.iter() {
                    let along = dot(axis, other);
                    axis.iter_mut().zip(other).for_each(|(x, &y)| *x -= along * y);
                }
                let left = dot(axis, axis).sqrt();
                let scale = if left > 1e-5 * length { 1.0 / left } else { 0.0 };
                for x in axis.iter_mut() {
                    *x *= scale;
                }
            }
        }
        let mut rows = vec![0.0; self.len() * count];
        rows.par_chunks_exact_mut(count.max(1)).enumerate().for_each(|(i, projections)| {
            projections.iter_mut().zip(&axes).for_each(|(value, axis)| *value = dot(self.row(i), axis));
        });
        Self { width: count, rows }
    }

    fn covariance(&self) -> Vec<f32> {
        let width = self.width;
        let step = self.len().div_ceil(SAMPLE).max(1);
        let sampled: Vec<&[f32]> = (0..self.len()).step_by(step).map(|i| self.row(i)).collect();
        let count = sampled.len().max(1) as f32;
        let mut mean = vec![0.0; width];
        for row in &sampled {
            mean.iter_mut().zip(*row).for_each(|(sum, &x)| *sum += x / count);
        }
        let mut covariance = vec![0.0; width * width];
        covariance.par_chunks_exact_mut(width.max(1)).enumerate().for_each(|(i, line)| {
            for row in &sampled {
                let deviation = (row[i] - mean[i]) / count;
                line.iter_mut().zip(*row).zip(&mean).for_each(|((sum, &x), &m)| *sum += deviation * (x - m));
            }
        });
        covariance
    }
}

/// Mean and standard deviation of bytes.
pub(super) fn moments(pixels: &[u8]) -> (f64, f64) {
    let (mut sum, mut squares) = (0u64, 0u64);
    for &pixel in pixels {
        sum += u64::from(pixel);
        squares += u64::from(u32::from(pixel) * u32::from(pixel));
    }
    let count = pixels.len().max(1) as f64;
    let mean = sum as f64 / count;
    (mean, (squares as f64 / count - mean * mean).max(0.0).sqrt())
}

/// Squared distance of two rows.
#[inline]
pub(super) fn squared_distance(a: &[f32], b: &[f32]) -> f32 {
    lanes(a, b, |x, y| (x - y) * (x - y))
}

#[inline]
fn dot(a: &[f32], b: &[f32]) -> f32 {
    lanes(a, b, |x, y| x * y)
}

/// Sums `of` over both rows in eight lanes, which the compiler turns into vector instructions, always in
/// the same order.
#[inline(always)]
fn lanes(a: &[f32], b: &[f32], of: impl Fn(f32, f32) -> f32) -> f32 {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    let mut sums = [0.0; 8];
    for (a, b) in a.iter().zip(b) {
        for lane in 0..8 {
            sums[lane] += of(a[lane], b[lane]);
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(&x, &y)| of(x, y)).sum();
    sums.iter().sum::<f32>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_have_at_most_length_1_and_constant_images_have_none() {
        let striped: Vec<u8> = (0..16 * 16).map(|i| if i / 16 % 4 < 2 { 10 } else { 200 }).collect();
        let images = Images::new([1, 16, 16], [striped, vec![7; 256]].concat(), vec![0, 1]);
        let features = Features::unit_blocks(&images, &[0, 1]);
        assert_eq!((features.width, features.len()), (64, 2));
        // Stripes two pixels wide fill their blocks: nothing is lost.
        assert!((dot(features.row(0), features.row(0)) - 1.0).abs() < 1e-5);
        assert!(features.row(1).iter().all(|&x| x == 0.0));
    }

    #[test]
    fn principal_components_find_the_directions_of_a_rotated_cloud() {
        let mut random = Stream::new(3, "cloud");
        let mut rows = Vec::new();
        for _ in 0..4000 {
            let (long, short) = (random.uniform(-3.0, 3.0), random.uniform(-1.0, 1.0));
            rows.extend([0.6 * long - 0.8 * short, 0.8 * long + 0.6 * short, 5.0]);
        }
        let projected = Features { width: 3, rows }.principal(3);
        let expected = [3.0 / 3f32.sqrt(), 1.0 / 3f32.sqrt(), 0.0];
        for (component, expected) in expected.into_iter().enumerate() {
            let values = projected.rows.iter().skip(component).step_by(3);
            let mean = values.clone().sum::<f32>() / 4000.0;
            let deviation = (values.map(|x| (x - mean).powi(2)).sum::<f32>() / 4000.0).sqrt();
            assert!((deviation - expected).abs() < 0.03, "component {component} has {deviation}");
        }
        assert_eq!((projected.width, projected.len()), (3, 4000));
    }
}
