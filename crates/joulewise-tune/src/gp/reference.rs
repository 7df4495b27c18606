//! What scikit-learn, SciPy and BoTorch say, for tests: `gaussian_processes.py` and `hypervolume_improvement.py` in
//! `tests/reference/` wrote it.

use serde_json::Value;

use super::acquisition::{Acquisition, Aim};
use super::boxes::Boxes;
use super::fit::Hyperparameters;
use super::lbfgs::{self, Limits};
use super::normal::{inverse_log_gain, log_below, log_gain};
use super::process::{Belief, Process};
use crate::random::Stream;

pub(crate) fn reference() -> Value {
    serde_json::from_str(include_str!("../../tests/reference/gaussian_processes.json")).unwrap()
}

fn improvement() -> Value {
    serde_json::from_str(include_str!("../../tests/reference/hypervolume_improvement.json")).unwrap()
}

pub(crate) fn list(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

pub(crate) fn lists(value: &Value) -> Vec<Vec<f64>> {
    value.as_array().unwrap().iter().map(list).collect()
}

fn near(a: f64, b: f64, relative: f64) -> bool {
    (a - b).abs() <= relative * b.abs().max(1e-300)
}

#[test]
fn tails_are_those_of_forty_digits() {
    for row in reference()["normal"].as_array().unwrap() {
        let at = |name: &str| row[name].as_f64().unwrap();
        assert!(near(log_below(at("x")), at("log_below"), 1e-11), "{row} {}", log_below(at("x")));
        assert!(near(log_gain(at("x")), at("log_gain"), 1e-11), "{row} {}", log_gain(at("x")));
        let back = inverse_log_gain(at("log_gain"));
        assert!((back - at("x")).abs() < 1e-8 * at("x").abs().max(1.0), "{row} {back}");
    }
}

#[test]
fn beliefs_are_those_of_scikit_learn() {
    let matern = &reference()["matern"];
    let (points, y) = (lists(&matern["points"]), list(&matern["values"]));
    let hyperparameters = Hyperparameters {
        log_scales: list(&matern["scales"]).iter().map(|scale| scale.ln()).collect(),
        log_noise: matern["noise"].as_f64().unwrap().ln(),
        main_odds: f64::NEG_INFINITY,
        log_narrowing: 0.0,
    };
    let rows: Vec<&[f64]> = points.iter().map(|row| &row[..]).collect();
    let columns = super::matern::Columns::new(3, rows.iter().copied());
    let posterior = super::fit::log_posterior(&hyperparameters, &[0, 1, 2], &columns, &y, &mut [0.0; 6]);
    let priors = 4.0 * 0.5 * std::f64::consts::TAU.ln() + 3.0 * 0.5 * 3f64.ln() + 2f64.ln();
    let expected =
        matern["log_likelihood"].as_f64().unwrap() + matern["log_prior"].as_f64().unwrap() + priors;
    assert!(near(posterior, expected, 1e-9), "{posterior} {expected}");

    let mut process = Process::new(hyperparameters, &[0, 1, 2]);
    process.see(&rows, &y);
    let expected = list(&matern["mean"]).into_iter().zip(list(&matern["deviation"]));
    for (belief, (mean, deviation)) in process.beliefs(&lists(&matern["at"])).iter().zip(expected) {
        assert!(
            near(belief.mean, mean, 1e-8) && near(belief.deviation, deviation, 1e-8),
            "{belief:?} {mean}"
        );
    }
}

#[test]
fn main_effects_are_those_of_scikit_learn() {
    let (matern, effects) = (&reference()["matern"], &reference()["main_effects"]);
    let points = lists(&matern["points"]);
    let rows: Vec<&[f64]> = points.iter().map(|row| &row[..]).collect();
    let share = effects["share"].as_f64().unwrap();
    let hyperparameters = Hyperparameters {
        log_scales: list(&matern["scales"]).iter().map(|scale| scale.ln()).collect(),
        log_noise: matern["noise"].as_f64().unwrap().ln(),
        main_odds: (share / (1.0 - share)).ln(),
        log_narrowing: effects["narrowing"].as_f64().unwrap().ln(),
    };
    let mut process = Process::new(hyperparameters, &[0, 1, 2]);
    process.see(&rows, &list(&matern["values"]));
    let expected = list(&effects["mean"]).into_iter().zip(list(&effects["deviation"]));
    for (belief, (mean, deviation)) in process.beliefs(&lists(&matern["at"])).iter().zip(expected) {
        assert!(
            near(belief.mean, mean, 1e-7) && near(belief.deviation, deviation, 1e-7),
            "{belief:?} {mean}"
        );
    }
}

#[test]
fn minima_are_those_of_scipy() {
    for row in reference()["minima"].as_array().unwrap() {
        let start = list(&row["start"]);
        let bounds = ["low", "high"].map(|end| vec![row[end].as_f64().unwrap(); start.len()]);
        let limits = Limits { evaluations: 2_000, gradient: 1e-9, gain: 0.0 };
        let (x, value) = lbfgs::minimise(&start, &bounds[0], &bounds[1], limits, lbfgs::rosenbrock);
        let expected = row["value"].as_f64().unwrap();
        assert!((value - expected).abs() < 1e-9 * expected.max(1.0), "{value} {row}");
        assert!(x.iter().zip(list(&row["x"])).all(|(x, other)| (x - other).abs() < 1e-4), "{x:?} {row}");
    }
}

#[test]
fn volumes_are_those_of_a_fine_sum() {
    let volumes = &reference()["volumes"];
    let boxes = Boxes::new(&lists(&volumes["front"]), &list(&volumes["reference"]));
    for row in volumes["volumes"].as_array().unwrap() {
        let (mean, deviation) = (list(&row["mean"]), list(&row["deviation"]));
        let belief = |k: usize| Belief { mean: mean[k], deviation: deviation[k] };
        let volume = boxes.log_gain(&[belief(0), belief(1)]).log.exp();
        assert!(near(volume, row["volume"].as_f64().unwrap(), 1e-6), "{row} {volume}");
    }
}

#[test]
fn volumes_of_more_objectives_are_those_of_botorch() {
    for case in improvement()["exact"].as_array().unwrap() {
        let boxes = Boxes::new(&lists(&case["front"]), &list(&case["reference"]));
        for row in case["volumes"].as_array().unwrap() {
            let beliefs = list(&row["mean"]).into_iter().zip(list(&row["deviation"]));
            let beliefs: Vec<Belief> = beliefs.map(|(mean, deviation)| Belief { mean, deviation }).collect();
            let volume = boxes.log_gain(&beliefs).log.exp();
            assert!(near(volume, row["volume"].as_f64().unwrap(), 1e-9), "{row} {volume}");
        }
    }
}

/// Theirs is a mean over values of front, running trials and the new one; ours over values of the first two.
#[test]
fn volumes_in_doubt_are_those_of_botorch() {
    let noisy = &improvement()["noisy"];
    let (points, running) = (lists(&noisy["points"]), lists(&noisy["running"]));
    let rows: Vec<&[f64]> = points.iter().map(|row| &row[..]).collect();
    let doubted: Vec<&[f64]> = points.iter().chain(&running).map(|row| &row[..]).collect();
    let mut stream = Stream::new(1, 0);
    let mut normal =
        || (-2.0 * (1.0 - stream.unit()).ln()).sqrt() * (std::f64::consts::TAU * stream.unit()).cos();
    let (mut objectives, mut fronts) = (Vec::new(), vec![vec![Vec::new(); doubted.len()]; 4096]);
    for objective in noisy["objectives"].as_array().unwrap() {
        let mut process = Process::new(
            Hyperparameters {
                log_scales: list(&objective["scales"]).iter().map(|scale| scale.ln()).collect(),
                log_noise: objective["noise"].as_f64().unwrap().ln(),
                main_odds: f64::NEG_INFINITY,
                log_narrowing: 0.0,
            },
            &[0, 1],
        );
        process.see(&rows, &list(&objective["values"]));
        let draws: Vec<Vec<f64>> =
            fronts.iter().map(|_| doubted.iter().map(|_| normal()).collect()).collect();
        for (front, values) in fronts.iter_mut().zip(process.imagine(&doubted, &draws)) {
            front.iter_mut().zip(values).for_each(|(point, value)| point.push(value));
        }
        objectives.push(process);
    }
    let reference = list(&noisy["reference"]);
    let worlds = fronts.iter().map(|front| Boxes::new(front, &reference)).collect();
    let acquisition = Acquisition { objectives, conditions: Vec::new(), cost: None, aim: Aim::Front(worlds) };
    let volumes = acquisition.values(&lists(&noisy["at"]));
    let expected = list(&noisy["volumes"]).into_iter().zip(list(&noisy["standard_errors"]));
    for (volume, (expected, error)) in volumes.iter().map(|log| log.exp()).zip(expected) {
        assert!((volume - expected).abs() < 4.0 * error + 0.03 * expected, "{volume} {expected} ± {error}");
    }
}
