//! Gaussian processes.

mod model;
mod told;

use std::collections::BTreeSet;

use crate::gp::acquisition::{Acquisition, Aim, Condition, Cost};
use crate::gp::encoding::Encoding;
use crate::gp::process::Process;
use crate::gp::scale::Scale;
use crate::gp::search::Search;
use crate::gp::strips::Strips;
use crate::objective::Objectives;
use crate::point::Point;
use crate::random::Stream;
use crate::sampler::Sampler;
use crate::samplers::Sobol;
use crate::space::Space;
use crate::trial::Trial;

use model::Models;
use told::Told;

/// Points that are looked at for each trial before the best of them are climbed from.
const CANDIDATES: usize = 512;
/// Fewer of them where that would take more multiplications.
const MULTIPLICATIONS: usize = 50_000_000;
/// The best points, near which half of them lie.
const INCUMBENTS: usize = 5;
/// Trials in a row after each of which nothing has to be worth its cost for the search to end.
const CALM: usize = 3;
/// What only the stopping rule draws.
const STOPPING: u64 = 2;

/// Looks where a Gaussian process expects the most: the sampler for up to some hundred trials that are dear.
///
/// The process has a Matérn kernel of smoothness 5/2 with a length scale for each parameter, whose prior grows with
/// the number of parameters (Hvarfner et al. 2024), and learns how noisy values are. With one objective it looks
/// where the logarithm of the expected improvement is greatest (Ament et al. 2023); with two, where the volume that
/// is expected to be added to their front is, which is computed exactly; with more, each trial weighs them in its
/// own way (Knowles 2006). Bounds and failures multiply it by the probability that they are kept and do not happen.
/// Trials that still run are taken to give what is expected of them.
///
/// Length scales are fitted anew after so many trials that a twentieth of them is new, to at most 200 of them. The
/// first trials, two for each parameter and two more, are those of [`Sobol`].
#[derive(Clone, Debug)]
pub struct Gp {
    objectives: Objectives,
    thrift: Thrift,
    told: Told,
    models: Models,
}

/// How costs count.
#[derive(Clone, Copy, Debug)]
enum Thrift {
    /// Not at all.
    Never,
    /// The logarithm of the expected improvement less that of the cost, times what is left of the budget.
    Cooled { budget: Option<f64> },
    /// By what a unit of them is worth.
    Worth { per_cost: f64 },
}

impl Gp {
    /// For these objectives, whatever trials cost.
    pub fn new(objectives: &Objectives) -> Self {
        Self {
            objectives: objectives.clone(),
            thrift: Thrift::Never,
            told: Told::default(),
            models: Models::default(),
        }
    }

    /// Prefers cheap trials to equally promising ones (Lee et al. 2020): fully while nothing of `budget` is spent, not
    /// at all when all of it is. Without a budget it prefers them by half.
    ///
    /// The cost is a process of its own, of logarithms.
    #[must_use]
    pub fn cost_aware(mut self, budget: Option<f64>) -> Self {
        self.thrift = Thrift::Cooled { budget };
        self
    }

    /// Weighs what a trial may gain against what it costs: `per_cost` is what a unit of cost is worth, in the unit of
    /// the first objective. It looks where the index of Gittins is best (Xie et al. 2024), and
    /// [`is_exhausted`](Sampler::is_exhausted) when nowhere an improvement is expected that is worth its cost (Xie et
    /// al. 2025), after three ended trials in a row.
    ///
    /// With several objectives to be optimised, or a worth that is not above 0, costs do not count.
    #[must_use]
    pub fn worth(mut self, per_cost: f64) -> Self {
        let is_possible = per_cost.is_finite() && per_cost > 0.0 && self.objectives.optimised() == 1;
        self.thrift = if is_possible { Thrift::Worth { per_cost } } else { Thrift::Never };
        self
    }

    /// Trials that are evenly spread before any is looked for.
    fn startup(encoding: &Encoding) -> usize {
        2 * encoding.axes().len() + 2
    }

