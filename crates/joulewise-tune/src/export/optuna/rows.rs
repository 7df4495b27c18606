//! The rows of Optuna's tables.

use rusqlite::{Connection, params};
use serde_json::{Map, Value as Json, json};

use super::distribution::{distribution, number};
use super::earlier::MARK;
use crate::direction::Direction;
use crate::domain::Value;
use crate::literal::meant;
use crate::objective::{Goal, Objectives};
use crate::point::Point;
use crate::sampler::Sampler;
use crate::shared_study::{Record, SharedStudy};
use crate::trial::{State, Trial};

/// Writes the rows of one study.
pub(super) struct Rows<'a, S> {
    pub(super) connection: &'a Connection,
    pub(super) study: &'a SharedStudy<S>,
}

impl<S: Sampler> Rows<'_, S> {
    fn objectives(&self) -> &Objectives {
        self.study.objectives()
    }

    pub(super) fn head(&self, name: &str) -> rusqlite::Result<()> {
        self.connection.execute("INSERT INTO studies VALUES (1, ?1)", [name])?;
        let optimised = self.objectives().iter();
        let optimised: Vec<(&str, Direction)> = optimised
            .filter_map(|objective| Some((objective.metric.as_str(), objective.goal.direction()?)))
            .collect();
        let sql = "INSERT INTO study_directions (direction, study_id, objective) VALUES (?1, 1, ?2)";
        for (i, (_, direction)) in optimised.iter().enumerate() {
            let direction = match direction {
                Direction::Max => "MAXIMIZE",
                Direction::Min => "MINIMIZE",
            };
            self.connection.execute(sql, params![direction, i as i64])?;
        }
        let names: Vec<&str> = optimised.iter().map(|(metric, _)| *metric).collect();
        self.attribute("study", 1, "system", "study:metric_names", &json!(names))?;
        for (key, value) in self.study.notes() {
            self.attribute("study", 1, "user", key, &meant(value))?;
        }
        self.attribute("study", 1, "user", "sampler", &json!(self.study.definition().sampler))?;
        self.attribute("study", 1, "user", "seed", &json!(self.study.definition().seed))
    }

    pub(super) fn trial(&self, trial: &Trial) -> rusqlite::Result<()> {
        let Some(record) = self.study.record(trial.id) else { return Ok(()) };
        let state = match trial.state {
            State::Running => "RUNNING",
            State::Done(_) => "COMPLETE",
            State::Stopped(_) => "PRUNED",
            State::Failed { .. } | State::Lost { .. } => "FAIL",
        };
        // Optuna's times are local ones, to the microsecond.
        let sql = "INSERT INTO trials (number, study_id, state, datetime_start, datetime_complete) VALUES (?1, 1, ?2,
            strftime('%Y-%m-%d %H:%M:%f000', ?3, 'unixepoch', 'localtime'),
            strftime('%Y-%m-%d %H:%M:%f000', ?4, 'unixepoch', 'localtime'))";
        let times = (record.began_s, record.ended_s);
        self.connection.prepare_cached(sql)?.execute(params![trial.id.0 as i64, state, times.0, times.1])?;
        let key = self.connection.last_insert_rowid();
        self.point(key, &trial.point)?;
        self.values(key, trial)?;
        self.attributes(key, trial, record)
    }

    /// A point of the queue.
    pub(super) fn waiting(&self, point: &Point) -> rusqlite::Result<()> {
        let sql = "INSERT INTO trials (number, study_id, state)
            SELECT count(*), 1, 'WAITING' FROM trials";
        self.connection.execute(sql, [])?;
        let key = self.connection.last_insert_rowid();
        let fixed: Map<String, Json> = point
            .values()
            .map(|(name, value)| {
                let value = match value {
                    Value::Float(x) => json!(x),
                    Value::Int(x) => json!(x),
                    Value::Choice(x) => meant(x),
                };
                (name.to_owned(), value)
            })
            .collect();
        self.attribute("trial", key, "system", "fixed_params", &Json::Object(fixed))
    }

    /// Keeps how many trials were written.
    pub(super) fn mark(&self) -> rusqlite::Result<()> {
        let sql = "SELECT count(*) FROM trials";
        let trials: i64 = self.connection.query_row(sql, [], |row| row.get(0))?;
        self.attribute("study", 1, "system", MARK, &json!(trials))
    }

    fn point(&self, trial: i64, point: &Point) -> rusqlite::Result<()> {
        let sql = "INSERT INTO trial_params (trial_id, param_name, param_value, distribution_json) VALUES (?1, ?2, ?3, ?4)";
        for (name, value) in point.values() {
            let domain = self.study.definition().space.domain(name);
            let Some((domain, number)) = domain.and_then(|domain| Some((domain, number(value, domain)?)))
            else {
                continue;
            };
            let text = distribution(domain).to_string();
            self.connection.prepare_cached(sql)?.execute(params![trial, name, number, text])?;
        }
        Ok(())
    }

    fn values(&self, key: i64, trial: &Trial) -> rusqlite::Result<()> {
        let values = trial.outcome().map_or(&[][..], |outcome| &outcome.values);
        let optimised = |values: &[f64]| -> Vec<f64> {
            let pairs = self.objectives().iter().zip(values);
            pairs
                .filter(|(objective, _)| objective.goal.direction().is_some())
                .map(|(_, value)| *value)
                .collect()
        };
        let sql = "INSERT INTO trial_values (trial_id, objective, value, value_type) VALUES (?1, ?2, ?3, ?4)";
        for (i, value) in optimised(values).into_iter().enumerate().filter(|(_, value)| !value.is_nan()) {
            let (value, kind) = typed(value);
            self.connection.prepare_cached(sql)?.execute(params![key, i as i64, value, kind])?;
        }
        if self.objectives().optimised() > 1 {
            return Ok(());
        }
        let sql = "INSERT OR REPLACE INTO trial_intermediate_values
            (trial_id, step, intermediate_value, intermediate_value_type) VALUES (?1, ?2, ?3, ?4)";
        for report in &trial.curve {
            let (value, kind) = typed(optimised(&report.values).first().copied().unwrap_or(f64::NAN));
            self.connection.prepare_cached(sql)?.execute(params![key, report.step as i64, value, kind])?;
        }
        Ok(())
    }

    fn attributes(&self, key: i64, trial: &Trial, record: &Record) -> rusqlite::Result<()> {
        let attribute = |name: &str, value: &Json| self.attribute("trial", key, "user", name, value);
        for (name, value) in &record.notes {
            attribute(name, &meant(value))?;
        }
        if let Some(cost) = trial.known_cost() {
            attribute("cost", &json!(cost))?;
        }
        attribute("worker", &json!(record.worker))?;
        if matches!(trial.state, State::Lost { .. }) {
            attribute("state", &json!("lost"))?;
        }
        let values = trial.outcome().map_or(&[][..], |outcome| &outcome.values);
        for (objective, &value) in self.objectives().iter().zip(values) {
            let missed_by = match objective.goal {
                Goal::AtLeast(bound) => bound - value,
                Goal::AtMost(bound) => value - bound,
                Goal::Max | Goal::Min => continue,
            };
            attribute(&objective.metric, &json!(value))?;
            // JSON has no infinity; a value that is none misses its bound by as much as there is.
            let missed_by = if missed_by.is_nan() { f64::MAX } else { missed_by.clamp(f64::MIN, f64::MAX) };
            let name = format!("constraints:{}", objective.metric);
            self.attribute("trial", key, "system", &name, &json!(missed_by))?;
        }
        Ok(())
    }

    /// Sets an attribute of a `study` or a `trial` that is its `user`'s or the `system`'s; a later one counts.
    fn attribute(&self, of: &str, key: i64, whose: &str, name: &str, value: &Json) -> rusqlite::Result<()> {
        let sql = format!(
            "INSERT OR REPLACE INTO {of}_{whose}_attributes ({of}_id, key, value_json) VALUES (?1, ?2, ?3)"
        );
        self.connection.prepare_cached(&sql)?.execute(params![key, name, value.to_string()])?;
        Ok(())
    }
}

/// A number and the kind that stands beside it.
fn typed(value: f64) -> (Option<f64>, &'static str) {
    match value {
        f64::INFINITY => (None, "INF_POS"),
        f64::NEG_INFINITY => (None, "INF_NEG"),
        value if value.is_nan() => (None, "NAN"),
        value => (Some(value), "FINITE"),
    }
}
