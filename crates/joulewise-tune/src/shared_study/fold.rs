//! What a study has come to, event by event.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::{Claim, Limits, Record, unknown};
use crate::point::Point;
use crate::random::Stream;
use crate::sampler::Sampler;
use crate::storage::{Definition, Entry, Event, Origin, StorageError, StorageErrorKind};
use crate::trial::{State, Trial, TrialId};

/// A study and its sampler after the events up to a number.
pub(super) struct Fold<S> {
    definition: Definition,
    sampler: S,
    seq: u64,
    pub(super) trials: Vec<Trial>,
    records: Vec<Record>,
    /// Points that wait for a worker.
    queue: VecDeque<(Point, Origin)>,
    /// Of an exact study, the points that the sampler proposed.
    cells: BTreeSet<String>,
    pub(super) notes: BTreeMap<String, String>,
    pub(super) running: u64,
}

impl<S: Sampler> Fold<S> {
    pub(super) fn new(definition: Definition, sampler: S) -> Self {
        Self {
            definition,
            sampler,
            seq: 0,
            trials: Vec::new(),
            records: Vec::new(),
            queue: VecDeque::new(),
            cells: BTreeSet::new(),
            notes: BTreeMap::new(),
            running: 0,
        }
    }

    /// The number of the last event that it knows.
    pub(super) fn seq(&self) -> u64 {
        self.seq
    }

    pub(super) fn record(&self, id: TrialId) -> Option<&Record> {
        self.records.get(id.0 as usize)
    }

    pub(super) fn waiting(&self) -> impl ExactSizeIterator<Item = &Point> {
        self.queue.iter().map(|(point, _)| point)
    }

    pub(super) fn apply_all(&mut self, events: Vec<Event>) -> Result<(), StorageError> {
        events.into_iter().try_for_each(|event| self.apply(event))
    }

    /// Takes in what happened.
    ///
    /// Fails when it does not fit to what happened before, as in a damaged file.
    pub(super) fn apply(&mut self, event: Event) -> Result<(), StorageError> {
        let Event { seq, at_s, entry } = event;
        if seq != self.seq + 1 {
            return Err(damaged(seq, "does not follow the one before it"));
        }
        match entry {
            Entry::Queued { point } => self.queue.push_back((point, Origin::Queue(seq))),
            Entry::Asked { trial, point, worker, origin } => {
                if trial.0 != self.trials.len() as u64 {
                    return Err(damaged(seq, "begins a trial out of turn"));
                }
                self.begin(Trial::running(trial, point), Record::new(worker, origin, seq, at_s));
            }
            Entry::Reported { trial, report } => self.trial(trial, seq)?.curve.push(report),
            Entry::Spent { trial, cost } => {
                self.trial(trial, seq)?;
                self.records[trial.0 as usize].spent = cost;
            }
            Entry::Ended { trial, state: State::Running } => {
                self.trial(trial, seq)?;
                return Err(damaged(seq, "ends a trial that runs on"));
            }
            Entry::Ended { trial, state } => {
                self.trial(trial, seq)?;
                self.end(trial, state, at_s);
            }
            Entry::Returned { trial, cost } => {
                self.trial(trial, seq)?;
                self.records[trial.0 as usize].is_returned = true;
                self.end(trial, State::Lost { cost }, at_s);
            }
            Entry::Orphaned { trial, state } => {
                // What the silent worker spent is spent.
                let spent = Trial { state, ..Trial::running(trial, Point::default()) }.cost();
                if let State::Lost { cost } = &mut self.trial(trial, seq)?.state {
                    *cost = cost.max(spent);
                }
            }
            Entry::Timed { trial, began_s, ended_s } => {
                self.trial(trial, seq)?;
                let record = &mut self.records[trial.0 as usize];
                record.began_s = began_s;
                record.ended_s = ended_s.or(record.ended_s);
            }
            Entry::Noted { trial: None, key, value } => {
                self.notes.insert(key, value);
            }
            Entry::Noted { trial: Some(id), key, value } => {
                self.trial(id, seq)?;
                self.records[id.0 as usize].notes.insert(key, value);
            }
        }
        self.seq = seq;
        Ok(())
    }

    fn begin(&mut self, trial: Trial, mut record: Record) {
        self.queue.retain(|(_, waiting)| *waiting != record.origin);
        match record.origin {
            Origin::Sampler if self.definition.exact => {
                self.cells.insert(trial.point.to_string());
            }
            Origin::Retry(of) => {
                if let Some(lost) = self.records.get_mut(of.0 as usize) {
                    lost.is_superseded = true;
                    record.attempt = lost.attempt + u32::from(!lost.is_returned);
                }
            }
            _ => (),
        }
        self.running += 1;
        self.sampler.tell(&trial);
        self.trials.push(trial);
        self.records.push(record);
    }

