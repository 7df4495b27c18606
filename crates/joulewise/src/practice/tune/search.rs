//! The search itself: brackets of successive halving, each drawn in view of what came of those before it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use joulewise_tune::samplers::Auto;
use joulewise_tune::stoppers::SuccessiveHalving;
use joulewise_tune::{Direction, Objectives, Outcome, Point, Report, Space, State, Study, TrialId};
use serde::{Deserialize, Serialize};

use super::past::Past;
use super::tally::{Ended, Tally};
use crate::context::Context;
use crate::practice::Setback;

/// A search that has not begun.
#[derive(Debug)]
pub(super) struct Search {
    study: Study<Auto>,
    sampler: String,
    halving: SuccessiveHalving,
    shape: Shape,
    /// The setting of today, a trial like any other: the first.
    today: Option<Point>,
    /// The values of the trials that came to each step.
    arrived: BTreeMap<u64, Vec<(TrialId, f64)>>,
    entries: Vec<u32>,
    /// What came of the last training of each trial.
    trained: BTreeMap<TrialId, Trained>,
    past: Past,
    tally: Tally,
}

/// How many trials begin together, and how often.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    /// Trials of a bracket at most.
    pub(super) trials: usize,
    /// Trials that a bracket is not worth beginning below.
    pub(super) least: usize,
    /// Brackets at most.
    pub(super) brackets: usize,
    /// Whether a bracket that finds nothing better is the last one.
    pub(super) ends_without_gain: bool,
}

/// A training that a search asks for: of one of its trials, from the start, for so many steps.
#[derive(Clone, Copy, Debug)]
pub(super) struct Training<'a> {
    pub(super) id: TrialId,
    pub(super) point: &'a Point,
    pub(super) step: u64,
}

/// What came of a training.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Trained {
    /// Its entry in the ledger.
    pub(super) entry: u32,
    /// The metric, or how it broke and why.
    pub(super) result: Result<f64, (Ended, String)>,
    /// Counted and not measured, since it decides where to look next.
    pub(super) cost: f64,
    /// What a command left, relative to the run folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) model: Option<PathBuf>,
    /// What a command reported of the metric.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) curve: Vec<f64>,
}

/// What a search found.
#[derive(Debug)]
pub(super) struct Found {
    /// The best of the trials that came to the last step.
    pub(super) id: TrialId,
    pub(super) point: Point,
    /// The entries of all trainings in the ledger.
    pub(super) entries: Vec<u32>,
    /// What came of the last training of each trial.
    pub(super) trained: BTreeMap<TrialId, Trained>,
    pub(super) tally: Tally,
    /// Which sampler it was, and why.
    pub(super) sampler: String,
}

impl Search {
    /// A search of `space` whose trials may cost `budget` in all.
    pub(super) fn new(
        space: Space,
        direction: Direction,
        seed: u64,
        budget: f64,
        halving: SuccessiveHalving,
        shape: Shape,
    ) -> Self {
        let objectives = Objectives::single(direction);
        let auto = Auto::new(&space, &objectives).cost_aware(Some(budget));
        Self {
            sampler: auto.why().to_owned(),
            study: Study::new(space, objectives, seed, auto),
            halving,
            shape,
            today: None,
            arrived: BTreeMap::new(),
            entries: Vec::new(),
            trained: BTreeMap::new(),
            past: Past::default(),
            tally: Tally::default(),
        }
    }

    /// Begins with the setting of today.
    pub(super) fn starting_with(self, today: Point) -> Self {
        Self { today: Some(today), ..self }
    }

