//! What a trial would be worth, put together from what was told.

use super::model::{Models, Seen};
use super::thrift::Thrift;
use super::told::View;
use crate::gp::acquisition::{Acquisition, Aim, Condition};
use crate::gp::encoding::Encoding;
use crate::gp::process::Process;
use crate::gp::scale::Scale;
use crate::gp::strips::Strips;
use crate::objective::Objectives;
use crate::point::Point;
use crate::random::Stream;

/// What only the weights of several objectives are drawn from.
const WEIGHTS: u64 = 2;

/// `None` where too little is known to say.
pub(super) fn assemble(
    objectives: &Objectives,
    thrift: Thrift,
    view: &View,
    models: &mut Models,
    encoding: &Encoding,
    stream: &Stream,
) -> Option<Acquisition> {
    if view.values().len() < 2 {
        return None;
    }
    let admitted: Vec<usize> = view.admitted().collect();
    let running: Vec<Vec<f64>> = view.running().map(|point| encoding.features(point)).collect();
    let (processes, aim) = match objectives.optimised() {
        1 => improvement(thrift, view, models, encoding, &admitted, &running),
        2 => front(view, models, encoding, &admitted, &running),
        several => scalarised(several, view, encoding, &admitted, &running, stream),
    };
    let conditions = conditions(objectives, view, models, encoding);
    let cost = thrift.cost(view, models, encoding, objectives.optimised() + objectives.bounds() + 1);
    let aim = if admitted.is_empty() { Aim::Admission } else { aim };
    let mut acquisition = Acquisition { objectives: processes, conditions, cost, aim };
    let running: Vec<&[f64]> = running.iter().map(|features| &features[..]).collect();
    acquisition.expect(&running);
    Some(acquisition)
}

fn improvement(
    thrift: Thrift,
    view: &View,
    models: &mut Models,
    encoding: &Encoding,
    admitted: &[usize],
    running: &[Vec<f64>],
) -> (Vec<Process>, Aim) {
    let points = points(view);
    let losses: Vec<f64> = view.values().iter().map(|known| known.losses[0]).collect();
    let seen = Seen { start: view.start_of_values(), points: &points, values: &losses };
    // What a unit of cost is worth is said in units of the objective, which a power would bend.
    let may_bend = !matches!(thrift, Thrift::Worth { .. });
    let (process, scale) = models.process(encoding, 0, &seen, may_bend);
    let aim = match thrift {
        // Where nothing is known of costs, a trial costs 1.
        Thrift::Worth { per_cost } => Aim::Index { log_worth: per_cost.ln() - scale.spread().ln() },
        _ => Aim::Improve { best: best(&process, &scaled(&scale, &losses), admitted, running) },
    };
    (vec![process], aim)
}

fn front(
    view: &View,
    models: &mut Models,
    encoding: &Encoding,
    admitted: &[usize],
    running: &[Vec<f64>],
) -> (Vec<Process>, Aim) {
    let points = points(view);
    let (mut processes, mut values) = (Vec::new(), Vec::new());
    for k in 0..2 {
        let losses: Vec<f64> = view.values().iter().map(|known| known.losses[k]).collect();
        let seen = Seen { start: view.start_of_values(), points: &points, values: &losses };
        let (process, scale) = models.process(encoding, k, &seen, false);
        processes.push(process);
        values.push(scaled(&scale, &losses));
    }
    let mut front: Vec<[f64; 2]> = admitted.iter().map(|&i| [values[0][i], values[1][i]]).collect();
    let reference = reference(&front);
    let expected = processes[0].beliefs(running).into_iter().zip(processes[1].beliefs(running));
    front.extend(expected.map(|(first, second)| [first.mean, second.mean]));
    (processes, Aim::Front(Strips::new(&front, reference)))
}

