//! Objectives as people write them: `max accuracy`, `min energy_j`, `bytes <= 1e6`.

use anyhow::{Result, anyhow};
use joulewise_tune::{Goal, Objective, Objectives};

use crate::hint::Hint as _;

/// The metric that every trial has: its joules.
pub const ENERGY: &str = "energy_j";
/// The metric that every trial has: its wall time, in seconds.
pub const TIME: &str = "time_s";

const EXAMPLE: &str = "write \"max accuracy\", \"min energy_j\", \"accuracy >= 0.9\" or \"time_s <= 60\"";

/// Reads objectives, the most important one first.
pub fn read(texts: &[impl AsRef<str>]) -> Result<Objectives> {
    let objectives = texts.iter().map(|text| one(text.as_ref())).collect::<Result<_>>()?;
    Objectives::new(objectives).map_err(|error| anyhow!("objectives: {error}")).hint(EXAMPLE)
}

/// Writes an objective as [`read`] reads it.
pub fn text(objective: &Objective) -> String {
    let metric = &objective.metric;
    match objective.goal {
        Goal::Max => format!("max {metric}"),
        Goal::Min => format!("min {metric}"),
        Goal::AtLeast(bound) => format!("{metric} >= {bound}"),
        Goal::AtMost(bound) => format!("{metric} <= {bound}"),
    }
}

/// The metric that a trial has to report: the first that is not its joules or its seconds.
pub fn reported(objectives: &Objectives) -> Option<&str> {
    objectives
        .iter()
        .map(|objective| objective.metric.as_str())
        .find(|metric| ![ENERGY, TIME].contains(metric))
}

fn one(text: &str) -> Result<Objective> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let bound = |text: &str| text.parse::<f64>().ok().filter(|bound| bound.is_finite());
    let parsed = match words[..] {
        ["max", metric] => Some((metric, Goal::Max)),
        ["min", metric] => Some((metric, Goal::Min)),
        [metric, ">=", least] => bound(least).map(|least| (metric, Goal::AtLeast(least))),
        [metric, "<=", most] => bound(most).map(|most| (metric, Goal::AtMost(most))),
        _ => None,
    };
    match parsed {
        Some((metric, goal)) => Ok(Objective { metric: metric.to_owned(), goal }),
        None => Err(anyhow!("`{text}` is no objective")).hint(EXAMPLE),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objectives_are_read_as_they_are_written() {
        let texts = ["max accuracy", "min energy_j", "bytes <= 1000000", "recall >= 0.5"];
        let objectives = read(&texts).unwrap();
        assert_eq!(objectives.iter().map(super::text).collect::<Vec<_>>(), texts);
        assert_eq!(reported(&objectives), Some("accuracy"));
        assert_eq!(reported(&read(&["min energy_j"]).unwrap()), None);
    }

    #[test]
    fn nonsense_is_refused() {
        let problem = |texts: &[&str]| read(texts).unwrap_err().to_string();
        assert_eq!(problem(&["maximise accuracy"]), "`maximise accuracy` is no objective");
        assert_eq!(problem(&["accuracy >= much"]), "`accuracy >= much` is no objective");
        assert_eq!(problem(&["accuracy >= inf"]), "`accuracy >= inf` is no objective");
        assert_eq!(
            problem(&["accuracy >= 0.5"]),
            "objectives: no metric is to be as great or as small as possible"
        );
    }
}
