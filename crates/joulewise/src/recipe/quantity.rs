//! Quantities as people write them: `1%`, `50kJ`, `10min`, `1e6`, `0.1% per 10kJ`.
//!
//! Each type reads its own `Display` back to the same value.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Serialize, Serializer};

use crate::result;

/// Units of energy in joules, largest first.
const ENERGY: [(&str, f64); 6] =
    [("GJ", 1e9), ("kWh", 3.6e6), ("MJ", 1e6), ("Wh", 3600.0), ("kJ", 1e3), ("J", 1.0)];
/// Units of time in seconds, largest first.
const TIME: [(&str, f64); 6] =
    [("d", 86400.0), ("h", 3600.0), ("min", 60.0), ("ms", 1e-3), ("m", 60.0), ("s", 1.0)];
/// Suffixes of counts.
const COUNT: [(&str, f64); 4] = [("G", 1e9), ("M", 1e6), ("k", 1e3), ("", 1.0)];

/// A text that is not the quantity it should be: says what was expected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected}")]
pub struct QuantityError {
    expected: &'static str,
}

/// A percentage between 0 % and 100 %, as in `1%`.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Percent(f64);

/// A number of things between 0 and 1e18, as in `1e6`, `250k` or `1_000_000`.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Count(f64);

/// What a gain of the metric is worth in energy, as in `0.1% per 10kJ`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Worth {
    gain: Percent,
    energy_j: f64,
}

/// What a search may cost.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Budget {
    /// In units of the baseline's training, as in `3.0` or `300%`.
    Share(f64),
    /// In joules, as in `50kJ` or `0.02kWh`.
    Joules(f64),
    /// In wall time, as in `10min` or `1h30min`.
    Time(Duration),
}

impl Percent {
    /// What a text has to be.
    pub const EXPECTED: &str = "a percentage between 0% and 100%, as in \"1%\"";

    /// `percent` hundredths, between 0 and 100.
    pub fn new(percent: f64) -> Result<Self, QuantityError> {
        if (0.0..=100.0).contains(&percent) {
            Ok(Self(percent))
        } else {
            Err(QuantityError { expected: Self::EXPECTED })
        }
    }

    /// As a fraction of one.
    pub fn fraction(self) -> f64 {
        self.0 / 100.0
    }
}

impl Count {
    /// What a text has to be.
    pub const EXPECTED: &str = "a count that is not negative, as in \"1e6\", \"250k\" or 1000000";

    /// `count` things, between 0 and 1e18.
    pub fn new(count: f64) -> Result<Self, QuantityError> {
        if (0.0..=1e18).contains(&count) {
            Ok(Self(count))
        } else {
            Err(QuantityError { expected: Self::EXPECTED })
        }
    }

    /// As a number.
    pub fn get(self) -> f64 {
        self.0
    }
}

impl Worth {
    /// What a text has to be.
    pub const EXPECTED: &str = "a worth of the metric in energy, as in \"0.1% per 10kJ\"";

    /// As a result states it: the gain as a fraction, the energy in joules.
    pub fn stated(self) -> result::Worth {
        result::Worth { gain: self.gain.fraction(), energy_j: self.energy_j }
    }
}

impl Budget {
    /// What a text has to be.
    pub const EXPECTED: &str =
        "a share of the baseline's training (3.0, \"300%\"), joules (\"50kJ\") or a time (\"10min\")";
}

/// Joules, as in `10kJ`, `0.5 MJ` or `2Wh`.
pub fn energy_j(text: &str) -> Option<f64> {
    let (number, unit) = split(text)?;
    let (_, joules) = ENERGY.iter().find(|(name, _)| *name == unit)?;
    positive(number * joules)
}

/// A time, as in `90s`, `10min` or `1h30min`.
pub fn duration(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| c.is_ascii_alphabetic())?;
        let end = rest[digits..].find(|c: char| !c.is_ascii_alphabetic()).map_or(rest.len(), |n| digits + n);
        let (number, unit) = split(&rest[..end])?;
        seconds += number * TIME.iter().find(|(name, _)| *name == unit)?.1;
        rest = rest[end..].trim_start();
    }
    Duration::try_from_secs_f64(positive(seconds)?).ok().filter(|time| !time.is_zero())
}

/// The number at the start of `text`, which is not negative, and its unit.
fn split(text: &str) -> Option<(f64, &str)> {
    let text = text.trim();
    // An `e` belongs to the number only where a digit follows, and no unit starts like an exponent.
    let end = text
        .char_indices()
        .find(|&(at, c)| match c {
            '0'..='9' | '.' | '_' => false,
            'e' | 'E' => !text[at + 1..].starts_with(|c: char| c.is_ascii_digit() || "+-".contains(c)),
            '+' | '-' => !text[..at].ends_with(['e', 'E']),
            _ => true,
        })
        .map_or(text.len(), |(at, _)| at);
    let number: f64 = text[..end].replace('_', "").parse().ok()?;
    number.is_finite().then(|| (number, text[end..].trim_start()))
}

fn positive(number: f64) -> Option<f64> {
    (number.is_finite() && number > 0.0).then_some(number)
}

/// `value` in the largest unit that reads back to the same number.
fn in_units(value: f64, units: &[(&str, f64)]) -> String {
    units
        .iter()
        .filter(|(_, unit)| value >= *unit && value / unit * unit == value)
        .map(|(name, unit)| format!("{}{name}", value / unit))
        .min_by_key(String::len)
        .unwrap_or_else(|| format!("{value}{}", units[units.len() - 1].0))
}

