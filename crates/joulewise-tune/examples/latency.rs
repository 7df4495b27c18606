//! How long a sampler takes to say where to look.
//!
//! `latency SAMPLER DIMENSIONS TRIALS [OBJECTIVES]` writes a line of JSON: the milliseconds of a suggestion after so many
//! random trials, those of the tell before it included, as the median of 21 of them that follow each other, the greatest
//! of them, and the median of the processor's time alone, which a busy machine disturbs less.

use std::error::Error;
use std::io::Write as _;
use std::time::Instant;

use joulewise_tune::samplers::{CmaEs, Gp, Random, Sobol, Tpe};
use joulewise_tune::{Goal, Objective, Objectives, Outcome, Point, Sampler, Space, Study};

/// Suggestions that are timed, after some that warm up.
const TIMED: usize = 21;
const WARMING: usize = 3;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [sampler, dimensions, trials, rest @ ..] = &arguments[..] else {
        return Err("usage: latency SAMPLER DIMENSIONS TRIALS [OBJECTIVES]".into());
    };
    let (dimensions, trials): (usize, usize) = (dimensions.parse()?, trials.parse()?);
    let count: usize = rest.first().map_or(Ok(1), |count| count.parse())?;
    let space =
        (0..dimensions).try_fold(Space::new(), |space, d| space.float(&format!("x{d:03}"), -5.0, 10.0))?;
    let objective = |k| Objective { metric: format!("value {k}"), goal: Goal::Min };
    let objectives = Objectives::new((0..count).map(objective).collect())?;
    let chosen: Box<dyn Sampler> = match sampler.as_str() {
        "gp" => Box::new(Gp::new(&objectives)),
        "tpe" => Box::new(Tpe::new(&objectives)),
        "cma-es" => Box::new(CmaEs::new(&objectives)),
        "sobol" => Box::new(Sobol),
        "random" => Box::new(Random),
        other => return Err(format!("there is no sampler `{other}`").into()),
    };
    let mut study = Study::new(space.clone(), objectives.clone(), 1, chosen);
    let mut random = Study::new(space, objectives, 2, Random);
    for _ in 0..trials {
        let point = random.ask().1;
        let values = bowls(&point, count);
        let id = study.start(point);
        study.tell(id, Outcome { values, cost: 1.0 });
    }
    let (mut walls, mut cpus) = (Vec::new(), Vec::new());
    let (mut id, mut point) = study.ask();
    for _ in 0..WARMING + TIMED {
        let values = bowls(&point, count);
        let (start, cpu) = (Instant::now(), on_cpu_ms());
        study.tell(id, Outcome { values, cost: 1.0 });
        (id, point) = study.ask();
        walls.push(start.elapsed().as_secs_f64() * 1e3);
        cpus.push(on_cpu_ms() - cpu);
    }
    let [walls, cpus] = [walls, cpus].map(|mut times| {
        let mut timed = times.split_off(WARMING);
        timed.sort_by(f64::total_cmp);
        timed
    });
    let line = serde_json::json!({
        "sampler": sampler, "dimensions": dimensions, "trials": trials, "objectives": count,
        "ms": walls[TIMED / 2], "greatest_ms": walls[TIMED - 1], "cpu_ms": cpus[TIMED / 2],
    });
    writeln!(std::io::stdout().lock(), "{line}")?;
    Ok(())
}

/// Paraboloids around points of the diagonal.
fn bowls(point: &Point, count: usize) -> Vec<f64> {
    let numbers: Vec<f64> = point.values().filter_map(|(name, _)| point.float(name)).collect();
    (0..count).map(|k| numbers.iter().map(|x| (x - 1.0 - 2.0 * k as f64).powi(2)).sum()).collect()
}

/// What the kernel says that this thread has run; 0 where it does not say.
fn on_cpu_ms() -> f64 {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    told.split_whitespace().next().and_then(|ns| ns.parse::<f64>().ok()).map_or(0.0, |ns| ns / 1e6)
}
