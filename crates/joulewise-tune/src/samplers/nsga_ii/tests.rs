use super::*;
use crate::direction::Direction;
use crate::gp::reference::lists;
use crate::objective::{Goal, Objective};
use crate::study::Study;
use crate::testing;
use crate::trial::Outcome;

fn goals(goals: &[Goal]) -> Objectives {
    let objective = |(k, goal): (usize, &Goal)| Objective { metric: format!("value {k}"), goal: *goal };
    Objectives::new(goals.iter().enumerate().map(objective).collect()).unwrap()
}

fn search(
    space: &Space,
    objectives: &Objectives,
    trials: u64,
    value: impl Fn(&Point) -> Vec<f64>,
) -> Study<NsgaIi> {
    let sampler = NsgaIi::new(objectives).population(20);
    let mut study = Study::new(space.clone(), objectives.clone(), 3, sampler);
    for _ in 0..trials {
        let (id, point) = study.ask();
        study.tell(id, Outcome { values: value(&point), cost: 1.0 });
    }
    study
}

#[test]
fn nsga_ii_is_a_sampler() {
    testing::check_sampler(NsgaIi::new);
    testing::check_sampler(|objectives| NsgaIi::new(objectives).population(5));
    testing::check_sampler(|objectives| NsgaIi::new(objectives).population(0).noisy());
}

#[test]
fn a_front_is_found_and_spread() {
    let space = (0..4).fold(Space::new(), |space, d| space.float(&format!("x{d}"), 0.0, 1.0).unwrap());
    let objectives = goals(&[Goal::Min, Goal::Min]);
    let zdt = |point: &Point| {
        let x: Vec<f64> = (0..4).map(|d| point.float(&format!("x{d}")).unwrap()).collect();
        let g = 1.0 + 3.0 * (x[1] + x[2] + x[3]);
        vec![x[0], g * (1.0 - (x[0] / g).sqrt())]
    };
    let study = search(&space, &objectives, 800, zdt);
    let near = study.front().into_iter().filter(|trial| {
        let values = &trial.outcome().unwrap().values;
        values[1] < 1.05 - values[0].sqrt()
    });
    let mut along: Vec<f64> = near.filter_map(Trial::value).collect();
    along.sort_by(f64::total_cmp);
    let widest = along.windows(2).map(|pair| pair[1] - pair[0]).fold(0.0, f64::max);
    assert!(along.len() > 30 && widest < 0.2, "{} points, {widest} apart", along.len());
}

#[test]
fn choices_and_conditions_are_inherited() {
    let space = Space::new().choice("kind", &["a", "b", "c"]).unwrap().log_int("n", 1, 500).unwrap();
    let space = space.float("x", 0.0, 1.0).unwrap().when("x", "kind == b").unwrap();
    let objectives = Objectives::single(Direction::Min);
    let study = search(&space, &objectives, 300, |point| {
        let miss = point.float("x").map_or(1.0, |x| (x - 0.8).abs());
        vec![miss + (point.float("n").unwrap().log2() - 6.0).abs()]
    });
    let best = study.best().unwrap();
    assert!(best.point.choice("kind") == Some("b") && best.value().unwrap() < 0.02, "{best:?}");
}

#[test]
fn what_was_tried_is_not_proposed_again() {
    let space = Space::new().int("a", 0, 7).unwrap().int("b", 0, 7).unwrap();
    let objectives = goals(&[Goal::Min, Goal::Max]);
    let study = search(&space, &objectives, 50, |point| {
        vec![point.float("a").unwrap(), point.float("a").unwrap() + point.float("b").unwrap()]
    });
    let points: BTreeSet<&Point> = study.trials().iter().map(|trial| &trial.point).collect();
    assert!(points.len() >= 45, "{} of 50", points.len());
}

#[test]
fn bounds_come_before_values_and_failures_are_nobodys_parents() {
    let space = Space::new().float("x", 0.0, 1.0).unwrap().float("y", 0.0, 1.0).unwrap();
    let objectives = goals(&[Goal::Min, Goal::Min, Goal::AtLeast(1.2)]);
    let study = search(&space, &objectives, 400, |point| {
        let (x, y) = (point.float("x").unwrap(), point.float("y").unwrap());
        if y > 0.9 { vec![f64::NAN; 3] } else { vec![x, y, x + y] }
    });
    let last = &study.trials()[300..];
    let kept = last.iter().filter(|trial| matches!(&trial.state, State::Done(o) if o.values[2] >= 1.2));
    assert!(kept.count() > 50);
    let failed = last.iter().filter(|trial| matches!(trial.state, State::Failed { .. })).count();
    assert!(failed < 20, "{failed} of 100 failed");
}

#[test]
fn fronts_and_room_are_those_of_optuna() {
    let reference = include_str!("../../../tests/reference/evolution.json");
    let reference: serde_json::Value = serde_json::from_str(reference).unwrap();
    for cloud in reference["fronts"].as_array().unwrap() {
        let points = lists(&cloud["points"]);
        let objectives = goals(&vec![Goal::Min; points[0].len()]);
        let rank = |values: &Vec<f64>| {
            let state = State::Done(Outcome { values: values.clone(), cost: 1.0 });
            let trial = Trial { id: TrialId(0), point: Point::default(), state, curve: Vec::new() };
            Rank::of(&trial, &objectives)
        };
        let ranks: Vec<Rank> = points.iter().map(rank).collect();
        for (number, front) in fronts(&ranks.iter().collect::<Vec<_>>(), &points).into_iter().enumerate() {
            for (index, room) in front.iter().zip(front::room(&points, &front)) {
                assert_eq!(cloud["fronts"][*index].as_u64(), Some(number as u64), "point {index}");
                // An infinite distance is none in JSON.
                let theirs = cloud["room"][*index].as_f64().unwrap_or(f64::INFINITY);
                assert!(room == theirs || (room - theirs).abs() < 1e-12, "{room} for {theirs}");
            }
        }
    }
}
