//! `joulewise tune trials`: every trial of a study.

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Result;
use joulewise_tune::{State, Trial, Value};
use serde_json::{Map, Value as Json, json};

use super::place::Named;
use crate::exit;
use crate::report::grid::{Align, Column, GAP, Grid};
use crate::report::{quantity, terminal};
use crate::tune::cost::Cost;
use crate::tune::live::{is_searched, short};
use crate::tune::worker::Study;

/// List the trials of a study
#[derive(Debug, clap::Args)]
pub(super) struct Trials {
    #[command(flatten)]
    study: Named,
    /// Write an array of objects instead of a table
    #[arg(long)]
    json: bool,
}

impl Trials {
    pub(super) fn run(self) -> Result<ExitCode> {
        let (study, _) = self.study.study()?;
        let all: Vec<&Trial> = study.trials().iter().collect();
        let mut out = io::stdout().lock();
        if self.json {
            json(&mut out, &study, &all)?;
        } else {
            table(&mut out, &study, &all)?;
        }
        Ok(ExitCode::from(exit::OK))
    }
}

/// Writes trials as an array of objects.
pub(super) fn json(out: &mut impl Write, study: &Study, trials: &[&Trial]) -> io::Result<()> {
    let all: Vec<Json> = trials.iter().map(|trial| object(study, trial)).collect();
    serde_json::to_writer_pretty(&mut *out, &all)?;
    writeln!(out)
}

/// A trial as JSON.
pub(super) fn object(study: &Study, trial: &Trial) -> Json {
    let metrics = |values: &[f64]| -> Json {
        let pairs = study.objectives().iter().zip(values);
        pairs.map(|(objective, value)| (objective.metric.clone(), Json::from(*value))).collect()
    };
    let mut object = json!({
        "trial": trial.id.0,
        "state": word(&trial.state),
        "parameters": crate::tune::trial::json(&trial.point),
        "metrics": trial.outcome().map_or(Json::Null, |outcome| metrics(&outcome.values)),
        (Cost::of(study).key()): trial.known_cost(),
        "curve": trial.curve.iter().map(|report| {
            json!({ "step": report.step, (Cost::of(study).key()): report.cost, "metrics": metrics(&report.values) })
        }).collect::<Vec<_>>(),
    });
    if let (Some(record), Some(object)) = (study.record(trial.id), object.as_object_mut()) {
        object.insert("worker".to_owned(), record.worker.clone().into());
        object.insert("attempt".to_owned(), record.attempt.into());
        object.insert("began_s".to_owned(), record.began_s.into());
        object.insert("ended_s".to_owned(), record.ended_s.into());
        // Numbers were kept as text.
        let value =
            |text: &String| text.parse::<f64>().map_or_else(|_| Json::from(text.as_str()), Json::from);
        let notes: Map<String, Json> =
            record.notes.iter().map(|(key, text)| (key.clone(), value(text))).collect();
        object.extend(notes);
    }
    object
}

/// Writes trials as a table.
pub(super) fn table(out: &mut impl Write, study: &Study, trials: &[&Trial]) -> io::Result<()> {
    let column = |heading: &str, align, spare| Column { heading: heading.to_owned(), align, spare };
    let mut columns = vec![column("trial", Align::Right, 0), column("state", Align::Left, 1)];
    columns.extend(study.objectives().iter().map(|objective| column(&objective.metric, Align::Right, 0)));
    let cost = Cost::of(study);
    columns.push(column(cost.name(), Align::Right, 0));
    columns.extend((cost == Cost::Joules).then(|| column("time", Align::Right, 3)));
    let searched = || study.space().parameters().filter(|(name, _)| is_searched(study, name));
    columns.extend(searched().map(|(name, _)| column(name, Align::Right, 2)));
    let rows = trials.iter().map(|trial| {
        let mut row = vec![trial.id.0.to_string(), word(&trial.state).to_owned()];
        let values = trial.outcome().map(|outcome| outcome.values.as_slice()).unwrap_or_default();
        row.extend(
            (0..study.objectives().iter().len()).map(|i| values.get(i).map_or(String::new(), |x| short(*x))),
        );
        let time = study.record(trial.id).and_then(|record| record.notes.get("time_s")?.parse().ok());
        row.push(trial.known_cost().map_or(String::new(), |spent| cost.text(spent)));
        row.extend((cost == Cost::Joules).then(|| time.map_or(String::new(), quantity::seconds)));
        row.extend(searched().map(|(name, _)| match trial.point.get(name) {
            Some(Value::Float(x)) => short(*x),
            Some(value) => value.to_string(),
            None => String::new(),
        }));
        row
    });
    let mut grid = Grid::new(columns, rows.collect());
    grid.fit(terminal::width());
    for cells in grid.lines() {
        writeln!(out, "{}", cells.join(GAP).trim_end())?;
    }
    Ok(())
}

/// The name of a state.
pub(super) fn word(state: &State) -> &'static str {
    match state {
        State::Running => "running",
        State::Done(_) => "done",
        State::Stopped(_) => "stopped",
        State::Failed { .. } => "failed",
        State::Lost { .. } => "lost",
    }
}
