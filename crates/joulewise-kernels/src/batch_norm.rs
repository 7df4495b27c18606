//! The parts of batch normalisation that run over one image.
//!
//! The engine adds the sums of all images up, derives the coefficients of each channel, and applies them:
//!
//! - forward: `mean = Σx / n`, `var = Σx² / n − mean²`, `y = x · scale + shift` with
//!   `scale = γ / √(var + ε)`, `shift = β − mean · scale`;
//! - backward: `dx = a · dy + b · (x − mean) + c` with the sums of [`gradient_moments`]; [`Backward::new`] holds
//!   the formula.
//!
//! Sums leave in `f64`, so that the variance of channels with a large mean is exact enough.
#![allow(unsafe_code)]

use crate::image::Image;
use crate::simd::{Simd, for_each_isa};
use crate::tile::MAX_LANES;

/// What one channel's gradients follow from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Backward {
    /// Gradient of the weight γ.
    pub weight: f32,
    /// Gradient of the bias β.
    pub bias: f32,
    /// `[a, b, mean, c]` of `dx = a · dy + b · (x − mean) + c`.
    pub coefficients: [f32; 4],
}

impl Backward {
    /// Derives the gradients of a channel from its sums over `count` values of the batch, `Σ dy` and
    /// `Σ dy · x`, and from the `mean` and `deviation = 1 / √(var + ε)` that the forward pass used.
    pub fn new(sum_dy: f64, sum_dy_x: f64, mean: f64, deviation: f64, weight: f64, count: f64) -> Self {
        let normalised = (sum_dy_x - mean * sum_dy) * deviation;
        let a = weight * deviation;
        let b = -a * deviation * normalised / count;
        let c = -a * sum_dy / count;
        let coefficients = [a, b, mean, c].map(|x| x as f32);
        Self { weight: normalised as f32, bias: sum_dy as f32, coefficients }
    }
}

for_each_isa! {
    /// `sum[c] += Σ x`, `squares[c] += Σ x²` over the interior of an image.
    pub fn moments<S>(image: Image, x: &[f32], sum: &mut [f64], squares: &mut [f64]) {
        assert!(x.len() == image.len() && sum.len() == image.channels && squares.len() == image.channels);
        for c in (0..image.channels).step_by(S::LANES) {
            let mask = S::first(image.channels - c);
            let mut sums = Sums::<S>::around(x.as_ptr().add(image.offset(0, 0) + c), mask);
            for row in 0..image.height {
                // SAFETY: the row's pixels lie within the image, whose length is checked; lanes after the
                // last channel are masked. The same holds for every function below.
                let line = x.as_ptr().add(image.offset(row, 0) + c);
                for at in (0..image.width).map(|column| column * image.channels) {
                    let difference = S::sub(S::load_masked(line.add(at), mask), sums.pivot);
                    sums.add(difference, difference);
                }
                sums.end_row();
            }
            let [first, second, pivot] = sums.finish();
            let pixels = image.pixels() as f64;
            let of_channel = sum[c..].iter_mut().zip(&mut squares[c..]).take(S::LANES);
            for (lane, (sum, squares)) in of_channel.enumerate() {
                let pivot = pivot[lane];
                *sum += first[lane] + pixels * pivot;
                *squares += second[lane] + pivot * (2.0 * first[lane] + pixels * pivot);
            }
        }
    }
}

