//! Studies of Optuna, from the tables of its SQLite files.

mod distribution;
mod inference;
mod tables;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value as Json;

use super::{COST_UNIT, Imported, SECONDS};
use crate::domain::{Domain, Value};
use crate::literal;
use crate::objective::{Goal, Objective, Objectives};
use crate::point::Point;
use crate::space::Space;
use crate::storage::{Definition, Entry, Origin, StorageError, StorageErrorKind};
use crate::trial::{Outcome, Report, State, TrialId};
use distribution::Distribution;
use tables::{Row, Tables};

/// Optuna's prefix of a trial's constraints that have names; all are kept where they are at most 0.
const CONSTRAINT: &str = "constraints:";
/// Where those of a `constraints_func` are, as a list.
const CONSTRAINTS: &str = "constraints";

/// The studies of the SQLite file of Optuna at `path`, which is only read.
///
/// The cost of a trial is its user attribute `cost`, or one called `cost_attribute`. Where no trial has it, the cost is
/// how long a trial took, and the note [`COST_UNIT`] says that these are [`SECONDS`]; where only some have it, nobody
/// knows what the others cost. Trials that ran while the file was read count as failed. Ranges that differ between
/// trials are united. A parameter that only some trials have gets a condition, where a choice tells them apart.
/// Constraints without names are `constraint_0` and so on.
pub fn optuna(path: &Path, cost_attribute: Option<&str>) -> Result<Vec<Imported>, StorageError> {
    let tables = Tables::open(path)?;
    let studies = tables.studies()?;
    let import = |(id, name): (i64, String)| {
        let rows = tables.trials(id)?;
        let study = Study {
            directions: tables.directions(id)?,
            attributes: tables.study_attributes(id, "user")?,
            system: tables.study_attributes(id, "system")?,
            rows,
            cost_attribute: cost_attribute.unwrap_or("cost"),
        };
        study
            .imported(name)
            .map_err(|(kind, problem)| StorageError::new(kind, format!("{}: {problem}", path.display())))
    };
    studies.into_iter().map(import).collect()
}

/// What the tables say of one study.
struct Study<'a> {
    directions: Vec<String>,
    attributes: BTreeMap<String, String>,
    system: BTreeMap<String, String>,
    rows: Vec<Row>,
    cost_attribute: &'a str,
}

type Problem = (StorageErrorKind, String);

