//! Trials as a table: a row for each of them.

use std::collections::BTreeSet;
use std::io::{self, Write};

use serde_json::Value as Json;

use crate::domain::{Domain, Value};
use crate::literal::meant;
use crate::sampler::Sampler;
use crate::shared_study::{Record, SharedStudy};
use crate::trial::Trial;

/// Trials as a table: a row for each of them, by its number.
///
/// Its columns are `number`, `state`, `values.<metric>`, `cost`, `began_s`, `ended_s`, `worker`, `attempt`,
/// `parameters.<name>` and `notes.<name>`; a cell is empty where there is nothing to say. Choices and notes that all
/// stand for numbers or truths are those.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    columns: Vec<(String, Column)>,
    rows: usize,
}

/// The cells of a column.
#[derive(Clone, Debug, PartialEq)]
pub enum Column {
    /// Whole numbers.
    Integers(Vec<Option<i64>>),
    /// Other numbers.
    Numbers(Vec<Option<f64>>),
    /// Truths.
    Booleans(Vec<Option<bool>>),
    /// Texts.
    Texts(Vec<Option<String>>),
}

impl Table {
    /// The trials of a study.
    pub fn of<S: Sampler>(study: &SharedStudy<S>) -> Self {
        let trials: Vec<(&Trial, &Record)> =
            study.trials().iter().filter_map(|trial| Some((trial, study.record(trial.id)?))).collect();
        let integers = |cell: &dyn Fn(&Trial, &Record) -> Option<i64>| {
            Column::Integers(trials.iter().map(|(trial, record)| cell(trial, record)).collect())
        };
        let numbers = |cell: &dyn Fn(&Trial, &Record) -> Option<f64>| {
            Column::Numbers(trials.iter().map(|(trial, record)| cell(trial, record)).collect())
        };
        let texts = |cell: &dyn Fn(&Trial, &Record) -> Option<String>| {
            Column::Texts(trials.iter().map(|(trial, record)| cell(trial, record)).collect())
        };
        let mut columns = vec![
            ("number".to_owned(), integers(&|trial, _| Some(trial.id.0 as i64))),
            ("state".to_owned(), texts(&|trial, _| Some(trial.state.name().to_owned()))),
        ];
        for (i, objective) in study.objectives().iter().enumerate() {
            let value = numbers(&|trial, _| trial.outcome()?.values.get(i).copied());
            columns.push((format!("values.{}", objective.metric), value));
        }
        columns.extend([
            ("cost".to_owned(), numbers(&|trial, _| trial.known_cost())),
            ("began_s".to_owned(), numbers(&|_, record| Some(record.began_s))),
            ("ended_s".to_owned(), numbers(&|_, record| record.ended_s)),
            ("worker".to_owned(), texts(&|_, record| Some(record.worker.clone()))),
            ("attempt".to_owned(), integers(&|_, record| Some(i64::from(record.attempt)))),
        ]);
        for (name, domain) in study.space().parameters() {
            let column = match domain {
                Domain::Float { .. } | Domain::Fixed(Value::Float(_)) => {
                    numbers(&|trial, _| trial.point.float(name))
                }
                Domain::Int { .. } | Domain::Fixed(Value::Int(_)) => {
                    integers(&|trial, _| trial.point.int(name))
                }
                Domain::Choice(options) => {
                    let chosen = trials.iter().map(|(trial, _)| trial.point.choice(name));
                    Column::of(options.iter().map(String::as_str), chosen)
                }
                Domain::Fixed(Value::Choice(only)) => Column::of(
                    [only.as_str()].into_iter(),
                    trials.iter().map(|(trial, _)| trial.point.choice(name)),
                ),
            };
            columns.push((format!("parameters.{name}"), column));
        }
        let keys: BTreeSet<&String> = trials.iter().flat_map(|(_, record)| record.notes.keys()).collect();
        for key in keys {
            let notes = || trials.iter().map(|(_, record)| record.notes.get(key).map(String::as_str));
            columns.push((format!("notes.{key}"), Column::of(notes().flatten(), notes())));
        }
        Self { columns, rows: trials.len() }
    }

    /// Its columns and their names, in their order; all are of the same length.
    pub fn columns(&self) -> impl ExactSizeIterator<Item = (&str, &Column)> {
        self.columns.iter().map(|(name, column)| (name.as_str(), column))
    }

    /// How many trials there are.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Writes it as CSV (RFC 4180) with the names in the first line. Numbers read back as the same bits.
    pub fn write_csv(&self, out: &mut dyn Write) -> io::Result<()> {
        let line = |cells: &mut dyn Iterator<Item = String>| cells.collect::<Vec<_>>().join(",") + "\r\n";
        out.write_all(line(&mut self.columns.iter().map(|(name, _)| quoted(name))).as_bytes())?;
        for row in 0..self.rows {
            let cells = &mut self.columns.iter().map(|(_, column)| column.cell(row));
            out.write_all(line(cells).as_bytes())?;
        }
        Ok(())
    }
}

