//! Studies that outlive the process and that many processes work on.

mod fold;
mod record;
mod replay;

use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use record::Record;
pub use replay::{Replayed, replay};

use crate::objective::Objectives;
use crate::point::Point;
use crate::sampler::Sampler;
use crate::space::Space;
use crate::storage::{Definition, Entry, Journal, StorageError, StorageErrorKind};
use crate::study::{best, front};
use crate::trial::{Report, State, Trial, TrialId};
use fold::Fold;

/// A study in a [`Storage`](crate::storage::Storage), which any number of processes may work on at a time.
///
/// What it says is as of the last call that asked the storage; [`refresh`](Self::refresh) does nothing else.
///
/// ```
/// use joulewise_tune::samplers::Random;
/// use joulewise_tune::storage::{Definition, Sqlite, Storage};
/// use joulewise_tune::{Direction, Limits, Objectives, Outcome, SharedStudy, Space, State};
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("study.db");
/// let space = Space::new().log_float("lr", 1e-4, 1e-1)?;
/// let definition = Definition::new(space, Objectives::single(Direction::Min), 1, "random");
/// let journal = Sqlite::at(path).create("digits", &definition)?;
/// let mut study = SharedStudy::new(journal, Random)?;
/// study.limit(Limits { trials: Some(20), cost: None });
/// while let Some(claim) = study.ask("worker 1")? {
///     let loss = (claim.point.float("lr").unwrap().log10() + 2.0).powi(2);
///     study.tell(&claim, State::Done(Outcome::of(loss, 1.5)))?;
/// }
/// assert_eq!(study.cost(), 30.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct SharedStudy<S> {
    journal: Box<dyn Journal>,
    fold: Fold<S>,
    limits: Limits,
}

/// When to ask for no more trials. What was begun is brought to its end all the same.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Limits {
    /// At so many trials, those that got lost and were tried again counted once.
    pub trials: Option<u64>,
    /// When all trials together have cost so much, in the unit of the study.
    pub cost: Option<f64>,
}

/// A trial that is the caller's to evaluate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Claim {
    /// The number of the trial.
    pub id: TrialId,
    /// What to evaluate.
    pub point: Point,
    /// Tells this claim from others of the same work.
    pub fence: u64,
}

/// How many times what is known a cost has to be to be told again. What happened is kept for ever: of a trial that runs for a
/// day, some ninety times what it had cost.
const WORTH_TELLING: f64 = 1.1;

/// What became of a message about a trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// It counts.
    Accepted,
    /// It does not count, for the trial ended before, or was given to another worker when this one had been silent
    /// for too long. There is no point in going on with it.
    Orphan,
}

impl<S: Sampler> SharedStudy<S> {
    /// The study of `journal`, continued by `sampler`, which is told all that happened.
    pub fn new(journal: Box<dyn Journal>, sampler: S) -> Result<Self, StorageError> {
        let fold = Fold::new(journal.definition().clone(), sampler);
        let mut study = Self { journal, fold, limits: Limits::default() };
        study.refresh()?;
        Ok(study)
    }

