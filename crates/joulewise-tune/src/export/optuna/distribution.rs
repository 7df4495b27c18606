//! Domains as Optuna's distributions.

use serde_json::{Value as Json, json};

use crate::domain::{Domain, Value};
use crate::literal::meant;

/// The JSON of a domain.
pub(super) fn distribution(domain: &Domain) -> Json {
    let (name, attributes) = match domain {
        Domain::Float { low, high, log, step } => {
            // Optuna wants the last value to be reached by whole steps.
            let levels = domain.cardinality().unwrap_or(1);
            let high = step.map_or(*high, |step| sum(*low, (levels - 1) as f64, step).min(*high));
            // It takes no step on a logarithmic scale.
            let step = step.filter(|_| !log);
            ("FloatDistribution", json!({"low": low, "high": high, "log": log, "step": step}))
        }
        Domain::Int { low, high, log, step } => {
            let high = high - (high.abs_diff(*low) % (*step).max(1)) as i64;
            let step = if *log { &1 } else { step };
            ("IntDistribution", json!({"low": low, "high": high, "log": log, "step": step}))
        }
        Domain::Choice(names) => (
            "CategoricalDistribution",
            json!({"choices": names.iter().map(|name| meant(name)).collect::<Vec<_>>()}),
        ),
        Domain::Fixed(Value::Float(x)) => {
            ("FloatDistribution", json!({"low": x, "high": x, "log": false, "step": null}))
        }
        Domain::Fixed(Value::Int(x)) => {
            ("IntDistribution", json!({"low": x, "high": x, "log": false, "step": 1}))
        }
        Domain::Fixed(Value::Choice(name)) => ("CategoricalDistribution", json!({"choices": [meant(name)]})),
    };
    json!({"name": name, "attributes": attributes})
}

/// `low + count * step` as on paper, where 3 · 0.1 is 0.3.
fn sum(low: f64, count: f64, step: f64) -> f64 {
    let decimals = |x: f64| x.to_string().split_once('.').map_or(0, |(_, decimals)| decimals.len());
    let (exact, decimals) = (low + count * step, decimals(low).max(decimals(step)));
    format!("{exact:.decimals$}").parse().unwrap_or(exact)
}

/// A value as Optuna writes it; `None` for a choice that is not there.
pub(super) fn number(value: &Value, domain: &Domain) -> Option<f64> {
    match (value, domain) {
        (Value::Choice(name), Domain::Choice(names)) => {
            names.iter().position(|other| other == name).map(|at| at as f64)
        }
        (Value::Choice(_), _) => Some(0.0),
        (Value::Float(x), _) => Some(*x),
        (Value::Int(x), _) => Some(*x as f64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_end_where_whole_steps_do() {
        let high = |low, high, step| {
            distribution(&Domain::Float { low, high, log: false, step: Some(step) })["attributes"]["high"]
                .clone()
        };
        assert_eq!(high(0.0, 0.35, 0.1), 0.3);
        assert_eq!(high(0.0, 0.3, 0.1), 0.3);
        assert_eq!(high(-1.0, 1.0, 0.75), 0.5);
        assert_eq!(high(1e-7, 1e-3, 1e-7), 1e-3);
        let ints = distribution(&Domain::Int { low: -1, high: 9, log: false, step: 4 });
        assert_eq!(ints["attributes"]["high"], 7);
    }
}
