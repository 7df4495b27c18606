//! What the whole sampler does.

use std::collections::BTreeSet;

use super::*;
use crate::direction::Direction;
use crate::domain::Value;
use crate::hypervolume::hypervolume;
use crate::objective::{Goal, Objective};
use crate::study::Study;
use crate::testing;
use crate::trial::Outcome;

#[test]
fn gaussian_processes_are_samplers() {
    testing::check_sampler(Gp::new);
    testing::check_sampler(|objectives| Gp::new(objectives).cost_aware(Some(300.0)));
    testing::check_sampler(|objectives| Gp::new(objectives).worth(1e-3));
}

fn objectives(goals: &[Goal]) -> Objectives {
    let objective = |(i, &goal): (usize, &Goal)| Objective { metric: format!("m{i}"), goal };
    Objectives::new(goals.iter().enumerate().map(objective).collect()).unwrap()
}

fn square() -> Space {
    Space::new().float("x", -1.0, 2.0).unwrap().log_float("y", 1e-3, 10.0).unwrap()
}

fn search(
    space: Space,
    objectives: &Objectives,
    sampler: Gp,
    trials: usize,
    evaluate: impl Fn(&Point) -> Outcome,
) -> Study<Gp> {
    let mut study = Study::new(space, objectives.clone(), 5, sampler);
    while study.trials().len() < trials && !study.is_exhausted() {
        let (id, point) = study.ask();
        study.tell(id, evaluate(&point));
    }
    study
}

fn bowl(point: &Point) -> f64 {
    (point.float("x").unwrap() - 0.3).powi(2) + (point.float("y").unwrap().log10() + 1.0).powi(2)
}

#[test]
fn a_bowl_is_found_in_few_trials() {
    for direction in [Direction::Min, Direction::Max] {
        let sign = if direction == Direction::Min { 1.0 } else { -1.0 };
        let objectives = Objectives::single(direction);
        let gp = Gp::new(&objectives);
        let study = search(square(), &objectives, gp, 25, |point| Outcome::of(sign * bowl(point), 1.0));
        let best = sign * study.best().unwrap().value().unwrap();
        assert!(best < 1e-3, "{best}");
    }
}

/// A sum of functions of one parameter each, that have two valleys each: 32 valleys, of which one is the best.
#[test]
fn what_each_parameter_does_by_itself_is_learned() {
    let objectives = Objectives::single(Direction::Min);
    let space = (0..5).try_fold(Space::new(), |space, d| space.float(&format!("x{d}"), -5.0, 5.0)).unwrap();
    let wells = |point: &Point| {
        let well = |x: f64| 0.5 * (x.powi(4) - 16.0 * x * x + 5.0 * x) + 39.166_165_703_771_41;
        Outcome::of((0..5).map(|d| well(point.float(&format!("x{d}")).unwrap())).sum(), 1.0)
    };
    let study = search(space, &objectives, Gp::new(&objectives), 70, wells);
    // The second best valley is 14 above.
    let best = study.best().unwrap().value().unwrap();
    assert!(best < 2.0, "{best}");
}

#[test]
fn bounds_are_learned_and_failures_avoided() {
    let objectives = objectives(&[Goal::Min, Goal::AtMost(0.0)]);
    // Only x ≥ 1 keeps the bound, and y > 1 fails.
    let evaluate = |point: &Point| {
        let x = point.float("x").unwrap();
        let value = if point.float("y").unwrap() > 1.0 { f64::NAN } else { bowl(point) };
        Outcome { values: vec![value, 1.0 - x], cost: 1.0 }
    };
    let study = search(square(), &objectives, Gp::new(&objectives), 40, evaluate);
    let best = study.best().unwrap();
    let x = best.point.float("x").unwrap();
    assert!(x >= 1.0 && best.value().unwrap() < 0.49 + 0.02, "{best:?}");
    let late = &study.trials()[20..];
    let failed = late.iter().filter(|trial| trial.outcome().is_none()).count();
    assert!(failed <= 3, "{failed} of the last 20 failed");
}

#[test]
fn two_objectives_get_a_front() {
    let objectives = objectives(&[Goal::Min, Goal::Min]);
    let evaluate = |point: &Point| {
        let (x, y) = (point.float("x").unwrap(), point.float("y").unwrap().log10() + 1.0);
        Outcome { values: vec![x * x + y * y, (x - 1.0).powi(2) + y * y], cost: 1.0 }
    };
    let study = search(square(), &objectives, Gp::new(&objectives), 40, evaluate);
    let front: Vec<Vec<f64>> = study.front().iter().map(|t| t.outcome().unwrap().values.clone()).collect();
    // The best front, √a + √b = 1, dominates 5/6 of the unit square.
    let volume = hypervolume(&front, &[1.0, 1.0]);
    assert!(volume > 5.0 / 6.0 - 0.04, "{volume} {front:?}");
}

/// The eighth of a sphere (Deb et al. 2005), behind which the second half of the parameters goes.
fn sphere(point: &Point) -> Outcome {
    let x: Vec<f64> = (0..4).map(|d| point.float(&format!("x{d}")).unwrap()).collect();
    let radius = 1.0 + x[2..].iter().map(|x| (x - 0.5).powi(2)).sum::<f64>();
    let [a, b] = [x[0], x[1]].map(|x| x * std::f64::consts::FRAC_PI_2);
    Outcome {
        values: vec![radius * a.cos() * b.cos(), radius * a.cos() * b.sin(), -radius * a.sin()],
        cost: 1.0,
    }
}

fn cube() -> Space {
    (0..4).try_fold(Space::new(), |space, d| space.float(&format!("x{d}"), 0.0, 1.0)).unwrap()
}

