//! The `[parameters]` of a study's file.
//!
//! | in the file                                     | what it may be                                      |
//! |--------------------------------------------------|-----------------------------------------------------|
//! | `{ low = 1e-5, high = 0.1, log = true }`         | a number, of which the order of magnitude matters   |
//! | `{ low = 0.0, high = 0.5, step = 0.1 }`          | a number in steps                                   |
//! | `{ low = 16, high = 256, log = true }`           | a whole number, since both ends are written as one  |
//! | `["sgd", "adam"]`, `[32, 64]`                    | a choice                                            |
//! | `[[64, 32], [128]]`                              | a choice between lists, which a trial gets as JSON  |
//! | `{ values = ["sgd", "adam"], when = "depth > 2" }` | a choice that matters only there                  |
//! | `10`, `"adam"`                                   | always the same                                     |

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, anyhow};
use joulewise_tune::{Domain, Parameter, Value};

use crate::hint::Hint as _;
use crate::recipe::did_you_mean;

const KEYS: [&str; 7] = ["low", "high", "log", "step", "values", "value", "when"];
const EXAMPLE: &str = "write a range, as in { low = 1e-5, high = 0.1, log = true }, or a list of values";

/// The parameters, not yet checked against each other.
pub(super) fn read(table: &toml::Table) -> Result<BTreeMap<String, Parameter>> {
    let mut parameters = BTreeMap::new();
    collect("", table, &mut parameters)?;
    Ok(parameters)
}

/// Tables in tables are names with points, as in `train.lr = { low = 1e-4, high = 0.1 }`.
fn collect(prefix: &str, table: &toml::Table, into: &mut BTreeMap<String, Parameter>) -> Result<()> {
    for (name, value) in table {
        let name = format!("{prefix}{name}");
        match value {
            toml::Value::Table(inner)
                if !inner.is_empty() && !inner.keys().any(|key| KEYS.contains(&key.as_str())) =>
            {
                collect(&format!("{name}."), inner, into)?;
            }
            value => {
                into.insert(name.clone(), parameter(&name, value)?);
            }
        }
    }
    Ok(())
}

fn parameter(name: &str, value: &toml::Value) -> Result<Parameter> {
    let domain = match value {
        toml::Value::Array(values) => choice(name, values)?,
        toml::Value::Table(table) => return ranged(name, table),
        value => Domain::Fixed(plain(name, value)?),
    };
    Ok(Parameter { domain, when: None })
}

fn ranged(name: &str, table: &toml::Table) -> Result<Parameter> {
    if let Some(key) = table.keys().find(|key| !KEYS.contains(&key.as_str())) {
        let hint = match did_you_mean(key, KEYS) {
            Some(known) => format!("did you mean `{known}`?"),
            None => format!("the keys of a parameter are {}", KEYS.join(", ")),
        };
        return Err(anyhow!("parameter `{name}`: unknown key `{key}`")).hint(hint);
    }
    let when = match table.get("when") {
        None => None,
        Some(toml::Value::String(text)) => {
            Some(text.parse().with_context(|| format!("parameter `{name}`: `when`"))?)
        }
        Some(_) => {
            return Err(anyhow!("parameter `{name}`: `when` is no text"))
                .hint("write the condition in quotes, as in when = \"optimiser == sgd\"");
        }
    };
    let domain = match (table.get("values"), table.get("value")) {
        (Some(toml::Value::Array(values)), None) => choice(name, values)?,
        (None, Some(value)) => Domain::Fixed(plain(name, value)?),
        (None, None) => range(name, table)?,
        _ => {
            return Err(anyhow!("parameter `{name}`: `values` is a list, and `value` stands alone"))
                .hint(EXAMPLE);
        }
    };
    Ok(Parameter { domain, when })
}

fn range(name: &str, table: &toml::Table) -> Result<Domain> {
    let (Some(low), Some(high)) = (table.get("low"), table.get("high")) else {
        return Err(anyhow!("parameter `{name}` has no `low` and `high` and no `values`")).hint(EXAMPLE);
    };
    let log = match table.get("log") {
        None => false,
        Some(toml::Value::Boolean(log)) => *log,
        Some(other) => {
            return Err(anyhow!("parameter `{name}`: `log` is {other}"))
                .hint("write log = true or log = false, without quotes");
        }
    };
    let number = |key: &str, value: &toml::Value| {
        match *value {
        toml::Value::Float(x) => Ok(x),
        toml::Value::Integer(n) => Ok(n as f64),
        _ => Err(anyhow!("parameter `{name}`: `{key}` is no number"))
            .hint("write it without quotes, as in low = 1e-5; a choice between texts is a list, as in [\"sgd\", \"adam\"]"),
    }
    };
    let step = table.get("step").map(|step| number("step", step)).transpose()?;
    if let (&toml::Value::Integer(low), &toml::Value::Integer(high)) = (low, high) {
        let step = match step {
            None => 1,
            Some(step) if step >= 1.0 && step.fract() == 0.0 => step as u64,
            Some(_) => {
                return Err(anyhow!("parameter `{name}` is whole and its step is not"))
                    .hint("write low and high with a point, as in 1.0, for numbers that are not whole");
            }
        };
        return Ok(Domain::Int { low, high, log, step });
    }
    Ok(Domain::Float { low: number("low", low)?, high: number("high", high)?, log, step })
}