impl Column {
    /// Cells of texts, which are those numbers or truths that they stand for if `all` texts that there may be do.
    fn of<'a>(all: impl Iterator<Item = &'a str>, cells: impl Iterator<Item = Option<&'a str>>) -> Self {
        let all: Vec<Json> = all.map(meant).collect();
        let cells = cells.map(|cell| cell.map(meant));
        match () {
            () if all.iter().all(Json::is_i64) => Self::Integers(cells.map(|cell| cell?.as_i64()).collect()),
            () if all.iter().all(Json::is_number) => {
                Self::Numbers(cells.map(|cell| cell?.as_f64()).collect())
            }
            () if all.iter().all(Json::is_boolean) => {
                Self::Booleans(cells.map(|cell| cell?.as_bool()).collect())
            }
            () => Self::Texts(cells.map(|cell| cell.map(plain)).collect()),
        }
    }

    fn cell(&self, row: usize) -> String {
        match self {
            Self::Integers(cells) => cells[row].map_or(String::new(), |cell| cell.to_string()),
            Self::Numbers(cells) => cells[row].map_or(String::new(), |cell| cell.to_string()),
            Self::Booleans(cells) => cells[row].map_or(String::new(), |cell| cell.to_string()),
            Self::Texts(cells) => cells[row].as_deref().map_or(String::new(), quoted),
        }
    }
}

/// A text without quotes, or the JSON of whatever else.
fn plain(json: Json) -> String {
    match json {
        Json::String(text) => text,
        other => other.to_string(),
    }
}

fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\r', '\n']) {
        return format!("\"{}\"", text.replace('"', "\"\""));
    }
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::direction::Direction;
    use crate::objective::Objectives;
    use crate::samplers::Random;
    use crate::space::Space;
    use crate::storage::{Definition, Memory, Storage};
    use crate::trial::{Outcome, State, TrialId};

    #[test]
    fn a_study_is_a_table_of_its_trials() {
        let space = Space::new().choice("c", &["a,b", "say \"x\""]).unwrap().float("x", 0.0, 1.0).unwrap();
        let space = space.when("x", "c == 'a,b'").unwrap().int("n", 1, 9).unwrap();
        let definition = Definition::new(space, Objectives::single(Direction::Max), 1, "random");
        let mut study = SharedStudy::new(Memory::new().create("s", &definition).unwrap(), Random).unwrap();
        let point = |c: &str, x: Option<f64>| {
            let values = [("c", Value::Choice(c.to_owned())), ("n", Value::Int(3))];
            let all = values.into_iter().chain(x.map(|x| ("x", Value::Float(x))));
            all.map(|(name, value)| (name.to_owned(), value)).collect()
        };
        study.enqueue(&point("a,b", Some(0.1 + 0.2))).unwrap();
        study.enqueue(&point("say \"x\"", None)).unwrap();
        for state in [State::Done(Outcome::of(1e-7, 2.5)), State::Failed { cost: 1.0 }] {
            let claim = study.ask("w").unwrap().unwrap();
            study.tell(&claim, state).unwrap();
        }
        let notes = [("exit", "signal 9\nkilled"), ("diverged", "true"), ("time_s", "1.50"), ("pid", "12")];
        study.note(Some(TrialId(1)), &notes).unwrap();

        let mut csv = Vec::new();
        let table = Table::of(&study);
        table.write_csv(&mut csv).unwrap();
        let csv = String::from_utf8(csv).unwrap();
        let timeless = |line: &str| {
            let cells: Vec<&str> = line.split(',').collect();
            [&cells[..4], &cells[6..]].concat().join(",")
        };
        let lines: Vec<&str> = csv.split("\r\n").collect();
        assert_eq!(
            lines[0],
            "number,state,values.value,cost,began_s,ended_s,worker,attempt,parameters.c,parameters.n,parameters.x,notes.diverged,notes.exit,notes.pid,notes.time_s"
        );
        assert_eq!(timeless(lines[1]), "0,done,0.0000001,2.5,w,0,\"a,b\",3,0.30000000000000004,,,,");
        assert_eq!(
            timeless(lines[2]),
            "1,failed,,1,w,0,\"say \"\"x\"\"\",3,,true,\"signal 9\nkilled\",12,1.5"
        );
        assert_eq!((lines.len(), lines[3], table.rows()), (4, "", 2));
        let json = crate::export::json(&study, "s").unwrap();
        assert_eq!(json["trials"][0]["state"]["done"]["values"][0], 1e-7);
        assert_eq!(
            json["trials"][1]["notes"],
            serde_json::json!({"diverged": true, "exit": "signal 9\nkilled", "pid": 12, "time_s": 1.5})
        );
        let typed = |name: &str| table.columns().find(|(column, _)| *column == name).unwrap().1.clone();
        assert_eq!(typed("notes.diverged"), Column::Booleans(vec![None, Some(true)]));
        assert_eq!(typed("notes.time_s"), Column::Numbers(vec![None, Some(1.5)]));
        assert_eq!(typed("notes.pid"), Column::Integers(vec![None, Some(12)]));
    }

    #[test]
    fn a_choice_of_numbers_is_a_column_of_numbers() {
        let column =
            |options: &[&str]| Column::of(options.iter().copied(), [Some(options[0]), None].into_iter());
        assert_eq!(column(&["32", "64"]), Column::Integers(vec![Some(32), None]));
        assert_eq!(column(&["1", "0.5"]), Column::Numbers(vec![Some(1.0), None]));
        assert_eq!(column(&["true", "false"]), Column::Booleans(vec![Some(true), None]));
        assert_eq!(column(&["32", "auto"]), Column::Texts(vec![Some("32".to_owned()), None]));
        assert_eq!(column(&["\"32\"", "x"]), Column::Texts(vec![Some("32".to_owned()), None]));
    }
}
