//! Search spaces.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::domain::{Domain, Value};
use crate::expression::{Expression, ExpressionError};
use crate::point::Point;
use crate::random::Stream;

/// Draws after which a sampler gives up on the constraints and takes a point that is known to keep them.
const PATIENCE: usize = 2_000;

/// What may be searched: named parameters, the conditions under which they matter, and constraints.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Description", into = "Description")]
pub struct Space {
    parameters: BTreeMap<String, Parameter>,
    constraints: Vec<Expression>,
    /// Names so ordered that a condition speaks only of earlier ones.
    order: Vec<String>,
    /// A point that keeps the constraints.
    refuge: Option<Point>,
}

/// A parameter of a space.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Parameter {
    /// What it may be.
    pub domain: Domain,
    /// It is active, and has a value, only where this holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<Expression>,
}

/// As it stands in files, before it was checked.
#[derive(Serialize, Deserialize)]
struct Description {
    parameters: BTreeMap<String, Parameter>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    constraints: Vec<Expression>,
}

/// What cannot be part of a space.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{subject} {problem}")]
pub struct SpaceError {
    subject: String,
    problem: String,
    cure: &'static str,
}

impl Space {
    /// A space without parameters, which has one point.
    pub fn new() -> Self {
        Self::default()
    }

    /// A space of these parameters, under these constraints.
    ///
    /// Fails when a domain is empty or not finite or a logarithmic one reaches 0, a condition or constraint speaks
    /// of what is no parameter, conditions go in a circle, or no point is found that keeps the constraints.
    pub fn build(
        mut parameters: BTreeMap<String, Parameter>,
        mut constraints: Vec<Expression>,
    ) -> Result<Self, SpaceError> {
        for (name, parameter) in &parameters {
            if let Some(problem) = parameter.domain.problem() {
                return Err(SpaceError::of_parameter(name, problem));
            }
        }
        let domains: BTreeMap<String, Domain> =
            parameters.iter().map(|(name, parameter)| (name.clone(), parameter.domain.clone())).collect();
        for parameter in parameters.values_mut() {
            if let Some(when) = &mut parameter.when {
                when.resolve(|name| domains.get(name))
                    .map_err(|error| SpaceError::of("condition", &error))?;
            }
        }
        for constraint in &mut constraints {
            constraint
                .resolve(|name| domains.get(name))
                .map_err(|error| SpaceError::of("constraint", &error))?;
        }
        let order = order(&parameters)?;
        let mut space = Self { parameters, constraints, order, refuge: None };
        space.refuge = space.any_point();
        if space.refuge.is_none() {
            return Err(SpaceError {
                subject: "the space".to_owned(),
                problem: format!(
                    "has constraints that none of {} random points keeps: {}",
                    10 * PATIENCE,
                    space.constraints.iter().map(|c| format!("`{c}`")).collect::<Vec<_>>().join(", ")
                ),
                cure: "make the constraints wider, or the ranges narrower",
            });
        }
        Ok(space)
    }

    /// Adds a parameter.
    ///
    /// Fails as [`build`](Self::build) does, and when the name is taken.
    pub fn with(mut self, name: &str, domain: Domain) -> Result<Self, SpaceError> {
        if self.parameters.contains_key(name) {
            return Err(SpaceError::of_parameter(name, "is there twice"));
        }
        self.parameters.insert(name.to_owned(), Parameter { domain, when: None });
        Self::build(self.parameters, self.constraints)
    }

    /// Adds a number from `low` to `high`.
    pub fn float(self, name: &str, low: f64, high: f64) -> Result<Self, SpaceError> {
        self.with(name, Domain::float(low, high))
    }

    /// Adds a number from `low` to `high` of which the order of magnitude matters.
    pub fn log_float(self, name: &str, low: f64, high: f64) -> Result<Self, SpaceError> {
        self.with(name, Domain::log_float(low, high))
    }

    /// Adds a whole number from `low` to `high`.
    pub fn int(self, name: &str, low: i64, high: i64) -> Result<Self, SpaceError> {
        self.with(name, Domain::int(low, high))
    }

    /// Adds a whole number from `low` to `high` of which the order of magnitude matters.
    pub fn log_int(self, name: &str, low: i64, high: i64) -> Result<Self, SpaceError> {
        self.with(name, Domain::log_int(low, high))
    }

    /// Adds a choice.
    pub fn choice(self, name: &str, options: &[&str]) -> Result<Self, SpaceError> {
        self.with(name, Domain::choice(options))
    }

    /// Makes a parameter that is there active only where `condition` holds.
    pub fn when(mut self, name: &str, condition: &str) -> Result<Self, SpaceError> {
        let parsed = condition.parse().map_err(|error| SpaceError::of("condition", &error))?;
        match self.parameters.get_mut(name) {
            Some(parameter) => parameter.when = Some(parsed),
            None => return Err(SpaceError::of_parameter(name, "has a condition but no domain")),
        }
        Self::build(self.parameters, self.constraints)
    }

