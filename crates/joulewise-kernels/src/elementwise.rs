//! Operations on values one by one, on slices and on the interiors of images.
#![allow(unsafe_code)]

use crate::image::Image;
use crate::simd::for_each_isa;

for_each_isa! {
    /// `y = max(y, 0)`
    pub fn relu_in_place<S>(y: &mut [f32]) {
        for y in y {
            *y = if *y < 0.0 { 0.0 } else { *y };
        }
    }
}

for_each_isa! {
    /// Zeroes `dy` where the activation's result `y` is not positive.
    pub fn relu_backward_in_place<S>(y: &[f32], dy: &mut [f32]) {
        assert_eq!(y.len(), dy.len());
        for (dy, y) in dy.iter_mut().zip(y) {
            *dy = if *y > 0.0 { *dy } else { 0.0 };
        }
    }
}

for_each_isa! {
    /// `y += x`
    pub fn add_assign<S>(x: &[f32], y: &mut [f32]) {
        assert_eq!(x.len(), y.len());
        for (y, x) in y.iter_mut().zip(x) {
            *y += x;
        }
    }
}

/// Copies the interior between two layouts of one image.
pub fn copy_image(from: Image, x: &[f32], to: Image, y: &mut [f32]) {
    assert!(from.same_interior(to) && x.len() == from.len() && y.len() == to.len());
    for row in 0..from.height {
        y[to.line(row)].copy_from_slice(&x[from.line(row)]);
    }
}

for_each_isa! {
    /// `y = max(x, 0)` on the interior of an image, between two layouts.
    pub fn relu_image<S>(from: Image, x: &[f32], to: Image, y: &mut [f32]) {
        assert!(from.same_interior(to) && x.len() == from.len() && y.len() == to.len());
        for row in 0..from.height {
            for (y, x) in y[to.line(row)].iter_mut().zip(&x[from.line(row)]) {
                *y = if *x < 0.0 { 0.0 } else { *x };
            }
        }
    }
}

for_each_isa! {
    /// `dx = dy` where the activation's result `y` is positive, 0 elsewhere, on the interior of an image;
    /// every operand has its own layout.
    pub fn relu_backward_image<S>(
        of_y: Image, y: &[f32], of_dy: Image, dy: &[f32], accumulate: bool, of_dx: Image, dx: &mut [f32],
    ) {
        assert!(of_y.same_interior(of_dy) && of_y.same_interior(of_dx));
        assert!(y.len() == of_y.len() && dy.len() == of_dy.len() && dx.len() == of_dx.len());
        for row in 0..of_y.height {
            let (y, dy) = (&y[of_y.line(row)], &dy[of_dy.line(row)]);
            let values = dx[of_dx.line(row)].iter_mut().zip(dy).zip(y);
            if accumulate {
                for ((dx, dy), y) in values {
                    *dx += if *y > 0.0 { *dy } else { 0.0 };
                }
            } else {
                for ((dx, dy), y) in values {
                    *dx = if *y > 0.0 { *dy } else { 0.0 };
                }
            }
        }
    }
}

for_each_isa! {
    /// `y = a + b`, clamped at zero with `relu`, on the interior of an image; every operand has its own
    /// layout.
    pub fn add_image<S>(
        of_a: Image, a: &[f32], of_b: Image, b: &[f32], relu: bool, of_y: Image, y: &mut [f32],
    ) {
        assert!(of_y.same_interior(of_a) && of_y.same_interior(of_b));
        assert!(a.len() == of_a.len() && b.len() == of_b.len() && y.len() == of_y.len());
        for row in 0..of_y.height {
            let (a, b) = (&a[of_a.line(row)], &b[of_b.line(row)]);
            let values = y[of_y.line(row)].iter_mut().zip(a).zip(b);
            if relu {
                for ((y, a), b) in values {
                    let sum = a + b;
                    *y = if sum < 0.0 { 0.0 } else { sum };
                }
            } else {
                for ((y, a), b) in values {
                    *y = a + b;
                }
            }
        }
    }
}

for_each_isa! {
    /// `y += x` on the interior of an image, between two layouts.
    pub fn add_assign_image<S>(from: Image, x: &[f32], to: Image, y: &mut [f32]) {
        assert!(from.same_interior(to) && x.len() == from.len() && y.len() == to.len());
        for row in 0..from.height {
            for (y, x) in y[to.line(row)].iter_mut().zip(&x[from.line(row)]) {
                *y += x;
            }
        }
    }
}

