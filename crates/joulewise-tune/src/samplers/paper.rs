//! The Bayesian search of Yarally et al. (2023), as it was.

mod regression;

use std::collections::BTreeMap;

use crate::domain::{Domain, Value};
use crate::objective::Objectives;
use crate::point::Point;
use crate::random::Stream;
use crate::sampler::Sampler;
use crate::samplers::LinearRandom;
use crate::space::Space;
use crate::trial::{Trial, TrialId};

use regression::{LANES, Regression};

/// Points that are looked at for each trial.
const CANDIDATES: usize = 10_000;

/// What the deviation is increased by before it divides.
const LEAST_DEVIATION: f64 = 1e-9;

/// The numbers between which the normal distribution function is neither 0 nor 1 in double precision. Beyond them all
/// candidates were equally probable, and the first was taken.
const DISTINCT: (f64, f64) = (-38.5, 8.29);

/// The Gaussian process of Yarally et al. (2023), for comparison with it: what it does is known to be bad.
///
/// Its kernel is a Gaussian of length 1 on the values of the parameters as they are, whatever their ranges, and
/// nothing of it is fitted; numbers count as numbers, choices by their place. Means go back to 0, values are not
/// scaled, and there is no noise. The first trial is one at random; then the point at which an improvement is the most
/// probable is taken from 10 000 at random, all of them on a linear scale.
///
/// It knows the first objective only: neither bounds nor trials that run, and of those that failed it learns nothing.
#[derive(Clone, Debug)]
pub struct Paper {
    objectives: Objectives,
    /// Points and losses of the trials that gave a value.
    known: BTreeMap<TrialId, (Point, f64)>,
}

impl Paper {
    /// For the first of these objectives.
    pub fn new(objectives: &Objectives) -> Self {
        Self { objectives: objectives.clone(), known: BTreeMap::new() }
    }
}

impl Sampler for Paper {
    fn tell(&mut self, trial: &Trial) {
        let loss = trial.outcome().and_then(|outcome| self.objectives.losses(&outcome.values).next());
        match loss.filter(|loss| loss.is_finite()) {
            Some(loss) => self.known.insert(trial.id, (trial.point.clone(), loss)),
            None => self.known.remove(&trial.id),
        };
    }

    fn ask(&mut self, space: &Space, mut stream: Stream) -> Point {
        let mut regression = Regression::default();
        for (point, loss) in self.known.values() {
            regression.learn(features(space, point), *loss);
        }
        let Some(best) = self.known.values().map(|(_, loss)| *loss).min_by(f64::total_cmp) else {
            return LinearRandom.ask(space, stream);
        };
        let mut found: Option<(f64, Point)> = None;
        for start in (0..CANDIDATES).step_by(LANES) {
            let count = LANES.min(CANDIDATES - start);
            let points: Vec<Point> = (0..count).map(|_| draw(space, &mut stream)).collect();
            let rows: Vec<Vec<f64>> = points.iter().map(|point| features(space, point)).collect();
            for (point, (mean, deviation)) in points.into_iter().zip(regression.predict(&rows)) {
                // The greater this is, the more probable is an improvement.
                let z = ((best - mean) / (deviation + LEAST_DEVIATION)).clamp(DISTINCT.0, DISTINCT.1);
                if found.as_ref().is_none_or(|(most, _)| z > *most) {
                    found = Some((z, point));
                }
            }
        }
        found.map_or_else(|| LinearRandom.ask(space, stream), |(_, point)| point)
    }
}

fn draw(space: &Space, stream: &mut Stream) -> Point {
    space.first_admitted(|| space.complete(|_, domain| domain.linear().at(stream.unit())))
}

/// The values of all parameters as numbers; 0 for those that are not active.
fn features(space: &Space, point: &Point) -> Vec<f64> {
    space
        .parameters()
        .map(|(name, domain)| point.get(name).map_or(0.0, |value| number(domain, value)))
        .collect()
}

fn number(domain: &Domain, value: &Value) -> f64 {
    match (domain, value) {
        (Domain::Choice(options), Value::Choice(name)) => {
            options.iter().position(|option| option == name).map_or(0.0, |place| place as f64)
        }
        (_, value) => value.number().unwrap_or(0.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::direction::Direction;
    use crate::study::Study;
    use crate::testing;
    use crate::trial::Outcome;

    #[test]
    fn the_published_search_is_a_sampler() {
        testing::check_sampler(Paper::new);
    }

    #[test]
    fn a_function_as_wide_as_its_kernel_is_found() {
        let objectives = Objectives::single(Direction::Max);
        let space = Space::new().float("x", -3.0, 3.0).unwrap().float("y", -3.0, 3.0).unwrap();
        let mut study = Study::new(space, objectives.clone(), 1, Paper::new(&objectives));
        for _ in 0..25 {
            let (id, point) = study.ask();
            let (x, y) = (point.float("x").unwrap() - 1.0, point.float("y").unwrap() + 0.5);
            study.tell(id, Outcome::of((-0.5 * (x * x + y * y)).exp(), 1.0));
        }
        assert!(study.best().unwrap().value().unwrap() > 0.98, "{:?}", study.best());
    }

    #[test]
    fn choices_count_by_their_place_and_the_logarithm_does_not() {
        let space = Space::new().choice("c", &["16", "sgd"]).unwrap().log_float("lr", 1e-5, 0.1).unwrap();
        let space = space.int("n", 1, 9).unwrap().when("n", "c == sgd").unwrap();
        let point = |c: &str, more: &[(&str, Value)]| -> Point {
            let values = [("c", Value::Choice(c.to_owned())), ("lr", Value::Float(0.01))];
            values.into_iter().chain(more.iter().cloned()).map(|(n, v)| (n.to_owned(), v)).collect()
        };
        assert_eq!(features(&space, &point("16", &[])), [0.0, 0.01, 0.0]);
        assert_eq!(features(&space, &point("sgd", &[("n", Value::Int(4))])), [1.0, 0.01, 4.0]);
        let mut stream = Stream::new(1, 0);
        let rates = (0..200).filter(|_| draw(&space, &mut stream).float("lr").unwrap() < 0.01).count();
        assert!((5..40).contains(&rates), "{rates}");
    }

    #[test]
    fn points_that_come_again_and_again_are_no_end() {
        let objectives = Objectives::single(Direction::Min);
        let space = Space::new().log_float("x", 1e-9, 1e-7).unwrap();
        let mut study = Study::new(space, objectives.clone(), 1, Paper::new(&objectives));
        for n in 0..12 {
            let (id, point) = study.ask();
            assert!(study.space().contains(&point));
            study.tell(id, Outcome::of(f64::from(n % 3) * 1e300, 1.0));
        }
    }
}