    /// What a trial is worth after the first `ended` trials have, and the points of the best of them. `None` where too
    /// little is known to say.
    fn acquisition(
        &mut self,
        encoding: &Encoding,
        ended: usize,
        stream: &Stream,
    ) -> Option<(Acquisition, Vec<Point>)> {
        let Self { objectives, thrift, told, models } = self;
        models.prepare(encoding);
        let view = told.view(objectives, ended);
        let values = view.values();
        if values.len() < 2 {
            return None;
        }
        let admitted: Vec<usize> = view.admitted().collect();
        let is_affine = matches!(thrift, Thrift::Worth { .. }) || objectives.optimised() > 1;
        let scales: Vec<Scale> = (0..objectives.optimised())
            .map(|k| {
                let losses: Vec<f64> = values.iter().map(|known| known.losses[k]).collect();
                if is_affine { Scale::affine(&losses) } else { Scale::power(&losses) }
            })
            .collect();
        let scaled = |i: usize| -> Vec<f64> {
            values[i].losses.iter().zip(&scales).map(|(y, s)| s.apply(*y)).collect()
        };
        let scaled: Vec<Vec<f64>> = (0..values.len()).map(scaled).collect();
        let points: Vec<&Point> = values.iter().map(|known| known.point).collect();
        let running: Vec<Vec<f64>> = view.running().map(|point| encoding.features(point)).collect();

        let (processes, aim) = match objectives.optimised() {
            2 => {
                let processes: Vec<Process> = (0..2)
                    .map(|k| {
                        let y: Vec<f64> = scaled.iter().map(|y| y[k]).collect();
                        models.process(encoding, k, &points, &y)
                    })
                    .collect();
                let mut front: Vec<[f64; 2]> =
                    admitted.iter().map(|&i| [scaled[i][0], scaled[i][1]]).collect();
                let reference = reference(&front);
                let expected = processes[0].beliefs(&running).into_iter().zip(processes[1].beliefs(&running));
                front.extend(expected.map(|(first, second)| [first.mean, second.mean]));
                (processes, Aim::Front(Strips::new(&front, reference)))
            }
            k => {
                let y: Vec<f64> = if k == 1 {
                    scaled.iter().map(|y| y[0]).collect()
                } else {
                    let weights = weights(k, stream.branch(STOPPING));
                    scaled.iter().map(|y| augmented(y, &weights)).collect()
                };
                // Weights of its own make a trial's process one of its own.
                let process = if k == 1 {
                    models.process(encoding, 0, &points, &y)
                } else {
                    Models::fresh(encoding, &points, &y)
                };
                let smooth = process.smoothed(&y);
                let expected = process.beliefs(&running).into_iter().map(|belief| belief.mean);
                let best = admitted.iter().map(|&i| smooth[i]).chain(expected).fold(f64::INFINITY, f64::min);
                (vec![process], Aim::Improve { best })
            }
        };

        let mut conditions = Vec::new();
        for bound in 0..objectives.bounds() {
            let known: Vec<usize> =
                (0..values.len()).filter(|&i| values[i].violations[bound].is_finite()).collect();
            let violations: Vec<f64> = known.iter().map(|&i| values[i].violations[bound]).collect();
            if known.len() < 2 {
                continue;
            }
            let scale = Scale::affine(&violations);
            let y: Vec<f64> = violations.iter().map(|y| scale.apply(*y)).collect();
            let points: Vec<&Point> = known.iter().map(|&i| points[i]).collect();
            let process = models.process(encoding, objectives.optimised() + bound, &points, &y);
            conditions.push(Condition { process, bound: scale.apply(0.0) });
        }
        let outputs = objectives.optimised() + objectives.bounds();
        if view.failures() > 0 {
            let (points, failed): (Vec<&Point>, Vec<f64>) = view.failed().unzip();
            let scale = Scale::affine(&failed);
            let y: Vec<f64> = failed.iter().map(|y| scale.apply(*y)).collect();
            let process = models.process(encoding, outputs, &points, &y);
            conditions.push(Condition { process, bound: scale.apply(0.5) });
        }
        let cost = cost(*thrift, &view.costs(), |points, y| models.process(encoding, outputs + 1, points, y));
        let aim = match (*thrift, aim) {
            _ if admitted.is_empty() => Aim::Admission,
            (Thrift::Worth { per_cost }, Aim::Improve { .. }) => {
                // Where nothing is known of costs, a trial costs 1.
                Aim::Index { log_worth: per_cost.ln() - scales[0].spread().ln() }
            }
            (_, aim) => aim,
        };
        let mut acquisition = Acquisition { objectives: processes, conditions, cost, aim };
        let running: Vec<&[f64]> = running.iter().map(|features| &features[..]).collect();
        acquisition.expect(&running);
        let incumbents = view.best(INCUMBENTS).map(|known| known.point.clone()).collect();
        Some((acquisition, incumbents))
    }

    /// Whether an improvement is expected somewhere that is worth its cost, after the first `ended` trials.
    fn pays(&mut self, space: &Space, encoding: &Encoding, ended: usize) -> bool {
        let Thrift::Worth { .. } = self.thrift else { return true };
        let mut stream = Stream::new(STOPPING, ended as u64);
        let Some((acquisition, incumbents)) = self.acquisition(encoding, ended, &stream) else { return true };
        let Aim::Index { .. } = acquisition.aim else { return true };
        let view = self.told.view(&self.objectives, ended);
        let losses: Vec<f64> = view.values().iter().map(|known| known.losses[0]).collect();
        let scale = Scale::affine(&losses);
        let best = view.admitted().map(|i| scale.apply(losses[i])).fold(f64::INFINITY, f64::min);
        let search = Search {
            space,
            encoding,
            acquisition: &acquisition,
            incumbents: &incumbents,
            candidates: candidates(ended),
            ascents: ascents(ended),
        };
        let found = search.run(&mut stream, |point| !view.has(point));
        found.is_some_and(|(_, index)| -index < best)
    }
}

