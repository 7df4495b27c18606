//! Workers that are killed: in the middle of a trial, or wherever they are.

#[cfg(feature = "postgres")]
mod server;

use std::collections::BTreeSet;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use std::{env, thread};

use joulewise_tune::samplers::Grid;
#[cfg(feature = "postgres")]
use joulewise_tune::storage::Postgres;
use joulewise_tune::storage::{Definition, Sqlite, Storage};
use joulewise_tune::{Direction, Objectives, Outcome, Report, SharedStudy, Space, State};

const CELLS: i64 = 60;
/// The variables that tell a worker where its study is, and how long each of its trials takes.
const PLACE: &str = "JOULEWISE_TEST_STUDY";
const TRIAL_MS: &str = "JOULEWISE_TEST_TRIAL_MS";

fn studies(place: &str) -> Box<dyn Storage> {
    #[cfg(feature = "postgres")]
    if Postgres::is_address(place) {
        return Box::new(Postgres::at(place).unwrap());
    }
    Box::new(Sqlite::at(place))
}

/// Begins a grid, of which a worker is taken for lost after so long.
fn create(place: &str, lease_s: f64) {
    let space = Space::new().int("cell", 0, CELLS - 1).unwrap();
    let grid = Definition::new(space, Objectives::single(Direction::Max), 1, "grid");
    let definition = Definition { exact: true, lease_s, retries: 20, ..grid };
    drop(studies(place).create("grid", &definition).unwrap());
}

fn study(place: &str) -> SharedStudy<Grid> {
    SharedStudy::new(studies(place).open("grid").unwrap(), Grid::default()).unwrap()
}

/// This test's own program as a worker of the study in `place`, each of whose trials takes so long.
fn start(place: &str, trial: Duration) -> Child {
    let mut worker = Command::new(env::current_exe().unwrap());
    worker.args(["--exact", "works_until_the_grid_is_done", "--ignored"]);
    worker.env(PLACE, place).env(TRIAL_MS, trial.as_millis().to_string());
    worker.stdout(Stdio::null()).spawn().unwrap()
}

#[test]
#[ignore = "is a process of the other test"]
fn works_until_the_grid_is_done() {
    let mut study = study(&env::var(PLACE).unwrap());
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
    create(&path, 3.0);
    let mut victims: Vec<Child> = (0..4).map(|_| start(&path, Duration::from_hours(1))).collect();
    let mut study = study(&path);
    while study.trials().iter().filter(|trial| !trial.curve.is_empty()).count() < victims.len() {
        thread::sleep(Duration::from_millis(10));
        study.refresh().unwrap();
    }
    victims.iter_mut().for_each(kill);
    for mut worker in (0..4).map(|_| start(&path, Duration::from_millis(10))).collect::<Vec<_>>() {
        assert!(worker.wait().unwrap().success(), "a worker was hurt by what befell another");
    }
    let lost = lost_of_a_grid_that_was_done_once(&path);
    assert!(lost >= 4, "a silent worker's trial was not declared lost");
}

/// On a server whoever is killed may have held the lock of the study, or waited for it.
#[cfg(feature = "postgres")]
#[test]
fn a_grid_on_a_server_is_done_exactly_once_wherever_workers_are_killed() {
    let Some(server) = server::Server::start() else { return };
    let address = server.address();
    create(&address, 1.0);
    let start = || start(&address, Duration::from_millis(50));
    let mut workers: Vec<Child> = (0..4).map(|_| start()).collect();
    let mut kills = 0;
    while !workers.is_empty() {
        thread::sleep(Duration::from_millis(150));
        workers.retain_mut(|worker| {
            let ended = worker.try_wait().unwrap();
            assert!(ended.is_none_or(|status| status.success()), "a worker was hurt by what befell another");
            ended.is_none()
        });
        if kills < 12 && !workers.is_empty() {
            kill(&mut workers.remove(0));
            workers.push(start());
            kills += 1;
        }
    }
    lost_of_a_grid_that_was_done_once(&address);
}

fn kill(worker: &mut Child) {
    worker.kill().unwrap();
    worker.wait().unwrap();
}

/// Makes sure that each cell was done once and all is accounted for, and says how many trials got lost.
fn lost_of_a_grid_that_was_done_once(place: &str) -> usize {
    let study = study(place);
    let done = study.trials().iter().filter(|trial| trial.outcome().is_some());
    let cells: Vec<i64> = done.map(|trial| trial.point.int("cell").unwrap()).collect();
    assert_eq!(cells.len() as i64, CELLS, "cells were done twice or not at all");
    assert_eq!(cells.iter().collect::<BTreeSet<_>>().len() as i64, CELLS);
    let lost = study.trials().iter().filter(|trial| matches!(trial.state, State::Lost { .. }));
    let lost: Vec<f64> = lost.map(joulewise_tune::Trial::cost).collect();
    assert_eq!(study.cost(), 2.0 * CELLS as f64 + lost.iter().sum::<f64>(), "what was spent is forgotten");
    lost.len()
}
