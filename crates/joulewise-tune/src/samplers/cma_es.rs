//! Covariance matrix adaptation.

mod eigen;
mod margin;
mod stagnation;
mod strategy;

use std::collections::BTreeMap;

use self::stagnation::Stagnation;
use self::strategy::Strategy;
use crate::domain::Domain;
use crate::gp::normal::quantile;
use crate::objective::Objectives;
use crate::point::Point;
use crate::random::Stream;
use crate::rank::{Class, Rank};
use crate::sampler::Sampler;
use crate::samplers::sobol::coordinate;
use crate::space::Space;
use crate::trial::{State, Trial, TrialId};

/// The deviation that a search begins with, as a part of each range.
const SIGMA: f64 = 1.0 / 6.0;
/// The deviation, as a part of each range, below which a search has found its place.
const FINE: f64 = 1e-9;
/// The ratio of variances along different directions beyond which rounding decides.
const ILL: f64 = 1e14;
/// Draws after which a point that is outside is brought in.
const DRAWS: usize = 100;
/// So many populations of failures in a row make the search begin elsewhere.
const HOPELESS: usize = 10;
/// What the scrambling of even draws, and the means of new beginnings draw from the numbers that all trials of a study have in common: the
/// first of them.
const SCRAMBLE: u64 = 0x0043_4d40;
const RESTART: u64 = 0x0043_4d41;

/// Covariance matrix adaptation (Hansen and Ostermeier 2001; the settings are those of Hansen 2016, negative weights
/// included): draws from a normal distribution that moves towards what was good, and stretches the way it went.
///
/// It is for one objective and numbers without conditions, some hundred trials of them or more. Other parameters are
/// drawn at random and teach it nothing; of several objectives it knows the first, bounds aside.
///
/// **Draws** of trials that follow each other are evenly spread (a scrambled Sobol' sequence; Teytaud 2008), which
/// finds better points than independent draws do: `benches/results/` has what it comes to.
///
/// **Beginning.** The first distribution is in the middle of the space, or around the best of the trials that ended
/// before it was first asked.
///
/// **Generations** end when as many trials as the [population](Self::population) have ended, in whichever order.
/// Points that are not from the current distribution, as of the caller's choice or of an earlier generation, count too, a
/// long step being shortened (Hansen 2011). Trials that miss bounds rank behind all that keep them, by how much they do;
/// then those that were stopped, the latest first; then those that failed. While fewer than half of the population have
/// values, more trials are awaited; when hardly any has, the search begins elsewhere.
///
/// **Ends of ranges** are kept by drawing again, and at last by clipping. **Whole numbers** and steps are kept apart by
/// a margin (CMA-ES with Margin, Hamano et al. 2022), so that the search is not stuck with one of them.
///
/// **New beginnings.** A search that gets nowhere begins again elsewhere with twice the population (Auger and Hansen
/// 2005).
///
/// It serves one space: asked for another one, it starts over.
#[derive(Clone, Debug)]
pub struct CmaEs {
    objectives: Objectives,
    population: Option<usize>,
    /// What was told before it was known what of.
    pending: Vec<Trial>,
    model: Option<Model>,
}

#[derive(Clone, Debug)]
struct Model {
    space: Space,
    objectives: Objectives,
    /// Of any trial: its siblings are all the others.
    stream: Stream,
    axes: Vec<(String, Domain)>,
    strategy: Strategy,
    /// By what the deviations of countable values are wider than the strategy knows.
    stretch: Vec<f64>,
    stagnation: Stagnation,
    restarts: u64,
    told: BTreeMap<TrialId, Origin>,
    /// The generation as far as it has ended.
    ended: Vec<Ended>,
    /// Whether a trial was drawn.
    has_begun: bool,
    /// The best of the trials that ended before that.
    start: Option<Rank>,
}

#[derive(Clone, Debug)]
enum Origin {
    /// Drawn after so many new beginnings from the distribution of this generation, by this step.
    Drawn { restarts: u64, generation: u32, step: Vec<f64> },
    /// A point of somebody else's choice.
    Given,
    /// It has been learnt from.
    Learnt,
}

#[derive(Clone, Debug)]
struct Ended {
    id: TrialId,
    rank: Rank,
    step: Vec<f64>,
}

impl CmaEs {
    /// For a study with these objectives.
    pub fn new(objectives: &Objectives) -> Self {
        Self { objectives: objectives.clone(), population: None, pending: Vec::new(), model: None }
    }

    /// Learns from so many trials at a time, at least 4, instead of 4 + 3 ln n for n parameters.
    #[must_use]
    pub fn population(mut self, trials: usize) -> Self {
        self.population = Some(trials.max(4));
        self
    }

    fn learn(&mut self, space: &Space, stream: &Stream) {
        if self.model.as_ref().is_none_or(|model| model.space != *space) {
            let mut model = Model::new(space, &self.objectives, self.population, stream);
            self.pending.drain(..).for_each(|trial| model.record(&trial));
            self.model = Some(model);
        }
    }
}

