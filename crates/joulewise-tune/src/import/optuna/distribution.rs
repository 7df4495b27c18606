//! Optuna's distributions.

use std::str::FromStr;

use serde::Deserialize;
use serde_json::Value as Json;

use crate::domain::{Domain, Value};
use crate::literal;

/// What a parameter may be, and how Optuna writes its values as numbers.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Distribution {
    Float { low: f64, high: f64, log: bool, step: Option<f64> },
    Int { low: i64, high: i64, log: bool, step: u64 },
    Choice(Vec<String>),
}

#[derive(Deserialize)]
struct Written {
    name: String,
    attributes: Attributes,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Attributes {
    low: f64,
    high: f64,
    log: bool,
    step: Option<f64>,
    /// What `step` was called once.
    q: Option<f64>,
    choices: Vec<Json>,
}

impl FromStr for Distribution {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Written { name, attributes } =
            serde_json::from_str(text).map_err(|_| format!("cannot be read: {text}"))?;
        let Attributes { low, high, log, step, q, choices } = attributes;
        let log = log || name.contains("Log");
        // The second names are those of Optuna 2.
        match name.as_str() {
            "FloatDistribution"
            | "UniformDistribution"
            | "LogUniformDistribution"
            | "DiscreteUniformDistribution" => {
                Ok(Self::Float { low, high, log, step: step.or(q).filter(|_| !log) })
            }
            "IntDistribution" | "IntUniformDistribution" | "IntLogUniformDistribution" => {
                let step = step.filter(|_| !log).map_or(1, |step| step as u64).max(1);
                Ok(Self::Int { low: low as i64, high: high as i64, log, step })
            }
            "CategoricalDistribution" => Ok(Self::Choice(choices.iter().map(literal::text).collect())),
            _ => Err(format!("is of a kind that is not known, `{name}`")),
        }
    }
}

impl Distribution {
    pub(super) fn domain(&self) -> Domain {
        match self.clone() {
            Self::Float { low, high, log, step } => Domain::Float { low, high, log, step },
            Self::Int { low, high, log, step } => Domain::Int { low, high, log, step },
            Self::Choice(names) => Domain::Choice(names),
        }
    }

    /// The value that Optuna writes as `number`; `None` for a choice that is not there.
    pub(super) fn value(&self, number: f64) -> Option<Value> {
        match self {
            Self::Float { .. } => Some(Value::Float(number)),
            Self::Int { .. } => Some(Value::Int(number as i64)),
            Self::Choice(names) => names.get(number as usize).cloned().map(Value::Choice),
        }
    }

    /// Makes room for the values of `other` too. Fails when it is of another kind.
    pub(super) fn unite(&mut self, other: &Self) -> Result<(), ()> {
        match (self, other) {
            (
                Self::Float { low, high, log, step },
                Self::Float { low: other_low, high: other_high, log: other_log, step: other_step },
            ) => {
                *step = step.filter(|_| *step == *other_step && *low == *other_low);
                (*low, *high, *log) = (low.min(*other_low), high.max(*other_high), *log && *other_log);
            }
            (
                Self::Int { low, high, log, step },
                Self::Int { low: other_low, high: other_high, log: other_log, step: other_step },
            ) => {
                *step = if *step == *other_step && *low == *other_low { *step } else { 1 };
                (*low, *high, *log) = ((*low).min(*other_low), (*high).max(*other_high), *log && *other_log);
            }
            (Self::Choice(names), Self::Choice(others)) => {
                let missing = others.iter().filter(|other| !names.contains(other)).cloned();
                names.extend(missing.collect::<Vec<_>>());
            }
            _ => return Err(()),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn distribution(name: &str, attributes: &str) -> Result<Distribution, String> {
        format!(r#"{{"name": "{name}", "attributes": {{{attributes}}}}}"#).parse()
    }

    #[test]
    fn names_of_old_and_new_are_known() {
        let new =
            distribution("FloatDistribution", r#""step": null, "low": 1e-05, "high": 0.1, "log": true"#);
        assert_eq!(new, Ok(Distribution::Float { low: 1e-5, high: 0.1, log: true, step: None }));
        assert_eq!(new, distribution("LogUniformDistribution", r#""low": 1e-05, "high": 0.1"#));
        let stepped = Distribution::Float { low: 0.0, high: 1.0, log: false, step: Some(0.25) };
        assert_eq!(
            distribution("DiscreteUniformDistribution", r#""low": 0, "high": 1, "q": 0.25"#),
            Ok(stepped)
        );
        let int = Distribution::Int { low: -2, high: 7, log: false, step: 3 };
        assert_eq!(distribution("IntUniformDistribution", r#""low": -2, "high": 7, "step": 3"#), Ok(int));
        let choice = distribution("CategoricalDistribution", r#""choices": [1, 2.5, null, true, "x", "1"]"#);
        let names = ["1", "2.5", "null", "true", "x", "\"1\""].map(str::to_owned).to_vec();
        assert_eq!(choice, Ok(Distribution::Choice(names)));
        assert!(distribution("GaussDistribution", "").is_err_and(|problem| problem.contains("Gauss")));
        assert!("{".parse::<Distribution>().is_err());
    }

    #[test]
    fn ranges_are_united() {
        let range = |low, high, log| Distribution::Float { low, high, log, step: None };
        let mut united = range(1.0, 2.0, true);
        united.unite(&range(0.5, 1.5, true)).unwrap();
        assert_eq!(united, range(0.5, 2.0, true));
        united.unite(&range(0.0, 1.0, false)).unwrap();
        assert_eq!(united, range(0.0, 2.0, false));
        let mut choice = Distribution::Choice(vec!["a".into()]);
        choice.unite(&Distribution::Choice(vec!["b".into(), "a".into()])).unwrap();
        assert_eq!(choice, Distribution::Choice(vec!["a".into(), "b".into()]));
        assert_eq!(united.unite(&choice), Err(()));
    }
}