    fn end(&mut self, id: TrialId, state: State, at_s: f64) {
        let (trial, record) = (&mut self.trials[id.0 as usize], &mut self.records[id.0 as usize]);
        self.running -= u64::from(trial.state == State::Running);
        let retry = Origin::Retry(id);
        self.queue.retain(|(_, waiting)| *waiting != retry);
        let is_lost = matches!(state, State::Lost { .. });
        let is_given_up = is_lost && record.attempt >= self.definition.retries && !record.is_returned;
        if is_lost && !is_given_up {
            self.queue.push_back((trial.point.clone(), retry));
        }
        record.ended_s = Some(at_s);
        trial.state = state;
        if is_given_up {
            // A sampler would propose again what got lost, and a point that kills its workers kill all of them.
            let state = State::Failed { cost: trial.cost() };
            self.sampler.tell(&Trial { state, ..trial.clone() });
        } else {
            self.sampler.tell(trial);
        }
    }

    fn trial(&mut self, id: TrialId, seq: u64) -> Result<&mut Trial, StorageError> {
        self.trials.get_mut(id.0 as usize).ok_or_else(|| damaged(seq, "speaks of a trial that never began"))
    }

    /// The ends of the trials of which the lease is over.
    pub(super) fn lost(&self, expired: &[TrialId]) -> Vec<Entry> {
        let running = expired.iter().filter(|id| self.is_running(**id));
        let lost = |id: &TrialId| {
            let cost = self.cost_of(*id);
            Entry::Ended { trial: *id, state: State::Lost { cost } }
        };
        running.map(lost).collect()
    }

    /// The beginning of the next trial, unless it is over.
    pub(super) fn next(&mut self, worker: &str, limits: Limits) -> Option<Entry> {
        if limits.cost.is_some_and(|limit| self.cost() >= limit) {
            return None;
        }
        let is_full = limits.trials.is_some_and(|limit| self.firsts() >= limit);
        let waiting = self.queue.iter().find(|(_, origin)| !is_full || matches!(origin, Origin::Retry(_)));
        let (point, origin) = match waiting {
            Some((point, origin)) => (point.clone(), *origin),
            None if is_full => return None,
            None => (self.propose()?, Origin::Sampler),
        };
        let trial = TrialId(self.trials.len() as u64);
        Some(Entry::Asked { trial, point, worker: worker.to_owned(), origin })
    }

    /// What the sampler proposes for the next trial; `None` when it has nothing left, or nothing new for an exact study.
    pub(super) fn propose(&mut self) -> Option<Point> {
        if self.sampler.is_exhausted(&self.definition.space) {
            return None;
        }
        let stream = Stream::new(self.definition.seed, self.trials.len() as u64);
        let point = self.sampler.ask(&self.definition.space, stream);
        let is_new = !self.definition.exact || !self.cells.contains(&point.to_string());
        is_new.then_some(point)
    }

    /// What all trials have cost, whatever became of them.
    pub(super) fn cost(&self) -> f64 {
        self.trials.iter().map(|trial| self.cost_of(trial.id)).sum()
    }

    /// What a trial has cost, as far as it or its worker told.
    pub(super) fn cost_of(&self, id: TrialId) -> f64 {
        let trial = &self.trials[id.0 as usize];
        match trial.state {
            State::Running => trial.cost().max(self.records[id.0 as usize].spent),
            _ => trial.cost(),
        }
    }

    /// How many trials there are, not counting those that try again what got lost.
    fn firsts(&self) -> u64 {
        self.records.iter().filter(|record| !matches!(record.origin, Origin::Retry(_))).count() as u64
    }

    /// Whether nobody else was given the work of `claim`. Fails when the study knows no such trial.
    pub(super) fn is_current(&self, claim: &Claim) -> Result<bool, StorageError> {
        let record = self.record(claim.id).ok_or_else(|| unknown(claim.id))?;
        Ok(record.fence == claim.fence && !record.is_superseded)
    }

    pub(super) fn is_running(&self, id: TrialId) -> bool {
        self.trials.get(id.0 as usize).is_some_and(|trial| trial.state == State::Running)
    }

    /// Whether a result is still wanted.
    pub(super) fn is_open(&self, id: TrialId) -> bool {
        let state = self.trials.get(id.0 as usize).map(|trial| &trial.state);
        matches!(state, Some(State::Running | State::Lost { .. }))
    }

    /// The state that a trial ends in when it is told that it ended in `state`.
    pub(super) fn settled(&self, state: State) -> Result<State, StorageError> {
        match state {
            State::Done(outcome) if !self.definition.objectives.are_finite(&outcome.values) => {
                Ok(State::Failed { cost: outcome.cost })
            }
            State::Running => {
                Err(StorageError::new(StorageErrorKind::Refused, "no trial ends in running on"))
            }
            state => Ok(state),
        }
    }
}

fn damaged(seq: u64, problem: &str) -> StorageError {
    StorageError::new(StorageErrorKind::Corrupt, format!("the study is damaged: event {seq} {problem}"))
}
