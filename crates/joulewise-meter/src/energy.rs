//! Quantities with their unit in the type, and energy with its interval.

use std::fmt;
use std::ops::{Add, AddAssign, Div, Mul, Sub};

use serde::{Deserialize, Serialize};

/// Defines a physical quantity held as an `f64` in its SI unit.
macro_rules! quantity {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub f64);

        impl Add for $name {
            type Output = Self;
            fn add(self, other: Self) -> Self {
                Self(self.0 + other.0)
            }
        }

        impl Sub for $name {
            type Output = Self;
            fn sub(self, other: Self) -> Self {
                Self(self.0 - other.0)
            }
        }

        impl Mul<f64> for $name {
            type Output = Self;
            fn mul(self, factor: f64) -> Self {
                Self(self.0 * factor)
            }
        }

        impl Div<f64> for $name {
            type Output = Self;
            fn div(self, divisor: f64) -> Self {
                Self(self.0 / divisor)
            }
        }

        impl Div for $name {
            type Output = f64;
            fn div(self, other: Self) -> f64 {
                self.0 / other.0
            }
        }
    };
}

quantity! {
    /// Energy in joules.
    Joules
}
quantity! {
    /// Power in watts.
    Watts
}
quantity! {
    /// Time in seconds.
    Seconds
}
quantity! {
    /// Mass in grams.
    Grams
}

impl fmt::Display for Joules {
    /// Three significant figures and an SI prefix.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        prefixed(self.0, "J", f)
    }
}

impl fmt::Display for Watts {
    /// Three significant figures and an SI prefix.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        prefixed(self.0, "W", f)
    }
}

impl fmt::Display for Seconds {
    /// Three significant figures and an SI prefix; from 100 s on minutes and seconds, from 99 min on hours and minutes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            s if s >= 5_939.5 && s.is_finite() => {
                let minutes = (s / 60.0).round() as u64;
                write!(f, "{} h {:02} min", minutes / 60, minutes % 60)
            }
            s if s >= 99.95 && s.is_finite() => {
                let seconds = s.round() as u64;
                write!(f, "{} min {:02} s", seconds / 60, seconds % 60)
            }
            s => prefixed(s, "s", f),
        }
    }
}

impl fmt::Display for Grams {
    /// Three significant figures and an SI prefix.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        prefixed(self.0, "g", f)
    }
}

impl Div<Seconds> for Joules {
    type Output = Watts;
    fn div(self, time: Seconds) -> Watts {
        Watts(self.0 / time.0)
    }
}

impl Div<Watts> for Joules {
    type Output = Seconds;
    fn div(self, power: Watts) -> Seconds {
        Seconds(self.0 / power.0)
    }
}

impl Mul<Seconds> for Watts {
    type Output = Joules;
    fn mul(self, time: Seconds) -> Joules {
        Joules(self.0 * time.0)
    }
}

/// How a number of joules was obtained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// Read from a counter of the hardware.
    Measured,
    /// Computed from CPU time and a table of watts.
    Modelled,
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Method::Measured => "measured",
            Method::Modelled => "modelled",
        })
    }
}

/// Joules with an interval: `low ≤ value ≤ high`.
///
/// The sum of a measured and a modelled energy is modelled.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Energy {
    /// Best estimate, in joules.
    pub value: f64,
    /// Lower end of the interval, in joules.
    pub low: f64,
    /// Upper end of the interval, in joules.
    pub high: f64,
    /// Where the number comes from.
    pub method: Method,
}

impl Energy {
    /// The neutral element of addition: no joules, exactly.
    pub fn zero() -> Self {
        Self { value: 0.0, low: 0.0, high: 0.0, method: Method::Measured }
    }

    /// This energy `factor` times over. A negative factor turns the interval round.
    #[must_use]
    pub fn scaled(self, factor: f64) -> Self {
        let (a, b) = (self.low * factor, self.high * factor);
        Self { value: self.value * factor, low: a.min(b), high: a.max(b), method: self.method }
    }
}

impl Add for Energy {
    type Output = Self;

    /// Adds the ends of the intervals too: the scale of a source errs the same way in every reading.
    fn add(self, other: Self) -> Self {
        Self {
            value: self.value + other.value,
            low: self.low + other.low,
            high: self.high + other.high,
            method: self.method.max(other.method),
        }
    }
}

