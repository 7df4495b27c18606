//! Workers that are killed in the middle of a trial.

use std::collections::BTreeSet;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use std::{env, thread};

use joulewise_tune::samplers::Grid;
use joulewise_tune::storage::{Definition, Sqlite, Storage};
use joulewise_tune::{Direction, Objectives, Outcome, Report, SharedStudy, Space, State};

const CELLS: i64 = 60;
const FILE: &str = "JOULEWISE_TEST_STUDY";
const TRIAL_MS: &str = "JOULEWISE_TEST_TRIAL_MS";

fn study(path: &str) -> SharedStudy<Grid> {
    SharedStudy::new(Sqlite::at(path).open("grid").unwrap(), Grid::default()).unwrap()
}

/// This test's own program as a worker of the study in `path`, each of whose trials takes so long.
fn start(path: &str, trial: Duration) -> Child {
    let mut worker = Command::new(env::current_exe().unwrap());
    worker.args(["--exact", "works_until_the_grid_is_done", "--ignored"]);
    worker.env(FILE, path).env(TRIAL_MS, trial.as_millis().to_string());
    worker.stdout(Stdio::null()).spawn().unwrap()
}

#[test]
#[ignore = "is a process of the other test"]
fn works_until_the_grid_is_done() {
    let mut study = study(&env::var(FILE).unwrap());
    let trial = Duration::from_millis(env::var(TRIAL_MS).unwrap().parse().unwrap());
    loop {
        if let Some(claim) = study.ask(&std::process::id().to_string()).unwrap() {
            study.report(&claim, &Report { cost: 1.0, ..Report::of(1, 0.1) }).unwrap();
            thread::sleep(trial);
            study.tell(&claim, State::Done(Outcome::of(0.5, 2.0))).unwrap();
        } else if study.running() == 0 {
            return;
        } else {
            thread::sleep(Duration::from_millis(10));
        }
    }
}

#[test]
fn a_grid_is_done_exactly_once_whoever_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("study.db").to_str().unwrap().to_owned();
    let space = Space::new().int("cell", 0, CELLS - 1).unwrap();
    let definition = Definition {
        exact: true,
        lease_s: 3.0,
        retries: 20,
        ..Definition::new(space, Objectives::single(Direction::Max), 1, "grid")
    };
    drop(Sqlite::at(&path).create("grid", &definition).unwrap());

    let mut victims: Vec<Child> = (0..4).map(|_| start(&path, Duration::from_hours(1))).collect();
    let mut study = study(&path);
    while study.trials().iter().filter(|trial| !trial.curve.is_empty()).count() < victims.len() {
        thread::sleep(Duration::from_millis(10));
        study.refresh().unwrap();
    }
    for victim in &mut victims {
        victim.kill().unwrap();
        victim.wait().unwrap();
    }
    let mut workers: Vec<Child> = (0..4).map(|_| start(&path, Duration::from_millis(10))).collect();
    for worker in &mut workers {
        assert!(worker.wait().unwrap().success(), "a worker was hurt by what befell another");
    }
    study.refresh().unwrap();
    let done = study.trials().iter().filter(|trial| trial.outcome().is_some());
    let cells: Vec<i64> = done.map(|trial| trial.point.int("cell").unwrap()).collect();
    assert_eq!(cells.len() as i64, CELLS, "cells were done twice or not at all");
    assert_eq!(cells.iter().collect::<BTreeSet<_>>().len() as i64, CELLS);
    let lost = study.trials().iter().filter(|trial| matches!(trial.state, State::Lost { .. }));
    let lost: Vec<f64> = lost.map(joulewise_tune::Trial::cost).collect();
    assert!(lost.len() >= 4, "a silent worker's trial was not declared lost");
    assert_eq!(study.cost(), 2.0 * CELLS as f64 + lost.iter().sum::<f64>(), "what was spent is forgotten");
}
