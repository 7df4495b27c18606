//! The point at which an acquisition is greatest.

use super::acquisition::Acquisition;
use super::encoding::{Axis, Encoding};
use super::lbfgs::{self, Limits};
use crate::domain::{Domain, Value};
use crate::point::Point;
use crate::random::Stream;
use crate::space::Space;

/// Evaluations of each.
const EVALUATIONS: usize = 40;
/// Gradient and coordinate steps take turns so often.
const ROUNDS: usize = 3;
/// Parameters that are changed at once near an incumbent: of one half of the points many (Eriksson and Jankowiak 2021), of
/// the other so few that what the others have come to is kept.
const PERTURBED: [f64; 2] = [20.0, 1.5];
/// Values of a parameter that are tried all; of more, only neighbours.
const ALL_VALUES: u64 = 16;

/// Where to look for points.
pub(crate) struct Search<'a> {
    pub(crate) space: &'a Space,
    pub(crate) encoding: &'a Encoding,
    pub(crate) acquisition: &'a Acquisition,
    /// The best points so far.
    pub(crate) incumbents: &'a [Point],
    /// The share of the points that lie near them.
    pub(crate) near: f64,
    /// How many points are looked at before the best are climbed from.
    pub(crate) candidates: usize,
    /// How many are climbed from.
    pub(crate) ascents: usize,
}

struct Candidate {
    point: Point,
    value: f64,
}

impl Search<'_> {
    /// The best point that `is_new`, and its value. `None` where all that were found are old.
    pub(crate) fn run(&self, stream: &mut Stream, is_new: impl Fn(&Point) -> bool) -> Option<(Point, f64)> {
        let near = if self.incumbents.is_empty() { 0 } else { (self.candidates as f64 * self.near) as usize };
        let mut points: Vec<Point> = (near..self.candidates).map(|_| self.space.draw(stream)).collect();
        for i in 0..near {
            let incumbent = &self.incumbents[i % self.incumbents.len()];
            let point = self.perturbed(incumbent, stream);
            if self.space.admits(&point) {
                points.push(point);
            }
        }
        let mut candidates = self.valued(points);
        let starts = spread(&candidates, self.candidates - near, self.ascents);
        let climbed: Vec<Candidate> =
            starts.into_iter().map(|i| self.climb(&candidates[i], stream)).collect();
        candidates.extend(climbed);
        candidates.retain(|candidate| is_new(&candidate.point));
        // `max_by` takes the last of equals: what was climbed to.
        let best = candidates.into_iter().max_by(|a, b| a.value.total_cmp(&b.value))?;
        Some((best.point, best.value))
    }

    fn valued(&self, points: Vec<Point>) -> Vec<Candidate> {
        let features: Vec<Vec<f64>> = points.iter().map(|point| self.encoding.features(point)).collect();
        let values = self.acquisition.values(&features);
        let candidates = points.into_iter().zip(values).map(|(point, value)| Candidate {
            point,
            value: if value.is_nan() { f64::NEG_INFINITY } else { value },
        });
        candidates.collect()
    }

    /// A few parameters moved by a little, or by much.
    fn perturbed(&self, incumbent: &Point, stream: &mut Stream) -> Point {
        let axes = self.encoding.axes();
        let perturbed = PERTURBED[usize::from(stream.unit() < 0.5)];
        let chance = (perturbed / axes.len() as f64).min(1.0);
        let width = 10f64.powf(-0.5 - 2.5 * stream.unit());
        let always = stream.below(axes.len() as u64) as usize;
        let mut changes: Vec<(&str, Value)> = Vec::new();
        for (i, axis) in axes.iter().enumerate() {
            let is_chosen = stream.unit() < chance || i == always;
            let (a, b) = (stream.unit(), stream.unit());
            if !is_chosen {
                continue;
            }
            if let (Some(old), false) = (incumbent.get(&axis.name), axis.domain.is_categorical()) {
                // A difference of two uniform numbers: most of it near 0.
                let unit = axis.domain.unit(old) + 2.0 * width * (a - b);
                changes.push((&axis.name, axis.domain.at(reflected(unit))));
            } else if a < 0.2 {
                changes.push((&axis.name, axis.domain.at(b)));
            }
        }
        self.changed(incumbent, &changes, stream)
    }

    /// `point` with some other values; what becomes active by them is drawn.
    fn changed(&self, point: &Point, changes: &[(&str, Value)], stream: &mut Stream) -> Point {
        self.space.complete(|name, domain| {
            let change = changes.iter().find(|(changed, _)| *changed == name).map(|(_, value)| value);
            match change.or_else(|| point.get(name)) {
                Some(value) => value.clone(),
                None => domain.at(stream.unit()),
            }
        })
    }

    fn climb(&self, start: &Candidate, stream: &mut Stream) -> Candidate {
        let mut best = Candidate { point: start.point.clone(), value: start.value };
        for _ in 0..ROUNDS {
            let before = best.value;
            self.follow_gradient(&mut best, stream);
            let is_stepped = self.step_coordinates(&mut best, stream);
            if !is_stepped || best.value <= before {
                break;
            }
        }
        best
    }

    fn take(&self, best: &mut Candidate, points: Vec<Point>) -> bool {
        let points = points.into_iter().filter(|point| self.space.admits(point)).collect();
        let next = self.valued(points).into_iter().max_by(|a, b| a.value.total_cmp(&b.value));
        match next {
            Some(next) if next.value > best.value => {
                *best = next;
                true
            }
            _ => false,
        }
    }

    fn follow_gradient(&self, best: &mut Candidate, stream: &mut Stream) {
        let axes: Vec<&Axis> = self
            .encoding
            .axes()
            .iter()
            .filter(|axis| axis.is_smooth() && best.point.get(&axis.name).is_some())
            .collect();
        if axes.is_empty() {
            return;
        }
        let mut features = self.encoding.features(&best.point);
        let start: Vec<f64> = axes.iter().map(|axis| features[axis.start]).collect();
        let limits = Limits { evaluations: EVALUATIONS, gradient: 1e-5, gain: 1e-7 };
        let (low, high) = (vec![0.0; axes.len()], vec![1.0; axes.len()]);
        let (units, _) = lbfgs::minimise(&start, &low, &high, limits, |units, gradient| {
            for (axis, unit) in axes.iter().zip(units) {
                features[axis.start] = *unit;
            }
            let (value, slope) = self.acquisition.slope(&features);
            for (axis, gradient) in axes.iter().zip(gradient) {
                *gradient = -slope[axis.start];
            }
            -value
        });
        let changes: Vec<(&str, Value)> =
            axes.iter().zip(&units).map(|(axis, unit)| (axis.name.as_str(), axis.domain.at(*unit))).collect();
        let point = self.changed(&best.point, &changes, stream);
        self.take(best, vec![point]);
    }

    /// Tries other values of each parameter that has few of them.
    fn step_coordinates(&self, best: &mut Candidate, stream: &mut Stream) -> bool {
        let mut is_changed = false;
        for axis in self.encoding.axes() {
            let Some(value) = best.point.get(&axis.name) else { continue };
            let values = neighbours(&axis.domain, value);
            let points = values
                .into_iter()
                .map(|value| self.changed(&best.point, &[(axis.name.as_str(), value)], stream))
                .collect();
            is_changed |= self.take(best, points);
        }
        is_changed
    }
}

