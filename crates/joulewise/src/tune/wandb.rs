//! Sweeps of Weights & Biases, in YAML: spaces, metric, method and command as they are.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result, anyhow};
use joulewise_tune::{Domain, Goal, Objective, Objectives, Parameter, Space, Value};
use serde::Deserialize;
use serde_json::Value as Json;

use super::plan::{Plan, Work};
use super::sampler::SamplerName;
use super::stopper::{Stopper, StopperName};
use crate::hint::{Hint as _, Hinted};

/// What a file has to be, for mistakes that nothing better can be said of.
pub(super) const FORM: &str = "a sweep is YAML with `program`, `method`, `metric: {name: accuracy, goal: maximize}` and `parameters`, as in lr: {distribution: log_uniform_values, min: 1.0e-5, max: 0.1}";

const RANGE: &str =
    "write a range without quotes, as in {min: 0.0, max: 0.5}, or choices, as in {values: [sgd, adam]}";

#[derive(Deserialize)]
struct Sweep {
    name: Option<String>,
    program: Option<String>,
    command: Option<Vec<String>>,
    method: String,
    metric: Option<Metric>,
    parameters: BTreeMap<String, Json>,
    early_terminate: Option<EarlyTerminate>,
    run_cap: Option<u64>,
}

#[derive(Deserialize)]
struct Metric {
    name: String,
    #[serde(default = "minimize")]
    goal: String,
    target: Option<f64>,
}

#[derive(Deserialize)]
struct EarlyTerminate {
    #[serde(rename = "type")]
    kind: String,
    min_iter: Option<u64>,
    max_iter: Option<u64>,
    s: Option<u32>,
    eta: Option<u64>,
}

fn minimize() -> String {
    "minimize".to_owned()
}

pub(super) fn read(text: &str, name: &str, folder: &Path) -> Result<Plan> {
    let sweep = parse(text).context("this is no sweep of Weights & Biases")?;
    let mut parameters = BTreeMap::new();
    flatten("", &sweep.parameters, &mut parameters)?;
    let metric = sweep.metric.as_ref().ok_or_else(|| anyhow!("the sweep has no `metric`"));
    let metric = metric.hint("add what it is for, as in metric: {name: accuracy, goal: maximize}")?;
    let goal = match metric.goal.as_str() {
        "maximize" => Goal::Max,
        "minimize" => Goal::Min,
        other => {
            return Err(anyhow!("the metric's goal is `{other}`"))
                .hint("write goal: maximize or goal: minimize");
        }
    };
    let objectives = Objectives::new(vec![Objective { metric: metric.name.clone(), goal }])?;
    let words = command(&sweep, &parameters)?;
    let space = Space::build(parameters, Vec::new())?;
    let mut plan = Plan::new(sweep.name.as_deref().unwrap_or(name), folder, objectives, space);
    plan.sampler.name = match sweep.method.as_str() {
        "grid" => SamplerName::Grid,
        "random" => SamplerName::Random,
        "bayes" => SamplerName::Auto,
        other => {
            return Err(anyhow!("the method is `{other}`"))
                .hint("write method: grid, random or bayes; there are more with --sampler");
        }
    };
    plan.limits.trials = sweep.run_cap;
    plan.limits.target = metric.target;
    plan.stopper = sweep.early_terminate.as_ref().map(stopper).transpose()?;
    if let Work::Command { words: of_trial, .. } = &mut plan.trial {
        *of_trial = words;
    }
    Ok(plan)
}

fn parse(text: &str) -> Result<Sweep> {
    // YAML leaves open what is true: the reader takes either two words for it, or those of all dialects.
    let few: Sweep =
        serde_saphyr::from_str_with_options(text, serde_saphyr::options! { strict_booleans: true })
            .map_err(|error| misread(&error))?;
    let many: Sweep = serde_saphyr::from_str(text).map_err(|error| misread(&error))?;
    let parameters = few.parameters.into_iter().map(|(name, few)| {
        let many = many.parameters.get(&name).cloned().unwrap_or_default();
        (name, truths(few, many))
    });
    Ok(Sweep { parameters: parameters.collect(), ..many })
}

