//! The rungs of successive halving, and who has reached which.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use crate::trial::{Report, TrialId};

/// What the last rung can at most be times the first one.
const MOST: f64 = 18446744073709551616.0;

/// What the rungs of successive halving count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Resource {
    /// Steps, as in epochs: trials are compared when they are as far.
    #[default]
    Steps,
    /// Cost, as in joules: trials are compared when they have spent as much.
    Cost,
}

impl Resource {
    /// What of it a trial had used at `report`.
    pub fn used(self, report: &Report) -> f64 {
        match self {
            Self::Steps => report.step as f64,
            Self::Cost => report.cost,
        }
    }
}

/// Rungs at `min`, `min · eta`, `min · eta²`, … below `max`, each with what trials had reported when they reached it.
#[derive(Clone, Debug)]
pub(crate) struct Ladder<V> {
    resource: Resource,
    eta: f64,
    min: f64,
    max: f64,
    rungs: Vec<Rung<V>>,
}

#[derive(Clone, Debug)]
struct Rung<V> {
    at: f64,
    arrived: BTreeMap<TrialId, V>,
}

impl<V: Clone> Ladder<V> {
    /// `eta` is moved to 2 or more, `min` to above 0, and `max` to `min` or more, at most 2⁶⁴ times.
    pub(crate) fn new(resource: Resource, eta: u64, min: f64, max: f64) -> Self {
        let (eta, min) = (eta.max(2) as f64, if min.is_finite() && min > 0.0 { min } else { 1.0 });
        let max = max.max(min).min(min * MOST);
        let rungs = std::iter::successors(Some(min), |at| Some(at * eta)).take_while(|at| *at < max);
        let rungs = rungs.map(|at| Rung { at, arrived: BTreeMap::new() }).collect();
        Self { resource, eta, min, max, rungs }
    }

    pub(crate) fn eta(&self) -> f64 {
        self.eta
    }

    pub(crate) fn min(&self) -> f64 {
        self.min
    }

    pub(crate) fn max(&self) -> f64 {
        self.max
    }

    /// Whether a trial that reports this has come to the first rung.
    pub(crate) fn is_on(&self, report: &Report) -> bool {
        self.rungs.first().is_some_and(|first| first.at <= self.resource.used(report))
    }

    /// Enters `trial` at every rung that it reaches with `report`, the first one at or after the rung, and says
    /// whether it is at each of them among the best: those of the first `⌈n / eta⌉` places of `order`, which puts
    /// what has arrived so far, this trial included, from the best to the worst.
    pub(crate) fn goes_on(
        &mut self,
        trial: TrialId,
        report: &Report,
        value: &V,
        order: impl Fn(&BTreeMap<TrialId, V>) -> Vec<TrialId>,
    ) -> bool {
        let used = self.resource.used(report);
        let mut goes_on = true;
        for rung in self.rungs.iter_mut().filter(|rung| rung.at <= used) {
            let Entry::Vacant(place) = rung.arrived.entry(trial) else { continue };
            place.insert(value.clone());
            let places = (rung.arrived.len() as f64 / self.eta).ceil() as usize;
            goes_on &= order(&rung.arrived).iter().take(places).any(|id| *id == trial);
        }
        goes_on
    }
}