impl AddAssign for Energy {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl std::iter::Sum for Energy {
    fn sum<I: Iterator<Item = Self>>(energies: I) -> Self {
        energies.fold(Self::zero(), Add::add)
    }
}

impl fmt::Display for Energy {
    /// As in `1.24 kJ (0.74–2.1, modelled)`; the interval is in the unit of the value.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (_, unit) = prefix_of(self.value);
        let (low, high) = (significant(self.low / unit, 2), significant(self.high / unit, 2));
        write!(f, "{} ({low}–{high}, {})", Joules(self.value), self.method)
    }
}

/// Energy whose interval is kept in its two parts, so that a ratio can drop the one that cancels.
///
/// *Scale* is the error that all readings of one source share in one run, as a wrong watt table; *sampling* is
/// the error of these readings alone, as a counter that moves only every millisecond.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// Best estimate, in joules.
    pub value_j: f64,
    /// The estimate if the scale were at its lower end, in joules.
    pub scale_low_j: f64,
    /// The estimate if the scale were at its upper end, in joules.
    pub scale_high_j: f64,
    /// Half-width of the sampling part, in joules.
    pub sampling_j: f64,
    /// Where the number comes from.
    pub method: Method,
}

impl Estimate {
    /// The neutral element of addition.
    pub fn zero() -> Self {
        Self { value_j: 0.0, scale_low_j: 0.0, scale_high_j: 0.0, sampling_j: 0.0, method: Method::Measured }
    }

    /// This estimate, or no joules where it has less.
    pub(crate) fn at_least_nothing(mut self) -> Self {
        for joules in [&mut self.value_j, &mut self.scale_low_j, &mut self.scale_high_j] {
            *joules = joules.max(0.0);
        }
        self
    }

    /// Both parts in one interval.
    pub fn energy(&self) -> Energy {
        Energy {
            value: self.value_j,
            low: (self.scale_low_j - self.sampling_j).clamp(0.0, self.value_j.max(0.0)),
            high: self.scale_high_j + self.sampling_j,
            method: self.method,
        }
    }

    /// This energy over `other`, both from the same sources in the same run: the best estimate and the ends of
    /// its interval. Only the sampling part counts, the scale cancels. The upper end is infinite when `other`
    /// may be nothing.
    pub fn ratio(&self, other: &Self) -> (f64, f64, f64) {
        let over = |a: f64, b: f64| if b > 0.0 { a / b } else { f64::INFINITY };
        let low = (self.value_j - self.sampling_j).max(0.0);
        (
            over(self.value_j, other.value_j),
            over(low, other.value_j + other.sampling_j),
            over(self.value_j + self.sampling_j, other.value_j - other.sampling_j),
        )
    }
}

impl Add for Estimate {
    type Output = Self;

    /// Scales add up, since they are shared; sampling errors are independent and add as squares.
    fn add(self, other: Self) -> Self {
        Self {
            value_j: self.value_j + other.value_j,
            scale_low_j: self.scale_low_j + other.scale_low_j,
            scale_high_j: self.scale_high_j + other.scale_high_j,
            sampling_j: self.sampling_j.hypot(other.sampling_j),
            method: self.method.max(other.method),
        }
    }
}

fn prefixed(value: f64, unit: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let (prefix, factor) = prefix_of(value);
    write!(f, "{} {prefix}{unit}", significant(value / factor, 3))
}