    /// Sets when to ask for no more trials; without, the study ends when its sampler is exhausted, as a grid is.
    pub fn limit(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// Learns what other processes did.
    pub fn refresh(&mut self) -> Result<(), StorageError> {
        let Self { journal, fold, .. } = self;
        journal.read(fold.seq(), &mut |event| fold.apply(event))
    }

    /// Begins the next trial: one that waits, or else what the sampler proposes. Trials of silent workers are declared
    /// lost first.
    ///
    /// `None` at the end: a limit is reached, or the sampler has nothing left. While
    /// [`running`](Self::running) is not 0, a trial may still get lost and be there to begin again.
    pub fn ask(&mut self, worker: &str) -> Result<Option<Claim>, StorageError> {
        // The bulk of the news is read while others may write.
        self.refresh()?;
        loop {
            let Self { fold, limits, .. } = self;
            let limits = *limits;
            let is_losing = &mut false;
            let appended = self.journal.append(fold.seq(), &mut |news| {
                fold.apply_all(news.events)?;
                let lost = fold.lost(&news.expired);
                *is_losing = !lost.is_empty();
                Ok(if *is_losing { lost } else { fold.next(worker, limits).into_iter().collect() })
            })?;
            let claim = appended.first().and_then(|event| match &event.entry {
                Entry::Asked { trial, point, .. } => {
                    Some(Claim { id: *trial, point: point.clone(), fence: event.seq })
                }
                _ => None,
            });
            self.fold.apply_all(appended)?;
            if !*is_losing {
                return Ok(claim);
            }
        }
    }

    /// Has a point of the caller's choice evaluated before the sampler is asked again. Fails when it is not a point of
    /// the space.
    pub fn enqueue(&mut self, point: &Point) -> Result<(), StorageError> {
        if !self.space().contains(point) {
            let message = format!("the point `{point}` is not in the space of the study");
            return Err(StorageError::new(StorageErrorKind::Refused, message));
        }
        self.append(|_| Ok((vec![Entry::Queued { point: point.clone() }], ())))
    }

    /// Notes what a trial reports on the way, and renews its lease.
    pub fn report(&mut self, claim: &Claim, report: &Report) -> Result<Told, StorageError> {
        let told = self.append(|fold| {
            let is_current = fold.is_current(claim)? && fold.is_running(claim.id);
            let entry = Entry::Reported { trial: claim.id, report: report.clone() };
            Ok(if is_current { (vec![entry], Told::Accepted) } else { (Vec::new(), Told::Orphan) })
        })?;
        if told == Told::Accepted {
            self.journal.renew(claim.id, claim.fence)?;
        }
        Ok(told)
    }

    /// Ends a trial. One that is done with a value that is missing or not finite has failed; one that is given back as
    /// lost, because the worker has to leave, is tried again however often. A result that comes late counts as long as no other worker was given the trial. What does
    /// not count is kept apart.
    pub fn tell(&mut self, claim: &Claim, state: State) -> Result<Told, StorageError> {
        let state = self.fold.settled(state)?;
        let trial = claim.id;
        self.append(|fold| {
            if fold.is_current(claim)? && fold.is_open(trial) {
                let end = match &state {
                    State::Lost { cost } => Entry::Returned { trial, cost: *cost },
                    state => Entry::Ended { trial, state: state.clone() },
                };
                return Ok((vec![end], Told::Accepted));
            }
            if fold.is_current(claim)? && fold.trials[trial.0 as usize].state == state {
                return Ok((Vec::new(), Told::Accepted));
            }
            Ok((vec![Entry::Orphaned { trial, state: state.clone() }], Told::Orphan))
        })
    }

    /// Says that the caller is still at it, and what the trial has cost so far, which is kept should it get lost; `false` when
    /// its lease is over and another may have been given the trial. To be called a few times within the lease of the
    /// definition.
    pub fn renew(&mut self, claim: &Claim, cost: f64) -> Result<bool, StorageError> {
        let is_held = self.journal.renew(claim.id, claim.fence)?;
        let known = self.trials().get(claim.id.0 as usize).map_or(0.0, |trial| self.fold.cost_of(trial.id));
        if is_held && cost > WORTH_TELLING * known {
            self.append(|fold| {
                let is_current = fold.is_current(claim)? && fold.is_running(claim.id);
                Ok((is_current.then_some(Entry::Spent { trial: claim.id, cost }).into_iter().collect(), ()))
            })?;
        }
        Ok(is_held)
    }

    /// Waits until there may be work again for who found none, and for no longer than `patience`; says whether to ask.
    /// No storage tells of a lease that is over: one has to ask now and then all the same.
    pub fn wait(&mut self, patience: Duration) -> Result<bool, StorageError> {
        self.journal.wait(patience)
    }

    /// Keeps texts about a trial, or about the study, under their names; the last of a name counts.
    pub fn note(&mut self, trial: Option<TrialId>, notes: &[(&str, &str)]) -> Result<(), StorageError> {
        self.append(|fold| {
            if let Some(id) = trial {
                fold.record(id).ok_or_else(|| unknown(id))?;
            }
            let entry = |&(key, value): &(&str, &str)| Entry::Noted {
                trial,
                key: key.to_owned(),
                value: value.to_owned(),
            };
            Ok((notes.iter().map(entry).collect(), ()))
        })
    }

    /// All trials, by their number.
    pub fn trials(&self) -> &[Trial] {
        &self.fold.trials
    }

    /// What is known of a trial besides its point and what came of it.
    pub fn record(&self, id: TrialId) -> Option<&Record> {
        self.fold.record(id)
    }

    /// The claim of a trial that runs, as its worker has it.
    pub fn claim(&self, id: TrialId) -> Option<Claim> {
        let trial = self.trials().get(id.0 as usize).filter(|trial| trial.state == State::Running)?;
        Some(Claim { id, point: trial.point.clone(), fence: self.record(id)?.fence })
    }

    /// The texts that were kept about the study, by their names.
    pub fn notes(&self) -> &std::collections::BTreeMap<String, String> {
        &self.fold.notes
    }

    /// How many trials run.
    pub fn running(&self) -> u64 {
        self.fold.running
    }

    /// The points that wait for a worker: those of the caller's choice, and those of lost trials.
    pub fn waiting(&self) -> impl ExactSizeIterator<Item = &Point> {
        self.fold.waiting()
    }

    /// What all trials have cost, whatever became of them.
    pub fn cost(&self) -> f64 {
        self.fold.cost()
    }

    /// What the study is.
    pub fn definition(&self) -> &Definition {
        self.journal.definition()
    }

    /// What is searched.
    pub fn space(&self) -> &Space {
        &self.definition().space
    }

    /// What it is after.
    pub fn objectives(&self) -> &Objectives {
        &self.definition().objectives
    }

    /// The best trial; see [`best`].
    pub fn best(&self) -> Option<&Trial> {
        best(self.objectives(), self.trials())
    }

    /// The trials that no other beats; see [`front`].
    pub fn front(&self) -> Vec<&Trial> {
        front(self.objectives(), self.trials())
    }

    /// Appends what `decide` wants to in view of all that happened.
    fn append<T>(
        &mut self,
        mut decide: impl FnMut(&Fold<S>) -> Result<(Vec<Entry>, T), StorageError>,
    ) -> Result<T, StorageError> {
        let fold = &mut self.fold;
        let mut answer = None;
        let appended = self.journal.append(fold.seq(), &mut |news| {
            fold.apply_all(news.events)?;
            let (entries, told) = decide(fold)?;
            answer = Some(told);
            Ok(entries)
        })?;
        self.fold.apply_all(appended)?;
        answer.ok_or_else(|| StorageError::new(StorageErrorKind::Io, "the storage asked for no decision"))
    }
}

fn unknown(id: TrialId) -> StorageError {
    StorageError::new(StorageErrorKind::Missing, format!("the study has no trial {}", id.0))
}