    /// Leaves only the points of which `constraint` is true, or of whose parameters one is not active.
    pub fn constraint(mut self, constraint: &str) -> Result<Self, SpaceError> {
        self.constraints.push(constraint.parse().map_err(|error| SpaceError::of("constraint", &error))?);
        Self::build(self.parameters, self.constraints)
    }

    /// The domains in the order of their names.
    pub fn parameters(&self) -> impl ExactSizeIterator<Item = (&str, &Domain)> {
        self.parameters.iter().map(|(name, parameter)| (name.as_str(), &parameter.domain))
    }

    /// The domain of `name`.
    pub fn domain(&self, name: &str) -> Option<&Domain> {
        self.parameters.get(name).map(|parameter| &parameter.domain)
    }

    /// What every point keeps.
    pub fn constraints(&self) -> &[Expression] {
        &self.constraints
    }

    /// Whether some parameters are active only under a condition.
    pub fn is_conditional(&self) -> bool {
        self.parameters.values().any(|parameter| parameter.when.is_some())
    }

    /// Whether parameter `name` is active only under a condition.
    pub fn has_condition(&self, name: &str) -> bool {
        self.parameters.get(name).is_some_and(|parameter| parameter.when.is_some())
    }

    /// How many points it has, constraints and conditions aside; `None` where that is not countable.
    pub fn cardinality(&self) -> Option<u64> {
        self.parameters()
            .try_fold(1u64, |product, (_, domain)| Some(product.saturating_mul(domain.cardinality()?)))
    }

    /// A point whose active parameters are what `value` says. It is asked about each of them once, those that
    /// conditions speak of first; the constraints are the caller's business.
    pub fn complete(&self, mut value: impl FnMut(&str, &Domain) -> Value) -> Point {
        let mut point = Point::default();
        for name in &self.order {
            let parameter = &self.parameters[name];
            if parameter.when.as_ref().is_none_or(|when| when.holds(&point) == Some(true)) {
                point.insert(name, value(name, &parameter.domain));
            }
        }
        point
    }

    /// The first point of those that `propose` makes that keeps the constraints. After very many that do not, one
    /// that does is returned all the same.
    pub fn first_admitted(&self, mut propose: impl FnMut() -> Point) -> Point {
        for _ in 0..PATIENCE {
            let point = propose();
            if self.admits(&point) {
                return point;
            }
        }
        self.refuge.clone().unwrap_or_default()
    }

    /// A point at random that keeps the constraints.
    pub fn draw(&self, stream: &mut Stream) -> Point {
        self.first_admitted(|| self.complete(|_, domain| domain.at(stream.unit())))
    }

    /// Whether `point` keeps the constraints.
    pub fn admits(&self, point: &Point) -> bool {
        self.constraints.iter().all(|constraint| constraint.holds(point) != Some(false))
    }

    /// Whether `point` has a value of the domain of every active parameter, nothing else, and keeps the constraints.
    pub fn contains(&self, point: &Point) -> bool {
        let mut expected = 0;
        let belongs = self.parameters.iter().all(|(name, parameter)| {
            let active = parameter.when.as_ref().is_none_or(|when| when.holds(point) == Some(true));
            expected += usize::from(active);
            point.get(name).map_or(!active, |value| active && parameter.domain.contains(value))
        });
        belongs && point.values().len() == expected && self.admits(point)
    }

    fn any_point(&self) -> Option<Point> {
        let mut stream = Stream::new(0, 0);
        let draws = if self.constraints.is_empty() { 1 } else { 10 * PATIENCE };
        let mut points = (0..draws).map(|_| self.complete(|_, domain| domain.at(stream.unit())));
        points.find(|point| self.admits(point))
    }
}

/// Parents before children.
fn order(parameters: &BTreeMap<String, Parameter>) -> Result<Vec<String>, SpaceError> {
    let mut waiting: Vec<(&String, BTreeSet<String>)> = parameters
        .iter()
        .map(|(name, parameter)| {
            let parents =
                parameter.when.as_ref().map(|when| when.names(|word| parameters.contains_key(word)));
            (name, parents.unwrap_or_default())
        })
        .collect();
    let mut order: Vec<String> = Vec::new();
    while !waiting.is_empty() {
        let before = order.len();
        waiting.retain(|(name, parents)| {
            let is_ready = parents.iter().all(|parent| order.contains(parent));
            if is_ready {
                order.push((*name).clone());
            }
            !is_ready
        });
        if order.len() == before {
            return Err(SpaceError::circle(waiting[0].0));
        }
    }
    Ok(order)
}

impl SpaceError {
    fn of_parameter(name: &str, problem: &str) -> Self {
        let cure = "give it a range from its least to its greatest value, above 0 where it is logarithmic, or different choices";
        Self { subject: format!("parameter `{name}`"), problem: problem.to_owned(), cure }
    }

    fn of(subject: &str, error: &ExpressionError) -> Self {
        Self { subject: subject.to_owned(), problem: error.to_string(), cure: error.cure() }
    }

