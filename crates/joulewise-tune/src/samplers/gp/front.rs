//! The front of several objectives, of which the values are not known exactly.

use super::model::{Models, Seen};
use super::told::View;
use crate::front::{dominates, peel, spread};
use crate::gp::acquisition::Aim;
use crate::gp::boxes::Boxes;
use crate::gp::encoding::Encoding;
use crate::gp::normal::quantile;
use crate::gp::process::Process;
use crate::point::Point;
use crate::random::Stream;
use crate::samplers::sobol::coordinate;

/// What only imagined values are drawn from.
const WORLDS: u64 = 2;
/// How many worlds are imagined where values are in doubt.
const IMAGINED_WORLDS: usize = 8;
/// Values are in doubt that are known with a greater deviation, all of them varying by 1.
const DOUBT: f64 = 0.01;
/// No more trials that ended are in doubt.
const MOST_DOUBTED: usize = 32;
/// How many points of a front of two, three and more objectives count: boxes multiply with the objectives.
const MOST_POINTS: [usize; 3] = [usize::MAX, 64, 24];

/// The processes of the objectives, and the volume that is to be added to their front.
///
/// What a trial on the front gave may be noise, and what one that runs will give is not known yet: worlds are imagined
/// in which both are (Daulton et al. 2021). Where neither is in doubt there is one.
pub(super) fn front(
    objectives: usize,
    view: &View,
    models: &mut Models,
    encoding: &Encoding,
    running: &[Vec<f64>],
    stream: &Stream,
) -> (Vec<Process>, Aim) {
    let points: Vec<&Point> = view.values().iter().map(|known| known.point).collect();
    let (mut processes, mut smooth) = (Vec::new(), vec![Vec::new(); points.len()]);
    for k in 0..objectives {
        let losses: Vec<f64> = view.values().iter().map(|known| known.losses[k]).collect();
        let seen = Seen { start: view.start_of_values(), points: &points, values: &losses };
        let (process, scale) = models.process(encoding, k, &seen, false);
        let y: Vec<f64> = losses.iter().map(|loss| scale.apply(*loss)).collect();
        for (values, value) in smooth.iter_mut().zip(process.smoothed(&y)) {
            values.push(value);
        }
        processes.push(process);
    }
    let admitted: Vec<usize> = view.admitted().collect();
    if admitted.is_empty() {
        return (processes, Aim::Admission);
    }
    let reference = reference(&smooth, &admitted);
    let (front, _) = peel(&smooth, &admitted);
    let most = MOST_POINTS[(objectives - 2).min(2)];
    let mut sure: Vec<usize> = spread(&smooth, &front).into_iter().take(most).collect();
    let mut imagined = Vec::new();
    for i in hopeful(&processes, &smooth, &admitted, &sure) {
        let features = encoding.features(points[i]);
        if is_doubted(&processes, &features) {
            sure.retain(|j| *j != i);
            imagined.push(features);
        }
    }
    imagined.extend_from_slice(running);
    let sure: Vec<Vec<f64>> = sure.iter().map(|&i| smooth[i].clone()).collect();
    if imagined.is_empty() {
        return (processes, Aim::Front(vec![Boxes::new(&sure, &reference)]));
    }
    let places: Vec<&[f64]> = imagined.iter().map(|features| &features[..]).collect();
    let count = places.len();
    let imagine =
        |(k, process): (usize, &mut Process)| process.imagine(&places, &draws(k * count, count, stream));
    let values: Vec<Vec<Vec<f64>>> = processes.iter_mut().enumerate().map(imagine).collect();
    let boxes = (0..IMAGINED_WORLDS).map(|world| {
        let of = |i: usize| -> Vec<f64> { values.iter().map(|of| of[world][i]).collect() };
        let front: Vec<Vec<f64>> = sure.iter().cloned().chain((0..count).map(of)).collect();
        Boxes::new(&front, &reference)
    });
    let boxes = boxes.collect();
    (processes, Aim::Front(boxes))
}

/// A tenth of the extent behind the worst values, so that the ends of the front count.
fn reference(points: &[Vec<f64>], of: &[usize]) -> Vec<f64> {
    let coordinate = |k: usize| {
        let values = || of.iter().map(|&i| points[i][k]);
        let (low, high) =
            (values().fold(f64::INFINITY, f64::min), values().fold(f64::NEG_INFINITY, f64::max));
        high + 0.1 * (high - low).max(1.0)
    };
    (0..points[0].len()).map(coordinate).collect()
}

/// Trials of which not all values are behind those of one on the front by more than noise may do; the front first.
fn hopeful(processes: &[Process], smooth: &[Vec<f64>], admitted: &[usize], front: &[usize]) -> Vec<usize> {
    let lucky = |i: usize| -> Vec<f64> {
        smooth[i].iter().zip(processes).map(|(value, process)| value - process.noise().sqrt()).collect()
    };
    let others = admitted.iter().copied().filter(|i| !front.contains(i));
    let others = others.filter(|&i| {
        let lucky = lucky(i);
        !front.iter().any(|&j| dominates(&smooth[j], &lucky))
    });
    front.iter().copied().chain(others).take(MOST_DOUBTED).collect()
}

/// Whether one of the values there is in doubt. What was seen is known at least as well as its noise is small.
fn is_doubted(processes: &[Process], features: &[f64]) -> bool {
    let noisy = processes.iter().filter(|process| process.noise().sqrt() > DOUBT);
    let mut beliefs = noisy.flat_map(|process| process.beliefs(&[features.to_vec()]));
    beliefs.any(|belief| belief.deviation > DOUBT)
}

/// Standard normal numbers, so many for each world, evenly spread over the worlds. Those of the first coordinate are
/// number `first`.
fn draws(first: usize, count: usize, stream: &Stream) -> Vec<Vec<f64>> {
    let mut stream = stream.branch(WORLDS);
    let scramble = stream.below(1 << 32) as u32;
    let world = |world: usize| {
        let mut normal = |i: usize| {
            let unit = coordinate(world as u64, (first + i) as u32, scramble, &mut stream);
            let tail = quantile(unit.min(1.0 - unit).max(f64::EPSILON));
            if unit < 0.5 { tail } else { -tail }
        };
        (0..count).map(&mut normal).collect()
    };
    (0..IMAGINED_WORLDS).map(world).collect()
}
