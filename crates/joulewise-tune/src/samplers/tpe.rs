//! Tree-structured Parzen estimators.

mod axis;
mod exponential;
mod history;
mod mixture;
mod normal;

use crate::objective::Objectives;
use crate::point::Point;
use crate::random::Stream;
use crate::sampler::Sampler;
use crate::samplers::Sobol;
use crate::samplers::cells::{Cells, Levels};
use crate::space::Space;
use crate::trial::{State, Trial};

use self::axis::Axis;
use self::history::History;
use self::mixture::Mixture;

/// Points that are drawn to choose from.
const CANDIDATES: usize = 24;
/// Draws after which constraints are left to chance, and after which an unseen point is looked up.
const DRAWS: usize = 200;
/// The share of the trials that count as good, and how many do at most: with one objective, and with more, where
/// they are to fill a front.
const GOOD: f64 = 0.1;
const MOST_GOOD: [usize; 2] = [25, 50];

/// Tree-structured Parzen estimators (Bergstra et al. 2011), multivariate (Falkner et al. 2018): proposes what is
/// likely among the good trials and unlikely among the others, the running ones included.
///
/// The good ones are the best tenth, at most 25. Trials that keep the bounds come before those that miss them, by how
/// much they do; then those that were stopped, the latest first; then those that failed. With several objectives it
/// is front after front, and of the front that does not fit the trials that together dominate the most volume.
///
/// **Conditions.** All trials are kernels of the same two densities. A trial in which a parameter is not active knows
/// nothing of it: its kernel is uniform there. So trials of one branch teach the others what they have in common, and a
/// branch that nobody has tried yet is neither preferred nor shunned. (Optuna's groups learn each branch by itself.)
///
/// **Settings.** They were chosen among Optuna 5's and Watanabe's (2023) and others by the median regret after 100 and
/// 250 trials of the problems of the example `regret`. Kept: 10 trials to begin with, 24 candidates, a tenth as good
/// ones, a uniform prior with the weight of one trial. Changed: the first points are a [`Sobol`] sequence; deviations
/// follow Scott's rule by axis, times 0.7, instead of the distance to the neighbours; good trials weigh by their rank,
/// so that only the order of values matters; old trials weigh no less than new ones; options are smoothed as if each
/// had been tried three times among all trials.
///
/// A point of a discrete space is not proposed again while there are others, unless the study
/// [is noisy](Self::noisy). It serves one space: asked for another one, it starts over.
#[derive(Clone, Debug)]
pub struct Tpe {
    objectives: Objectives,
    startup: usize,
    is_noisy: bool,
    cost: Option<CostAwareness>,
    /// What was told before it was known what of.
    pending: Vec<Trial>,
    model: Option<Model>,
}

#[derive(Clone, Copy, Debug)]
struct CostAwareness {
    budget: Option<f64>,
}

#[derive(Clone, Debug)]
struct Model {
    space: Space,
    axes: Vec<Axis>,
    history: History,
    /// The density of all trials that are not good.
    others: Mixture,
    /// The first point of a discrete space that may be unseen.
    cells: Cells,
}

/// A point that may be proposed.
struct Candidate {
    coordinates: Vec<f64>,
    /// The same as the kernels have them; NaN where they are not active.
    active: Vec<f32>,
    score: f64,
}

impl Tpe {
    /// For a study with these objectives.
    pub fn new(objectives: &Objectives) -> Self {
        Self {
            objectives: objectives.clone(),
            startup: 10,
            is_noisy: false,
            cost: None,
            pending: Vec::new(),
            model: None,
        }
    }

    /// Begins with so many quasi-random trials, at least 1, instead of 10.
    #[must_use]
    pub fn startup(mut self, trials: usize) -> Self {
        self.startup = trials.max(1);
        self
    }

    /// Takes the values for noisy: the same point may be worth another trial.
    #[must_use]
    pub fn noisy(mut self) -> Self {
        self.is_noisy = true;
        self
    }

    /// Prefers cheap points: the expected improvement counts by the expected cost to the power of α, where α cools from
    /// 1 to 0 as the budget is used up (as in CArBO, Lee et al. 2020), and is 1 where there is no budget. The
    /// improvement is that of Bergstra et al., `1 / (γ + (1 − γ) · g / l)`; the cost is the geometric mean of what the
    /// trials around the point have cost, weighted by their kernels.
    #[must_use]
    pub fn cost_aware(mut self, budget: Option<f64>) -> Self {
        self.cost = Some(CostAwareness { budget });
        self
    }