/// A value with the truth values that Python's YAML finds in it, of which a sweep's script is told: `yes` and `on` are
/// true unless they are quoted, and `y` is a letter.
fn truths(few: Json, many: Json) -> Json {
    match (few, many) {
        (Json::String(text), Json::Bool(truth)) if TRUTHS.contains(&text.as_str()) => Json::Bool(truth),
        (Json::Array(few), Json::Array(many)) => {
            few.into_iter().zip(many).map(|(few, many)| truths(few, many)).collect()
        }
        (Json::Object(few), Json::Object(mut many)) => few
            .into_iter()
            .map(|(name, few)| {
                let many = many.remove(&name).unwrap_or_default();
                (name, truths(few, many))
            })
            .collect(),
        (few, _) => few,
    }
}

/// Beside `true` and `false`.
const TRUTHS: [&str; 12] = ["yes", "Yes", "YES", "no", "No", "NO", "on", "On", "ON", "off", "Off", "OFF"];

/// The first line of what the reader says, in words that do not speak of the reader.
fn misread(error: &serde_saphyr::Error) -> anyhow::Error {
    let text = error.to_string();
    let line = text.lines().next().unwrap_or_default();
    let line = line.strip_prefix("error: ").unwrap_or(line);
    let is_duplicate = line.contains("duplicate mapping key");
    let line = line.split_once(", set DuplicateKeyPolicy").map_or(line, |(line, _)| line);
    let error = anyhow!("{line}");
    if is_duplicate { Hinted::new(error, "write each key once").into() } else { error }
}

/// Parameters may be nested; their names are joined by points, as a run's configuration has them.
fn flatten(
    prefix: &str,
    from: &BTreeMap<String, Json>,
    into: &mut BTreeMap<String, Parameter>,
) -> Result<()> {
    for (name, description) in from {
        let name = format!("{prefix}{name}");
        if let Some(nested) = description.get("parameters") {
            let nested = serde_json::from_value(nested.clone())
                .with_context(|| format!("parameter `{name}`: `parameters` is no table"))?;
            flatten(&format!("{name}."), &nested, into)?;
        } else {
            let domain = domain(description).with_context(|| format!("parameter `{name}`"))?;
            into.insert(name, Parameter { domain, when: None });
        }
    }
    Ok(())
}

fn domain(description: &Json) -> Result<Domain> {
    let number = |key: &str| {
        let value = description.get(key).and_then(Json::as_f64);
        value.ok_or_else(|| anyhow!("has no number `{key}`")).hint(RANGE)
    };
    let whole = |key: &str| description.get(key).and_then(Json::as_i64);
    let float = |log| Ok(Domain::Float { low: number("min")?, high: number("max")?, log, step: None });
    let kind = match description.get("distribution").and_then(Json::as_str) {
        Some(kind) => kind,
        None if description.get("value").is_some() => "constant",
        None if description.get("values").is_some() => "categorical",
        None if whole("min").is_some() && whole("max").is_some() => "int_uniform",
        None => "uniform",
    };
    if description.get("probabilities").is_some() {
        return Err(anyhow!("its choices have probabilities, which no sampler here takes"))
            .hint("leave them out: all choices are equally likely before trials tell more");
    }
    match kind {
        "constant" => Ok(Domain::Fixed(plain(description.get("value").unwrap_or(&Json::Null)))),
        "categorical" => {
            let values = description.get("values").and_then(Json::as_array);
            let values = values.ok_or_else(|| anyhow!("has no list `values`"))?;
            Ok(Domain::Choice(values.iter().map(|value| plain(value).to_string()).collect()))
        }
        "int_uniform" => match (whole("min"), whole("max")) {
            (Some(low), Some(high)) => Ok(Domain::int(low, high)),
            _ => Err(anyhow!("has no whole numbers `min` and `max`")).hint(RANGE),
        },
        "uniform" => float(false),
        "q_uniform" => Ok(stepped(number("min")?, number("max")?, false, description)),
        "q_log_uniform_values" => Ok(stepped(number("min")?, number("max")?, true, description)),
        "q_log_uniform" => {
            let (min, max) = (number("min")?.exp(), number("max")?.exp());
            // Rounding to `q` leaves no fraction of the ends.
            Ok(stepped(min, max.floor().max(min.ceil()), true, description))
        }
        // Its ends are exponents of e.
        "log_uniform" => Ok(Domain::log_float(number("min")?.exp(), number("max")?.exp())),
        "inv_log_uniform" => Ok(Domain::log_float((-number("max")?).exp(), (-number("min")?).exp())),
        "log_uniform_values" | "inv_log_uniform_values" => float(true),
        other => Err(anyhow!("its distribution is `{other}`"))
            .hint("constant, categorical and int_uniform can be searched, and uniform, log_uniform and log_uniform_values, with q_ or inv_ too"),
    }
}

