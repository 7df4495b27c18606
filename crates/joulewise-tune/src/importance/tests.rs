use serde_json::Value as Json;

use super::*;
use crate::domain::Value;
use crate::sampler::Sampler as _;
use crate::samplers::Sobol;

fn cube(names: &[&str], low: f64, high: f64) -> Space {
    names.iter().fold(Space::new(), |space, name| space.float(name, low, high).unwrap())
}

fn found(space: &Space, trials: u64, value: impl Fn(&Point) -> f64) -> Vec<Importance> {
    let points: Vec<Point> = (0..trials).map(|id| Sobol.ask(space, Stream::new(1, id))).collect();
    let trials: Vec<(&Point, f64)> = points.iter().map(|point| (point, value(point))).collect();
    importances(space, &trials)
}

fn share(found: &[Importance], parameters: &[&str]) -> f64 {
    found.iter().find(|importance| importance.parameters == parameters).unwrap().share
}

/// Ishigami and Homma (1990), of which the variances are known.
#[test]
fn the_variances_are_those_that_can_be_computed() {
    let space = cube(&["x1", "x2", "x3"], -std::f64::consts::PI, std::f64::consts::PI);
    let found = found(&space, 3000, |point| {
        let [x1, x2, x3] = ["x1", "x2", "x3"].map(|name| point.float(name).unwrap());
        x1.sin() + 7.0 * x2.sin().powi(2) + 0.1 * x3.powi(4) * x1.sin()
    });
    let expected = [
        (vec!["x1"], 0.3139),
        (vec!["x2"], 0.4424),
        (vec!["x3"], 0.0),
        (vec!["x1", "x3"], 0.2437),
        (vec!["x1", "x2"], 0.0),
        (vec!["x2", "x3"], 0.0),
    ];
    for (parameters, exact) in expected {
        let share = share(&found, &parameters);
        // A forest is a staircase: Optuna's gives 0.35 to x2 of as many trials.
        assert!((share - exact).abs() < 0.12, "{parameters:?}: {share} for {exact}");
    }
    let order: Vec<String> = found.iter().map(|importance| importance.parameters.join(" ")).collect();
    assert_eq!(order[..4], ["x2", "x1", "x3", "x1 x3"]);
}

#[test]
fn sums_are_divided_among_their_parts() {
    let space = cube(&["a", "b", "c"], 0.0, 1.0);
    let found = found(&space, 500, |point| {
        let [a, b] = ["a", "b"].map(|name| point.float(name).unwrap());
        a + 2.0 * b
    });
    for (parameters, exact) in [("a", 0.2), ("b", 0.8), ("c", 0.0)] {
        let share = share(&found, &[parameters]);
        assert!((share - exact).abs() < 0.02, "{parameters}: {share} for {exact}");
    }
}

#[test]
fn shares_are_near_those_of_optuna() {
    let reference: Json =
        serde_json::from_str(include_str!("../../tests/reference/importance.json")).unwrap();
    for (study, bound) in reference.as_array().unwrap().iter().zip([0.03, 0.06]) {
        let theirs = study["importances"].as_object().unwrap();
        let space = cube(&["x0", "x1", "x2", "x3"], 0.0, 1.0);
        let space =
            if theirs.contains_key("c") { space.choice("c", &["a", "b", "c"]).unwrap() } else { space };
        let value = |json: &Json| match json {
            Json::String(option) => Value::Choice(option.clone()),
            number => Value::Float(number.as_f64().unwrap()),
        };
        let trials: Vec<(Point, f64)> = study["trials"]
            .as_array()
            .unwrap()
            .iter()
            .map(|trial| {
                let params = trial["params"].as_object().unwrap();
                let point = params.iter().map(|(name, json)| (name.clone(), value(json))).collect();
                (point, trial["value"].as_f64().unwrap())
            })
            .collect();
        let trials: Vec<(&Point, f64)> = trials.iter().map(|(point, value)| (point, *value)).collect();
        let found = importances(&space, &trials);
        for (name, theirs) in theirs {
            let (ours, theirs) = (share(&found, &[name]), theirs.as_f64().unwrap());
            assert!((ours - theirs).abs() < bound, "{name}: {ours} for {theirs}");
        }
        let mut order: Vec<&String> = theirs.keys().collect();
        order.sort_by(|a, b| theirs[*b].as_f64().unwrap().total_cmp(&theirs[*a].as_f64().unwrap()));
        // What matters is in the same order; of what hardly does, chance decides.
        for (ours, theirs) in found.iter().zip(order).take(3) {
            assert_eq!(ours.parameters.join(""), *theirs);
        }
    }
}

#[test]
fn conditions_and_choices_have_their_part() {
    let space = Space::new().choice("optimiser", &["sgd", "adam", "other"]).unwrap();
    let space = space.float("momentum", 0.0, 1.0).unwrap().when("momentum", "optimiser == sgd").unwrap();
    let space = space.int("layers", 1, 8).unwrap().int("nothing", 0, 5).unwrap();
    let found = found(&space, 400, |point| {
        let optimiser = if point.choice("optimiser") == Some("adam") { 1.0 } else { 0.0 };
        optimiser + point.float("momentum").unwrap_or(0.0) + 0.1 * point.float("layers").unwrap()
    });
    let by_itself = |name: &str| share(&found, &[name]);
    // By the variances of the function: 0.139, 0.009 and 0.019 of it all by themselves would be these shares.
    assert!(by_itself("optimiser") > 0.5, "{found:?}");
    assert!(by_itself("layers") > 0.1 && by_itself("layers") < 0.4, "{found:?}");
    assert!(by_itself("momentum") > 0.02 && by_itself("momentum") < 0.15, "{found:?}");
    assert!(by_itself("nothing") < 0.02, "{found:?}");
    assert!(share(&found, &["momentum", "optimiser"]) > 0.05, "{found:?}");
}

#[test]
fn where_nothing_can_be_said_nothing_is() {
    let space = cube(&["x"], 0.0, 1.0);
    assert_eq!(found(&space, 11, |point| point.float("x").unwrap()), []);
    assert_eq!(found(&space, 40, |_| 0.7), []);
    assert_eq!(found(&space, 40, |_| f64::NAN), []);
    assert_eq!(found(&Space::new(), 40, |_| 0.7), []);
    let all = found(&space, 40, |point| point.float("x").unwrap() * 1e-100);
    assert!((share(&all, &["x"]) - 1.0).abs() < 1e-9 && all.len() == 1, "{all:?}");
}

#[test]
fn the_same_trials_give_the_same_shares() {
    let space = cube(&["x", "y"], 0.0, 1.0);
    let shares = || found(&space, 60, |point| point.float("x").unwrap() * point.float("y").unwrap());
    assert_eq!(shares(), shares());
}
