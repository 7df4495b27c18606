//! Search spaces and the points in them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What may be searched: named parameters, each with its domain.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Space {
    parameters: BTreeMap<String, Domain>,
}

/// What a parameter may be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Domain {
    /// A number from `low` to `high`, both included.
    Float {
        /// The least value.
        low: f64,
        /// The greatest value.
        high: f64,
        /// Whether factors count instead of differences; `low` is above 0 then.
        log: bool,
    },
    /// A whole number from `low` to `high`, both included.
    Int {
        /// The least value.
        low: i64,
        /// The greatest value.
        high: i64,
        /// Whether factors count instead of differences; `low` is above 0 then.
        log: bool,
    },
    /// One of a few names without an order.
    Choice(Vec<String>),
}

/// A value of a parameter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Value {
    /// Of [`Domain::Float`].
    Float(f64),
    /// Of [`Domain::Int`].
    Int(i64),
    /// Of [`Domain::Choice`].
    Choice(String),
}

/// A value for every parameter.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Point {
    values: BTreeMap<String, Value>,
}

/// A parameter that cannot be part of a space.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("parameter `{name}` {problem}")]
pub struct SpaceError {
    name: String,
    problem: &'static str,
}

impl Space {
    /// A space without parameters, which has one point.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a parameter.
    ///
    /// Fails when the name is taken, the domain is empty or not finite, or a logarithmic one reaches 0.
    pub fn with(mut self, name: &str, domain: Domain) -> Result<Self, SpaceError> {
        let problem =
            if self.parameters.contains_key(name) { Some("is there twice") } else { domain.problem() };
        if let Some(problem) = problem {
            return Err(SpaceError { name: name.to_owned(), problem });
        }
        self.parameters.insert(name.to_owned(), domain);
        Ok(self)
    }

    /// Adds a number from `low` to `high`.
    pub fn float(self, name: &str, low: f64, high: f64) -> Result<Self, SpaceError> {
        self.with(name, Domain::Float { low, high, log: false })
    }

    /// Adds a number from `low` to `high` of which the order of magnitude matters.
    pub fn log_float(self, name: &str, low: f64, high: f64) -> Result<Self, SpaceError> {
        self.with(name, Domain::Float { low, high, log: true })
    }

    /// Adds a whole number from `low` to `high`.
    pub fn int(self, name: &str, low: i64, high: i64) -> Result<Self, SpaceError> {
        self.with(name, Domain::Int { low, high, log: false })
    }

    /// Adds a whole number from `low` to `high` of which the order of magnitude matters.
    pub fn log_int(self, name: &str, low: i64, high: i64) -> Result<Self, SpaceError> {
        self.with(name, Domain::Int { low, high, log: true })
    }

    /// Adds a choice.
    pub fn choice(self, name: &str, options: &[&str]) -> Result<Self, SpaceError> {
        self.with(name, Domain::Choice(options.iter().map(|&option| option.to_owned()).collect()))
    }

    /// The parameters in the order of their names.
    pub fn parameters(&self) -> impl Iterator<Item = (&str, &Domain)> {
        self.parameters.iter().map(|(name, domain)| (name.as_str(), domain))
    }

    /// Whether `point` has a value of the domain of every parameter and nothing else.
    pub fn contains(&self, point: &Point) -> bool {
        self.parameters.len() == point.values.len()
            && self
                .parameters
                .iter()
                .zip(&point.values)
                .all(|((name, domain), (named, value))| name == named && domain.contains(value))
    }
}

impl Domain {
    /// Whether `value` belongs to it.
    pub fn contains(&self, value: &Value) -> bool {
        match (self, value) {
            (Self::Float { low, high, .. }, Value::Float(x)) => (low..=high).contains(&x),
            (Self::Int { low, high, .. }, Value::Int(x)) => (low..=high).contains(&x),
            (Self::Choice(options), Value::Choice(x)) => options.contains(x),
            _ => false,
        }
    }

    fn problem(&self) -> Option<&'static str> {
        let (empty, reaches_zero) = match *self {
            Self::Float { low, high, .. } if !(high - low).is_finite() => return Some("is not finite"),
            Self::Float { low, high, log } => (low > high, log && low <= 0.0),
            Self::Int { low, high, log } => (low > high, log && low <= 0),
            Self::Choice(ref options) => (options.is_empty(), false),
        };
        match (empty, reaches_zero) {
            (true, _) => Some("has an empty domain"),
            (false, true) => Some("is logarithmic and not above 0"),
            (false, false) => None,
        }
    }
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
    pub fn values(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.values.iter().map(|(name, value)| (name.as_str(), value))
    }
}

impl FromIterator<(String, Value)> for Point {
    fn from_iter<I: IntoIterator<Item = (String, Value)>>(values: I) -> Self {
        Self { values: values.into_iter().collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(values: &[(&str, Value)]) -> Point {
        values.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
    }

    #[test]
    fn impossible_domains_are_refused() {
        let problem = |space: Result<Space, SpaceError>| space.unwrap_err().to_string();
        let space = Space::new;
        assert_eq!(problem(space().float("x", 2.0, 1.0)), "parameter `x` has an empty domain");
        assert_eq!(problem(space().float("x", f64::NAN, 1.0)), "parameter `x` is not finite");
        assert_eq!(problem(space().float("x", f64::MIN, f64::MAX)), "parameter `x` is not finite");
        assert_eq!(problem(space().log_float("x", 0.0, 1.0)), "parameter `x` is logarithmic and not above 0");
        assert_eq!(problem(space().log_int("x", 0, 1)), "parameter `x` is logarithmic and not above 0");
        assert_eq!(problem(space().choice("x", &[])), "parameter `x` has an empty domain");
        assert_eq!(problem(space().int("x", 0, 1).unwrap().int("x", 0, 1)), "parameter `x` is there twice");
    }

    #[test]
    fn a_point_has_exactly_the_parameters() {
        let space = Space::new().int("n", 1, 3).unwrap().choice("c", &["a", "b"]).unwrap();
        let (n, c) = (("n", Value::Int(3)), ("c", Value::Choice("a".into())));
        assert!(space.contains(&point(&[n.clone(), c.clone()])));
        assert!(!space.contains(&point(std::slice::from_ref(&n))));
        assert!(!space.contains(&point(&[n.clone(), c.clone(), ("m", Value::Int(1))])));
        assert!(!space.contains(&point(&[("n", Value::Int(4)), c.clone()])));
        assert!(!space.contains(&point(&[("n", Value::Float(2.0)), c])));
        assert!(!space.contains(&point(&[n, ("c", Value::Choice("z".into()))])));
    }

    #[test]
    fn points_and_spaces_survive_json() {
        let space = Space::new().log_float("lr", 1e-4, 0.1).unwrap().choice("c", &["a"]).unwrap();
        let json = serde_json::to_string(&space).unwrap();
        assert_eq!(serde_json::from_str::<Space>(&json).unwrap(), space);
        let point = point(&[("lr", Value::Float(0.1 + 0.2)), ("c", Value::Choice("a".into()))]);
        let json = serde_json::to_string(&point).unwrap();
        assert_eq!(serde_json::from_str::<Point>(&json).unwrap(), point);
    }
}