#[test]
fn three_objectives_get_a_front() {
    let objectives = objectives(&[Goal::Min, Goal::Min, Goal::Max]);
    let volume = |study: &[&crate::Trial]| {
        let losses =
            |trial: &&crate::Trial| trial.outcome().map(|o| vec![o.values[0], o.values[1], -o.values[2]]);
        hypervolume(&study.iter().filter_map(losses).collect::<Vec<_>>(), &[1.1; 3])
    };
    let study = search(cube(), &objectives, Gp::new(&objectives), 40, sphere);
    let mut random = Study::new(cube(), objectives.clone(), 5, crate::samplers::Random);
    for _ in 0..40 {
        let (id, point) = random.ask();
        random.tell(id, sphere(&point));
    }
    // The whole sphere leaves an eighth of its volume to 1.1³.
    let most = 1.1f64.powi(3) - std::f64::consts::PI / 6.0;
    let (found, drawn) = (volume(&study.front()), volume(&random.front()));
    assert!(most - found < 0.8 * (most - drawn), "{found} and {drawn} of {most}");
}

/// Noise and running trials leave the front in doubt: several worlds.
#[test]
fn fronts_in_doubt_are_no_end() {
    let objectives = objectives(&[Goal::Min, Goal::Min, Goal::Max, Goal::AtMost(1.5)]);
    let mut noise = Stream::new(8, 0);
    let mut evaluate = |point: &Point| {
        let mut outcome = sphere(point);
        for value in &mut outcome.values {
            *value += 0.5 * noise.unit();
        }
        outcome.values.push(point.float("x0").unwrap() + point.float("x1").unwrap());
        outcome
    };
    let mut study = Study::new(cube(), objectives.clone(), 5, Gp::new(&objectives));
    for _ in 0..6 {
        let asked: Vec<_> = (0..4).map(|_| study.ask()).collect();
        for (i, (_, a)) in asked.iter().enumerate() {
            assert!(study.space().contains(a) && asked[..i].iter().all(|(_, b)| a != b));
        }
        for (id, point) in asked {
            study.tell(id, evaluate(&point));
        }
    }
    assert!(study.front().len() > 1);
}

#[test]
fn cheap_trials_are_preferred_while_there_is_budget() {
    let objectives = Objectives::single(Direction::Min);
    // A ridge of equal losses that are the dearer the greater x is.
    let cost = |point: &Point| (2.0 * point.float("x").unwrap()).exp();
    let evaluate =
        |point: &Point| Outcome::of((point.float("y").unwrap().log10() + 1.0).powi(2), cost(point));
    let spent = |sampler: Gp| search(square(), &objectives, sampler, 25, evaluate).cost();
    let blind = spent(Gp::new(&objectives));
    assert!(spent(Gp::new(&objectives).cost_aware(Some(1e4))) < 0.7 * blind);
    assert!(spent(Gp::new(&objectives).cost_aware(None)) < 0.9 * blind);
}

#[test]
fn a_search_ends_when_nothing_is_worth_its_cost() {
    let objectives = Objectives::single(Direction::Min);
    let trials = |per_cost: f64| {
        let sampler = Gp::new(&objectives).worth(per_cost);
        search(square(), &objectives, sampler, 60, |point| Outcome::of(bowl(point), 2.0)).trials().len()
    };
    let (dear, cheap) = (trials(0.1), trials(1e-7));
    assert!(dear < 25 && dear < cheap, "{dear} {cheap}");
    assert_eq!(trials(f64::NAN), 60);
}

#[test]
fn trials_that_run_are_kept_away_from() {
    let objectives = Objectives::single(Direction::Min);
    let mut study = search(square(), &objectives, Gp::new(&objectives), 8, |p| Outcome::of(bowl(p), 1.0));
    let asked: Vec<Point> = (0..4).map(|_| study.ask().1).collect();
    let place = |point: &Point| [point.float("x").unwrap() / 3.0, point.float("y").unwrap().log10() / 4.0];
    for (i, a) in asked.iter().enumerate() {
        for b in &asked[..i] {
            let apart: f64 = place(a).iter().zip(place(b)).map(|(a, b)| (a - b).powi(2)).sum();
            assert!(apart.sqrt() > 1e-3, "{a} and {b}");
        }
    }
}

#[test]
fn a_small_space_is_tried_without_repeating() {
    let objectives = Objectives::single(Direction::Min);
    let space = Space::new().int("n", 1, 5).unwrap().choice("c", &["a", "b", "c", "d"]).unwrap();
    let evaluate = |point: &Point| Outcome::of(point.float("n").unwrap(), 1.0);
    let study = search(space, &objectives, Gp::new(&objectives), 19, evaluate);
    let searched: BTreeSet<&Point> = study.trials()[8..].iter().map(|trial| &trial.point).collect();
    assert_eq!(searched.len(), 11);
}

#[test]
fn odd_trials_are_no_end() {
    let objectives = Objectives::single(Direction::Max);
    let mut study = search(square(), &objectives, Gp::new(&objectives), 8, |_| Outcome::of(0.0, 0.0));
    let stranger = study.start(Point::from_iter([("z".to_owned(), Value::Int(3))]));
    study.tell(stranger, Outcome::of(f64::MAX, f64::INFINITY));
    let other = study.start(Point::from_iter([("x".to_owned(), Value::Float(0.0))]));
    study.tell(other, Outcome::of(-f64::MAX, -1.0));
    study.tell(other, Outcome::of(f64::MIN_POSITIVE, f64::NAN));
    for _ in 0..3 {
        let (id, point) = study.ask();
        assert!(study.space().contains(&point));
        study.tell(id, Outcome::of(f64::INFINITY, 1.0));
    }
}
