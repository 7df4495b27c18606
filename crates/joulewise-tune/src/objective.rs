//! What a study is after.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use crate::direction::Direction;

/// A metric and what is wanted of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Objective {
    /// Its name, as in `accuracy` or `energy_j`.
    pub metric: String,
    /// What is wanted of it.
    pub goal: Goal,
}

/// What is wanted of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Goal {
    /// As much as possible.
    Max,
    /// As little as possible.
    Min,
    /// So much; more is worth nothing.
    AtLeast(f64),
    /// So much; less is worth nothing.
    AtMost(f64),
}

/// The objectives of a study, at least one of which is to be as great or as small as possible. The values of an
/// outcome stand in their order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Objective>", into = "Vec<Objective>")]
pub struct Objectives(Vec<Objective>);

/// Objectives that no study can have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ObjectivesError(String);

impl Objectives {
    /// These objectives.
    ///
    /// Fails when none of them is to be maximised or minimised, a metric is there twice, or a bound is not finite.
    pub fn new(objectives: Vec<Objective>) -> Result<Self, ObjectivesError> {
        if !objectives.iter().any(|objective| objective.goal.direction().is_some()) {
            return Err(ObjectivesError("no metric is to be as great or as small as possible".to_owned()));
        }
        for (i, Objective { metric, goal }) in objectives.iter().enumerate() {
            if objectives[..i].iter().any(|other| other.metric == *metric) {
                return Err(ObjectivesError(format!("metric `{metric}` is there twice")));
            }
            if let Goal::AtLeast(bound) | Goal::AtMost(bound) = goal
                && !bound.is_finite()
            {
                return Err(ObjectivesError(format!("the bound of metric `{metric}` is not finite")));
            }
        }
        Ok(Self(objectives))
    }

    /// One metric called `value`.
    pub fn single(direction: Direction) -> Self {
        let goal = match direction {
            Direction::Max => Goal::Max,
            Direction::Min => Goal::Min,
        };
        Self(vec![Objective { metric: "value".to_owned(), goal }])
    }

    /// All of them, in the order of an outcome's values.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Objective> {
        self.0.iter()
    }

    /// How many are to be as great or as small as possible.
    pub fn optimised(&self) -> usize {
        self.0.iter().filter(|objective| objective.goal.direction().is_some()).count()
    }

    /// How many are bounds.
    pub fn bounds(&self) -> usize {
        self.0.len() - self.optimised()
    }

    /// The values of what is to be optimised, turned so that less is better.
    pub fn losses<'a>(&'a self, values: &'a [f64]) -> impl Iterator<Item = f64> + 'a {
        self.0.iter().zip(values).filter_map(|(objective, &value)| match objective.goal.direction()? {
            Direction::Max => Some(-value),
            Direction::Min => Some(value),
        })
    }

    /// By how much each bound is missed; 0 or less where it is kept, infinite where the value is none.
    pub fn violations<'a>(&'a self, values: &'a [f64]) -> impl Iterator<Item = f64> + 'a {
        self.0.iter().zip(values).filter_map(|(objective, &value)| {
            let by = match objective.goal {
                Goal::AtLeast(bound) => bound - value,
                Goal::AtMost(bound) => value - bound,
                Goal::Max | Goal::Min => return None,
            };
            Some(if by.is_nan() { f64::INFINITY } else { by })
        })
    }

    /// The sum of what the bounds are missed by; 0 where all are kept.
    pub fn violation(&self, values: &[f64]) -> f64 {
        self.violations(values).map(|by| by.max(0.0)).sum()
    }

    /// Whether `values` can be compared at all: one for each objective, and all that are optimised are finite.
    pub fn are_finite(&self, values: &[f64]) -> bool {
        values.len() == self.0.len() && self.losses(values).all(f64::is_finite)
    }

    /// Orders by the bounds, then by the first objective that is optimised: the better one is less.
    pub fn compare(&self, a: &[f64], b: &[f64]) -> Ordering {
        let first = |values| self.losses(values).next().unwrap_or(f64::NAN);
        let by_loss = Direction::Min.compare(first(a), first(b));
        self.violation(a).total_cmp(&self.violation(b)).then(by_loss)
    }

    /// Whether `a` is nowhere worse than `b` and somewhere better, what misses bounds less being better than all
    /// that misses them more.
    pub fn dominates(&self, a: &[f64], b: &[f64]) -> bool {
        let (missed, others) = (self.violation(a), self.violation(b));
        if missed > 0.0 || others > 0.0 {
            return missed < others;
        }
        let pairs = || self.losses(a).zip(self.losses(b));
        pairs().all(|(a, b)| a <= b) && pairs().any(|(a, b)| a < b)
    }
}