for_each_isa! {
    /// `sums[c] += Σ x[c]` over the interior of an image.
    pub fn add_channel_sums<S>(image: Image, x: &[f32], sums: &mut [f32]) {
        assert!(x.len() == image.len() && sums.len() == image.channels);
        for c in (0..image.channels).step_by(S::LANES) {
            let mask = S::first(image.channels - c);
            // One sum for each row and then their sum: rounding errors stay small on large images.
            let mut total = S::splat(0.0);
            for row in 0..image.height {
                // SAFETY: the row's pixels lie within the image, whose length is checked; lanes after the
                // last channel are masked.
                let line = x.as_ptr().add(image.offset(row, 0) + c);
                let mut sum = S::splat(0.0);
                for column in 0..image.width {
                    sum = S::add(sum, S::load_masked(line.add(column * image.channels), mask));
                }
                total = S::add(total, sum);
            }
            let to = sums.as_mut_ptr().add(c);
            S::store_masked(to, mask, S::add(S::load_masked(to, mask), total));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::isa::Isa;
    use crate::scalar::{random, random_image, zero_halo};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn slices(len in 0..70usize) {
            let (a, b) = (random(1, len), random(2, len));
            let expect = |y: &[f32], f: fn(f32, f32) -> f32| {
                assert!(y.iter().zip(&a).zip(&b).all(|((y, a), b)| *y == f(*a, *b)), "{y:?}");
            };
            for isa in Isa::available() {
                let mut y = b.clone();
                add_assign(isa, &a, &mut y);
                expect(&y, |a, b| b + a);
                y.copy_from_slice(&b);
                relu_in_place(isa, &mut y);
                expect(&y, |_, b| b.max(0.0));
                y.copy_from_slice(&b);
                relu_backward_in_place(isa, &a, &mut y);
                expect(&y, |a, b| if a > 0.0 { b } else { 0.0 });
            }
        }

        #[test]
        fn images(height in 1..5usize, width in 1..20usize, channels in 1..20usize, flag: bool) {
            let plain = Image { height, width, channels, halo: 0 };
            let [of_a, of_b, of_y] = [0, 2, 1].map(|halo| plain.with_halo(halo));
            let (a, b, before) = (random_image(1, of_a), random_image(2, of_b), random_image(3, of_y));
            // The interior's values in order, and a border that nobody has touched.
            let interior = |image: Image, x: &[f32]| {
                let mut values = vec![0.0; plain.len()];
                copy_image(image, x, plain, &mut values);
                let mut cleared = x.to_vec();
                zero_halo(image, &mut cleared);
                assert_eq!(cleared, x, "the border is zero");
                values
            };
            let (values_a, values_b, old) = (interior(of_a, &a), interior(of_b, &b), interior(of_y, &before));
            for isa in Isa::available() {
                let mut y = before.clone();
                relu_image(isa, of_b, &b, of_y, &mut y);
                let expected: Vec<_> = values_b.iter().map(|x| x.max(0.0)).collect();
                prop_assert_eq!(interior(of_y, &y), expected);

                let mut y = before.clone();
                relu_backward_image(isa, of_a, &a, of_b, &b, flag, of_y, &mut y);
                for (i, y) in interior(of_y, &y).into_iter().enumerate() {
                    let gradient = if values_a[i] > 0.0 { values_b[i] } else { 0.0 };
                    prop_assert_eq!(y, if flag { old[i] + gradient } else { gradient });
                }

                add_image(isa, of_a, &a, of_b, &b, flag, of_y, &mut y);
                for (i, y) in interior(of_y, &y).into_iter().enumerate() {
                    let sum = values_a[i] + values_b[i];
                    prop_assert_eq!(y, if flag { sum.max(0.0) } else { sum });
                }

                let mut y = before.clone();
                add_assign_image(isa, of_b, &b, of_y, &mut y);
                for (i, y) in interior(of_y, &y).into_iter().enumerate() {
                    prop_assert_eq!(y, old[i] + values_b[i]);
                }

                let mut sums = vec![1.0; channels];
                add_channel_sums(isa, of_b, &b, &mut sums);
                for (c, sum) in sums.into_iter().enumerate() {
                    let expected: f32 = values_b.iter().skip(c).step_by(channels).sum();
                    prop_assert!((sum - 1.0 - expected).abs() < 1e-4);
                }
            }
        }
    }
}