/// The SI prefix that leaves one to three digits before the point, and its factor.
pub fn prefix_of(value: f64) -> (&'static str, f64) {
    const PREFIXES: [(&str, f64); 8] =
        [("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3), ("", 1.0), ("m", 1e-3), ("µ", 1e-6), ("n", 1e-9)];
    if value == 0.0 || !value.is_finite() {
        return ("", 1.0);
    }
    // 999.6 is shown as 1.00 k: the prefix is that of the rounded number.
    PREFIXES.into_iter().find(|(_, factor)| value.abs() >= 0.9995 * factor).unwrap_or(("n", 1e-9))
}

/// `value` with that many significant digits, without an exponent.
pub fn significant(value: f64, digits: i32) -> String {
    if value == 0.0 || !value.is_finite() {
        return format!("{value}");
    }
    let rounding = 1.0 + 0.5 * 10f64.powi(-digits);
    let before_point = (value.abs() * rounding).log10().floor() as i32 + 1;
    let decimals = (digits - before_point).clamp(0, 9) as usize;
    format!("{value:.decimals$}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn quantities_show_three_figures_and_a_prefix() {
        let shown = |j: f64| Joules(j).to_string();
        assert_eq!(shown(1240.0), "1.24 kJ");
        assert_eq!(shown(0.0), "0 J");
        assert_eq!(shown(999.4), "999 J");
        assert_eq!(shown(999.6), "1.00 kJ");
        assert_eq!(shown(9.996), "10.0 J");
        assert_eq!(shown(0.0123), "12.3 mJ");
        assert_eq!(shown(3.21e-6), "3.21 µJ");
        assert_eq!(shown(-45.67), "-45.7 J");
        assert_eq!(Watts(0.5).to_string(), "500 mW");
        assert_eq!(Seconds(75.0).to_string(), "75.0 s");
        assert_eq!(Seconds(119.6).to_string(), "2 min 00 s");
        assert_eq!(Seconds(9_480.0).to_string(), "2 h 38 min");
        assert_eq!(Seconds(-9_480.0).to_string(), "-9.48 ks");
    }

    #[test]
    fn energy_shows_its_interval_and_method() {
        let energy = Energy { value: 1240.0, low: 744.0, high: 2108.0, method: Method::Modelled };
        assert_eq!(energy.to_string(), "1.24 kJ (0.74–2.1, modelled)");
        let small = Energy { value: 2.0, low: 1.95, high: 2.05, method: Method::Measured };
        assert_eq!(small.to_string(), "2.00 J (1.9–2.0, measured)");
        assert_eq!(Energy::zero().to_string(), "0 J (0–0, measured)");
    }

    #[test]
    fn units_combine() {
        assert_eq!(Joules(10.0) / Seconds(4.0), Watts(2.5));
        assert_eq!(Watts(2.5) * Seconds(4.0), Joules(10.0));
        assert_eq!(Joules(10.0) / Watts(2.5), Seconds(4.0));
        assert_eq!(Joules(10.0) / Joules(4.0), 2.5);
    }

    #[test]
    fn energy_is_serialised_as_four_fields() {
        let energy = Energy { value: 2.0, low: 1.5, high: 3.0, method: Method::Modelled };
        let json = serde_json::to_string(&energy).unwrap();
        assert_eq!(json, r#"{"value":2.0,"low":1.5,"high":3.0,"method":"modelled"}"#);
        assert_eq!(serde_json::from_str::<Energy>(&json).unwrap(), energy);
    }

    #[test]
    fn the_scale_cancels_in_a_ratio() {
        let of = |value_j: f64, sampling_j: f64| Estimate {
            value_j,
            scale_low_j: value_j * 0.6,
            scale_high_j: value_j * 1.7,
            sampling_j,
            method: Method::Modelled,
        };
        assert_eq!(of(10.0, 0.0).ratio(&of(5.0, 0.0)), (2.0, 2.0, 2.0));
        let (value, low, high) = of(10.0, 1.0).ratio(&of(5.0, 1.0));
        assert_eq!((value, low, high), (2.0, 1.5, 2.75));
        assert_eq!(of(1.0, 0.0).ratio(&of(1.0, 2.0)).2, f64::INFINITY);
    }

    fn energies() -> impl Strategy<Value = Energy> {
        (0.0..1e9, 0.0..1.0, 1.0..3.0, any::<bool>()).prop_map(
            |(value, low, high, modelled): (f64, _, _, _)| {
                let method = if modelled { Method::Modelled } else { Method::Measured };
                Energy { value, low: value * low, high: value * high, method }
            },
        )
    }

    proptest! {
        #[test]
        fn intervals_stay_ordered(a in energies(), b in energies(), factor in -10.0..10.0) {
            let sum = a + b;
            prop_assert!(sum.low <= sum.value && sum.value <= sum.high);
            prop_assert_eq!(sum.method == Method::Measured, a.method == Method::Measured && b.method == Method::Measured);
            prop_assert_eq!(a + Energy::zero(), a);
            let scaled = sum.scaled(factor);
            prop_assert!(scaled.low <= scaled.value && scaled.value <= scaled.high);
        }

        #[test]
        fn a_shown_quantity_is_within_half_a_digit(value in -1e10..1e10f64) {
            let shown = Joules(value).to_string();
            let (number, unit) = shown.split_once(' ').unwrap();
            let factor = match unit { "GJ" => 1e9, "MJ" => 1e6, "kJ" => 1e3, "J" => 1.0, "mJ" => 1e-3, _ => 1e-6 };
            prop_assert!((number.parse::<f64>().unwrap() * factor - value).abs() <= 0.00501 * value.abs());
        }
    }
}