for_each_isa! {
    /// `y = x · scale[c] + shift[c]`, clamped at zero with `relu`, on the interior of an image, between
    /// two layouts.
    pub fn scale_shift<S>(
        from: Image, x: &[f32], scale: &[f32], shift: &[f32], relu: bool, to: Image, y: &mut [f32],
    ) {
        assert!(from.same_interior(to) && x.len() == from.len() && y.len() == to.len());
        assert!(scale.len() == from.channels && shift.len() == from.channels);
        let floor = S::splat(if relu { 0.0 } else { f32::NEG_INFINITY });
        for row in 0..from.height {
            for c in (0..from.channels).step_by(S::LANES) {
                let mask = S::first(from.channels - c);
                let scale = S::load_masked(scale.as_ptr().add(c), mask);
                let shift = S::load_masked(shift.as_ptr().add(c), mask);
                let source = x.as_ptr().add(from.offset(row, 0) + c);
                let target = y.as_mut_ptr().add(to.offset(row, 0) + c);
                for at in (0..from.width).map(|column| column * from.channels) {
                    let value = S::fma(S::load_masked(source.add(at), mask), scale, shift);
                    S::store_masked(target.add(at), mask, S::max(floor, value));
                }
            }
        }
    }
}

for_each_isa! {
    /// `sum_dy[c] += Σ dy`, `sum_dy_x[c] += Σ dy · x` over the interior of an image; `x` is the input of the
    /// normalisation. With `active`, the `[scale, shift]` of a forward pass with a fused activation, only the
    /// `dy` of positive results count: computing the result again is cheaper than fetching it.
    pub fn gradient_moments<S>(
        of_x: Image, x: &[f32], of_dy: Image, dy: &[f32], active: Option<[&[f32]; 2]>, sum_dy: &mut [f64],
        sum_dy_x: &mut [f64],
    ) {
        assert!(of_x.same_interior(of_dy) && x.len() == of_x.len() && dy.len() == of_dy.len());
        assert!(sum_dy.len() == of_x.channels && sum_dy_x.len() == of_x.channels);
        for c in (0..of_x.channels).step_by(S::LANES) {
            let mask = S::first(of_x.channels - c);
            let activation = Activation::<S>::new(active, of_x.channels, c, mask);
            let mut sums = Sums::<S>::around(x.as_ptr().add(of_x.offset(0, 0) + c), mask);
            for row in 0..of_x.height {
                let x = x.as_ptr().add(of_x.offset(row, 0) + c);
                let dy = dy.as_ptr().add(of_dy.offset(row, 0) + c);
                for at in (0..of_x.width).map(|column| column * of_x.channels) {
                    let value = S::load_masked(x.add(at), mask);
                    let gradient = activation.pass(value, S::load_masked(dy.add(at), mask));
                    sums.add(gradient, S::sub(value, sums.pivot));
                }
                sums.end_row();
            }
            let [first, second, pivot] = sums.finish();
            let of_channel = sum_dy[c..].iter_mut().zip(&mut sum_dy_x[c..]).take(S::LANES);
            for (lane, (sum_dy, sum_dy_x)) in of_channel.enumerate() {
                *sum_dy += first[lane];
                *sum_dy_x += second[lane] + pivot[lane] * first[lane];
            }
        }
    }
}

for_each_isa! {
    /// `dx = a · dy + b · (x − mean) + c` on the interior of an image, for `coefficients = [a, b, mean, c]`
    /// with one value for each channel; every operand has its own layout. `active` is that of
    /// [`gradient_moments`].
    pub fn input_gradient<S>(
        of_x: Image, x: &[f32], of_dy: Image, dy: &[f32], active: Option<[&[f32]; 2]>,
        coefficients: [&[f32]; 4], of_dx: Image, dx: &mut [f32],
    ) {
        assert!(of_x.same_interior(of_dy) && of_x.same_interior(of_dx));
        assert!(x.len() == of_x.len() && dy.len() == of_dy.len() && dx.len() == of_dx.len());
        assert!(coefficients.iter().all(|of| of.len() == of_x.channels));
        for row in 0..of_x.height {
            for c in (0..of_x.channels).step_by(S::LANES) {
                let mask = S::first(of_x.channels - c);
                let activation = Activation::<S>::new(active, of_x.channels, c, mask);
                let factor_dy = S::load_masked(coefficients[0].as_ptr().add(c), mask);
                let factor_x = S::load_masked(coefficients[1].as_ptr().add(c), mask);
                let mean = S::load_masked(coefficients[2].as_ptr().add(c), mask);
                let constant = S::load_masked(coefficients[3].as_ptr().add(c), mask);
                let x = x.as_ptr().add(of_x.offset(row, 0) + c);
                let dy = dy.as_ptr().add(of_dy.offset(row, 0) + c);
                let dx = dx.as_mut_ptr().add(of_dx.offset(row, 0) + c);
                for at in (0..of_x.width).map(|column| column * of_x.channels) {
                    let value = S::load_masked(x.add(at), mask);
                    let gradient = activation.pass(value, S::load_masked(dy.add(at), mask));
                    let through_statistics = S::fma(S::sub(value, mean), factor_x, constant);
                    S::store_masked(dx.add(at), mask, S::fma(gradient, factor_dy, through_statistics));
                }
            }
        }
    }
}

