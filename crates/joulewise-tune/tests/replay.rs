//! The same suggestions, whoever asks for them and however often the study is taken up again.

use std::thread;

use joulewise_tune::samplers::{CmaEs, Gp, Grid, NsgaIi, Random, Sobol, Tpe};
use joulewise_tune::storage::{Definition, Sqlite, Storage};
use joulewise_tune::{
    Direction, Limits, Objectives, Outcome, Point, Sampler, SharedStudy, Space, State, Told, Trial, TrialId,
    replay,
};

const TRIALS: u64 = 200;
/// Of searches that take some milliseconds for a suggestion: enough that length scales are kept for a while.
const FEWER: u64 = 110;

type Make = fn() -> Box<dyn Sampler + Send>;

fn samplers() -> Vec<(&'static str, u64, Make)> {
    vec![
        ("random", TRIALS, || Box::new(Random)),
        ("sobol", TRIALS, || Box::new(Sobol)),
        ("tpe", TRIALS, || Box::new(Tpe::new(&Objectives::single(Direction::Min)))),
        ("gp", FEWER, || Box::new(Gp::new(&Objectives::single(Direction::Min)).cost_aware(Some(300.0)))),
        ("cma-es", TRIALS, || Box::new(CmaEs::new(&Objectives::single(Direction::Min)))),
        ("nsga-ii", TRIALS, || Box::new(NsgaIi::new(&Objectives::single(Direction::Min)).population(20))),
        ("grid", TRIALS, || Box::new(Grid::new(5).shuffled())),
    ]
}

fn definition() -> Definition {
    let space =
        Space::new().log_float("lr", 1e-5, 0.1).unwrap().choice("optimiser", &["sgd", "adam"]).unwrap();
    let space = space.float("momentum", 0.0, 0.99).unwrap().when("momentum", "optimiser == sgd").unwrap();
    let space = space.int("layers", 1, 8).unwrap();
    Definition::new(space, Objectives::single(Direction::Min), 9, "as the test says")
}

/// What a point gives: a value, or nothing now and then.
fn state(point: &Point, id: TrialId) -> State {
    let x = point.float("lr").unwrap().log10() + 3.0;
    let value = x * x + point.float("momentum").unwrap_or(0.7) + point.float("layers").unwrap() / 8.0;
    match id.0 % 17 {
        5 => State::Failed { cost: 1.0 },
        11 => State::Stopped(Outcome::of(value, 0.5)),
        _ => State::Done(Outcome::of(value, 1.0)),
    }
}

fn work(study: &mut SharedStudy<Box<dyn Sampler + Send>>, trials: u64) {
    study.limit(Limits { trials: Some(trials), cost: None });
    while let Some(claim) = study.ask("w").unwrap() {
        thread::yield_now();
        assert_eq!(study.tell(&claim, state(&claim.point, claim.id)).unwrap(), Told::Accepted);
    }
}

/// Works on a study in a file, in sessions one after the other of some workers each.
fn search(trials: u64, make: Make, sessions: u64, workers: u64) -> Vec<Trial> {
    let folder = tempfile::tempdir().unwrap();
    let file = Sqlite::at(folder.path().join("study.db"));
    drop(file.clone().create("s", &definition()).unwrap());
    let open = || SharedStudy::new(file.clone().open("s").unwrap(), make()).unwrap();
    for session in 1..=sessions {
        thread::scope(|scope| {
            for _ in 0..workers {
                scope.spawn(|| work(&mut open(), trials * session / sessions));
            }
        });
    }
    let mut derived = 0;
    replay(&mut *file.clone().open("s").unwrap(), make(), None, |replayed| {
        assert!(replayed.agrees(), "{replayed:?}");
        derived += 1;
    })
    .unwrap();
    assert_eq!(derived, trials);
    open().trials().to_vec()
}

#[test]
fn a_study_that_is_taken_up_again_goes_on_as_if_nothing_had_been() {
    for (name, trials, make) in samplers() {
        assert_eq!(search(trials, make, 1, 1), search(trials, make, 4, 1), "{name}");
    }
}

#[test]
fn what_four_workers_were_suggested_can_be_derived_from_the_record() {
    for (name, trials, make) in samplers() {
        assert_eq!(search(trials, make, 1, 4).len() as u64, trials, "{name}");
    }
}