impl Model {
    fn new(space: &Space, objectives: &Objectives, population: Option<usize>, stream: &Stream) -> Self {
        let is_axis = |domain: &Domain| !domain.is_categorical() && domain.cardinality() != Some(1);
        let axes: Vec<(String, Domain)> = space
            .parameters()
            .filter(|(name, domain)| is_axis(domain) && !space.has_condition(name))
            .map(|(name, domain)| (name.to_owned(), domain.clone()))
            .collect();
        let n = axes.len();
        let population = population.unwrap_or(4 + (3.0 * (n.max(1) as f64).ln()) as usize);
        let mut model = Self {
            space: space.clone(),
            objectives: objectives.clone(),
            stream: stream.clone(),
            axes,
            strategy: Strategy::new(vec![0.5; n], SIGMA, population),
            stretch: vec![1.0; n],
            stagnation: Stagnation::default(),
            restarts: 0,
            told: BTreeMap::new(),
            ended: Vec::new(),
            has_begun: false,
            start: None,
        };
        model.keep_margins();
        model
    }

    /// The point of a trial, and the step that leads there.
    fn propose(&self, mut stream: Stream) -> (Point, Vec<f64>) {
        for draw in 1..=DRAWS {
            let mut step = self.strategy.step(&self.draw(draw == 1, &mut stream));
            if draw == DRAWS {
                self.clip(&mut step);
            }
            if let Some(point) = self.point(&step, &mut stream) {
                return (point, step);
            }
        }
        // Constraints leave hardly anything here.
        let point = self.space.draw(&mut stream);
        let step = self.step_to(&point);
        (point, step)
    }

    /// From the standard normal distribution: those of trials that follow each other are evenly spread at `first`.
    fn draw(&self, first: bool, stream: &mut Stream) -> Vec<f64> {
        let mut scrambles = self.stream.common(SCRAMBLE);
        let scramble = scrambles.below(1 << 32) as u32;
        let normal = |axis: u32| {
            if !first {
                return stream.normal();
            }
            let unit = coordinate(stream.number(), axis, scramble, stream).max(f64::EPSILON);
            if unit < 0.5 { quantile(unit) } else { -quantile(1.0 - unit) }
        };
        (0..self.axes.len() as u32).map(normal).collect()
    }

    /// Where a step leads, unless that is outside of the space.
    fn point(&self, step: &[f64], stream: &mut Stream) -> Option<Point> {
        let Strategy { mean, sigma, .. } = &self.strategy;
        let place = |axis: usize| mean[axis] + sigma * self.stretch[axis] * step[axis];
        // Countable values reach beyond the ends: the first and the last have as much room as there is.
        let is_inside = |axis: usize| {
            // What was clipped may be off by rounding.
            self.axes[axis].1.cardinality().is_some() || (-1e-12..=1.0 + 1e-12).contains(&place(axis))
        };
        if !(0..self.axes.len()).all(is_inside) {
            return None;
        }
        let point = self.space.complete(|name, domain| {
            match self.axes.binary_search_by(|(axis, _)| axis.as_str().cmp(name)) {
                Ok(axis) => domain.at(place(axis)),
                Err(_) => domain.at(stream.unit()),
            }
        });
        self.space.admits(&point).then_some(point)
    }

    fn clip(&self, step: &mut [f64]) {
        let Strategy { mean, sigma, .. } = &self.strategy;
        for ((step, mean), (_, domain)) in step.iter_mut().zip(mean).zip(&self.axes) {
            if domain.cardinality().is_none() {
                *step = ((mean + sigma * *step).clamp(0.0, 1.0) - mean) / sigma;
            }
        }
    }

    /// The step from the mean to a point that was not drawn, none where it is not known how far.
    fn step_to(&self, point: &Point) -> Vec<f64> {
        let Strategy { mean, sigma, .. } = &self.strategy;
        let along = |(axis, (name, domain)): (usize, &(String, Domain))| {
            let by = |value| (domain.unit(value) - mean[axis]) / (sigma * self.stretch[axis]);
            point.get(name).map_or(0.0, by)
        };
        self.axes.iter().enumerate().map(along).collect()
    }

    fn record(&mut self, trial: &Trial) {
        if self.axes.is_empty() {
            return;
        }
        let origin = match self.told.get(&trial.id) {
            Some(origin) => origin.clone(),
            None => self.origin(trial),
        };
        self.has_begun |= matches!(origin, Origin::Drawn { .. });
        self.told.insert(trial.id, origin.clone());
        self.ended.retain(|ended| ended.id != trial.id);
        if matches!(trial.state, State::Running | State::Lost { .. }) || matches!(origin, Origin::Learnt) {
            return;
        }
        let rank = Rank::of(trial, &self.objectives);
        if !self.has_begun {
            self.begin_at(&trial.point, rank);
            return;
        }
        let step = match origin {
            Origin::Drawn { restarts, .. } if restarts < self.restarts => {
                self.told.insert(trial.id, Origin::Learnt);
                return;
            }
            Origin::Drawn { generation, step, .. } if generation == self.strategy.generation => step,
            _ => self.shortened(self.step_to(&trial.point)),
        };
        self.ended.push(Ended { id: trial.id, rank, step });
        self.advance();
    }