/// Where an activation after the normalisation let its argument pass: by the very operation of
/// [`scale_shift`], so that both agree to the last bit. Without one, everywhere.
struct Activation<S: Simd> {
    scale: S::V,
    shift: S::V,
}

impl<S: Simd> Activation<S> {
    #[inline(always)]
    unsafe fn new(active: Option<[&[f32]; 2]>, channels: usize, c: usize, mask: S::Mask) -> Self {
        let Some([scale, shift]) = active else {
            return unsafe { Self { scale: S::splat(0.0), shift: S::splat(1.0) } };
        };
        assert!(scale.len() == channels && shift.len() == channels);
        // SAFETY: `c` is below the number of channels, and lanes after the last are masked.
        unsafe {
            let [scale, shift] = [scale, shift].map(|of| S::load_masked(of.as_ptr().add(c), mask));
            Self { scale, shift }
        }
    }

    /// The gradient of the activation's argument.
    #[inline(always)]
    unsafe fn pass(&self, x: S::V, gradient: S::V) -> S::V {
        unsafe {
            let active = S::greater(S::fma(x, self.scale, self.shift), S::splat(0.0));
            S::select(active, gradient, S::splat(0.0))
        }
    }
}

/// `Σ a` and `Σ a · b` of one vector of channels: in `f32` along a row, in `f64` over the rows.
///
/// The values of x enter as differences from a pivot, one value of each channel: without their mean they are
/// small, and so is the rounding of `f32`.
struct Sums<S: Simd> {
    pivot: S::V,
    row: [S::V; 2],
    total: [S::Wide; 2],
}

impl<S: Simd> Sums<S> {
    #[inline(always)]
    unsafe fn around(pivot: *const f32, mask: S::Mask) -> Self {
        unsafe {
            let pivot = S::load_masked(pivot, mask);
            Self { pivot, row: [S::splat(0.0); 2], total: [S::wide_zero(); 2] }
        }
    }

    #[inline(always)]
    unsafe fn add(&mut self, a: S::V, b: S::V) {
        unsafe { self.row = [S::add(self.row[0], a), S::fma(a, b, self.row[1])] }
    }

    #[inline(always)]
    unsafe fn end_row(&mut self) {
        unsafe {
            self.total = [S::wide_add(self.total[0], self.row[0]), S::wide_add(self.total[1], self.row[1])];
            self.row = [S::splat(0.0); 2];
        }
    }