impl FromStr for Percent {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, QuantityError> {
        let wrong = QuantityError { expected: Self::EXPECTED };
        match split(text) {
            Some((number, "%")) => Self::new(number),
            _ => Err(wrong),
        }
    }
}

impl FromStr for Count {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, QuantityError> {
        let count = split(text)
            .and_then(|(number, suffix)| Some(number * COUNT.iter().find(|(name, _)| *name == suffix)?.1));
        Self::new(count.unwrap_or(f64::NAN))
    }
}

impl FromStr for Worth {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, QuantityError> {
        let parts = || {
            let (gain, energy) = text.split_once(" per ").or_else(|| text.split_once('/'))?;
            let gain: Percent = gain.parse().ok()?;
            // A gain of nothing that is worth something would make every gain worth everything.
            (gain.0 > 0.0).then_some(Self { gain, energy_j: energy_j(energy)? })
        };
        parts().ok_or(QuantityError { expected: Self::EXPECTED })
    }
}

impl FromStr for Budget {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, QuantityError> {
        let share = || match split(text)? {
            (number, "") => positive(number).map(Self::Share),
            (number, "%") => positive(number / 100.0).map(Self::Share),
            _ => None,
        };
        share()
            .or_else(|| energy_j(text).map(Self::Joules))
            .or_else(|| duration(text).map(Self::Time))
            .ok_or(QuantityError { expected: Self::EXPECTED })
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", self.0)
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Display for Worth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} per {}", self.gain, in_units(self.energy_j, &ENERGY))
    }
}

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Share(share) => write!(f, "{share}"),
            Self::Joules(joules) => write!(f, "{}", in_units(*joules, &ENERGY)),
            Self::Time(time) => write!(f, "{}", in_units(time.as_secs_f64(), &TIME)),
        }
    }
}

impl Serialize for Percent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for Count {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.0)
    }
}

impl Serialize for Worth {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for Budget {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Share(share) => serializer.serialize_f64(*share),
            _ => serializer.collect_str(self),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_people_write_is_read() {
        assert_eq!("1%".parse::<Percent>().unwrap().fraction(), 0.01);
        assert_eq!("0.5 %".parse::<Percent>().unwrap().fraction(), 0.005);
        assert_eq!("1e6".parse::<Count>().unwrap().get(), 1e6);
        assert_eq!("250k".parse::<Count>().unwrap().get(), 250_000.0);
        assert_eq!("1_000_000".parse::<Count>().unwrap().get(), 1e6);
        let worth = "0.1% per 10kJ".parse::<Worth>().unwrap().stated();
        assert_eq!(worth, result::Worth { gain: 0.001, energy_j: 1e4 });
        assert_eq!("0.1%/10 kJ".parse::<Worth>(), "0.1% per 10kJ".parse());
        assert_eq!("300%".parse(), Ok(Budget::Share(3.0)));
        assert_eq!("3".parse(), Ok(Budget::Share(3.0)));
        assert_eq!("50kJ".parse(), Ok(Budget::Joules(5e4)));
        assert_eq!("0.02 kWh".parse(), Ok(Budget::Joules(7.2e4)));
        assert_eq!("1e3J".parse(), Ok(Budget::Joules(1e3)));
        assert_eq!("10min".parse(), Ok(Budget::Time(Duration::from_mins(10))));
        assert_eq!("1h30min".parse(), Ok(Budget::Time(Duration::from_mins(90))));
        assert_eq!("1h 30m".parse(), Ok(Budget::Time(Duration::from_mins(90))));
    }

    #[test]
    fn what_is_no_quantity_is_refused() {
        for text in ["", "%", "1", "-1%", "101%", "nan%", "1%%", "1e%", "1 J"] {
            assert!(text.parse::<Percent>().is_err(), "{text}");
        }
        for text in ["", "many", "-3", "1e400", "inf", "1e6k6", "."] {
            assert!(text.parse::<Count>().is_err(), "{text}");
        }
        for text in ["", "0", "-2", "10 parsecs", "kJ", "0J", "0s", "min10", "1h30", "1e400J", "é", "1é"] {
            assert!(text.parse::<Budget>().is_err(), "{text}");
        }
        for text in ["", "0.1%", "10kJ", "0.1% per", "per 10kJ", "1 per 10kJ", "0.1% per 10", "0% per 10kJ"] {
            assert!(text.parse::<Worth>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn quantities_read_their_display_back(
            percent in 1e-9..=100.0f64, count in 0.0..1e18f64, joules in 1e-3..1e12f64, nanoseconds in 1u64..1 << 40,
        ) {
            let percent = Percent::new(percent).unwrap();
            prop_assert_eq!(percent.to_string().parse(), Ok(percent));
            let count = Count::new(count).unwrap();
            prop_assert_eq!(count.to_string().parse(), Ok(count));
            let worth = Worth { gain: percent, energy_j: joules };
            prop_assert_eq!(worth.to_string().parse(), Ok(worth));
            let time = Duration::from_nanos(nanoseconds);
            for budget in [Budget::Share(joules), Budget::Joules(joules), Budget::Time(time)] {
                prop_assert_eq!(budget.to_string().parse(), Ok(budget));
            }
        }

        #[test]
        fn no_text_makes_them_panic(text in "\\PC{0,12}|[0-9eE+. _-]{0,8}[a-zA-Z%]{0,4}( per )?[0-9]{0,3}[kMJWhmins]{0,4}") {
            let _ = text.parse::<Percent>();
            let _ = text.parse::<Count>();
            let _ = text.parse::<Worth>();
            let _ = text.parse::<Budget>();
        }
    }
}
