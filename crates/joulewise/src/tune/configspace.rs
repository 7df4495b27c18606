//! Spaces of ConfigSpace, in JSON: hyperparameters, conditions and forbidden clauses. Both its format 0.4 and what
//! ConfigSpace 1 writes are read.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result, anyhow};
use joulewise_tune::{Direction, Domain, Expression, Objectives, Parameter, Space, Value};
use serde::Deserialize;
use serde_json::Value as Json;

use super::plan::Plan;
use crate::hint::Hint as _;

/// What a file has to be, for mistakes that nothing better can be said of.
pub(super) const FORM: &str = "a ConfigSpace is JSON as its `to_json` writes it, as in {\"hyperparameters\": [{\"name\": \"lr\", \"type\": \"uniform_float\", \"lower\": 1e-5, \"upper\": 0.1, \"log\": true}]}";

#[derive(Deserialize)]
struct ConfigSpace {
    name: Option<String>,
    hyperparameters: Vec<Json>,
    #[serde(default)]
    conditions: Vec<Json>,
    #[serde(default)]
    forbiddens: Vec<Json>,
}

/// The space alone: what is wanted and what a trial runs is said on the command line.
pub(super) fn read(text: &str, name: &str, folder: &Path) -> Result<Plan> {
    let file: ConfigSpace = serde_json::from_str(text).context("this is no ConfigSpace")?;
    let mut parameters = BTreeMap::new();
    for hyperparameter in &file.hyperparameters {
        let name = text_of(hyperparameter, "name").context("a hyperparameter")?;
        let domain = domain(hyperparameter).with_context(|| format!("hyperparameter `{name}`"))?;
        parameters.insert(name.to_owned(), Parameter { domain, when: None });
    }
    let mut conditions: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for json in &file.conditions {
        let child = text_of(json, "child").context("a condition")?;
        let condition = condition(json).with_context(|| format!("the condition of `{child}`"))?;
        conditions.entry(child.to_owned()).or_default().push(condition);
    }
    for (child, all) in conditions {
        let Some(parameter) = parameters.get_mut(&child) else {
            return Err(anyhow!("a condition is of `{child}`, which is missing"))
                .hint("add it to `hyperparameters`, or leave the condition out");
        };
        parameter.when =
            Some(all.iter().map(|one| format!("({one})")).collect::<Vec<_>>().join(" and ").parse()?);
    }
    let forbidden = |json: &Json| -> Result<Expression> {
        Ok(format!("not ({})", condition(json).context("a forbidden clause")?).parse()?)
    };
    let constraints = file.forbiddens.iter().map(forbidden).collect::<Result<_>>()?;
    let space = Space::build(parameters, constraints)?;
    let name = file.name.as_deref().filter(|name| !name.is_empty()).unwrap_or(name);
    Ok(Plan::new(name, folder, Objectives::single(Direction::Max), space))
}

fn domain(json: &Json) -> Result<Domain> {
    let number =
        |key: &str| json.get(key).and_then(Json::as_f64).ok_or_else(|| anyhow!("has no number `{key}`"));
    let whole = |key: &str| {
        json.get(key).and_then(Json::as_i64).ok_or_else(|| anyhow!("has no whole number `{key}`"))
    };
    let log = json.get("log").and_then(Json::as_bool).unwrap_or(false);
    let step = json.get("q").and_then(Json::as_f64);
    let options = |key: &str| {
        let list = json.get(key).and_then(Json::as_array).ok_or_else(|| anyhow!("has no list `{key}`"))?;
        Ok::<_, anyhow::Error>(Domain::Choice(list.iter().map(|value| value_of(value).to_string()).collect()))
    };
    match text_of(json, "type")? {
        "uniform_float" => Ok(Domain::Float { low: number("lower")?, high: number("upper")?, log, step }),
        "uniform_int" => Ok(Domain::Int {
            low: whole("lower")?,
            high: whole("upper")?,
            log,
            step: step.map_or(1, |step| step as u64),
        }),
        "categorical" => {
            // Format 0.2 calls them probabilities.
            let weights = ["weights", "probabilities"].map(|key| json.get(key).filter(|all| !all.is_null()));
            let is_even =
                |weights: &Json| weights.as_array().is_some_and(|all| all.windows(2).all(|w| w[0] == w[1]));
            if !weights.into_iter().flatten().all(is_even) {
                return Err(anyhow!("its choices have weights, which no sampler here takes"))
                    .hint("leave them out: all choices are equally likely before trials tell more");
            }
            options("choices")
        }
        "ordinal" => options("sequence"),
        "constant" | "unparametrized" => {
            Ok(Domain::Fixed(value_of(json.get("value").ok_or_else(|| anyhow!("has no `value`"))?)))
        }
        other => Err(anyhow!("its type is `{other}`"))
            .hint("uniform_float, uniform_int, categorical, ordinal and constant can be searched"),
    }
}