/// Each trial weighs the objectives in its own way, which makes the process one of its own.
fn scalarised(
    objectives: usize,
    view: &View,
    encoding: &Encoding,
    admitted: &[usize],
    running: &[Vec<f64>],
    stream: &Stream,
) -> (Vec<Process>, Aim) {
    let values: Vec<Vec<f64>> = (0..objectives)
        .map(|k| {
            let losses: Vec<f64> = view.values().iter().map(|known| known.losses[k]).collect();
            scaled(&Scale::affine(&losses), &losses)
        })
        .collect();
    let weights = weights(objectives, stream.branch(WEIGHTS));
    let losses: Vec<f64> = (0..view.values().len())
        .map(|i| augmented(&values.iter().map(|of| of[i]).collect::<Vec<_>>(), &weights))
        .collect();
    let points = points(view);
    let seen = Seen { start: view.start_of_values(), points: &points, values: &losses };
    let (process, scale) = Models::default().process(encoding, 0, &seen, false);
    let best = best(&process, &scaled(&scale, &losses), admitted, running);
    (vec![process], Aim::Improve { best })
}

fn conditions(
    objectives: &Objectives,
    view: &View,
    models: &mut Models,
    encoding: &Encoding,
) -> Vec<Condition> {
    let mut conditions = Vec::new();
    for bound in 0..objectives.bounds() {
        let (points, violations): (Vec<&Point>, Vec<f64>) = view
            .values()
            .iter()
            .map(|known| (known.point, known.violations[bound]))
            .filter(|(_, violation)| violation.is_finite())
            .unzip();
        if violations.len() < 2 {
            continue;
        }
        let seen = Seen { start: view.start_of_values(), points: &points, values: &violations };
        let (process, scale) = models.process(encoding, objectives.optimised() + bound, &seen, false);
        conditions.push(Condition { process, bound: scale.apply(0.0) });
    }
    if view.failures() > 0 {
        let (points, failed): (Vec<&Point>, Vec<f64>) = view.failed().unzip();
        let seen = Seen { start: view.start_of_ended(), points: &points, values: &failed };
        let output = objectives.optimised() + objectives.bounds();
        let (process, scale) = models.process(encoding, output, &seen, false);
        conditions.push(Condition { process, bound: scale.apply(0.5) });
    }
    conditions
}

fn points<'a>(view: &View<'a>) -> Vec<&'a Point> {
    view.values().iter().map(|known| known.point).collect()
}

fn scaled(scale: &Scale, values: &[f64]) -> Vec<f64> {
    values.iter().map(|y| scale.apply(*y)).collect()
}

/// The least loss without its noise, of those that run the expected one.
fn best(process: &Process, y: &[f64], admitted: &[usize], running: &[Vec<f64>]) -> f64 {
    let smooth = process.smoothed(y);
    let expected = process.beliefs(running).into_iter().map(|belief| belief.mean);
    admitted.iter().map(|&i| smooth[i]).chain(expected).fold(f64::INFINITY, f64::min)
}

/// A tenth of the extent behind the worst values, so that the ends of the front count.
fn reference(points: &[[f64; 2]]) -> [f64; 2] {
    std::array::from_fn(|k| {
        let low = points.iter().map(|y| y[k]).fold(f64::INFINITY, f64::min);
        let high = points.iter().map(|y| y[k]).fold(f64::NEG_INFINITY, f64::max);
        high + 0.1 * (high - low).max(1.0)
    })
}

/// Weights of so many objectives, uniform among those of sum 1.
fn weights(objectives: usize, mut stream: Stream) -> Vec<f64> {
    let draws: Vec<f64> = (0..objectives).map(|_| -(1.0 - stream.unit()).ln()).collect();
    let sum: f64 = draws.iter().sum();
    draws.iter().map(|draw| draw / sum).collect()
}

/// The augmented Chebyshev scalarisation (Knowles 2006).
fn augmented(losses: &[f64], weights: &[f64]) -> f64 {
    let terms = || losses.iter().zip(weights).map(|(loss, weight)| loss * weight);
    terms().fold(f64::NEG_INFINITY, f64::max) + 0.05 * terms().sum::<f64>()
}