    fn circle(name: &str) -> Self {
        let cure = "let a condition speak only of parameters that do not wait for this one";
        Self { cure, ..Self::of_parameter(name, "has a condition that goes in a circle") }
    }

    /// What to do about it.
    pub fn cure(&self) -> &'static str {
        self.cure
    }
}

impl TryFrom<Description> for Space {
    type Error = SpaceError;

    fn try_from(description: Description) -> Result<Self, SpaceError> {
        Self::build(description.parameters, description.constraints)
    }
}

impl From<Space> for Description {
    fn from(space: Space) -> Self {
        Self { parameters: space.parameters, constraints: space.constraints }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(values: &[(&str, Value)]) -> Point {
        values.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
    }

    fn conditional() -> Space {
        let space =
            Space::new().choice("optimiser", &["sgd", "adam"]).unwrap().float("momentum", 0.0, 0.99).unwrap();
        let space = space.when("momentum", "optimiser == sgd").unwrap().int("layers", 1, 4).unwrap();
        let space = space.int("width", 1, 64).unwrap();
        space.constraint("layers * width <= 64").unwrap().constraint("momentum <= 0.9").unwrap()
    }

    #[test]
    fn impossible_spaces_are_refused() {
        let problem = |space: Result<Space, SpaceError>| space.unwrap_err().to_string();
        let space = Space::new;
        assert_eq!(problem(space().float("x", 2.0, 1.0)), "parameter `x` has a low that is above its high");
        assert_eq!(problem(space().float("x", f64::NAN, 1.0)), "parameter `x` is not finite");
        assert_eq!(problem(space().float("x", f64::MIN, f64::MAX)), "parameter `x` is not finite");
        assert_eq!(
            problem(space().log_float("x", 0.0, 1.0)),
            "parameter `x` is logarithmic and its low is not above 0"
        );
        assert_eq!(problem(space().choice("x", &[])), "parameter `x` has no choices");
        let one = || space().int("x", 0, 1).unwrap();
        assert_eq!(problem(one().int("x", 0, 1)), "parameter `x` is there twice");
        assert_eq!(problem(one().when("y", "x > 0")), "parameter `y` has a condition but no domain");
        assert_eq!(problem(one().when("x", "x > 0")), "parameter `x` has a condition that goes in a circle");
        assert_eq!(
            problem(one().constraint("y > 0")),
            "constraint `y > 0`: `y` is neither a parameter nor a choice of what it is compared with"
        );
        assert_eq!(
            problem(one().constraint("x > 1")),
            "the space has constraints that none of 20000 random points keeps: `x > 1`"
        );
    }

    #[test]
    fn a_point_has_exactly_the_active_parameters() {
        let space = conditional();
        let size = [("layers", Value::Int(2)), ("width", Value::Int(32))];
        let with = |more: &[(&str, Value)]| point(&[&size[..], more].concat());
        let (sgd, adam) = (Value::Choice("sgd".into()), Value::Choice("adam".into()));
        assert!(space.contains(&with(&[("optimiser", sgd.clone()), ("momentum", Value::Float(0.5))])));
        assert!(space.contains(&with(&[("optimiser", adam.clone())])));
        assert!(!space.contains(&with(&[("optimiser", adam.clone()), ("momentum", Value::Float(0.5))])));
        assert!(!space.contains(&with(&[("optimiser", sgd.clone())])));
        assert!(
            !space.contains(&with(&[("optimiser", sgd), ("momentum", Value::Float(0.95))])),
            "a constraint"
        );
        assert!(!space.contains(&with(&[("optimiser", adam), ("m", Value::Int(1))])));
        assert!(!space.contains(&with(&[("optimiser", Value::Int(2))])));
        assert!(Space::new().contains(&Point::default()));
    }

    #[test]
    fn draws_keep_conditions_and_constraints() {
        let space = conditional();
        let mut stream = Stream::new(1, 0);
        let points = (0..500).map(|_| space.draw(&mut stream)).collect::<Vec<_>>();
        assert!(points.iter().all(|point| space.contains(point)));
        assert!(points.iter().any(|point| point.get("momentum").is_none()));
        assert!(points.iter().any(|point| point.get("momentum").is_some()));
        let narrow = Space::new().float("x", 0.0, 1.0).unwrap().constraint("x < 1e-3").unwrap();
        assert!((0..9).all(|n| narrow.contains(&narrow.draw(&mut Stream::new(2, n)))));
    }

    #[test]
    fn points_and_spaces_survive_json() {
        let space = conditional();
        let json = serde_json::to_string(&space).unwrap();
        assert_eq!(serde_json::from_str::<Space>(&json).unwrap(), space);
        assert!(
            serde_json::from_str::<Space>(&json.replace("optimiser == sgd", "optimiser == sdg")).is_err()
        );
        let point = point(&[("lr", Value::Float(0.1 + 0.2))]);
        let json = serde_json::to_string(&point).unwrap();
        assert_eq!(serde_json::from_str::<Point>(&json).unwrap(), point);
    }
}