    /// Makes sure that there is a model of `space`.
    fn learn(&mut self, space: &Space) {
        if self.model.as_ref().is_none_or(|model| model.space != *space) {
            let mut model = Model::new(space, &self.objectives);
            self.pending.drain(..).for_each(|trial| model.record(&trial));
            self.model = Some(model);
        }
    }
}

impl Model {
    fn new(space: &Space, objectives: &Objectives) -> Self {
        let axes = Axis::all(space);
        let history = History::new(axes.len(), objectives);
        let cells = Cells::new(Levels::COUNTABLE);
        Self { space: space.clone(), axes, history, others: Mixture::default(), cells }
    }

    fn record(&mut self, trial: &Trial) {
        self.history.record(trial, &self.axes);
        if let State::Lost { .. } = trial.state {
            // Its point is free again, wherever it is.
            self.cells = Cells::new(Levels::COUNTABLE);
        }
    }

    /// What may be proposed, the best first; nothing where constraints leave hardly anything.
    fn candidates(
        &mut self,
        objectives: &Objectives,
        cost: Option<CostAwareness>,
        stream: &mut Stream,
    ) -> Vec<Candidate> {
        let several = objectives.optimised() > 1;
        let count =
            ((GOOD * self.history.ended() as f64).ceil() as usize).min(MOST_GOOD[usize::from(several)]);
        let best = self.history.best(count);
        let others = (0..self.history.len()).map(|slot| !best.contains(&slot) && !self.history.is_lost(slot));
        let weights = others.map(|is_other| if is_other { 1.0 } else { 0.0 }).collect();
        let gaps = self.history.has_gaps();
        self.others.fit(&self.axes, self.history.columns(), weights, gaps);

        let columns: Vec<Vec<f32>> = self
            .history
            .columns()
            .iter()
            .map(|column| best.iter().map(|&slot| column[slot]).collect())
            .collect();
        let weight = |place: usize| 2.0 * (best.len() - place) as f32 / (best.len() + 1) as f32;
        let weights = (0..best.len()).map(|place| if several { 1.0 } else { weight(place) }).collect();
        let mut good = Mixture::default();
        good.fit(&self.axes, &columns, weights, gaps);

        let mut candidates: Vec<Candidate> = Vec::with_capacity(CANDIDATES);
        for _ in 0..DRAWS {
            let coordinates = good.draw(&self.axes, &columns, stream);
            candidates.extend(self.candidate(coordinates));
            if candidates.len() == CANDIDATES {
                break;
            }
        }
        let points: Vec<Vec<f32>> = candidates.iter().map(|candidate| candidate.active.clone()).collect();
        let l = good.log_densities(&self.axes, &columns, &points);
        let g = self.others.log_densities(&self.axes, self.history.columns(), &points);
        for ((candidate, l), g) in candidates.iter_mut().zip(l).zip(g) {
            candidate.score = l - g;
        }
        if let Some(cost) = cost {
            self.weigh_by_cost(&mut candidates, cost, (&good, &columns, &best));
        }
        // The sort is stable: of equals the one that was drawn first.
        candidates.sort_by(|a, b| b.score.total_cmp(&a.score));
        candidates
    }

    /// `None` where a constraint is not kept.
    fn candidate(&self, coordinates: Vec<f64>) -> Option<Candidate> {
        let mut active: Vec<f32> = coordinates.iter().map(|x| *x as f32).collect();
        if self.space.is_conditional() || !self.space.constraints().is_empty() {
            let point = self.point(&coordinates);
            if !self.space.admits(&point) {
                return None;
            }
            for (active, axis) in active.iter_mut().zip(&self.axes) {
                if point.get(&axis.name).is_none() {
                    *active = f32::NAN;
                }
            }
        }
        Some(Candidate { coordinates, active, score: 0.0 })
    }

    fn point(&self, coordinates: &[f64]) -> Point {
        self.space.complete(|name, domain| {
            match self.axes.binary_search_by(|axis| axis.name.as_str().cmp(name)) {
                Ok(index) => self.axes[index].value(coordinates[index]),
                Err(_) => domain.at(0.5),
            }
        })
    }

