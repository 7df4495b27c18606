//! Gaussian processes.

mod assembly;
mod front;
mod model;
mod thrift;
mod told;

use std::collections::BTreeSet;

use crate::gp::acquisition::{Acquisition, Aim};
use crate::gp::encoding::Encoding;
use crate::gp::scale::Scale;
use crate::gp::search::Search;
use crate::objective::Objectives;
use crate::point::Point;
use crate::random::Stream;
use crate::sampler::Sampler;
use crate::samplers::Sobol;
use crate::space::Space;
use crate::trial::Trial;

use model::Models;
use thrift::Thrift;
use told::Told;

/// Points that are looked at for each trial before the best of them are climbed from.
const CANDIDATES: usize = 512;
/// The share of them that lie near the best trials: of one objective, and of several, of which the front may have parts
/// that are not known yet.
const NEAR: [f64; 2] = [0.8, 0.5];
/// Fewer of them where that would take more multiplications.
const MULTIPLICATIONS: usize = 50_000_000;
/// No more trials than these are evenly spread before any is looked for.
const MOST_STARTUP: usize = 50;
/// Trials in a row after each of which nothing has to be worth its cost for the search to end.
const CALM: usize = 3;
/// What only the stopping rule draws.
const STOPPING: u64 = 2;

/// Looks where a Gaussian process expects the most: the sampler for up to some hundred trials that are dear.
///
/// The process has a Matérn kernel of smoothness 5/2 with a length scale for each parameter, whose prior grows with
/// the number of parameters (Hvarfner et al. 2024), and learns how noisy values are. A part of it, whose share is learned
/// too, is a sum of functions of one parameter each (Duvenaud et al. 2011): where a parameter does the same whatever the
/// others are, every trial tells of it. With one objective it looks
/// where the logarithm of the expected improvement is greatest (Ament et al. 2023); with more, where that
/// of the volume that is expected to be added to their front is (Daulton et al. 2021). The volume is computed exactly,
/// box by box; where noise leaves the front in doubt or trials still run, on average over a few worlds in which it is not
/// and they have ended. Bounds and failures multiply it by the probability that they are kept and do not happen. With
/// one objective, trials that still run are taken to give what is expected of them.
///
/// Values count as they are or bent by the power of Box and Cox that makes them most nearly normal, whichever makes
/// what was seen more plausible. That and the length scales are fitted anew after so many trials that a twentieth of
/// them is new, to at most 200 of them. The first trials, three for each parameter and two more but no more than 50, are
/// those of [`Sobol`]: fewer leave the search in the nearest valley more often.
#[derive(Clone, Debug)]
pub struct Gp {
    objectives: Objectives,
    thrift: Thrift,
    told: Told,
    models: Models,
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
        (3 * encoding.axes().len() + 2).min(MOST_STARTUP)
    }

    /// What a trial is worth after the first `ended` trials have, and the points of the best of them. `None` where too
    /// little is known to say.
    fn acquisition(
        &mut self,
        encoding: &Encoding,
        ended: usize,
        stream: &Stream,
    ) -> Option<(Acquisition, Vec<Point>)> {
        self.models.prepare(encoding);
        let view = self.told.view(&self.objectives, ended);
        let acquisition =
            assembly::assemble(&self.objectives, self.thrift, &view, &mut self.models, encoding, stream)?;
        Some((acquisition, view.incumbents()))
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
            near: NEAR[usize::from(self.objectives.optimised() > 1)],
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
            near: NEAR[usize::from(self.objectives.optimised() > 1)],
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

#[cfg(test)]
mod tests;