/// The best candidates: the best of all, then by turns of those from everywhere, which come first, and of those near
/// incumbents.
fn spread(candidates: &[Candidate], everywhere: usize, count: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..candidates.len()).collect();
    order.sort_by(|&a, &b| candidates[b].value.total_cmp(&candidates[a].value).then(a.cmp(&b)));
    let Some(&best) = order.first() else { return Vec::new() };
    let mut starts = vec![best];
    let (drawn, near): (Vec<usize>, Vec<usize>) = order.iter().skip(1).partition(|&&i| i < everywhere);
    let mut sources = [drawn.into_iter(), near.into_iter()];
    for turn in 0.. {
        if starts.len() >= count {
            break;
        }
        match sources[turn % 2].next() {
            Some(index) => starts.push(index),
            None if sources.iter().all(|source| source.len() == 0) => break,
            None => {}
        }
    }
    starts
}

/// Other values to try: all of a few, the nearest of many; none where gradients do it.
fn neighbours(domain: &Domain, value: &Value) -> Vec<Value> {
    let Some(values) = domain.cardinality() else { return Vec::new() };
    if values <= ALL_VALUES || domain.is_categorical() {
        return (0..values).filter_map(|i| domain.nth(i)).filter(|other| other != value).collect();
    }
    let unit = domain.unit(value);
    match (value, domain) {
        _ if values <= 4 * ALL_VALUES => {
            let step = 1.0 / values as f64;
            let others = [-8.0, -2.0, -1.0, 1.0, 2.0, 8.0].map(|by| domain.at(reflected(unit + by * step)));
            others.into_iter().filter(|other| other != value).collect()
        }
        (Value::Int(x), Domain::Int { step, .. }) => {
            let others = [x.saturating_sub_unsigned(*step), x.saturating_add_unsigned(*step)].map(Value::Int);
            others.into_iter().filter(|other| domain.contains(other)).collect()
        }
        _ => Vec::new(),
    }
}

/// Back into the unit interval, as a mirror does.
fn reflected(unit: f64) -> f64 {
    let unit = unit.abs() % 2.0;
    if unit > 1.0 { 2.0 - unit } else { unit }
}
