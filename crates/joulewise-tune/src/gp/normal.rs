//! The normal distribution far out in its tails, where everything is a logarithm.

use std::f64::consts::{FRAC_1_SQRT_2, PI, SQRT_2};

/// log √(2π).
const LOG_ROOT_TAU: f64 = 0.918_938_533_204_672_7;

/// Chebyshev coefficients of (1 + 2x) erfcx(x) in (x − K) / (x + K), computed with 40 digits.
const ERFCX: [f64; 26] = [
    2.355_157_869_134_803_5,
    -0.004_590_054_580_646_477,
    -0.084_249_133_366_517_92,
    0.059_209_939_998_191_89,
    -0.026_658_668_435_305_752,
    0.009_074_997_670_705_265,
    -0.002_413_163_540_417_608,
    0.000_490_775_836_525_808_6,
    -6.916_973_302_501_207e-5,
    4.139_027_986_073_01e-6,
    7.740_383_066_198_491e-7,
    -2.188_640_104_923_44e-7,
    1.076_499_946_567_091e-8,
    4.521_959_811_218_287e-9,
    -7.754_400_208_831_351e-10,
    -6.318_088_340_886_684e-11,
    2.868_795_010_930_67e-11,
    1.945_586_854_577_735e-13,
    -9.654_696_748_433_44e-13,
    3.252_548_148_148_74e-14,
    3.347_811_948_286_805e-14,
    -1.864_562_880_419_313e-15,
    -1.250_795_053_068_865e-15,
    7.418_235_256_624_043e-17,
    5.068_148_904_796_111e-17,
    -2.237_056_659_435_999_6e-18,
];
const K: f64 = 3.75;

/// exp(x²) erfc(x) for x ≥ 0.
pub(crate) fn erfcx(x: f64) -> f64 {
    let t = (x - K) / (x + K);
    // Clenshaw's recurrence.
    let (mut next, mut after) = (0.0, 0.0);
    for &c in ERFCX[1..].iter().rev() {
        (next, after) = (c + 2.0 * t * next - after, next);
    }
    (0.5 * ERFCX[0] + t * next - after) / (1.0 + 2.0 * x)
}

/// The logarithm of the density.
pub(crate) fn log_density(x: f64) -> f64 {
    -0.5 * x * x - LOG_ROOT_TAU
}

/// The logarithm of the probability of less than `x`.
pub(crate) fn log_below(x: f64) -> f64 {
    if x < 0.0 {
        (0.5 * erfcx(-x * FRAC_1_SQRT_2)).ln() - 0.5 * x * x
    } else {
        (-0.5 * erfcx(x * FRAC_1_SQRT_2) * (-0.5 * x * x).exp()).ln_1p()
    }
}

/// The probability of less than `x`.
pub(crate) fn below(x: f64) -> f64 {
    log_below(x).exp()
}

/// log(1 − exp(x)) for x < 0.
pub(crate) fn log_one_minus_exp(x: f64) -> f64 {
    if x > -std::f64::consts::LN_2 { (-x.exp_m1()).ln() } else { (-x.exp()).ln_1p() }
}

/// The logarithm of h(x) = φ(x) + x Φ(x): what a standard normal variable is expected to lie below `x` by, 0 where it
/// lies above (Ament et al. 2023).
pub(crate) fn log_gain(x: f64) -> f64 {
    if x > -1.0 {
        (log_density(x).exp() + x * below(x)).ln()
    } else if x > -100.0 {
        let ratio = -x * (PI / 2.0).sqrt() * erfcx(-x / SQRT_2);
        log_density(x) + (-ratio).ln_1p()
    } else {
        // Here 1 minus the ratio would be the difference of nearly equal numbers.
        let q = 1.0 / (x * x);
        log_density(x) + (q * (1.0 - q * (3.0 - q * (15.0 - 105.0 * q)))).ln()
    }
}

/// The x of which `log_gain(x)` is `log`.
pub(crate) fn inverse_log_gain(log: f64) -> f64 {
    if log > 3.0 {
        // Beyond h(x) = 20 it is the identity up to the last digit.
        return log.exp();
    }
    // Newton's method: the logarithm is concave, so that from the left of the root no step overshoots it.
    let mut x = if log > -1.0 { log.exp() } else { -(-2.0 * log).sqrt() };
    for _ in 0..50 {
        let value = log_gain(x);
        let slope = (log_below(x) - value).exp();
        let step = ((value - log) / slope).clamp(-2.0, 2.0);
        x -= step;
        if step.abs() <= 1e-13 * x.abs().max(1.0) {
            break;
        }
    }
    x
}

/// Below which the share `p` of it lies, which is above 0 and at most a half.
pub(crate) fn quantile(p: f64) -> f64 {
    let log = p.ln();
    // Newton's method again, from the left.
    let mut x = -(-2.0 * log).sqrt();
    for _ in 0..50 {
        let at = log_below(x);
        let step = (log - at) / (log_density(x) - at).exp();
        x += step;
        if step.abs() <= 1e-13 * x.abs().max(1.0) {
            break;
        }
    }
    x
}