    /// Makes of the ratio of the densities the logarithm of an improvement for a cost.
    fn weigh_by_cost(
        &self,
        candidates: &mut [Candidate],
        cost: CostAwareness,
        (good, columns, best): (&Mixture, &[Vec<f32>], &[usize]),
    ) {
        let (spent, logs) = self.history.costs();
        let known: Vec<f64> = logs.iter().copied().flatten().collect();
        if known.is_empty() {
            return;
        }
        let mean = known.iter().sum::<f64>() / known.len() as f64;
        let alpha = cost.budget.map_or(1.0, |budget| (1.0 - spent / budget).clamp(0.0, 1.0));
        for candidate in candidates {
            let among = |mixture: &Mixture, columns: &[Vec<f32>], log: &dyn Fn(usize) -> Option<f64>| {
                mixture.weighted(&self.axes, columns, &candidate.active, log)
            };
            let near = among(good, columns, &|place| logs[best[place]]);
            let far = among(&self.others, self.history.columns(), &|slot| logs[slot]);
            // The uniform density stands for the mean.
            let log_cost = (near.0 + far.0 + mean) / (near.1 + far.1 + 1.0);
            candidate.score = -(GOOD + (1.0 - GOOD) * (-candidate.score).exp()).ln() - alpha * log_cost;
        }
    }

    fn has_seen(&self, point: &Point) -> bool {
        self.history.has_seen_point(point, &self.axes)
    }

    /// A point that no trial has, if there is any, where none of `candidates` is one.
    fn another(&mut self, candidates: &[Candidate], stream: &mut Stream) -> Point {
        let drawn = (0..DRAWS).map(|_| self.space.draw(stream)).find(|point| !self.has_seen(point));
        let best = candidates.first().map(|candidate| self.point(&candidate.coordinates));
        drawn.or_else(|| self.next_cell()).or(best).unwrap_or_else(|| self.space.draw(stream))
    }

    /// An unseen point of a discrete space.
    fn next_cell(&mut self) -> Option<Point> {
        self.space.cardinality()?;
        unseen(&self.history, &self.axes, &self.space, &mut self.cells)
    }

    fn is_exhausted(&self) -> bool {
        unseen(&self.history, &self.axes, &self.space, &mut self.cells.clone()).is_none()
    }
}

/// Goes on from `cells` to a point that no trial has.
fn unseen(history: &History, axes: &[Axis], space: &Space, cells: &mut Cells) -> Option<Point> {
    loop {
        let point = cells.peek(space)?;
        if !history.has_seen_point(&point, axes) {
            return Some(point);
        }
        cells.step();
    }
}

impl Sampler for Tpe {
    fn tell(&mut self, trial: &Trial) {
        match &mut self.model {
            Some(model) => model.record(trial),
            None => self.pending.push(trial.clone()),
        }
    }

    fn ask(&mut self, space: &Space, mut stream: Stream) -> Point {
        self.learn(space);
        let (startup, is_noisy, cost) = (self.startup, self.is_noisy, self.cost);
        let Some(model) = &mut self.model else { return space.draw(&mut stream) };
        let is_new = |model: &Model, point: &Point| is_noisy || !model.has_seen(point);
        let candidates = if model.history.ended() < startup {
            let point = Sobol.ask(space, stream.clone());
            if is_new(model, &point) {
                return point;
            }
            Vec::new()
        } else {
            model.candidates(&self.objectives, cost, &mut stream)
        };
        let mut points = candidates.iter().map(|candidate| model.point(&candidate.coordinates));
        let new = points.find(|point| is_new(model, point));
        new.unwrap_or_else(|| model.another(&candidates, &mut stream))
    }