impl Goal {
    /// Which way it goes, where it has no end.
    pub fn direction(self) -> Option<Direction> {
        match self {
            Self::Max => Some(Direction::Max),
            Self::Min => Some(Direction::Min),
            Self::AtLeast(_) | Self::AtMost(_) => None,
        }
    }
}

impl TryFrom<Vec<Objective>> for Objectives {
    type Error = ObjectivesError;

    fn try_from(objectives: Vec<Objective>) -> Result<Self, ObjectivesError> {
        Self::new(objectives)
    }
}

impl From<Objectives> for Vec<Objective> {
    fn from(objectives: Objectives) -> Self {
        objectives.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn objectives(goals: &[(&str, Goal)]) -> Result<Objectives, ObjectivesError> {
        let objective = |&(metric, goal): &(&str, Goal)| Objective { metric: metric.to_owned(), goal };
        Objectives::new(goals.iter().map(objective).collect())
    }

    #[test]
    fn bounds_come_before_what_is_optimised() {
        let both = objectives(&[("accuracy", Goal::Max), ("bytes", Goal::AtMost(100.0))]).unwrap();
        assert_eq!(both.losses(&[0.9, 50.0]).collect::<Vec<_>>(), [-0.9]);
        assert_eq!(both.violation(&[0.9, 50.0]), 0.0);
        assert_eq!(both.violation(&[0.9, 130.0]), 30.0);
        assert_eq!(both.violation(&[0.9, f64::NAN]), f64::INFINITY);
        assert_eq!(both.compare(&[0.8, 100.0], &[0.9, 101.0]), Ordering::Less);
        assert_eq!(both.compare(&[0.8, 10.0], &[0.9, 100.0]), Ordering::Greater);
        assert!(
            both.dominates(&[0.8, 100.0], &[0.9, 101.0]) && !both.dominates(&[0.9, 101.0], &[0.8, 100.0])
        );
    }

    #[test]
    fn two_objectives_have_a_front() {
        let two = objectives(&[("accuracy", Goal::Max), ("energy_j", Goal::Min)]).unwrap();
        assert!(two.dominates(&[0.9, 5.0], &[0.9, 6.0]) && two.dominates(&[0.91, 5.0], &[0.9, 5.0]));
        assert!(!two.dominates(&[0.9, 5.0], &[0.8, 4.0]) && !two.dominates(&[0.9, 5.0], &[0.9, 5.0]));
        assert!(two.are_finite(&[0.9, 5.0]) && !two.are_finite(&[f64::NAN, 5.0]) && !two.are_finite(&[0.9]));
    }

    #[test]
    fn impossible_objectives_are_refused() {
        let problem = |goals: &[(&str, Goal)]| objectives(goals).unwrap_err().to_string();
        assert_eq!(
            problem(&[("a", Goal::AtLeast(0.9))]),
            "no metric is to be as great or as small as possible"
        );
        assert_eq!(problem(&[("a", Goal::Max), ("a", Goal::Min)]), "metric `a` is there twice");
        let nan = [("a", Goal::Max), ("b", Goal::AtMost(f64::NAN))];
        assert_eq!(problem(&nan), "the bound of metric `b` is not finite");
    }

    #[test]
    fn objectives_survive_json() {
        let all = objectives(&[("accuracy", Goal::Max), ("bytes", Goal::AtMost(1e6))]).unwrap();
        let json = serde_json::to_string(&all).unwrap();
        assert_eq!(
            json,
            r#"[{"metric":"accuracy","goal":"max"},{"metric":"bytes","goal":{"at-most":1000000.0}}]"#
        );
        assert_eq!(serde_json::from_str::<Objectives>(&json).unwrap(), all);
        assert!(serde_json::from_str::<Objectives>("[]").is_err());
    }
}