/// Multiples of `q`, whole ones where all three are.
fn stepped(min: f64, max: f64, log: bool, description: &Json) -> Domain {
    let q = description.get("q").and_then(Json::as_f64).unwrap_or(1.0);
    let low = if log { ((min / q).round() * q).max(q) } else { min };
    let is_whole = |x: f64| x.fract() == 0.0 && x.abs() < 1e15;
    if q >= 1.0 && is_whole(q) && is_whole(low) && is_whole(max) {
        return Domain::Int { low: low as i64, high: max as i64, log, step: q as u64 };
    }
    Domain::Float { low, high: max, log, step: Some(q) }
}

fn plain(value: &Json) -> Value {
    match value {
        Json::String(text) => Value::Choice(text.clone()),
        Json::Number(number) => match number.as_i64() {
            Some(n) => Value::Int(n),
            None => Value::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        // As Python writes them.
        Json::Bool(true) => Value::Choice("True".to_owned()),
        Json::Bool(false) => Value::Choice("False".to_owned()),
        Json::Null => Value::Choice("None".to_owned()),
        // As JSON, which Python reads as well.
        Json::Array(_) | Json::Object(_) => Value::Choice(value.to_string()),
    }
}

fn is_truth(parameter: &Parameter) -> bool {
    let is_truth = |text: &String| text == "True" || text == "False";
    match &parameter.domain {
        Domain::Choice(options) => options.iter().any(is_truth),
        Domain::Fixed(Value::Choice(text)) => is_truth(text),
        _ => false,
    }
}

/// The command with our placeholders instead of the sweep's macros.
fn command(sweep: &Sweep, parameters: &BTreeMap<String, Parameter>) -> Result<Vec<String>> {
    if sweep.program.is_none() && sweep.command.is_none() {
        return Ok(Vec::new());
    }
    let default = ["${env}", "${interpreter}", "${program}", "${args}"].map(str::to_owned);
    let mut words = Vec::new();
    for word in sweep.command.as_deref().unwrap_or(&default) {
        match word.as_str() {
            "${env}" => words.push("/usr/bin/env".to_owned()),
            "${interpreter}" => words.push("python".to_owned()),
            "${program}" => {
                let program = sweep.program.clone().ok_or_else(|| anyhow!("the sweep has no `program`"));
                words.push(program.hint("add what its trials run, as in program: train.py")?);
            }
            // Without truth values there is nothing that a flag would stand for.
            "${args_no_boolean_flags}" if parameters.values().any(is_truth) => {
                return Err(anyhow!("the command has the macro {word}, and a parameter is true or false"))
                    .hint("let the program take --NAME=True and --NAME=False, and write ${args} instead");
            }
            "${args}" | "${args_no_boolean_flags}" => {
                words.extend(parameters.keys().map(|name| format!("--{name}={{{name}}}")));
            }
            "${args_no_hyphens}" => words.extend(parameters.keys().map(|name| format!("{name}={{{name}}}"))),
            "${args_json_file}" => words.push("{params}".to_owned()),
            other if other.starts_with("${") && !other.starts_with("${envvar:") => {
                return Err(anyhow!("the command has the macro {other}, which has no counterpart here")).hint(
                    "there are ${env}, ${interpreter}, ${program}, ${args}, ${args_no_hyphens}, ${args_json_file} and ${envvar:NAME}",
                );
            }
            other => words.push(other.to_owned()),
        }
    }
    Ok(words)
}

/// What a sweep calls hyperband: a run ends at `min_iter`, `min_iter · eta`, …, or at `max_iter / eta^s`, … where the last
/// step is given, if it is not among the best there. That is successive halving without brackets.
fn stopper(early: &EarlyTerminate) -> Result<Stopper> {
    if early.kind != "hyperband" {
        return Err(anyhow!("early_terminate is `{}`", early.kind))
            .hint("write type: hyperband, or leave it out and say a --stopper");
    }
    let mut stopper = Stopper::of(StopperName::Asha);
    stopper.eta = early.eta.unwrap_or(3);
    let parts =
        u32::try_from(stopper.eta).unwrap_or(u32::MAX).max(2).saturating_pow(early.s.unwrap_or(2).max(1));
    let first = |max: u64| (max / u64::from(parts)).max(1);
    stopper.min = early.min_iter.or(early.max_iter.map(first)).unwrap_or(1) as f64;
    // A last step that is none is what a file says that had to say something.
    stopper.max = early.max_iter.map(|max| max as f64).filter(|max| *max > stopper.min);
    Ok(stopper)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SWEEP: &str = "
program: train.py
method: bayes
metric: {name: val/acc, goal: maximize, target: 0.95}
run_cap: 20
parameters:
  lr: {distribution: log_uniform_values, min: 1e-5, max: 0.1}
  decay: {distribution: log_uniform, min: -9.2, max: 0}
  layers: {min: 1, max: 4}
  drop: {min: 0.0, max: 0.5}
  optimizer:
    parameters:
      name: {values: [sgd, adam]}
      schedule: {parameters: {steps: {values: [[10, 20], [15]]}, decay: {value: {rate: 0.1}}}}
  nesterov: {values: [true, false]}
  width: {distribution: q_log_uniform_values, min: 32, max: 256, q: 8}
  decay_steps: {distribution: q_uniform, min: 0.0, max: 1.0, q: 0.25}
  epochs: {value: 10}
  warm: {distribution: inv_log_uniform, min: 0, max: 3}
  eps: {distribution: inv_log_uniform_values, min: 1e-9, max: 1e-6}
early_terminate: {type: hyperband, min_iter: 2, eta: 4}
";

    #[test]
    fn a_sweep_is_read_as_it_is_meant() {
        let plan = read(SWEEP, "sweep", Path::new(".")).unwrap();
        let domain = |name: &str| plan.space.domain(name).unwrap().clone();
        assert_eq!(domain("lr"), Domain::log_float(1e-5, 0.1));
        assert_eq!(domain("decay"), Domain::log_float((-9.2f64).exp(), 1.0));
        assert_eq!(domain("layers"), Domain::int(1, 4));
        assert_eq!(domain("drop"), Domain::float(0.0, 0.5));
        assert_eq!(domain("optimizer.name"), Domain::choice(&["sgd", "adam"]));
        assert_eq!(domain("nesterov"), Domain::choice(&["True", "False"]));
        assert_eq!(domain("width"), Domain::Int { low: 32, high: 256, log: true, step: 8 });
        assert_eq!(
            domain("decay_steps"),
            Domain::Float { low: 0.0, high: 1.0, log: false, step: Some(0.25) }
        );
        assert_eq!(domain("epochs"), Domain::Fixed(Value::Int(10)));
        assert_eq!(domain("optimizer.schedule.steps"), Domain::choice(&["[10,20]", "[15]"]));
        let decay = Value::Choice("{\"rate\":0.1}".to_owned());
        assert_eq!(domain("optimizer.schedule.decay"), Domain::Fixed(decay));
        assert_eq!(domain("warm"), Domain::log_float((-3f64).exp(), 1.0));
        assert_eq!(domain("eps"), Domain::log_float(1e-9, 1e-6));
        assert_eq!((plan.limits.trials, plan.limits.target), (Some(20), Some(0.95)));
        assert_eq!(rungs(&plan), (2.0, None, 4));
        let Work::Command { words, .. } = &plan.trial else { panic!("a command") };
        assert_eq!(words[..3], ["/usr/bin/env", "python", "train.py"]);
        assert!(words.contains(&"--optimizer.name={optimizer.name}".to_owned()), "{words:?}");
        assert_eq!(plan.objectives.iter().next().unwrap().goal, Goal::Max);
    }

    fn rungs(plan: &Plan) -> (f64, Option<f64>, u64) {
        let stopper = plan.stopper.as_ref().unwrap();
        stopper.build(plan).map(|_| (stopper.min, stopper.max, stopper.eta)).unwrap()
    }

    #[test]
    fn early_termination_may_count_from_either_end() {
        let of = |early: &str| {
            let early = format!("early_terminate: {{type: hyperband, {early}}}");
            let text = SWEEP.replace("early_terminate: {type: hyperband, min_iter: 2, eta: 4}", &early);
            rungs(&read(&text, "sweep", Path::new(".")).unwrap())
        };
        assert_eq!(of("max_iter: 27, s: 2"), (3.0, Some(27.0), 3));
        assert_eq!(of("max_iter: 27, s: 3, eta: 2"), (3.0, Some(27.0), 2));
        assert_eq!(of("min_iter: 5, s: 2"), (5.0, None, 3));
        assert_eq!(of("s: 2"), (1.0, None, 3));
    }

    #[test]
    fn truth_values_are_those_of_python() {
        let values = "{values: [x, y, n, Y, yes, Off, oN, 'yes', \"true\"]}";
        let text =
            SWEEP.replace("{values: [true, false]}", values).replace("[[10, 20], [15]]", "[[y, no], [on]]");
        let plan = read(&text, "sweep", Path::new(".")).unwrap();
        let domain = |name: &str| plan.space.domain(name).unwrap().clone();
        let read = ["x", "y", "n", "Y", "True", "False", "oN", "yes", "true"];
        assert_eq!(domain("nesterov"), Domain::choice(&read));
        assert_eq!(domain("optimizer.schedule.steps"), Domain::choice(&["[\"y\",false]", "[true]"]));
    }

    #[test]
    fn what_has_no_counterpart_is_named() {
        let problem = |from: &str, to: &str| {
            let error = read(&SWEEP.replace(from, to), "sweep", Path::new(".")).unwrap_err();
            let mut out = Vec::new();
            crate::hint::print(&error, &mut out).unwrap();
            let text = String::from_utf8(out).unwrap();
            text.trim_start_matches("error: ").to_owned()
        };
        let distribution = problem("log_uniform,", "normal,");
        assert!(distribution.starts_with("parameter `decay`: its distribution is `normal`\nhint: "));
        let flags = "method: bayes\ncommand: [python, \"${program}\", \"${args_no_boolean_flags}\"]";
        assert!(problem("method: bayes", flags).contains("a parameter is true or false"));
        assert!(
            problem("method: bayes", "method: magic").contains("\nhint: write method: grid, random or bayes")
        );
        assert!(problem("goal: maximize", "goal: best").contains("\nhint: write goal: maximize"));
        assert!(problem("min: 0.0, max: 0.5", "min: low, max: 0.5").contains("\nhint: write a range"));
        let even = "values: [sgd, adam], probabilities: [0.9, 0.1]";
        assert!(problem("values: [sgd, adam]", even).contains("\nhint: leave them out"));
        assert!(problem("type: hyperband", "type: median").contains("\nhint: write type: hyperband"));
        assert_eq!(
            problem("run_cap: 20", "run_cap: 20\nrun_cap: 21"),
            "this is no sweep of Weights & Biases: line 6 column 1: duplicate mapping key: run_cap\n\
             hint: write each key once\n"
        );
        assert!(problem("metric: {name: val/acc, goal: maximize, target: 0.95}", "").contains("no `metric`"));
        assert!(problem("method: bayes", "method: [").contains("no sweep of Weights & Biases"));
    }
}
