//! Affine quantisation of slices: `q = clamp(round(x / scale) + zero)`, halves rounded to even, as in ONNX.
#![allow(unsafe_code)]

use crate::simd::for_each_isa;

/// 1.5 · 2²³: a sum with it has no bits left for a fraction, and its lowest bits are those of the integer.
/// Unlike the instructions for rounding and conversion, addition is the same everywhere.
const SHIFT: f32 = 12_582_912.0;

/// `x` rounded, halves to even, plus `zero`, within `lowest..=highest`; `x` must not be NaN.
#[inline(always)]
fn rounded(x: f32, zero: i32, lowest: i32, highest: i32) -> i32 {
    let (low, high) = ((lowest - zero) as f32, (highest - zero) as f32);
    // The bounds are integers, so the rounding may come after them; compared in this way, each is one
    // instruction.
    let x = if x < low { low } else { x };
    let x = if x > high { high } else { x };
    (x + SHIFT).to_bits() as i32 - SHIFT.to_bits() as i32 + zero
}

/// The nearest `u8` to `x + zero`, at least `lowest`.
#[inline(always)]
pub(crate) fn to_u8(x: f32, zero: u8, lowest: u8) -> u8 {
    rounded(x, i32::from(zero), i32::from(lowest), 255) as u8
}

for_each_isa! {
    /// `q = clamp(round(x / scale) + zero)`
    pub fn quantise<S>(x: &[f32], scale: f32, zero: u8, q: &mut [u8]) {
        assert_eq!(x.len(), q.len());
        for (q, x) in q.iter_mut().zip(x) {
            *q = to_u8(x / scale, zero, 0);
        }
    }
}

for_each_isa! {
    /// `q = clamp(round(x / scale) + zero)`
    pub fn quantise_signed<S>(x: &[f32], scale: f32, zero: i8, q: &mut [i8]) {
        assert_eq!(x.len(), q.len());
        for (q, x) in q.iter_mut().zip(x) {
            *q = rounded(x / scale, i32::from(zero), -128, 127) as i8;
        }
    }
}

for_each_isa! {
    /// `x = (q − zero) · scale`
    pub fn dequantise<S>(q: &[u8], scale: f32, zero: u8, x: &mut [f32]) {
        assert_eq!(x.len(), q.len());
        for (x, q) in x.iter_mut().zip(q) {
            *x = (i32::from(*q) - i32::from(zero)) as f32 * scale;
        }
    }
}

for_each_isa! {
    /// `x = (q − zero) · scale`
    pub fn dequantise_signed<S>(q: &[i8], scale: f32, zero: i8, x: &mut [f32]) {
        assert_eq!(x.len(), q.len());
        for (x, q) in x.iter_mut().zip(q) {
            *x = (i32::from(*q) - i32::from(zero)) as f32 * scale;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::isa::Isa;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn rounding_and_saturation_are_the_standard(
            x in prop::collection::vec(-300.0..300.0f32, 1..70), halves: bool, zero: u8,
        ) {
            let scale = 0.5_f32;
            let x: Vec<f32> = x.iter().map(|x| if halves { (x * 4.0).round() / 4.0 } else { *x }).collect();
            for isa in Isa::available() {
                let mut q = vec![0; x.len()];
                quantise(isa, &x, scale, zero, &mut q);
                let mut signed = vec![0; x.len()];
                let signed_zero = zero.wrapping_sub(128) as i8;
                quantise_signed(isa, &x, scale, signed_zero, &mut signed);
                for (i, x) in x.iter().enumerate() {
                    let rounded = (x / scale).round_ties_even();
                    prop_assert_eq!(f32::from(q[i]), (rounded + f32::from(zero)).clamp(0.0, 255.0));
                    let expected = (rounded + f32::from(signed_zero)).clamp(-128.0, 127.0);
                    prop_assert_eq!(f32::from(signed[i]), expected);
                }
                let mut back = vec![0.0; x.len()];
                dequantise(isa, &q, scale, zero, &mut back);
                prop_assert!(back.iter().zip(&q).all(|(x, q)| *x == (f32::from(*q) - f32::from(zero)) * scale));
                dequantise_signed(isa, &signed, scale, signed_zero, &mut back);
                for (x, q) in back.iter().zip(&signed) {
                    prop_assert_eq!(*x, (f32::from(*q) - f32::from(signed_zero)) * scale);
                }
            }
        }
    }
}