    /// Where the point of a trial comes from that nothing was told of.
    fn origin(&self, trial: &Trial) -> Origin {
        let (point, step) = self.propose(self.stream.sibling(trial.id.0));
        if trial.state == State::Running && point == trial.point {
            return Origin::Drawn { restarts: self.restarts, generation: self.strategy.generation, step };
        }
        Origin::Given
    }

    /// Begins at a trial that was there before, if it is the best of them.
    fn begin_at(&mut self, point: &Point, rank: Rank) {
        if rank.class != Class::Failed && self.start.as_ref().is_none_or(|best| rank.compare(best).is_lt()) {
            self.strategy.mean = self.coordinates(point);
            self.start = Some(rank);
            self.keep_margins();
        }
    }

    fn coordinates(&self, point: &Point) -> Vec<f64> {
        let coordinate = |(name, domain): &(String, Domain)| point.get(name).map_or(0.5, |x| domain.unit(x));
        self.axes.iter().map(coordinate).collect()
    }

    /// A step that is not longer than those that are drawn.
    fn shortened(&self, mut step: Vec<f64>) -> Vec<f64> {
        let n = self.axes.len() as f64;
        let longest = n.sqrt() + 2.0 * n / (n + 2.0);
        let length = self.strategy.length(&step);
        if length > longest {
            step.iter_mut().for_each(|x| *x *= longest / length);
        }
        step
    }

    /// Learns from a generation that is complete.
    fn advance(&mut self) {
        let population = self.strategy.population();
        let valued = self.ended.iter().filter(|ended| ended.rank.class != Class::Failed).count();
        if self.ended.len() < population || valued < self.strategy.parents() {
            if self.ended.len() >= HOPELESS * population {
                self.forget_generation();
                self.restart(population);
            }
            return;
        }
        self.ended.sort_by(|a, b| a.rank.compare(&b.rank).then(a.id.cmp(&b.id)));
        let feasible = self.ended.iter().filter(|ended| ended.rank.class == Class::Feasible);
        let losses: Vec<f64> = feasible.filter_map(|ended| ended.rank.losses.first().copied()).collect();
        let steps: Vec<Vec<f64>> =
            self.ended.iter().take(population).map(|ended| ended.step.clone()).collect();
        self.forget_generation();
        self.strategy.update(&steps);
        self.keep_margins();
        if self.stagnation.note(&losses, self.axes.len()) || self.is_degenerate() {
            self.restart(2 * population);
        }
    }

    fn forget_generation(&mut self) {
        for ended in self.ended.drain(..) {
            self.told.insert(ended.id, Origin::Learnt);
        }
    }

    /// Makes sure that neighbouring values of countable domains are drawn now and then.
    fn keep_margins(&mut self) {
        let margin = 1.0 / (self.axes.len() * self.strategy.population()) as f64;
        let Strategy { mean, sigma, covariance, .. } = &mut self.strategy;
        for (axis, (_, domain)) in self.axes.iter().enumerate() {
            let (stretch, deviation) = (self.stretch[axis], *sigma * covariance[axis][axis].sqrt());
            self.stretch[axis] = margin::keep(domain, margin, &mut mean[axis], stretch, deviation);
        }
    }

    /// Whether the distribution is so narrow that it has found its place, or so long that rounding decides.
    fn is_degenerate(&self) -> bool {
        let Strategy { sigma, covariance, path, deviations, .. } = &self.strategy;
        let (least, greatest) =
            deviations.iter().fold((f64::INFINITY, 0.0_f64), |(low, high), x| (low.min(*x), high.max(*x)));
        let continuous = || (0..self.axes.len()).filter(|axis| self.axes[*axis].1.cardinality().is_none());
        let is_fine = |axis: usize| sigma * covariance[axis][axis].sqrt().max(path[axis].abs()) < FINE;
        let has_found = continuous().next().is_some() && continuous().all(is_fine);
        has_found || greatest * greatest > ILL * least * least || !sigma.is_finite()
    }

    /// Begins elsewhere.
    fn restart(&mut self, population: usize) {
        self.restarts += 1;
        let mean = self.coordinates(&self.space.draw(&mut self.stream.common(RESTART + self.restarts)));
        self.strategy = Strategy::new(mean, SIGMA, population);
        self.stretch.fill(1.0);
        self.stagnation = Stagnation::default();
        self.keep_margins();
    }
}

impl Sampler for CmaEs {
    fn tell(&mut self, trial: &Trial) {
        match &mut self.model {
            Some(model) => model.record(trial),
            None => self.pending.push(trial.clone()),
        }
    }

    fn ask(&mut self, space: &Space, mut stream: Stream) -> Point {
        self.learn(space, &stream);
        match &self.model {
            Some(model) if !model.axes.is_empty() => model.propose(stream).0,
            _ => space.draw(&mut stream),
        }
    }
}

#[cfg(test)]
mod tests;