    /// Σ a, Σ a · b and the pivot, by lane.
    #[inline(always)]
    unsafe fn finish(self) -> [[f64; MAX_LANES]; 3] {
        let mut lanes = [[0.0; MAX_LANES]; 3];
        // SAFETY: no instruction set has more lanes.
        unsafe {
            S::wide_store(lanes[0].as_mut_ptr(), self.total[0]);
            S::wide_store(lanes[1].as_mut_ptr(), self.total[1]);
            S::wide_store(lanes[2].as_mut_ptr(), S::wide_add(S::wide_zero(), self.pivot));
        }
        lanes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::isa::Isa;
    use crate::scalar::{assert_close, batch_norm_backward, random_image};
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn training_follows_the_definition(
            height in 2..7usize, width in 4..9usize, channels in 1..40usize, relu: bool, offset in -30.0..30.0f32,
        ) {
            let of_x = Image { height, width, channels, halo: 0 };
            let (of_y, of_dy) = (of_x.with_halo(1), of_x.with_halo(2));
            let x: Vec<_> = random_image(1, of_x).iter().map(|x| x + offset).collect();
            let dy = random_image(2, of_dy);
            let (count, epsilon) = (of_x.pixels() as f64, 1e-5);
            let (weight, bias) = (1.5, 0.1);
            for isa in Isa::available() {
                let mut sums = [vec![0.0; channels], vec![0.0; channels]];
                let [sum, squares] = &mut sums;
                moments(isa, of_x, &x, sum, squares);
                let mean: Vec<_> = sum.iter().map(|x| x / count).collect();
                let deviation: Vec<_> = (0..channels)
                    .map(|c| 1.0 / (squares[c] / count - mean[c] * mean[c] + epsilon).sqrt())
                    .collect();
                let scale: Vec<_> = deviation.iter().map(|d| (weight * d) as f32).collect();
                let shift: Vec<_> = (0..channels).map(|c| (bias - mean[c] * weight * deviation[c]) as f32).collect();
                let mut y = vec![0.0; of_y.len()];
                scale_shift(isa, of_x, &x, &scale, &shift, relu, of_y, &mut y);

                let mut sums = [vec![0.0; channels], vec![0.0; channels]];
                let [sum_dy, sum_dy_x] = &mut sums;
                let mask = relu.then_some([&scale[..], &shift[..]]);
                gradient_moments(isa, of_x, &x, of_dy, &dy, mask, sum_dy, sum_dy_x);
                let channel = |c: usize| {
                    Backward::new(sum_dy[c], sum_dy_x[c], mean[c], deviation[c], weight, count)
                };
                let factors: [Vec<f32>; 4] =
                    std::array::from_fn(|i| (0..channels).map(|c| channel(c).coefficients[i]).collect());
                let mut dx = vec![0.0; of_x.len()];
                let coefficients = factors.each_ref().map(|of| &of[..]);
                input_gradient(isa, of_x, &x, of_dy, &dy, mask, coefficients, of_x, &mut dx);

                for c in 0..channels {
                    let of = |image: Image, values: &[f32]| -> Vec<f64> {
                        let lines = (0..height).flat_map(|row| image.line(row).skip(c).step_by(channels));
                        lines.map(|at| f64::from(values[at])).collect()
                    };
                    let (xs, mut dys) = (of(of_x, &x), of(of_dy, &dy));
                    let normal = |x: f64| (x - mean[c]) * deviation[c] * weight + bias;
                    let expected: Vec<_> =
                        xs.iter().map(|&x| if relu { normal(x).max(0.0) } else { normal(x) }).collect();
                    let actual: Vec<_> = of(of_y, &y).iter().map(|&y| y as f32).collect();
                    assert_close("normalised", &actual, &expected, 1e-4);
                    if relu {
                        dys.iter_mut().zip(&actual).filter(|(_, y)| **y <= 0.0).for_each(|(dy, _)| *dy = 0.0);
                    }
                    let (gradients, expected) = batch_norm_backward(&xs, &dys, weight, epsilon);
                    let actual: Vec<_> = of(of_x, &dx).iter().map(|&x| x as f32).collect();
                    assert_close("input gradient", &actual, &expected, 1e-3);
                    prop_assert!((channel(c).weight - gradients.weight).abs() < 1e-4);
                    prop_assert!((channel(c).bias - gradients.bias).abs() < 1e-5);
                }
            }
        }
    }
}