    fn is_exhausted(&self, space: &Space) -> bool {
        if self.is_noisy || space.cardinality().is_none() {
            return false;
        }
        match &self.model {
            Some(model) if model.space == *space => model.is_exhausted(),
            _ => {
                let mut twin = self.clone();
                twin.learn(space);
                twin.model.is_some_and(|model| model.is_exhausted())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::direction::Direction;
    use crate::objective::{Goal, Objective};
    use crate::study::Study;
    use crate::testing;
    use crate::trial::{Outcome, TrialId};

    fn single() -> Objectives {
        Objectives::single(Direction::Min)
    }

    fn search(space: &Space, sampler: Tpe, trials: u64, loss: impl Fn(&Point) -> f64) -> Study<Tpe> {
        let mut study = Study::new(space.clone(), sampler.objectives.clone(), 5, sampler);
        for _ in 0..trials {
            let (id, point) = study.ask();
            study.tell(id, Outcome::of(loss(&point), 1.0));
        }
        study
    }

    #[test]
    fn tpe_is_a_sampler() {
        testing::check_sampler(Tpe::new);
        testing::check_sampler(|objectives| Tpe::new(objectives).startup(3).noisy());
        testing::check_sampler(|objectives| Tpe::new(objectives).startup(0).cost_aware(Some(200.0)));
        testing::check_sampler(|objectives| Tpe::new(objectives).startup(5).cost_aware(None));
    }

    #[test]
    fn it_finds_what_random_does_not() {
        let space = Space::new().float("x", -5.0, 5.0).unwrap().log_float("y", 1e-4, 1.0).unwrap();
        let space = space.choice("c", &["a", "b", "c", "d"]).unwrap();
        let loss = |p: &Point| {
            let miss = if p.choice("c") == Some("c") { 0.0 } else { 1.0 };
            (p.float("x").unwrap() - 1.0).powi(2) + (p.float("y").unwrap().log10() + 2.0).powi(2) + miss
        };
        let study = search(&space, Tpe::new(&single()), 80, loss);
        assert!(study.best().unwrap().value().unwrap() < 0.02);
    }

    #[test]
    fn only_the_order_of_values_matters() {
        let space = Space::new().float("x", 0.0, 1.0).unwrap().int("n", 0, 9).unwrap();
        let loss = |p: &Point| (p.float("x").unwrap() - 0.3).abs() + p.float("n").unwrap();
        let plain = search(&space, Tpe::new(&single()), 40, loss);
        let bent = search(&space, Tpe::new(&single()), 40, |p| loss(p).powi(3) - 7.0);
        assert_eq!(plain.trials().last().unwrap().point, bent.trials().last().unwrap().point);
    }

    #[test]
    fn a_branch_is_found_and_searched() {
        let space = Space::new().choice("model", &["a", "b", "c"]).unwrap();
        let space = space.float("x", 0.0, 1.0).unwrap().when("x", "model == b").unwrap();
        let space = space.float("y", 0.0, 1.0).unwrap().when("y", "model != b").unwrap();
        let loss = |p: &Point| match p.float("x") {
            Some(x) => (x - 0.7).abs(),
            None => 0.3 + p.float("y").unwrap(),
        };
        let study = search(&space, Tpe::new(&single()), 60, loss);
        let late = study.trials()[30..].iter().filter(|trial| trial.point.float("x").is_some()).count();
        assert!(late > 20, "{late} of 30");
        assert!(study.best().unwrap().value().unwrap() < 0.01);
    }

    #[test]
    fn where_trials_fail_it_stays_away() {
        let space = Space::new().float("x", 0.0, 1.0).unwrap().float("y", 0.0, 1.0).unwrap();
        let loss = |p: &Point| if p.float("y").unwrap() > 0.4 { f64::NAN } else { p.float("x").unwrap() };
        let study = search(&space, Tpe::new(&single()), 60, loss);
        let failed = study.trials()[40..].iter().filter(|trial| trial.value().is_none()).count();
        assert!(failed <= 4, "{failed} of 20");
        assert!(study.best().unwrap().value().unwrap() < 0.01);
    }

    #[test]
    fn bounds_are_kept() {
        let goals = [("loss", Goal::Min), ("size", Goal::AtMost(0.5))];
        let objective = |(metric, goal): (&str, Goal)| Objective { metric: metric.to_owned(), goal };
        let objectives = Objectives::new(goals.map(objective).into()).unwrap();
        let space = Space::new().float("x", 0.0, 1.0).unwrap().float("y", 0.0, 1.0).unwrap();
        let mut study = Study::new(space, objectives.clone(), 1, Tpe::new(&objectives));
        for _ in 0..80 {
            let (id, point) = study.ask();
            let (x, y) = (point.float("x").unwrap(), point.float("y").unwrap());
            study.tell(id, Outcome { values: vec![(x - 0.9).powi(2) + (y - 0.5).powi(2), x], cost: 1.0 });
        }
        let best = study.best().unwrap();
        assert!(best.point.float("x").unwrap() <= 0.5 && best.value().unwrap() < 0.19, "{best:?}");
    }

    #[test]
    fn two_objectives_get_a_front() {
        let objective = |metric: &str| Objective { metric: metric.to_owned(), goal: Goal::Min };
        let objectives = Objectives::new(vec![objective("a"), objective("b")]).unwrap();
        let space = (0..4).try_fold(Space::new(), |s, d| s.float(&format!("x{d}"), 0.0, 1.0)).unwrap();
        let mut study = Study::new(space, objectives.clone(), 1, Tpe::new(&objectives));
        for _ in 0..150 {
            let (id, point) = study.ask();
            let x: Vec<f64> = (0..4).map(|d| point.float(&format!("x{d}")).unwrap()).collect();
            let g = 1.0 + x[1..].iter().sum::<f64>();
            study.tell(id, Outcome { values: vec![x[0], g * (1.0 - (x[0] / g).sqrt())], cost: 1.0 });
        }
        let front: Vec<Vec<f64>> =
            study.front().iter().map(|trial| trial.outcome().unwrap().values.clone()).collect();
        // All of it would be 2/3 + 0.21; 150 random points come to about 0.4.
        let volume = crate::hypervolume::hypervolume(&front, &[1.1, 1.1]);
        assert!(volume > 0.72, "{volume}");
    }

    #[test]
    fn discrete_points_come_once_until_none_is_left() {
        let space = Space::new().int("n", 1, 5).unwrap().choice("c", &["a", "b", "c"]).unwrap();
        let space = space.constraint("not (n == 5 and c == b)").unwrap();
        let mut study = Study::new(space.clone(), single(), 1, Tpe::new(&single()));
        while !study.is_exhausted() {
            let (id, point) = study.ask();
            if id.0 % 4 != 3 {
                study.tell(id, Outcome::of(point.float("n").unwrap(), 1.0));
            }
        }
        let distinct: BTreeSet<&Point> = study.trials().iter().map(|trial| &trial.point).collect();
        assert_eq!((study.trials().len(), distinct.len()), (14, 14));
        study.end(TrialId(3), State::Lost { cost: 1.0 });
        assert!(!study.is_exhausted());
        assert_eq!(study.ask().1, study.trials()[3].point);
        assert!(study.is_exhausted() && space.contains(&study.ask().1));

        let mut resumed = Tpe::new(&single());
        study.trials().iter().for_each(|trial| resumed.tell(trial));
        assert!(resumed.is_exhausted(&space), "before it was ever asked");
        let noisy = search(&space, Tpe::new(&single()).noisy(), 40, |p| p.float("n").unwrap());
        assert!(!noisy.is_exhausted());
    }

    #[test]
    fn cheap_points_come_first_while_the_budget_lasts() {
        let space = Space::new().float("size", 0.0, 1.0).unwrap().float("x", 0.0, 1.0).unwrap();
        let spent = |sampler: Tpe| {
            let mut study = Study::new(space.clone(), single(), 2, sampler);
            for _ in 0..60 {
                let (id, point) = study.ask();
                let cost = (5.0 * point.float("size").unwrap()).exp();
                study.tell(id, Outcome::of((point.float("x").unwrap() - 0.4).powi(2), cost));
            }
            (study.cost(), study.best().unwrap().value().unwrap())
        };
        let (plain, aware) = (spent(Tpe::new(&single())), spent(Tpe::new(&single()).cost_aware(None)));
        assert!(aware.0 < 0.8 * plain.0 && aware.1 < 1e-3, "{aware:?} {plain:?}");
    }

    #[test]
    fn what_was_asked_in_between_does_not_matter() {
        let space = Space::new().float("x", 0.0, 1.0).unwrap().log_int("n", 1, 100).unwrap();
        let study =
            search(&space, Tpe::new(&single()), 60, |p| p.float("x").unwrap() * p.float("n").unwrap());
        let (mut often, mut once) = (Tpe::new(&single()), Tpe::new(&single()));
        for (number, trial) in (0..).zip(study.trials()) {
            for sampler in [&mut often, &mut once] {
                sampler.tell(&Trial::running(trial.id, trial.point.clone()));
            }
            often.ask(&space, Stream::new(9, number));
            for sampler in [&mut often, &mut once] {
                sampler.tell(trial);
            }
        }
        assert_eq!(often.ask(&space, Stream::new(5, 60)), once.ask(&space, Stream::new(5, 60)));
    }
}