/// A condition or a forbidden clause, as an expression.
fn condition(json: &Json) -> Result<String> {
    let all = |key: &str, word: &str| {
        let parts = json.get(key).and_then(Json::as_array).ok_or_else(|| anyhow!("has no list `{key}`"))?;
        let parts =
            parts.iter().map(|part| Ok(format!("({})", condition(part)?))).collect::<Result<Vec<_>>>()?;
        Ok::<_, anyhow::Error>(parts.join(word))
    };
    let parts = if json.get("clauses").is_some() { "clauses" } else { "conditions" };
    let subject = || {
        let name = text_of(json, "parent").or_else(|_| text_of(json, "name"))?;
        Ok::<_, anyhow::Error>(format!("`{name}`"))
    };
    let value =
        || Ok::<_, anyhow::Error>(literal(json.get("value").ok_or_else(|| anyhow!("has no `value`"))?));
    match text_of(json, "type")? {
        "AND" => all(parts, " and "),
        "OR" => all(parts, " or "),
        "EQ" | "EQUALS" => Ok(format!("{} == {}", subject()?, value()?)),
        "NEQ" => Ok(format!("{} != {}", subject()?, value()?)),
        "LT" => Ok(format!("{} < {}", subject()?, value()?)),
        "GT" => Ok(format!("{} > {}", subject()?, value()?)),
        "IN" => {
            let values =
                json.get("values").and_then(Json::as_array).ok_or_else(|| anyhow!("has no list `values`"))?;
            let values = values.iter().map(literal).collect::<Vec<_>>();
            Ok(format!("{} in [{}]", subject()?, values.join(", ")))
        }
        "RELATION" => {
            let sign = match text_of(json, "lambda")? {
                "EQUALS" => "==",
                "LESS" => "<",
                "GREATER" => ">",
                other => {
                    return Err(anyhow!("compares by `{other}`"))
                        .hint("EQUALS, LESS and GREATER are what two hyperparameters can be compared by");
                }
            };
            Ok(format!("`{}` {sign} `{}`", text_of(json, "left")?, text_of(json, "right")?))
        }
        other => Err(anyhow!("its type is `{other}`"))
            .hint("there are EQ, NEQ, LT, GT, IN, AND and OR; in clauses EQUALS, IN, AND, OR and RELATION"),
    }
}

fn text_of<'a>(json: &'a Json, key: &str) -> Result<&'a str> {
    json.get(key).and_then(Json::as_str).ok_or_else(|| anyhow!("has no text `{key}`"))
}

fn value_of(json: &Json) -> Value {
    match json {
        Json::String(text) => Value::Choice(text.clone()),
        Json::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(n), _) => Value::Int(n),
            (None, x) => Value::Float(x.unwrap_or(f64::NAN)),
        },
        Json::Bool(truth) => Value::Choice(if *truth { "True" } else { "False" }.to_owned()),
        other => Value::Choice(other.to_string()),
    }
}

/// A value as an expression has it.
fn literal(json: &Json) -> String {
    match value_of(json) {
        Value::Choice(text) => format!("\"{text}\""),
        number => number.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPACE: &str = r#"{
        "name": "mlp",
        "hyperparameters": [
            {"name": "solver", "type": "categorical", "choices": ["sgd", "adam"], "weights": null, "default": "sgd"},
            {"name": "solver:momentum", "type": "uniform_float", "log": false, "lower": 0.0, "upper": 0.99, "q": null},
            {"name": "lr", "type": "uniform_float", "log": true, "lower": 1e-6, "upper": 0.1},
            {"name": "layers", "type": "uniform_int", "log": false, "lower": 1, "upper": 5},
            {"name": "size", "type": "ordinal", "sequence": [16, 32, 64]},
            {"name": "epochs", "type": "constant", "value": 20}
        ],
        "conditions": [{"child": "solver:momentum", "parent": "solver", "type": "EQ", "value": "sgd"}],
        "forbiddens": [{"type": "AND", "clauses": [
            {"name": "solver", "type": "EQUALS", "value": "adam"}, {"name": "layers", "type": "IN", "values": [4, 5]}
        ]}],
        "json_format_version": 0.4
    }"#;

    #[test]
    fn conditions_and_forbidden_clauses_hold() {
        let plan = read(SPACE, "file", Path::new(".")).unwrap();
        assert_eq!(plan.name, "mlp");
        assert_eq!(plan.space.domain("lr"), Some(&Domain::log_float(1e-6, 0.1)));
        assert_eq!(plan.space.domain("size"), Some(&Domain::choice(&["16", "32", "64"])));
        let mut stream = joulewise_tune::Stream::new(1, 0);
        for _ in 0..200 {
            let point = plan.space.draw(&mut stream);
            let adam = point.choice("solver") == Some("adam");
            assert_eq!(point.get("solver:momentum").is_none(), adam);
            assert!(!(adam && point.int("layers").unwrap() >= 4), "{point}");
        }
    }

    #[test]
    fn what_cannot_be_searched_is_named() {
        let problem = |from: &str, to: &str| {
            format!("{:#}", read(&SPACE.replace(from, to), "file", Path::new(".")).unwrap_err())
        };
        assert!(
            problem("\"uniform_int\"", "\"normal_int\"").starts_with("hyperparameter `layers`: its type is")
        );
        assert!(problem("\"parent\": \"solver\"", "\"parent\": \"sovler\"").contains("`sovler` is neither"));
        assert!(problem("\"weights\": null", "\"probabilities\": [0.9, 0.1]").contains("have weights"));
        assert!(problem("\"weights\": null", "\"weights\": [0.9, 0.1]").contains("have weights"));
        assert!(problem("{", "[").contains("this is no ConfigSpace"));
    }
}
