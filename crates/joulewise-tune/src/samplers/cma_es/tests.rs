use super::*;
use crate::direction::Direction;
use crate::gp::reference::{list, lists};
use crate::objective::{Goal, Objective};
use crate::study::Study;
use crate::testing;
use crate::trial::Outcome;

fn single() -> Objectives {
    Objectives::single(Direction::Min)
}

fn cube(dimensions: usize) -> Space {
    (0..dimensions).fold(Space::new(), |space, d| space.float(&format!("x{d}"), -5.0, 10.0).unwrap())
}

fn numbers(point: &Point) -> Vec<f64> {
    point.values().map(|(name, _)| point.float(name).unwrap()).collect()
}

fn rosenbrock(point: &Point) -> f64 {
    let x = numbers(point);
    x.windows(2).map(|x| 100.0 * (x[1] - x[0] * x[0]).powi(2) + (1.0 - x[0]).powi(2)).sum()
}

fn search(space: &Space, trials: u64, loss: impl Fn(&Point) -> f64) -> Study<CmaEs> {
    let mut study = Study::new(space.clone(), single(), 3, CmaEs::new(&single()));
    for _ in 0..trials {
        let (id, point) = study.ask();
        study.tell(id, Outcome::of(loss(&point), 1.0));
    }
    study
}

#[test]
fn cma_es_is_a_sampler() {
    testing::check_sampler(CmaEs::new);
    testing::check_sampler(|objectives| CmaEs::new(objectives).population(0));
    testing::check_sampler(|objectives| CmaEs::new(objectives).population(9));
}

#[test]
fn it_follows_a_bent_valley() {
    let study = search(&cube(3), 1500, rosenbrock);
    assert!(study.best().unwrap().value().unwrap() < 1e-6, "{:?}", study.best());
}

#[test]
fn failures_and_stopped_trials_are_no_end_of_it() {
    let space = cube(3);
    let bowl = |p: &Point| numbers(p).iter().map(|x| (x - 4.0).powi(2)).sum::<f64>();
    let mut study = Study::new(space, single(), 3, CmaEs::new(&single()));
    for number in 0..400 {
        let (id, point) = study.ask();
        // A half of the space gives no number, and a tenth of the trials is stopped.
        let value = if numbers(&point)[0] > 4.5 { f64::NAN } else { bowl(&point) };
        match number % 10 {
            7 => study.end(id, State::Stopped(Outcome::of(1e3, 0.1))),
            _ => study.tell(id, Outcome::of(value, 1.0)),
        }
    }
    assert!(study.best().unwrap().value().unwrap() < 1e-3, "{:?}", study.best());
    // Where nothing works, it looks elsewhere.
    let study = search(&cube(2), 300, |_| f64::NAN);
    let centre = |part: &[Trial]| {
        let sum = |axis: usize| part.iter().map(|trial| numbers(&trial.point)[axis]).sum::<f64>();
        [sum(0), sum(1)].map(|sum| sum / part.len() as f64)
    };
    let [first, then] = [&study.trials()[..60], &study.trials()[60..120]].map(centre);
    assert!((first[0] - then[0]).hypot(first[1] - then[1]) > 1.0, "{first:?} {then:?}");
}

#[test]
fn it_begins_at_what_was_tried_before() {
    let space = cube(4);
    let mut study = Study::new(space.clone(), single(), 3, CmaEs::new(&single()));
    for (x, value) in [(7.0, 5.0), (9.0, 1.0), (8.0, f64::NAN)] {
        let id = study.start(space.complete(|_, _| crate::Value::Float(x)));
        study.tell(id, Outcome::of(value, 1.0));
    }
    let draws: Vec<f64> = (0..40).flat_map(|_| numbers(&study.ask().1)).collect();
    let mean = draws.iter().sum::<f64>() / draws.len() as f64;
    // Around 9, but no more than 10.
    assert!((7.0..8.5).contains(&mean), "{mean}");
}

#[test]
fn whole_numbers_are_not_stuck() {
    let space = (0..4).fold(cube(2), |space, d| space.int(&format!("n{d}"), 0, 20).unwrap());
    let space = space.log_int("batch", 1, 512).unwrap();
    let loss = |p: &Point| {
        let whole: f64 = (0..4).map(|d| (p.float(&format!("n{d}")).unwrap() - 17.0).powi(2)).sum();
        let fine: f64 = (0..2).map(|d| (p.float(&format!("x{d}")).unwrap() - 1.0).powi(2)).sum();
        whole + fine + (p.float("batch").unwrap().log2() - 6.0).abs()
    };
    let study = search(&space, 1200, loss);
    assert!(study.best().unwrap().value().unwrap() < 1e-4, "{:?}", study.best());
}