    /// Begins brackets for as long as they find something better and `pays` for so many steps more.
    pub(super) fn run(
        mut self,
        cx: &mut Context<'_>,
        pays: impl Fn(&Context<'_>, u64) -> bool,
        mut train: impl FnMut(&mut Context<'_>, Training<'_>) -> Result<Trained, Setback>,
    ) -> Result<Found, Setback> {
        self.past = Past::of(cx)?;
        for _ in 0..self.shape.brackets {
            let mut sizes = (self.shape.least..=self.shape.trials).rev();
            let Some(trials) = sizes.find(|&trials| pays(cx, self.halving.total_steps(trials))) else {
                break;
            };
            let (today, before) = (self.today.is_some(), self.best());
            let begun = self.begin(trials);
            if begun.is_empty() {
                break;
            }
            self.bracket(begun, cx, &mut train)?;
            let best = self.best();
            let is_today = today && best == Some(TrialId(0));
            if self.shape.ends_without_gain && (best == before || is_today) {
                break;
            }
        }
        let Some(id) = self.best() else { return Err(self.tally.no_winner()) };
        let point = self.study.trials()[id.0 as usize].point.clone();
        let Self { entries, trained, tally, sampler, .. } = self;
        Ok(Found { id, point, entries, trained, tally, sampler })
    }

    /// Begins so many trials, or as many as there are settings left.
    fn begin(&mut self, trials: usize) -> Vec<TrialId> {
        let today = self.today.take();
        let mut begun: Vec<TrialId> = today.map(|today| self.study.start(today)).into_iter().collect();
        while begun.len() < trials && !self.study.is_exhausted() {
            begun.push(self.study.ask().0);
        }
        self.tally.began(begun.len());
        begun
    }

    fn bracket(
        &mut self,
        mut running: Vec<TrialId>,
        cx: &mut Context<'_>,
        train: &mut impl FnMut(&mut Context<'_>, Training<'_>) -> Result<Trained, Setback>,
    ) -> Result<(), Setback> {
        let rungs = self.halving.rungs(running.len());
        let places = rungs.iter().skip(1).map(|rung| rung.trials).chain([0]);
        for (rung, places) in rungs.iter().zip(places) {
            let mut came = Vec::new();
            for id in running {
                if self.train(id, rung.step, cx, train)? {
                    came.push(id);
                }
            }
            // Who goes on has to be among the best of all that ever came here, those of earlier brackets included.
            let arrived = self.arrived.entry(rung.step).or_default();
            running = self.halving.survivors(arrived);
            running.retain(|id| came.contains(id));
            running.truncate(places);
            self.end(&came, &running, places == 0);
        }
        Ok(())
    }

    /// Trains a trial for so many steps; whether it came there. One that broke has ended.
    fn train(
        &mut self,
        id: TrialId,
        step: u64,
        cx: &mut Context<'_>,
        train: &mut impl FnMut(&mut Context<'_>, Training<'_>) -> Result<Trained, Setback>,
    ) -> Result<bool, Setback> {
        let trial = &self.study.trials()[id.0 as usize];
        let spent = trial.cost();
        let training = Training { id, point: &trial.point, step };
        let trained = match self.past.take(training, cx) {
            Some(trained) => trained,
            None => {
                let before = cx.budget.spent(&cx.practice);
                let trained = train(cx, training)?;
                self.past.keep(training, cx.budget.spent(&cx.practice) - before, &trained)?;
                trained
            }
        };
        let cost = spent + trained.cost;
        // What breaks is an answer too, and was paid for: it goes no further.
        self.entries.push(trained.entry);
        let arrived = self.arrived.entry(step).or_default();
        let result = trained.result.clone();
        self.trained.insert(id, trained);
        match result {
            Ok(value) => {
                arrived.push((id, value));
                self.study.report(id, Report { step, values: vec![value], cost });
                Ok(true)
            }
            Err((ended, reason)) => {
                arrived.push((id, f64::NAN));
                self.tally.broke(ended, reason);
                self.study.end(id, State::Failed { cost });
                Ok(false)
            }
        }
    }

    /// Ends the trials that came to a rung and do not go on from it.
    fn end(&mut self, came: &[TrialId], go_on: &[TrialId], is_last: bool) {
        for id in came.iter().filter(|id| !go_on.contains(id)) {
            let Some(report) = self.study.trials()[id.0 as usize].curve.last() else { continue };
            let outcome = Outcome { values: report.values.clone(), cost: report.cost };
            if is_last {
                self.study.end(*id, State::Done(outcome));
            } else {
                self.tally.stopped();
                self.study.end(*id, State::Stopped(outcome));
            }
        }
    }

    fn best(&self) -> Option<TrialId> {
        self.study.best().map(|best| best.id)
    }
}
