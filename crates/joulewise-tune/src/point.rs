//! Points of a space.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::domain::Value;

/// A value for every parameter that is active.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Point {
    values: BTreeMap<String, Value>,
}

impl Point {
    /// The value of `name`.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.values.get(name)
    }

    /// The number `name`, whole or not.
    pub fn float(&self, name: &str) -> Option<f64> {
        match *self.get(name)? {
            Value::Float(x) => Some(x),
            Value::Int(x) => Some(x as f64),
            Value::Choice(_) => None,
        }
    }

    /// The whole number `name`.
    pub fn int(&self, name: &str) -> Option<i64> {
        match *self.get(name)? {
            Value::Int(x) => Some(x),
            _ => None,
        }
    }

    /// The choice `name`.
    pub fn choice(&self, name: &str) -> Option<&str> {
        match self.get(name)? {
            Value::Choice(x) => Some(x),
            _ => None,
        }
    }

    /// The values in the order of their names.
    pub fn values(&self) -> impl ExactSizeIterator<Item = (&str, &Value)> {
        self.values.iter().map(|(name, value)| (name.as_str(), value))
    }

    pub(crate) fn insert(&mut self, name: &str, value: Value) {
        self.values.insert(name.to_owned(), value);
    }
}

impl FromIterator<(String, Value)> for Point {
    fn from_iter<I: IntoIterator<Item = (String, Value)>>(values: I) -> Self {
        Self { values: values.into_iter().collect() }
    }
}

/// As in `batch=32 lr=0.05`.
impl std::fmt::Display for Point {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (i, (name, value)) in self.values().enumerate() {
            write!(f, "{}{name}={value}", if i == 0 { "" } else { " " })?;
        }
        Ok(())
    }
}