impl Study<'_> {
    fn imported(self, name: String) -> Result<Imported, Problem> {
        let mut caveats = Vec::new();
        let parameters = self.parameters()?;
        let domains: BTreeMap<String, Domain> =
            parameters.iter().map(|(name, distribution)| (name.clone(), distribution.domain())).collect();
        let points = self.rows.iter().map(|row| point(row, &parameters)).collect::<Result<Vec<_>, _>>()?;
        let space = space(&domains, &points, &mut caveats)?;
        let constraints: BTreeSet<String> =
            self.rows.iter().flat_map(|row| bounds(row).into_keys()).collect();
        let objectives = self.objectives(&constraints)?;

        let noted = |trial, (key, value): (&String, &String)| Entry::Noted {
            trial,
            key: key.clone(),
            value: note(value),
        };
        let mut entries: Vec<Entry> = self.attributes.iter().map(|pair| noted(None, pair)).collect();
        let is_begun = |row: &&Row| row.state != "WAITING";
        let trials = self.rows.iter().filter(is_begun).count();
        let costs = self.rows.iter().filter(is_begun).filter_map(|row| self.told_cost(row)).count();
        if costs == 0 {
            let (key, value) = (COST_UNIT.to_owned(), SECONDS.to_owned());
            entries.push(Entry::Noted { trial: None, key, value });
        } else if costs < trials {
            let (without, name) = (trials - costs, self.cost_attribute);
            caveats.push(format!("{without} trials have no number `{name}`; what they cost is not known"));
        }
        let begun = || self.rows.iter().zip(points).filter(|(row, _)| row.state != "WAITING");
        let mut running = 0;
        for (number, (row, point)) in (0..).zip(begun()) {
            let trial = TrialId(number);
            entries.push(Entry::Asked { trial, point, worker: "optuna".to_owned(), origin: Origin::Import });
            entries.extend(row.attributes.iter().map(|pair| noted(Some(trial), pair)));
            let values = |first: f64| {
                let others = objectives.iter().skip(1).map(|_| f64::NAN);
                std::iter::once(first).chain(others).collect()
            };
            entries.extend(row.curve.iter().map(|&(step, value)| Entry::Reported {
                trial,
                report: Report { step, values: values(value), cost: f64::NAN },
            }));
            running += usize::from(row.state == "RUNNING");
            let seconds = row.ended_s.zip(row.began_s).map(|(ended_s, began_s)| ended_s - began_s);
            let cost = if costs == 0 { seconds } else { self.told_cost(row) };
            let state = self.state(row, cost.unwrap_or(f64::NAN), &objectives, &constraints);
            entries.push(Entry::Ended { trial, state });
            let timed = |began_s| Entry::Timed { trial, began_s, ended_s: row.ended_s };
            entries.extend(row.began_s.map(timed));
        }
        if running > 0 {
            caveats.push(format!("{running} trials ran while the file was read; they count as failed"));
        }
        let mut left_out = 0;
        for row in self.rows.iter().filter(|row| row.state == "WAITING") {
            match waiting(row, &parameters).filter(|point| space.contains(point)) {
                Some(point) => entries.push(Entry::Queued { point }),
                None => left_out += 1,
            }
        }
        if left_out > 0 {
            caveats.push(format!("{left_out} trials that wait are left out: they do not say all of a point"));
        }
        let definition = Definition::new(space, objectives, 0, "auto");
        Ok(Imported { name, definition, entries, caveats })
    }

    /// The distribution of each parameter, those of all trials united.
    fn parameters(&self) -> Result<BTreeMap<String, Distribution>, Problem> {
        let mut parameters: BTreeMap<String, Distribution> = BTreeMap::new();
        for (name, _, text) in self.rows.iter().flat_map(|row| &row.parameters) {
            let distribution: Distribution = text.parse().map_err(|problem| {
                (StorageErrorKind::Corrupt, format!("the distribution of parameter `{name}` {problem}"))
            })?;
            match parameters.get_mut(name) {
                None => drop(parameters.insert(name.clone(), distribution)),
                Some(known) => known.unite(&distribution).map_err(|()| {
                    let problem = format!("parameter `{name}` is of different kinds in different trials");
                    (StorageErrorKind::Refused, problem)
                })?,
            }
        }
        Ok(parameters)
    }

    fn objectives(&self, constraints: &BTreeSet<String>) -> Result<Objectives, Problem> {
        let names: Vec<String> = self
            .system
            .get("study:metric_names")
            .and_then(|text| serde_json::from_str(text).ok())
            .unwrap_or_default();
        let default =
            |i: usize| if self.directions.len() == 1 { "value".to_owned() } else { format!("value_{i}") };
        let optimised = self.directions.iter().enumerate().map(|(i, direction)| Objective {
            metric: names.get(i).cloned().unwrap_or_else(|| default(i)),
            goal: if direction == "MAXIMIZE" { Goal::Max } else { Goal::Min },
        });
        let bounds =
            constraints.iter().map(|name| Objective { metric: name.clone(), goal: Goal::AtMost(0.0) });
        Objectives::new(optimised.chain(bounds).collect())
            .map_err(|error| (StorageErrorKind::Refused, error.to_string()))
    }

    /// What a trial says that it cost.
    fn told_cost(&self, row: &Row) -> Option<f64> {
        row.attributes
            .get(self.cost_attribute)
            .and_then(|text| text.parse().ok())
            .filter(|cost: &f64| cost.is_finite())
    }

    fn state(&self, row: &Row, cost: f64, objectives: &Objectives, constraints: &BTreeSet<String>) -> State {
        let value = |i: usize| row.values.get(&i).copied();
        // Optuna keeps no value of a trial that was stopped before it could tell one.
        let last = || row.curve.iter().rev().map(|&(_, value)| value).find(|value| value.is_finite());
        let optimised = (0..self.directions.len())
            .map(|i| value(i).or_else(|| last().filter(|_| i == 0)).unwrap_or(f64::NAN));
        let told = bounds(row);
        let bounds = constraints.iter().map(|name| told.get(name).copied().unwrap_or(f64::NAN));
        let values: Vec<f64> = optimised.chain(bounds).collect();
        match row.state.as_str() {
            "COMPLETE" if objectives.are_finite(&values) => State::Done(Outcome { values, cost }),
            "PRUNED" if objectives.are_finite(&values) => State::Stopped(Outcome { values, cost }),
            _ => State::Failed { cost },
        }
    }
}