fn choice(name: &str, values: &[toml::Value]) -> Result<Domain> {
    let option = |value: &toml::Value| Ok(plain(name, value)?.to_string());
    Ok(Domain::Choice(values.iter().map(option).collect::<Result<_>>()?))
}

fn plain(name: &str, value: &toml::Value) -> Result<Value> {
    match value {
        toml::Value::String(text) => Ok(Value::Choice(text.clone())),
        toml::Value::Integer(n) => Ok(Value::Int(*n)),
        toml::Value::Float(x) => Ok(Value::Float(*x)),
        toml::Value::Boolean(truth) => Ok(Value::Choice(truth.to_string())),
        toml::Value::Array(_) | toml::Value::Table(_) => Ok(Value::Choice(serde_json::to_string(value)?)),
        toml::Value::Datetime(_) => {
            Err(anyhow!("parameter `{name}` can be a number, a text or a list, not {value}")).hint(EXAMPLE)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<BTreeMap<String, Parameter>> {
        read(&toml::from_str(text).unwrap())
    }

    #[test]
    fn every_kind_of_parameter_is_read() {
        let parameters = parsed(
            "lr = { low = 1e-5, high = 0.1, log = true }\n\
             drop = { low = 0.0, high = 0.5, step = 0.1 }\n\
             batch = { low = 16, high = 256, step = 16 }\n\
             mixed = { low = 0, high = 1.0 }\n\
             optimiser = [\"sgd\", \"adam\"]\n\
             size = [32, 0.5]\n\
             nesterov = { values = [true, false], when = \"optimiser == sgd\" }\n\
             epochs = 10\n\
             data = { value = \"a b\" }\n\
             layers = [[64, 32], [128]]\n\
             model.width = { low = 0.25, high = 1.0 }",
        )
        .unwrap();
        let domain = |name: &str| parameters[name].domain.clone();
        assert_eq!(domain("lr"), Domain::log_float(1e-5, 0.1));
        assert_eq!(domain("drop"), Domain::Float { low: 0.0, high: 0.5, log: false, step: Some(0.1) });
        assert_eq!(domain("batch"), Domain::Int { low: 16, high: 256, log: false, step: 16 });
        assert_eq!(domain("mixed"), Domain::float(0.0, 1.0));
        assert_eq!(domain("optimiser"), Domain::choice(&["sgd", "adam"]));
        assert_eq!(domain("size"), Domain::choice(&["32", "0.5"]));
        assert_eq!(domain("epochs"), Domain::Fixed(Value::Int(10)));
        assert_eq!(domain("data"), Domain::Fixed(Value::Choice("a b".into())));
        assert_eq!(domain("layers"), Domain::choice(&["[64,32]", "[128]"]));
        assert_eq!(domain("model.width"), Domain::float(0.25, 1.0));
        assert_eq!(parameters["nesterov"].when.as_ref().unwrap().to_string(), "optimiser == sgd");
    }

    #[test]
    fn mistakes_name_the_parameter() {
        let problem = |text: &str| parsed(text).unwrap_err().to_string();
        assert_eq!(problem("x = { low = 1 }"), "parameter `x` has no `low` and `high` and no `values`");
        assert_eq!(problem("x = { low = 1, high = 2, lgo = true }"), "parameter `x`: unknown key `lgo`");
        assert_eq!(
            problem("x = { low = 1, high = 2, step = 0.5 }"),
            "parameter `x` is whole and its step is not"
        );
        assert_eq!(problem("x = { low = \"1\", high = 2 }"), "parameter `x`: `low` is no number");
        assert_eq!(
            problem("x = [1979-05-27]"),
            "parameter `x` can be a number, a text or a list, not 1979-05-27"
        );
        let condition = parsed("x = { values = [1], when = \"y >\" }").unwrap_err();
        assert_eq!(format!("{condition:#}"), "parameter `x`: `when`: `y >`: ends too early");
    }
}
