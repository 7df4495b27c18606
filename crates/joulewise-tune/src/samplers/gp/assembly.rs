//! What a trial would be worth, put together from what was told.

use super::front::front;
use super::model::{Models, Seen};
use super::thrift::Thrift;
use super::told::View;
use crate::gp::acquisition::{Acquisition, Aim, Condition};
use crate::gp::encoding::Encoding;
use crate::gp::process::Process;
use crate::gp::scale::Scale;
use crate::objective::Objectives;
use crate::point::Point;
use crate::random::Stream;

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
        several => front(several, view, models, encoding, &running, stream),
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
