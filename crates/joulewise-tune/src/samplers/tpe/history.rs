//! What TPE knows of the trials, in columns.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap};

use crate::curves::{self, Curve};
use crate::front;
use crate::hypervolume;
use crate::objective::Objectives;
use crate::point::Point;
use crate::rank::{Class, Rank};
use crate::samplers::tpe::axis::Axis;
use crate::trial::{State, Trial, TrialId};

/// The trials that were told, in the order in which they were first told of.
#[derive(Clone, Debug)]
pub(crate) struct History {
    objectives: Objectives,
    slots: BTreeMap<TrialId, usize>,
    /// Of each axis, the coordinate of each trial; NaN where it is not active.
    columns: Vec<Vec<f32>>,
    standings: Vec<Standing>,
    costs: Vec<f64>,
    /// Of those that came to their end or were stopped, where there is one objective and no bound.
    curves: Vec<Curve>,
    /// How many were stopped.
    stopped: usize,
    /// Those that have ended, best first.
    order: Vec<usize>,
    /// How many trials, lost ones excepted, have these coordinates.
    seen: HashMap<Vec<u32>, usize>,
    has_gaps: bool,
}

#[derive(Clone, Debug)]
enum Standing {
    Running,
    Lost,
    Ended(Rank),
}

impl History {
    pub(crate) fn new(axes: usize, objectives: &Objectives) -> Self {
        Self {
            objectives: objectives.clone(),
            slots: BTreeMap::new(),
            columns: vec![Vec::new(); axes],
            standings: Vec::new(),
            costs: Vec::new(),
            curves: Vec::new(),
            stopped: 0,
            order: Vec::new(),
            seen: HashMap::new(),
            has_gaps: false,
        }
    }

    /// Enters a trial, or what became of it since.
    pub(crate) fn record(&mut self, trial: &Trial, axes: &[Axis]) {
        let slot = match self.slots.get(&trial.id) {
            Some(&slot) => {
                self.withdraw(slot);
                slot
            }
            None => self.enter(trial, axes),
        };
        self.costs[slot] = trial.cost();
        self.curves[slot] = self.curve(trial);
        self.stopped += usize::from(matches!(trial.state, State::Stopped(_)));
        self.standings[slot] = match &trial.state {
            State::Running => Standing::Running,
            State::Lost { .. } => Standing::Lost,
            _ => Standing::Ended(Rank::of(trial, &self.objectives)),
        };
        if let Standing::Ended(_) = self.standings[slot] {
            let at = self.place(slot);
            self.order.insert(at, slot);
        }
        if !matches!(self.standings[slot], Standing::Lost) {
            *self.seen.entry(self.key(slot)).or_default() += 1;
        }
    }

    fn enter(&mut self, trial: &Trial, axes: &[Axis]) -> usize {
        let slot = self.standings.len();
        self.slots.insert(trial.id, slot);
        for (column, axis) in self.columns.iter_mut().zip(axes) {
            let coordinate = axis.coordinate(&trial.point);
            self.has_gaps |= coordinate.is_nan();
            column.push(coordinate);
        }
        self.standings.push(Standing::Lost);
        self.costs.push(0.0);
        self.curves.push(Curve::new());
        slot
    }

    /// Takes back what was entered of a trial but for its point.
    fn withdraw(&mut self, slot: usize) {
        if let Standing::Ended(rank) = &self.standings[slot] {
            self.stopped -= usize::from(rank.class == Class::Stopped);
            let at = self.place(slot);
            self.order.remove(at);
        }
        if !matches!(self.standings[slot], Standing::Lost)
            && let Some(count) = self.seen.get_mut(&self.key(slot))
        {
            *count -= 1;
        }
    }

    /// Where an ended trial is in the order, or belongs.
    fn place(&self, slot: usize) -> usize {
        self.order.partition_point(|&other| self.compare(other, slot).is_lt())
    }

    fn compare(&self, a: usize, b: usize) -> Ordering {
        let by_rank = match (&self.standings[a], &self.standings[b]) {
            (Standing::Ended(a), Standing::Ended(b)) => a.compare(b),
            _ => Ordering::Equal,
        };
        by_rank.then(a.cmp(&b))
    }

    fn key(&self, slot: usize) -> Vec<u32> {
        self.columns.iter().map(|column| key(column[slot])).collect()
    }

    /// Whether a trial that is not lost has these coordinates.
    pub(crate) fn has_seen(&self, coordinates: impl Iterator<Item = f32>) -> bool {
        self.seen.get(&coordinates.map(key).collect::<Vec<u32>>()).is_some_and(|count| *count > 0)
    }

    /// The same of a point.
    pub(crate) fn has_seen_point(&self, point: &Point, axes: &[Axis]) -> bool {
        self.has_seen(axes.iter().map(|axis| axis.coordinate(point)))
    }

    /// How many trials have ended.
    pub(crate) fn ended(&self) -> usize {
        self.order.len()
    }

    /// How many are known, whatever their state.
    pub(crate) fn len(&self) -> usize {
        self.standings.len()
    }

    /// The coordinates of all, by axis.
    pub(crate) fn columns(&self) -> &[Vec<f32>] {
        &self.columns
    }

