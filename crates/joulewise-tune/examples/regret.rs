//! How near samplers come to the optimum of known problems.
//!
//! `regret [--sampler NAME] [--problem NAME] [--first-seed N] [--seeds N] [--evaluations N]` writes a line of JSON for
//! each sampler and problem: the median simple regret over the seeds, its quartiles, and all regrets. Of two
//! objectives it is the volume that the front lacks. `regret --at PART` writes what the problems are worth where every
//! number is at that part of its range.

use std::error::Error;
use std::io::Write as _;
use std::time::Instant;

use joulewise_tune::samplers::{CmaEs, Gp, LinearRandom, NsgaIi, Random, Sobol, Tpe};
use joulewise_tune::{
    Domain, Goal, Objective, Objectives, ObjectivesError, Outcome, Point, Sampler, Space, SpaceError, Study,
};

const SAMPLERS: [&str; 7] = ["random", "linear-random", "sobol", "tpe", "gp", "cma-es", "nsga-ii"];

/// A function to be minimised.
struct Problem {
    name: &'static str,
    space: Space,
    function: Function,
}

enum Function {
    /// Its least value is 0.
    Loss(fn(&Point) -> f64),
    /// Of two values, the second from the ratio of the first to g and from the first (Zitzler et al. 2000), and the
    /// volume that their whole front dominates below [`CORNER`].
    Front(fn(f64, f64) -> f64, f64),
}
use Function::{Front, Loss};

/// Below which volumes of fronts are taken, in both values.
const CORNER: f64 = 11.0;

impl Problem {
    fn values(&self, point: &Point) -> Vec<f64> {
        match self.function {
            Loss(loss) => vec![loss(point)],
            Front(second, _) => {
                let x = numbers(point);
                let g = 1.0 + 9.0 * x[1..].iter().sum::<f64>() / (x.len() - 1) as f64;
                vec![x[0], g * second(x[0] / g, x[0])]
            }
        }
    }

    fn objectives(&self) -> Result<Objectives, ObjectivesError> {
        let values = if matches!(self.function, Loss(_)) { 1 } else { 2 };
        let objective = |k| Objective { metric: format!("value {k}"), goal: Goal::Min };
        Objectives::new((0..values).map(objective).collect())
    }