impl Sampler for Gp {
    fn tell(&mut self, trial: &Trial) {
        if self.told.tell(&self.objectives, trial) {
            // What was learned of a trial has changed afterwards.
            self.models = Models::default();
        }
    }

    fn ask(&mut self, space: &Space, mut stream: Stream) -> Point {
        let encoding = Encoding::new(space);
        let ended = self.told.ended();
        if encoding.axes().is_empty() || ended < Self::startup(&encoding) {
            return Sobol.ask(space, stream);
        }
        let Some((acquisition, incumbents)) = self.acquisition(&encoding, ended, &stream) else {
            return Sobol.ask(space, stream);
        };
        let old: BTreeSet<&Point> = self.told.points().collect();
        let search = Search {
            space,
            encoding: &encoding,
            acquisition: &acquisition,
            incumbents: &incumbents,
            candidates: candidates(ended),
            ascents: ascents(ended),
        };
        let found = search.run(&mut stream, |point| !old.contains(point));
        found.map_or_else(|| space.draw(&mut stream), |(point, _)| point)
    }

    fn is_exhausted(&self, space: &Space) -> bool {
        let encoding = Encoding::new(space);
        let ended = self.told.ended();
        if !matches!(self.thrift, Thrift::Worth { .. }) || ended < Self::startup(&encoding) + CALM {
            return false;
        }
        let mut twin = self.clone();
        (0..CALM).all(|back| !twin.pays(space, &encoding, ended - back))
    }
}

/// How many points are looked at after so many trials: each takes half their square of multiplications.
fn candidates(ended: usize) -> usize {
    (MULTIPLICATIONS / (ended * ended / 2).max(1)).clamp(CANDIDATES / 4, CANDIDATES)
}

/// How many of them are climbed from.
fn ascents(ended: usize) -> usize {
    if ended <= 200 { 4 } else { 2 }
}

/// The process of the logarithm of the cost, where costs count and some are known.
fn cost(
    thrift: Thrift,
    costs: &[(&Point, f64)],
    process: impl FnOnce(&[&Point], &[f64]) -> Process,
) -> Option<Cost> {
    let power = match thrift {
        Thrift::Never => return None,
        Thrift::Worth { .. } => 1.0,
        Thrift::Cooled { budget: None } => 0.5,
        Thrift::Cooled { budget: Some(budget) } => {
            let spent: f64 = costs.iter().map(|(_, cost)| cost).sum();
            (1.0 - spent / budget).clamp(0.0, 1.0)
        }
    };
    let known: Vec<&(&Point, f64)> =
        costs.iter().filter(|(_, cost)| cost.is_finite() && *cost > 0.0).collect();
    if known.len() < 2 {
        return None;
    }
    let logs: Vec<f64> = known.iter().map(|(_, cost)| cost.ln()).collect();
    let scale = Scale::affine(&logs);
    let points: Vec<&Point> = known.iter().map(|(point, _)| *point).collect();
    let y: Vec<f64> = logs.iter().map(|log| scale.apply(*log)).collect();
    Some(Cost { process: process(&points, &y), spread: scale.spread(), centre: scale.centre(), power })
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::direction::Direction;
    use crate::domain::Value;
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
        let front: Vec<[f64; 2]> =
            study.front().iter().map(|t| t.outcome().unwrap()).map(|o| [o.values[0], o.values[1]]).collect();
        let strips = Strips::new(&front, [1.0, 1.0]);
        // What is left to be won: the best front, √a + √b = 1, dominates 5/6 of the unit square.
        let sure = |mean: f64| crate::gp::process::Belief { mean, deviation: 1e-9 };
        let left = strips.log_gain(sure(0.0), sure(0.0)).0.exp();
        assert!(left < 1.0 / 6.0 + 0.04, "{left} {front:?}");
    }

    #[test]
    fn with_several_objectives_each_gets_better() {
        let objectives = objectives(&[Goal::Min, Goal::Min, Goal::Max]);
        let evaluate = |point: &Point| {
            let loss = bowl(point);
            Outcome { values: vec![loss, 2.0 * loss, -loss], cost: 1.0 }
        };
        let study = search(square(), &objectives, Gp::new(&objectives), 30, evaluate);
        assert!(study.best().unwrap().value().unwrap() < 0.01);
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
        let place =
            |point: &Point| [point.float("x").unwrap() / 3.0, point.float("y").unwrap().log10() / 4.0];
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
        let searched: BTreeSet<&Point> = study.trials()[6..].iter().map(|trial| &trial.point).collect();
        assert_eq!(searched.len(), 13);
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
}
