//! Optuna's tables, as rows.

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::{Connection, OpenFlags, OptionalExtension, Params, Row as Columns};

use crate::storage::{Failure, StorageError, StorageErrorKind};

/// The version of the tables that is known: that of Optuna since 3.2.
const VERSION: i64 = 12;

/// A name and JSON.
type Pair = (String, String);

/// The file.
pub(super) struct Tables {
    connection: Connection,
    failure: Failure,
}

/// A trial.
#[derive(Debug, Default)]
pub(super) struct Row {
    pub(super) number: i64,
    pub(super) state: String,
    /// When it began and ended, in seconds since 1970.
    pub(super) began_s: Option<f64>,
    pub(super) ended_s: Option<f64>,
    /// Names, numbers and distributions.
    pub(super) parameters: Vec<(String, f64, String)>,
    /// By objective.
    pub(super) values: BTreeMap<usize, f64>,
    /// Steps and values.
    pub(super) curve: Vec<(u64, f64)>,
    /// JSON by name.
    pub(super) attributes: BTreeMap<String, String>,
    pub(super) system: BTreeMap<String, String>,
}

impl Tables {
    pub(super) fn open(path: &Path) -> Result<Self, StorageError> {
        let failure = Failure::of(path);
        std::fs::File::open(path).map_err(|error| failure.of_io("open", error))?;
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).map_err(failure.to("open"))?;
        let tables = Self { connection, failure };
        let there = "SELECT 1 FROM sqlite_schema WHERE name = 'version_info'";
        if tables.rows(there, [], |row| row.get::<_, i64>(0))?.is_empty() {
            return Err(tables.problem(StorageErrorKind::Foreign, "it is no study of Optuna"));
        }
        let version =
            tables.connection.query_row("SELECT schema_version FROM version_info", [], |row| row.get(0));
        match version.optional().map_err(tables.failure.to("read"))? {
            Some(VERSION) => Ok(tables),
            version => {
                let version = version.map_or("unknown".to_owned(), |version: i64| version.to_string());
                let problem = format!(
                    "its tables are of Optuna's version {version}, and {VERSION} is needed: `optuna storage upgrade` makes it"
                );
                Err(tables.problem(StorageErrorKind::Refused, &problem))
            }
        }
    }

    pub(super) fn studies(&self) -> Result<Vec<(i64, String)>, StorageError> {
        let sql = "SELECT study_id, study_name FROM studies ORDER BY study_id";
        self.rows(sql, [], |row| Ok((row.get(0)?, row.get(1)?)))
    }

    /// `MINIMIZE`, `MAXIMIZE` or `NOT_SET`, by objective.
    pub(super) fn directions(&self, study: i64) -> Result<Vec<String>, StorageError> {
        let sql = "SELECT direction FROM study_directions WHERE study_id = ?1 ORDER BY objective";
        self.rows(sql, [study], |row| row.get(0))
    }

    /// The attributes of a study that are its `user`'s, or the `system`'s.
    pub(super) fn study_attributes(
        &self,
        study: i64,
        whose: &str,
    ) -> Result<BTreeMap<String, String>, StorageError> {
        let sql = format!("SELECT key, value_json FROM study_{whose}_attributes WHERE study_id = ?1");
        Ok(self.rows(&sql, [study], |row| Ok((row.get(0)?, row.get(1)?)))?.into_iter().collect())
    }

    /// The trials in the order of their numbers. Optuna may have given a number twice.
    pub(super) fn trials(&self, study: i64) -> Result<Vec<Row>, StorageError> {
        // Optuna's times are local ones.
        let sql = "SELECT trial_id, number, state,
                unixepoch(datetime_start, 'utc', 'subsec'), unixepoch(datetime_complete, 'utc', 'subsec')
            FROM trials WHERE study_id = ?1 ORDER BY number, trial_id";
        let trials = self.rows(sql, [study], |row| {
            let (number, state) = (row.get(1)?, row.get(2)?);
            let (began_s, ended_s) = (row.get(3)?, row.get(4)?);
            Ok((row.get::<_, i64>(0)?, Row { number, state, began_s, ended_s, ..Row::default() }))
        })?;
        let places: BTreeMap<i64, usize> = trials.iter().enumerate().map(|(at, (id, _))| (*id, at)).collect();
        let mut trials: Vec<Row> = trials.into_iter().map(|(_, row)| row).collect();

        let columns = "param_name, param_value, distribution_json";
        let parameters =
            self.parts(study, "trial_params", columns, |row| Ok((row.get(1)?, row.get(2)?, row.get(3)?)))?;
        for (id, parameter) in parameters {
            trials[places[&id]].parameters.push(parameter);
        }
        let columns = "objective, value, value_type";
        let values =
            self.parts(study, "trial_values", columns, |row| Ok((row.get::<_, u32>(1)?, number(row)?)))?;
        for (id, (objective, value)) in values {
            trials[places[&id]].values.insert(objective as usize, value);
        }
        let columns = "step, intermediate_value, intermediate_value_type";
        let curves = self.parts(study, "trial_intermediate_values", columns, |row| {
            Ok((row.get::<_, i64>(1)?, number(row)?))
        })?;
        for (id, (step, value)) in curves {
            // Steps are counted from 0 here.
            trials[places[&id]].curve.extend(u64::try_from(step).ok().map(|step| (step, value)));
        }
        for (id, (key, text)) in self.attributes(study, "user")? {
            trials[places[&id]].attributes.insert(key, text);
        }
        for (id, (key, text)) in self.attributes(study, "system")? {
            trials[places[&id]].system.insert(key, text);
        }
        Ok(trials)
    }

    fn attributes(&self, study: i64, whose: &str) -> Result<Vec<(i64, Pair)>, StorageError> {
        let table = format!("trial_{whose}_attributes");
        self.parts(study, &table, "key, value_json", |row| Ok((row.get(1)?, row.get(2)?)))
    }

    /// The rows of a table that belong to the trials of a study, each with the key of its trial, in their order.
    fn parts<T>(
        &self,
        study: i64,
        table: &str,
        columns: &str,
        read: impl Fn(&Columns<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<(i64, T)>, StorageError> {
        let sql = format!(
            "SELECT trial_id, {columns} FROM {table} JOIN trials USING (trial_id)
            WHERE study_id = ?1 ORDER BY 1, 2"
        );
        self.rows(&sql, [study], |row| Ok((row.get(0)?, read(row)?)))
    }

    fn rows<T>(
        &self,
        sql: &str,
        parameters: impl Params,
        read: impl Fn(&Columns<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, StorageError> {
        let rows = || -> rusqlite::Result<Vec<T>> {
            self.connection.prepare(sql)?.query_map(parameters, read)?.collect()
        };
        rows().map_err(self.failure.to("read"))
    }

    fn problem(&self, kind: StorageErrorKind, problem: &str) -> StorageError {
        self.failure.problem(kind, problem)
    }
}

/// A number that may have none in the file, and beside it the kind that it is of.
fn number(row: &Columns<'_>) -> rusqlite::Result<f64> {
    let (value, kind): (Option<f64>, String) = (row.get(2)?, row.get(3)?);
    Ok(match (kind.as_str(), value) {
        ("INF_POS", _) => f64::INFINITY,
        ("INF_NEG", _) => f64::NEG_INFINITY,
        ("FINITE", Some(value)) => value,
        _ => f64::NAN,
    })
}
