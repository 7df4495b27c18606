//! Metrics of a command: found in `metrics.jsonl`, by a regular expression, or in JSON lines of its output.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::LazyLock;

use anyhow::{Context as _, Result, anyhow};
use regex::Regex;

use crate::hint::Hint as _;

/// The file in `{out}` that a command may write a JSON object per epoch to.
pub const FILE: &str = "metrics.jsonl";

/// Where metrics are found; a recipe's `train.metrics`.
///
/// | `train.metrics`          | meaning                                                                        |
/// |--------------------------|--------------------------------------------------------------------------------|
/// | absent                   | `metrics.jsonl` if the command wrote one, and JSON lines                       |
/// | `"metrics.jsonl"`        | that file in `{out}`: a JSON object per line                                   |
/// | `"json"`                 | lines of stdout that are JSON objects                                          |
/// | a regular expression     | lines of stdout; a group's name is the metric's, an unnamed one is the goal's  |
///
/// A line with the goal's metric is a point of the curve, and the last value of each metric is the result.
/// A value that ends in `%` is divided by 100; `epoch` numbers the points.
#[derive(Clone, Debug)]
pub enum MetricsFrom {
    /// [`File`](Self::File) and [`Json`](Self::Json); of a metric that is in both, the file's values count.
    Auto,
    /// [`FILE`].
    File,
    /// Lines of stdout that are JSON objects.
    Json,
    /// What a regular expression finds in the lines of stdout.
    Regex(Regex),
}

/// Values by the metric's name. A value may be NaN.
pub type Metrics = BTreeMap<String, f64>;

/// What a command reported.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reported {
    /// The last value of each metric.
    pub last: Metrics,
    /// All lines that have the goal's metric, in order.
    pub curve: Vec<Metrics>,
}

impl MetricsFrom {
    /// Reads a recipe's `train.metrics`.
    pub fn parse(text: &str) -> Result<Self> {
        match text {
            FILE => return Ok(Self::File),
            "json" => return Ok(Self::Json),
            _ => {}
        }
        let example =
            "write \"metrics.jsonl\", \"json\" or a regular expression, as in \"accuracy: ([0-9.]+%?)\"";
        let regex = Regex::new(text)
            .map_err(|error| anyhow!("{}", last_line(&error.to_string())))
            .with_context(|| format!("`{text}` is no regular expression"))
            .hint(example)?;
        if regex.captures_len() < 2 {
            return Err(anyhow!("`{text}` has no group that a value could be found in")).hint(example);
        }
        Ok(Self::Regex(regex))
    }

    /// The metrics in a line of stdout; `goal` names the unnamed group.
    pub fn line(&self, line: &str, goal: &str) -> Option<Metrics> {
        match self {
            Self::File => None,
            Self::Auto | Self::Json => json(line),
            Self::Regex(regex) => matched(regex, line, goal),
        }
    }

    /// Everything that a command reported: in its folder `out` and `on_stdout`, as far as these count.
    pub fn collect(&self, out: &Path, on_stdout: Reported, goal: &str) -> io::Result<Reported> {
        let file = match self {
            Self::Auto | Self::File => read(&out.join(FILE))?,
            Self::Json | Self::Regex(_) => None,
        };
        let Some(text) = file else { return Ok(on_stdout) };
        let mut reported = Reported { last: on_stdout.last, curve: Vec::new() };
        for metrics in text.lines().filter_map(json) {
            reported.add(metrics, goal);
        }
        if reported.curve.is_empty() {
            reported.curve = on_stdout.curve;
        }
        Ok(reported)
    }
}

impl Reported {
    /// Adds a line of metrics.
    pub fn add(&mut self, metrics: Metrics, goal: &str) {
        self.last.extend(metrics.iter().map(|(name, value)| (name.clone(), *value)));
        if metrics.contains_key(goal) {
            self.curve.push(metrics);
        }
    }
}

fn read(path: &Path) -> io::Result<Option<String>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The numbers in a line that is a JSON object.
pub(super) fn json(line: &str) -> Option<Metrics> {
    // Python writes NaN and Infinity, which JSON has not; `null` is how other writers say NaN.
    static NOT_A_NUMBER: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"(:\s*)(NaN|-?Infinity)\b").expect("a valid expression"));
    let line = line.trim();
    if !line.starts_with('{') {
        return None;
    }
    let object: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(&NOT_A_NUMBER.replace_all(line, "${1}null")).ok()?;
    let number = |value: &serde_json::Value| match value {
        serde_json::Value::Null => Some(f64::NAN),
        serde_json::Value::Number(number) => number.as_f64(),
        serde_json::Value::String(text) => number(text),
        _ => None,
    };
    Some(object.iter().filter_map(|(name, value)| Some((name.clone(), number(value)?))).collect())
}

