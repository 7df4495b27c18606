//! What a key of a recipe can hold, and how it is read from TOML.

use std::path::PathBuf;
use std::str::FromStr;

use super::quantity::{Budget, Count, Percent, Worth};

/// A type that a key can have.
pub(super) trait Value: Sized {
    /// Reads `value`, or says what was expected instead, as in `a whole number`.
    fn read(value: &toml::Value) -> Result<Self, String>;
}

impl Value for bool {
    fn read(value: &toml::Value) -> Result<Self, String> {
        value.as_bool().ok_or_else(|| "true or false".into())
    }
}

impl Value for u64 {
    fn read(value: &toml::Value) -> Result<Self, String> {
        let whole = match *value {
            toml::Value::Integer(n) => u64::try_from(n).ok(),
            // `1e4` is a whole number to people, and a float to TOML.
            toml::Value::Float(n) if n.fract() == 0.0 && (0.0..=2f64.powi(53)).contains(&n) => Some(n as u64),
            _ => None,
        };
        whole.ok_or_else(|| "a whole number that is not negative".into())
    }
}

impl Value for usize {
    fn read(value: &toml::Value) -> Result<Self, String> {
        u64::read(value).map(|n| n as usize)
    }
}

impl Value for f64 {
    fn read(value: &toml::Value) -> Result<Self, String> {
        let number = match *value {
            toml::Value::Integer(n) => Some(n as f64),
            toml::Value::Float(n) if n.is_finite() => Some(n),
            _ => None,
        };
        number.ok_or_else(|| "a number".into())
    }
}

impl Value for String {
    fn read(value: &toml::Value) -> Result<Self, String> {
        value.as_str().map(str::to_owned).ok_or_else(|| "a text in quotes".into())
    }
}

impl Value for PathBuf {
    fn read(value: &toml::Value) -> Result<Self, String> {
        match value.as_str() {
            Some(path) if !path.is_empty() => Ok(path.into()),
            _ => Err("a path in quotes".into()),
        }
    }
}

impl Value for Vec<String> {
    fn read(value: &toml::Value) -> Result<Self, String> {
        let names = value.as_array().and_then(|names| {
            names.iter().map(|name| Some(name.as_str()?.to_owned())).collect::<Option<Vec<_>>>()
        });
        names.ok_or_else(|| "a list of names, as in [\"tune\", \"quantise\"]".into())
    }
}

impl<T: Value> Value for Option<T> {
    fn read(value: &toml::Value) -> Result<Self, String> {
        T::read(value).map(Some)
    }
}

impl Value for Percent {
    fn read(value: &toml::Value) -> Result<Self, String> {
        quantity(value).ok_or_else(|| Self::EXPECTED.into())
    }
}

impl Value for Count {
    fn read(value: &toml::Value) -> Result<Self, String> {
        quantity(value)
            .or_else(|| Self::new(f64::read(value).ok()?).ok())
            .ok_or_else(|| Self::EXPECTED.into())
    }
}

impl Value for Worth {
    fn read(value: &toml::Value) -> Result<Self, String> {
        quantity(value).ok_or_else(|| Self::EXPECTED.into())
    }
}

impl Value for Budget {
    fn read(value: &toml::Value) -> Result<Self, String> {
        quantity(value)
            .or_else(|| f64::read(value).ok().filter(|share| *share > 0.0).map(Self::Share))
            .ok_or_else(|| Self::EXPECTED.into())
    }
}

fn quantity<T: FromStr>(value: &toml::Value) -> Option<T> {
    value.as_str()?.parse().ok()
}

/// Gives an enum its names in recipes.
macro_rules! choice {
    ($type:ty { $($name:literal => $variant:ident),+ $(,)? }) => {
        impl $crate::recipe::value::Value for $type {
            fn read(value: &toml::Value) -> Result<Self, String> {
                match value.as_str() {
                    $(Some($name) => Ok(Self::$variant),)+
                    _ => Err(format!("one of {}", [$(concat!("\"", $name, "\"")),+].join(", "))),
                }
            }
        }
    };
}
pub(super) use choice;