/// By how much a trial misses its bounds, by their names: those that have some, and those of a list by their places.
fn bounds(row: &Row) -> BTreeMap<String, f64> {
    // Python's infinities are no JSON, but numbers.
    let number = |text: &str| text.trim().parse().unwrap_or(f64::NAN);
    let named = row.system.iter().filter_map(|(key, text)| Some((key.strip_prefix(CONSTRAINT)?, text)));
    let named = named.map(|(name, text)| (name.to_owned(), number(text)));
    let list = row.system.get(CONSTRAINTS).map_or("", |text| text.trim_matches(['[', ']']));
    let listed = list.split(',').filter(|text| !text.trim().is_empty()).enumerate();
    named.chain(listed.map(|(i, text)| (format!("constraint_{i}"), number(text)))).collect()
}

fn point(row: &Row, parameters: &BTreeMap<String, Distribution>) -> Result<Point, Problem> {
    let values = row.parameters.iter().map(|(name, number, text)| {
        // A choice is the number of an option in the list of its own trial.
        let value = match text.parse::<Distribution>() {
            Ok(own @ Distribution::Choice(_)) => own.value(*number),
            _ => parameters[name].value(*number),
        };
        let problem = || format!("parameter `{name}` of trial {} is none of its choices", row.number);
        Ok((name.clone(), value.ok_or_else(|| (StorageErrorKind::Corrupt, problem()))?))
    });
    values.collect()
}

/// The point that a trial of Optuna's queue asks for.
fn waiting(row: &Row, parameters: &BTreeMap<String, Distribution>) -> Option<Point> {
    let fixed: BTreeMap<String, Json> = serde_json::from_str(row.system.get("fixed_params")?).ok()?;
    let value = |(name, json): (String, Json)| {
        let value = match parameters.get(&name)?.domain() {
            Domain::Choice(_) => Value::Choice(literal::text(&json)),
            Domain::Int { .. } => Value::Int(json.as_f64()? as i64),
            _ => Value::Float(json.as_f64()?),
        };
        Some((name, value))
    };
    fixed.into_iter().map(value).collect()
}

/// The space of these domains, with conditions where they can be inferred.
fn space(
    domains: &BTreeMap<String, Domain>,
    points: &[Point],
    caveats: &mut Vec<String>,
) -> Result<Space, Problem> {
    let mut space = Space::new();
    for (name, domain) in domains {
        space = space
            .with(name, domain.clone())
            .map_err(|error| (StorageErrorKind::Refused, error.to_string()))?;
    }
    let complete: Vec<&Point> = points.iter().filter(|point| point.values().len() > 0).collect();
    for name in domains.keys() {
        if complete.iter().all(|point| point.get(name).is_some()) {
            continue;
        }
        let condition = inference::condition(name, domains, &complete);
        let conditional =
            condition.and_then(|condition| space.clone().when(name, &condition).ok().zip(Some(condition)));
        match conditional {
            Some((conditional, condition)) => {
                caveats
                    .push(format!("`{name}` was there where {condition}; this is taken for its condition"));
                space = conditional;
            }
            None => caveats
                .push(format!("`{name}` was there in some trials only, and no condition tells in which")),
        }
    }
    Ok(space)
}

/// The note of an attribute; Python's NaN and infinities are no JSON.
fn note(json: &str) -> String {
    serde_json::from_str(json).map_or_else(|_| json.to_owned(), |json| literal::text(&json))
}
