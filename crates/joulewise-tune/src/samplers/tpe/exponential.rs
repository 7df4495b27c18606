//! A fast exponential.

/// Adding it rounds to a whole number, which is then in the lowest bits.
const ROUND: f32 = 12_582_912.0;

/// e to the `x` for `x ≤ 0`, to 7 digits; below −87 it stays at e⁻⁸⁷. Without branches and calls, so that loops over
/// it become vector instructions, and the same on every machine.
#[inline(always)]
pub(crate) fn exp(x: f32) -> f32 {
    let x = if x > -87.0 { x } else { -87.0 };
    let power = x * std::f32::consts::LOG2_E;
    let rounded = power + ROUND;
    let rest = power - (rounded - ROUND);
    let mut sum = 1.540_353e-4;
    for coefficient in [1.333_355_8e-3, 9.618_129e-3, 5.550_411e-2, 2.402_265e-1, 6.931_472e-1, 1.0] {
        sum = sum * rest + coefficient;
    }
    sum * f32::from_bits(rounded.to_bits().wrapping_add(127) << 23)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_exponential() {
        for i in 0..=87_000 {
            let x = -(i as f32) / 1000.0;
            let truth = f64::from(x).exp();
            // The argument itself is known to a few parts in 10⁷ of its size.
            let tolerance = 1e-6 + 2e-7 * f64::from(x.abs());
            assert!((f64::from(exp(x)) / truth - 1.0).abs() < tolerance, "{x}");
        }
        assert_eq!(exp(0.0), 1.0);
        for low in [-88.0, -1e30, f32::NEG_INFINITY, f32::NAN] {
            assert!((0.0..2e-38).contains(&exp(low)), "{low}");
        }
    }
}