/// The values of the groups of `regex` in `line`.
fn matched(regex: &Regex, line: &str, goal: &str) -> Option<Metrics> {
    let captures = regex.captures(line)?;
    let mut metrics = Metrics::new();
    for (index, name) in regex.capture_names().enumerate().skip(1) {
        let value = captures.get(index).and_then(|group| number(group.as_str()));
        if let (Some(value), true) = (value, name.is_some() || !metrics.contains_key(goal)) {
            metrics.insert(name.unwrap_or(goal).to_owned(), value);
        }
    }
    Some(metrics)
}

/// A number, or a percentage of one.
fn number(text: &str) -> Option<f64> {
    let text = text.trim();
    match text.strip_suffix('%') {
        Some(percent) => Some(percent.trim().parse::<f64>().ok()? / 100.0),
        None => text.parse().ok(),
    }
}

fn last_line(text: &str) -> &str {
    text.lines().last().unwrap_or_default().trim_start_matches("error: ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metrics(values: &[(&str, f64)]) -> Metrics {
        values.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect()
    }

    fn collected(from: &MetricsFrom, out: &Path, stdout: &[&str]) -> Reported {
        let mut on_stdout = Reported::default();
        for metrics in stdout.iter().filter_map(|line| from.line(line, "accuracy")) {
            on_stdout.add(metrics, "accuracy");
        }
        from.collect(out, on_stdout, "accuracy").unwrap()
    }

    #[test]
    fn json_lines_of_stdout_are_a_curve() {
        let folder = tempfile::tempdir().unwrap();
        let reported = collected(
            &MetricsFrom::Auto,
            folder.path(),
            &[
                "loading data",
                r#"{"epoch": 1, "accuracy": 0.8, "note": "x"}"#,
                "{not json}",
                r#"{"epoch": 2, "accuracy": 0.9}"#,
                r#"{"loss": 0.3}"#,
            ],
        );
        assert_eq!(reported.last, metrics(&[("epoch", 2.0), ("accuracy", 0.9), ("loss", 0.3)]));
        assert_eq!(reported.curve.len(), 2);
        assert_eq!(reported.curve[0], metrics(&[("epoch", 1.0), ("accuracy", 0.8)]));
    }

    #[test]
    fn of_a_metric_in_both_places_the_file_counts() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(FILE), "{\"accuracy\": 0.7}\n{\"accuracy\": 0.75}\n{\"acc").unwrap();
        let stdout = [r#"{"accuracy": 0.1}"#, r#"{"size_mb": 3}"#];
        let reported = collected(&MetricsFrom::Auto, folder.path(), &stdout);
        assert_eq!(reported.last, metrics(&[("accuracy", 0.75), ("size_mb", 3.0)]));
        assert_eq!(reported.curve.len(), 2);
        let reported = collected(&MetricsFrom::File, folder.path(), &stdout);
        assert_eq!(reported.last, metrics(&[("accuracy", 0.75)]));
        let reported = collected(&MetricsFrom::Json, folder.path(), &stdout);
        assert_eq!(reported.last, metrics(&[("accuracy", 0.1), ("size_mb", 3.0)]));
    }

    #[test]
    fn groups_are_metrics() {
        let regex = MetricsFrom::parse(r"epoch (?<epoch>\d+): ([0-9.]+%?), loss (?<loss>\S+)").unwrap();
        let found = regex.line("epoch 3: 91.5%, loss 0.25", "accuracy").unwrap();
        assert_eq!(found, metrics(&[("epoch", 3.0), ("accuracy", 0.915), ("loss", 0.25)]));
        assert_eq!(regex.line("epoch three", "accuracy"), None);
    }

    #[test]
    fn a_nan_is_a_value() {
        for line in [r#"{"loss": NaN}"#, r#"{"loss": -Infinity}"#, r#"{"loss": null}"#, r#"{"loss": "nan"}"#]
        {
            assert!(json(line).unwrap()["loss"].is_nan(), "{line}");
        }
        let regex = MetricsFrom::parse(r"loss (\S+)").unwrap();
        assert!(regex.line("loss nan", "loss").unwrap()["loss"].is_nan());
    }

    #[test]
    fn an_expression_needs_a_group() {
        assert!(MetricsFrom::parse("accuracy").unwrap_err().to_string().contains("no group"));
        let error = format!("{:#}", MetricsFrom::parse("acc(").unwrap_err());
        assert_eq!(error, "`acc(` is no regular expression: unclosed group");
    }
}