    /// What these values lack of the best.
    fn regret(&self, values: &[Vec<f64>]) -> f64 {
        let Front(_, most) = self.function else {
            return values.iter().map(|values| values[0]).fold(f64::INFINITY, f64::min);
        };
        let mut points: Vec<(f64, f64)> = values.iter().map(|values| (values[0], values[1])).collect();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        let (mut volume, mut ceiling) = (0.0, CORNER);
        for (x, y) in points {
            if x < CORNER && y < ceiling {
                volume += (CORNER - x) * (ceiling - y);
                ceiling = y;
            }
        }
        most - volume
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let value = |flag: &str| {
        let at = arguments.iter().position(|argument| argument == flag)?;
        arguments.get(at + 1).map(String::as_str)
    };
    let number = |flag: &str, default: u64| value(flag).map_or(Ok(default), str::parse);
    let problems = problems()?;
    let problems = || problems.iter().filter(|p| value("--problem").is_none_or(|wanted| wanted == p.name));
    let mut out = std::io::stdout().lock();
    if let Some(at) = value("--at") {
        let at: f64 = at.parse()?;
        for problem in problems() {
            let point = problem.space.complete(|_, domain| domain.at(at));
            let line = serde_json::json!({ "problem": problem.name, "values": problem.values(&point) });
            writeln!(out, "{line}")?;
        }
        return Ok(());
    }
    let (first, seeds) = (number("--first-seed", 0)?, number("--seeds", 30)?);
    let evaluations = number("--evaluations", 100)?;
    for sampler in SAMPLERS.into_iter().filter(|name| value("--sampler").is_none_or(|wanted| wanted == *name))
    {
        for problem in problems() {
            let start = Instant::now();
            let objectives = problem.objectives()?;
            let regrets: Vec<f64> = (first..first + seeds)
                .map(|seed| search(make(sampler, &objectives), problem, &objectives, seed, evaluations))
                .collect();
            let mut sorted = regrets.clone();
            sorted.sort_by(f64::total_cmp);
            let quantile = |q: f64| sorted[(q * (sorted.len() - 1) as f64).round() as usize];
            let line = serde_json::json!({
                "sampler": sampler, "problem": problem.name, "evaluations": evaluations,
                "median": f64::midpoint(sorted[(sorted.len() - 1) / 2], sorted[sorted.len() / 2]),
                "low": quantile(0.25), "high": quantile(0.75),
                "wall_s": start.elapsed().as_secs_f64(), "regrets": regrets,
            });
            writeln!(out, "{line}")?;
        }
    }
    Ok(())
}

fn make(sampler: &str, objectives: &Objectives) -> Box<dyn Sampler> {
    match sampler {
        "linear-random" => Box::new(LinearRandom),
        "sobol" => Box::new(Sobol),
        "tpe" => Box::new(Tpe::new(objectives)),
        "gp" => Box::new(Gp::new(objectives)),
        "cma-es" => Box::new(CmaEs::new(objectives)),
        "nsga-ii" => Box::new(NsgaIi::new(objectives)),
        _ => Box::new(Random),
    }
}

/// The regret after so many points.
fn search(
    sampler: Box<dyn Sampler>,
    problem: &Problem,
    objectives: &Objectives,
    seed: u64,
    evaluations: u64,
) -> f64 {
    let mut study = Study::new(problem.space.clone(), objectives.clone(), seed, sampler);
    let mut told = Vec::new();
    for _ in 0..evaluations {
        let (id, point) = study.ask();
        let values = problem.values(&point);
        told.push(values.clone());
        study.tell(id, Outcome { values, cost: 1.0 });
    }
    problem.regret(&told)
}

fn problems() -> Result<Vec<Problem>, SpaceError> {
    Ok(vec![
        Problem {
            name: "branin",
            space: Space::new().float("x0", -5.0, 10.0)?.float("x1", 0.0, 15.0)?,
            function: Loss(branin),
        },
        Problem { name: "hartmann6", space: cube("x", 6, 0.0, 1.0)?, function: Loss(hartmann) },
        Problem { name: "levy8", space: cube("x", 8, -10.0, 10.0)?, function: Loss(levy) },
        Problem { name: "rosenbrock5", space: cube("x", 5, -5.0, 10.0)?, function: Loss(rosenbrock) },
        Problem { name: "sphere10", space: cube("x", 10, -5.0, 10.0)?, function: Loss(sphere) },
        Problem { name: "rastrigin5", space: cube("x", 5, -3.0, 7.0)?, function: Loss(rastrigin) },
        Problem { name: "ackley5", space: cube("x", 5, -32.768, 32.768)?, function: Loss(ackley) },
        Problem { name: "ackley10", space: cube("x", 10, -32.768, 32.768)?, function: Loss(ackley) },
        Problem { name: "griewank6", space: cube("x", 6, -60.0, 60.0)?, function: Loss(griewank) },
        Problem { name: "styblinski5", space: cube("x", 5, -5.0, 5.0)?, function: Loss(styblinski) },
        Problem { name: "mixed", space: mixed_space()?, function: Loss(mixed) },
        Problem { name: "conditional", space: conditional_space()?, function: Loss(conditional) },
        Problem {
            name: "zdt1",
            space: cube("x", 5, 0.0, 1.0)?,
            function: Front(|ratio, _| 1.0 - ratio.sqrt(), 120.0 + 2.0 / 3.0),
        },
        Problem {
            name: "zdt2",
            space: cube("x", 5, 0.0, 1.0)?,
            function: Front(|ratio, _| 1.0 - ratio * ratio, 120.0 + 1.0 / 3.0),
        },
        Problem {
            name: "zdt3",
            space: cube("x", 5, 0.0, 1.0)?,
            function: Front(
                |ratio, x| 1.0 - ratio.sqrt() - ratio * (10.0 * std::f64::consts::PI * x).sin(),
                128.778_116_130_690_76,
            ),
        },
    ])
}

fn cube(name: &str, dimensions: usize, low: f64, high: f64) -> Result<Space, SpaceError> {
    (0..dimensions).try_fold(Space::new(), |space, d| space.float(&format!("{name}{d:02}"), low, high))
}

fn numbers(point: &Point) -> Vec<f64> {
    point.values().filter_map(|(name, _)| point.float(name)).collect()
}

fn branin(point: &Point) -> f64 {
    use std::f64::consts::PI;
    let x = numbers(point);
    let bend = x[1] - 5.1 / (4.0 * PI * PI) * x[0] * x[0] + 5.0 / PI * x[0] - 6.0;
    bend * bend + 10.0 * (1.0 - 1.0 / (8.0 * PI)) * x[0].cos() + 10.0 - 0.39788735772973816
}

fn hartmann(point: &Point) -> f64 {
    const A: [[f64; 6]; 4] = [
        [10.0, 3.0, 17.0, 3.5, 1.7, 8.0],
        [0.05, 10.0, 17.0, 0.1, 8.0, 14.0],
        [3.0, 3.5, 1.7, 10.0, 17.0, 8.0],
        [17.0, 8.0, 0.05, 10.0, 0.1, 14.0],
    ];
    const P: [[f64; 6]; 4] = [
        [0.1312, 0.1696, 0.5569, 0.0124, 0.8283, 0.5886],
        [0.2329, 0.4135, 0.8307, 0.3736, 0.1004, 0.9991],
        [0.2348, 0.1451, 0.3522, 0.2883, 0.3047, 0.6650],
        [0.4047, 0.8828, 0.8732, 0.5743, 0.1091, 0.0381],
    ];
    let x = numbers(point);
    let peak = |(a, p): (&[f64; 6], &[f64; 6])| {
        let terms = a.iter().zip(p).zip(&x).map(|((a, p), x)| a * (x - p) * (x - p));
        (-terms.sum::<f64>()).exp()
    };
    let peaks = A.iter().zip(&P).map(peak).zip([1.0, 1.2, 3.0, 3.2]).map(|(peak, height)| height * peak);
    3.322368011391339 - peaks.sum::<f64>()
}

fn levy(point: &Point) -> f64 {
    use std::f64::consts::PI;
    let w: Vec<f64> = numbers(point).iter().map(|x| 1.0 + (x - 1.0) / 4.0).collect();
    let (first, last) = (w[0], w[w.len() - 1]);
    let middle =
        w[..w.len() - 1].iter().map(|w| (w - 1.0).powi(2) * (1.0 + 10.0 * (PI * w + 1.0).sin().powi(2)));
    let end = (last - 1.0).powi(2) * (1.0 + (2.0 * PI * last).sin().powi(2));
    (PI * first).sin().powi(2) + middle.sum::<f64>() + end
}

fn rosenbrock(point: &Point) -> f64 {
    let x = numbers(point);
    x.windows(2).map(|x| 100.0 * (x[1] - x[0] * x[0]).powi(2) + (1.0 - x[0]).powi(2)).sum()
}

fn sphere(point: &Point) -> f64 {
    numbers(point).iter().map(|x| x * x).sum()
}

fn rastrigin(point: &Point) -> f64 {
    numbers(point).iter().map(|x| x * x - 10.0 * (std::f64::consts::TAU * x).cos() + 10.0).sum()
}

fn ackley(point: &Point) -> f64 {
    let x = numbers(point);
    let n = x.len() as f64;
    let radius = (x.iter().map(|x| x * x).sum::<f64>() / n).sqrt();
    let waves = x.iter().map(|x| (std::f64::consts::TAU * x).cos()).sum::<f64>() / n;
    20.0 + std::f64::consts::E - 20.0 * (-0.2 * radius).exp() - waves.exp()
}

fn griewank(point: &Point) -> f64 {
    let x = numbers(point);
    let waves: f64 = x.iter().zip(1..).map(|(x, i)| (x / f64::from(i).sqrt()).cos()).product();
    1.0 + x.iter().map(|x| x * x).sum::<f64>() / 4000.0 - waves
}

fn styblinski(point: &Point) -> f64 {
    let term = |x: &f64| 0.5 * (x.powi(4) - 16.0 * x * x + 5.0 * x) + 39.166_165_703_771_41;
    numbers(point).iter().map(term).sum()
}

fn mixed_space() -> Result<Space, SpaceError> {
    let space = Space::new().log_float("lr", 1e-5, 1.0)?.int("layers", 1, 8)?.log_int("width", 16, 1024)?;
    let space = space.choice("batch", &["16", "32", "64", "128", "256"])?;
    let space = space.choice("optimiser", &["sgd", "adam", "rmsprop"])?;
    space.with("dropout", Domain::Float { low: 0.0, high: 0.5, log: false, step: Some(0.1) })
}

/// As of a small network: the best learning rate hangs on optimiser and batch size.
fn mixed(point: &Point) -> f64 {
    let number = |name: &str| point.float(name).unwrap_or(f64::NAN);
    let batch = point.choice("batch").and_then(|b| b.parse::<f64>().ok()).unwrap_or(f64::NAN).log2() - 6.0;
    let (rate, offset) = match point.choice("optimiser") {
        Some("sgd") => (-1.0, 0.1),
        Some("adam") => (-3.0, 0.0),
        _ => (-3.5, 0.05),
    };
    (number("lr").log10() - rate - 0.25 * batch).powi(2) / 4.0
        + 0.3 * (number("layers") - 5.0).powi(2) / 16.0
        + 2.0 * (number("dropout") - 0.2).powi(2)
        + 0.1 * batch.abs()
        + 0.2 * (number("width").log2() - 8.0).powi(2) / 16.0
        + offset
}

fn conditional_space() -> Result<Space, SpaceError> {
    let space = Space::new().choice("model", &["svm", "forest", "net"])?;
    let space = space.log_float("c", 1e-3, 1e3)?.when("c", "model == svm")?;
    let space = space.choice("kernel", &["linear", "rbf"])?.when("kernel", "model == svm")?;
    let space = space.log_float("gamma", 1e-4, 10.0)?.when("gamma", "kernel == rbf")?;
    let space = space.int("depth", 1, 30)?.when("depth", "model == forest")?;
    let space = space.log_int("trees", 10, 1000)?.when("trees", "model == forest")?;
    let space = space.log_float("lr", 1e-5, 1.0)?.when("lr", "model == net")?;
    let space = space.int("layers", 1, 5)?.when("layers", "model == net")?;
    space.float("momentum", 0.0, 0.99)?.when("momentum", "model == net")
}

/// A choice of models in which the best one is bad in most of its settings.
fn conditional(point: &Point) -> f64 {
    let number = |name: &str| point.float(name).unwrap_or(f64::NAN);
    match point.choice("model") {
        Some("svm") => {
            let loss = 0.15 + 0.02 * (number("c").log10() - 1.0).powi(2);
            match point.float("gamma") {
                Some(gamma) => loss + 0.03 * (gamma.log10() + 2.0).powi(2),
                None => loss + 0.1,
            }
        }
        Some("forest") => {
            0.2 + 0.001 * (number("depth") - 12.0).powi(2) + 0.05 * (number("trees").log10() - 2.5).powi(2)
        }
        _ => {
            0.1 * (number("lr").log10() + 2.5).powi(2)
                + 0.05 * (number("layers") - 3.0).powi(2)
                + 0.5 * (number("momentum") - 0.9).powi(2)
        }
    }
}