#[test]
fn bounds_come_first() {
    let bounded = |metric: &str, goal| Objective { metric: metric.to_owned(), goal };
    let objectives =
        Objectives::new(vec![bounded("loss", Goal::Min), bounded("size", Goal::AtMost(3.0))]).unwrap();
    let mut study = Study::new(cube(3), objectives.clone(), 3, CmaEs::new(&objectives));
    for _ in 0..400 {
        let (id, point) = study.ask();
        let sum: f64 = numbers(&point).iter().sum();
        study.tell(id, Outcome { values: vec![-sum, sum], cost: 1.0 });
    }
    let best = study.best().unwrap().value().unwrap();
    assert!((-3.0..-2.99).contains(&best), "{best}");
}

#[test]
fn a_plateau_makes_it_begin_elsewhere() {
    let space = cube(2);
    let (mut sampler, mut restarts) = (CmaEs::new(&single()), Vec::new());
    for id in 0..600 {
        let mut trial = Trial::running(TrialId(id), sampler.ask(&space, Stream::new(3, id)));
        sampler.tell(&trial);
        trial.state = State::Done(Outcome::of(0.5, 1.0));
        sampler.tell(&trial);
        let model = sampler.model.as_ref().unwrap();
        restarts.push((model.restarts, model.strategy.population()));
    }
    restarts.dedup();
    assert_eq!(restarts[..2], [(0, 6), (1, 12)], "{restarts:?}");
}

#[test]
fn many_workers_search_as_well() {
    let mut study = Study::new(cube(3), single(), 3, CmaEs::new(&single()));
    let mut running = std::collections::VecDeque::new();
    for _ in 0..800 {
        running.push_back(study.ask());
        if running.len() == 5 {
            // The newest ends first now and then.
            let next =
                if study.trials().len().is_multiple_of(3) { running.pop_back() } else { running.pop_front() };
            let (id, point) = next.unwrap();
            study.tell(id, Outcome::of(numbers(&point).iter().map(|x| (x - 3.0).powi(2)).sum(), 1.0));
        }
    }
    assert!(study.best().unwrap().value().unwrap() < 1e-6, "{:?}", study.best());
}

/// What `cmaes` says: `tests/reference/evolution.py` wrote it.
fn reference() -> serde_json::Value {
    serde_json::from_str(include_str!("../../../tests/reference/evolution.json")).unwrap()
}

fn near(ours: &[f64], theirs: &[f64]) {
    let is_near = |(a, b): (&f64, &f64)| (a - b).abs() < 1e-8 * b.abs().max(1.0);
    assert!(ours.iter().zip(theirs).all(is_near) && ours.len() == theirs.len(), "{ours:?} for {theirs:?}");
}

#[test]
fn generations_teach_what_they_teach_cmaes() {
    for run in reference()["plain"].as_array().unwrap() {
        let population = run["population"].as_u64().unwrap() as usize;
        let mut strategy = Strategy::new(list(&run["mean"]), 1.0 / 6.0, population);
        for generation in run["generations"].as_array().unwrap() {
            let (mean, sigma) = (strategy.mean.clone(), strategy.sigma);
            let step =
                |point: Vec<f64>| point.iter().zip(&mean).map(|(x, m)| (x - m) / sigma).collect::<Vec<_>>();
            strategy.update(&lists(&generation["points"]).into_iter().map(step).collect::<Vec<_>>());
            let then = &generation["then"];
            near(&strategy.mean, &list(&then["mean"]));
            near(&[strategy.sigma], &[then["sigma"].as_f64().unwrap()]);
            near(&strategy.covariance.concat(), &lists(&then["covariance"]).concat());
            near(&strategy.conjugate_path, &list(&then["conjugate_path"]));
            near(&strategy.path, &list(&then["path"]));
        }
    }
}

#[test]
fn margins_are_those_of_cmaes() {
    let run = &reference()["whole"];
    let levels = run["levels"].as_array().unwrap().iter().map(|n| n.as_i64().unwrap());
    let space = (0..2).fold(Space::new(), |space, d| space.float(&format!("a{d}"), 0.0, 1.0).unwrap());
    let space = levels.zip(0..).fold(space, |space, (n, d)| space.int(&format!("n{d}"), 0, n - 1).unwrap());
    let population = run["population"].as_u64().unwrap() as usize;
    let mut model = Model::new(&space, &single(), Some(population), &Stream::new(1, 0));
    model.strategy = Strategy::new(vec![0.45; 5], SIGMA, population);
    for generation in run["generations"].as_array().unwrap() {
        model.strategy.update(&lists(&generation["steps"]));
        model.keep_margins();
        near(&model.strategy.mean, &list(&generation["mean"]));
        near(&model.stretch, &list(&generation["stretch"]));
    }
    assert!(model.stretch.iter().any(|stretch| *stretch > 1.1), "no margin was needed");
}
