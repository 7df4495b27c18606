//! What the sampler was told, in the order in which trials ended.

use std::collections::BTreeMap;

use crate::front::{peel, spread};
use crate::objective::Objectives;
use crate::point::Point;
use crate::trial::{State, Trial, TrialId};

/// Processes see at most about this many trials: the newest, and the best of those before them.
const MOST: usize = 1_000;
/// So many trials are forgotten at once, that what is known of the others can be used for long.
const BLOCK: usize = 100;
/// The best of those that are forgotten are not.
const KEPT: usize = 50;

/// Of one objective so many trials are searched around, and of a front so many.
const BEST: usize = 5;
const MOST_OF_FRONT: usize = 20;

/// What is known of trials.
#[derive(Clone, Debug, Default)]
pub(super) struct Told {
    ended: Vec<Ended>,
    running: BTreeMap<TrialId, Point>,
}

#[derive(Clone, Debug)]
struct Ended {
    id: TrialId,
    point: Point,
    cost: f64,
    /// `None` where it failed.
    values: Option<Vec<f64>>,
}

/// What is known after some of the trials have ended.
pub(super) struct View<'a> {
    values: Vec<Known<'a>>,
    start: usize,
    ended: &'a [Ended],
    told: &'a Told,
}

/// A trial that gave values.
pub(super) struct Known<'a> {
    pub(super) point: &'a Point,
    /// What is optimised, turned so that less is better.
    pub(super) losses: Vec<f64>,
    /// What each bound is missed by.
    pub(super) violations: Vec<f64>,
    violation: f64,
}

impl Told {
    /// Learns of a trial. Whether that changes what was known of one that had ended.
    pub(super) fn tell(&mut self, objectives: &Objectives, trial: &Trial) -> bool {
        self.running.remove(&trial.id);
        let place = self.ended.iter().rposition(|ended| ended.id == trial.id);
        let values = match &trial.state {
            State::Running | State::Lost { .. } => {
                if matches!(trial.state, State::Running) {
                    self.running.insert(trial.id, trial.point.clone());
                }
                if let Some(place) = place {
                    self.ended.remove(place);
                }
                return place.is_some();
            }
            State::Failed { .. } => None,
            State::Done(outcome) | State::Stopped(outcome) => {
                Some(outcome.values.clone()).filter(|values| objectives.are_finite(values))
            }
        };
        let ended = Ended { id: trial.id, point: trial.point.clone(), cost: trial.cost(), values };
        match place {
            Some(place) => self.ended[place] = ended,
            None => self.ended.push(ended),
        }
        place.is_some()
    }

    /// How many have ended and were not lost.
    pub(super) fn ended(&self) -> usize {
        self.ended.len()
    }

    /// All points that were tried or are.
    pub(super) fn points(&self) -> impl Iterator<Item = &Point> {
        self.ended.iter().map(|ended| &ended.point).chain(self.running.values())
    }

    /// What was known when only the first `ended` trials had ended.
    pub(super) fn view<'a>(&'a self, objectives: &Objectives, ended: usize) -> View<'a> {
        let ended = &self.ended[..ended];
        let mut values: Vec<Known<'a>> = ended
            .iter()
            .filter_map(|ended| {
                let values = ended.values.as_ref()?;
                Some(Known {
                    point: &ended.point,
                    losses: objectives.losses(values).collect(),
                    violations: objectives.violations(values).collect(),
                    violation: objectives.violation(values),
                })
            })
            .collect();
        let start = start(values.len());
        if start > 0 {
            let newest = values.split_off(start);
            values.sort_by(Known::compare);
            values.truncate(KEPT);
            values.extend(newest);
        }
        View { values, start, ended, told: self }
    }
}

impl<'a> View<'a> {
    /// The trials that gave values.
    pub(super) fn values(&self) -> &[Known<'a>] {
        &self.values
    }

    /// How many that gave values were forgotten, but for the best.
    pub(super) fn start_of_values(&self) -> usize {
        self.start
    }

    /// Which of them keep all bounds.
    pub(super) fn admitted(&self) -> impl Iterator<Item = usize> {
        self.values.iter().enumerate().filter(|(_, known)| known.violation <= 0.0).map(|(i, _)| i)
    }

    /// Points near which better ones may lie: the best, or of several objectives some that are spread over the front.
    pub(super) fn incumbents(&self) -> Vec<Point> {
        let admitted: Vec<usize> = self.admitted().collect();
        let is_front = admitted.first().is_some_and(|&i| self.values[i].losses.len() > 1);
        if is_front {
            let losses: Vec<Vec<f64>> = self.values.iter().map(|known| known.losses.clone()).collect();
            let (front, _) = peel(&losses, &admitted);
            let chosen = spread(&losses, &front).into_iter().take(MOST_OF_FRONT);
            return chosen.map(|i| self.values[i].point.clone()).collect();
        }
        let mut order: Vec<&Known> = self.values.iter().collect();
        order.sort_by(|a, b| a.compare(b));
        order.into_iter().take(BEST).map(|known| known.point.clone()).collect()
    }

    /// How many failed.
    pub(super) fn failures(&self) -> usize {
        self.ended.iter().filter(|ended| ended.values.is_none()).count()
    }

    /// All that ended, 1 for those that failed and 0 for the others; the newest.
    pub(super) fn failed(&self) -> impl Iterator<Item = (&'a Point, f64)> {
        self.newest().iter().map(|ended| (&ended.point, f64::from(u8::from(ended.values.is_none()))))
    }

    /// What those that ended have cost; the newest.
    pub(super) fn costs(&self) -> impl Iterator<Item = (&'a Point, f64)> {
        self.newest().iter().map(|ended| (&ended.point, ended.cost))
    }

    /// What all that ended have cost.
    pub(super) fn spent(&self) -> f64 {
        self.ended.iter().map(|ended| ended.cost).sum()
    }

    /// How many that ended are older than those of [`failed`](Self::failed) and [`costs`](Self::costs).
    pub(super) fn start_of_ended(&self) -> usize {
        start(self.ended.len())
    }

    fn newest(&self) -> &'a [Ended] {
        &self.ended[self.start_of_ended()..]
    }

    /// Those that run.
    pub(super) fn running(&self) -> impl Iterator<Item = &'a Point> {
        self.told.running.values()
    }

    /// Whether `point` was tried by then.
    pub(super) fn has(&self, point: &Point) -> bool {
        self.ended.iter().any(|ended| ended.point == *point)
    }
}

/// How many of `n` trials are forgotten.
fn start(n: usize) -> usize {
    n.saturating_sub(MOST).div_ceil(BLOCK) * BLOCK
}

impl Known<'_> {
    fn compare(&self, other: &Self) -> std::cmp::Ordering {
        self.violation.total_cmp(&other.violation).then(self.losses[0].total_cmp(&other.losses[0]))
    }
}