    /// Whether some trial lacks some coordinate.
    pub(crate) fn has_gaps(&self) -> bool {
        self.has_gaps
    }

    /// What nobody knows anything of.
    pub(crate) fn is_lost(&self, slot: usize) -> bool {
        matches!(self.standings[slot], Standing::Lost)
    }

    /// What all have cost, and of each one its logarithm where the trial is done and it is a number.
    pub(crate) fn costs(&self) -> (f64, Vec<Option<f64>>) {
        let log = |(standing, cost): (&Standing, &f64)| match standing {
            Standing::Ended(rank) if rank.class <= Class::Infeasible && *cost > 0.0 && cost.is_finite() => {
                Some(cost.ln())
            }
            _ => None,
        };
        let spent = self.costs.iter().filter(|cost| cost.is_finite()).sum();
        (spent, self.standings.iter().zip(&self.costs).map(log).collect())
    }

    /// The best `count` of those that have ended, best first.
    pub(crate) fn best(&self, count: usize) -> Vec<usize> {
        let count = count.min(self.order.len());
        if self.objectives.optimised() == 1 {
            let mut best = if self.stopped > 0 { self.completed() } else { self.order.clone() };
            best.truncate(count);
            return best;
        }
        let class = |slot: &usize| match &self.standings[*slot] {
            Standing::Ended(rank) => rank.class,
            _ => Class::Failed,
        };
        let feasible = self.order.partition_point(|slot| class(slot) == Class::Feasible);
        let mut best = self.spread(&self.order[..feasible], count);
        best.extend(self.order[feasible..].iter().take(count - best.len()));
        best
    }

    /// What a trial that gave values had on the way; nothing where one number would not sort it.
    fn curve(&self, trial: &Trial) -> Curve {
        let is_alone = self.objectives.iter().count() == 1;
        match trial.outcome() {
            Some(_) if is_alone => curves::of(trial, |values| self.objectives.losses(values).next()),
            _ => Curve::new(),
        }
    }

    /// All that have ended, best first, where those that were stopped are compared by what they would have come to.
    fn completed(&self) -> Vec<usize> {
        let gains = curves::gains(&self.curves);
        let loss = |slot: usize| match &self.standings[slot] {
            Standing::Ended(rank) if rank.class == Class::Stopped => {
                self.curves[slot].last().map_or(f64::INFINITY, |(step, loss)| loss + gains[step])
            }
            Standing::Ended(rank) if rank.class == Class::Feasible => {
                rank.losses.first().copied().unwrap_or(f64::INFINITY)
            }
            _ => f64::INFINITY,
        };
        let mut order = self.order.clone();
        // The sort is stable: what has no value stays behind.
        order.sort_by(|&a, &b| loss(a).total_cmp(&loss(b)));
        order
    }

    /// Front after front; of the last one that does not fit, what adds the most volume.
    fn spread(&self, feasible: &[usize], count: usize) -> Vec<usize> {
        let points: Vec<Vec<f64>> = feasible
            .iter()
            .map(|&slot| match &self.standings[slot] {
                Standing::Ended(rank) => rank.losses.clone(),
                _ => Vec::new(),
            })
            .collect();
        let all: Vec<usize> = (0..points.len()).collect();
        let (mut left, mut best) = (all.clone(), Vec::new());
        while best.len() < count && !left.is_empty() {
            let (front, rest) = front::peel(&points, &left);
            let room = count - best.len();
            if front.len() > room {
                best.extend(hypervolume::largest(&points, &all, &front, room));
            } else {
                best.extend(front);
            }
            left = rest;
        }
        best.into_iter().map(|index| feasible[index]).collect()
    }
}

/// NaN is itself here.
fn key(coordinate: f32) -> u32 {
    if coordinate.is_nan() { u32::MAX } else { coordinate.to_bits() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::direction::Direction;
    use crate::space::Space;
    use crate::trial::{Outcome, Report};

    #[test]
    fn what_was_stopped_counts_as_what_it_would_have_come_to() {
        let space = Space::new().float("x", 0.0, 1.0).unwrap();
        let axes = Axis::all(&space);
        let objectives = Objectives::single(Direction::Max);
        let mut history = History::new(axes.len(), &objectives);
        // Accuracy after one epoch, and after three where it came so far.
        for (id, curve) in [(0, &[0.5, 0.6][..]), (1, &[0.55]), (2, &[0.7, 0.8]), (3, &[0.4])] {
            let outcome = Outcome::of(curve[curve.len() - 1], 1.0);
            let reports = [1, 3].into_iter().zip(curve);
            let trial = Trial {
                id: TrialId(id),
                point: space.complete(|_, domain| domain.at(0.1 * id as f64)),
                state: if curve.len() == 1 { State::Stopped(outcome) } else { State::Done(outcome) },
                curve: reports.map(|(step, value)| Report::of(step, *value)).collect(),
            };
            history.record(&trial, &axes);
        }
        // Both that went on gained 0.1, so the second would have come to 0.65.
        assert_eq!(history.best(4), [2, 1, 0, 3]);
    }
}
