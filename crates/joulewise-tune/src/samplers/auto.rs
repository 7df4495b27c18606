//! The sampler that suits the study.

use std::collections::BTreeMap;

use crate::objective::Objectives;
use crate::point::Point;
use crate::random::Stream;
use crate::sampler::Sampler;
use crate::samplers::{Gp, Grid, Tpe};
use crate::space::Space;
use crate::trial::{State, Trial, TrialId};

/// Up to so many combinations are all tried.
const FEW: u64 = 20;
/// A Gaussian process suits up to so many trials.
const MOST: usize = 500;
/// Trials of which the mean cost is known well enough.
const KNOWN: usize = 5;

/// Whichever sampler suits the space, and why.
///
/// - Every combination, once, in random order, where there are no more than 20.
/// - [`Gp`] up to 500 trials where they are [dear](Self::dear_from), parameters have no conditions and values are not
///   noisy: it finds better points, and takes a few to some tens of milliseconds for each.
/// - [`Tpe`] for everything else; it begins with an even spread.
///
/// How many trials there will be does not matter: a study that is continued for longer goes on as it began. Nor does
/// the clock: what counts is the cost that the study has recorded, so that suggestions can be derived again.
///
/// ```
/// use joulewise_tune::samplers::Auto;
/// use joulewise_tune::{Direction, Objectives, Space};
///
/// let space = Space::new().int("layers", 1, 4)?.choice("optimiser", &["sgd", "adam"])?;
/// let auto = Auto::new(&space, &Objectives::single(Direction::Max));
/// assert_eq!(auto.why(), "grid: there are only 8 combinations");
/// # Ok::<(), joulewise_tune::SpaceError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Auto {
    study: StudyFacts,
    chosen: Chosen,
    why: String,
}

/// What the choice hangs on.
#[derive(Clone, Debug)]
struct StudyFacts {
    space: Space,
    objectives: Objectives,
    is_noisy: bool,
    is_cost_aware: bool,
    budget: Option<f64>,
    dear: Option<(f64, &'static str)>,
}

#[derive(Clone, Debug)]
enum Chosen {
    Grid(Box<Grid>),
    Tpe(Box<Tpe>),
    Either(Box<Either>),
}

/// A Gaussian process while trials are few and dear, and estimators else. Both are told everything.
#[derive(Clone, Debug)]
struct Either {
    tpe: Tpe,
    /// Until there are too many trials.
    gp: Option<Gp>,
    dear: f64,
    /// Of the trials that ended.
    costs: BTreeMap<TrialId, f64>,
}

impl Either {
    fn tell(&mut self, trial: &Trial) {
        self.tpe.tell(trial);
        let Some(gp) = &mut self.gp else { return };
        gp.tell(trial);
        match trial.state {
            State::Running | State::Lost { .. } => self.costs.remove(&trial.id),
            _ => self.costs.insert(trial.id, trial.cost()),
        };
        if self.costs.len() > MOST {
            self.gp = None;
        }
    }

    fn are_dear(&self) -> bool {
        let n = self.costs.len();
        n >= KNOWN && self.costs.values().sum::<f64>() >= self.dear * n as f64
    }

    fn ask(&mut self, space: &Space, stream: Stream) -> Point {
        let are_dear = self.are_dear();
        match &mut self.gp {
            Some(gp) if are_dear => gp.ask(space, stream),
            _ => self.tpe.ask(space, stream),
        }
    }
}

impl Auto {
    /// For a study of `space`.
    pub fn new(space: &Space, objectives: &Objectives) -> Self {
        Self::decide(StudyFacts {
            space: space.clone(),
            objectives: objectives.clone(),
            is_noisy: false,
            is_cost_aware: false,
            budget: None,
            dear: None,
        })
    }

    /// Takes the values for noisy: the same point may be worth another trial. To be said before the first trial.
    #[must_use]
    pub fn noisy(self) -> Self {
        Self::decide(StudyFacts { is_noisy: true, ..self.study })
    }

    /// Prefers cheap points while the budget lasts, as in [`Tpe::cost_aware`]. To be said before the first trial.
    #[must_use]
    pub fn cost_aware(self, budget: Option<f64>) -> Self {
        Self::decide(StudyFacts { is_cost_aware: true, budget, ..self.study })
    }

    /// Trials are dear where they cost so much on average, in the unit that the study counts its costs in: then a [`Gp`]
    /// is worth its time. To be said before the first trial.
    #[must_use]
    pub fn dear_from(self, cost: f64, unit: &'static str) -> Self {
        Self::decide(StudyFacts { dear: Some((cost, unit)), ..self.study })
    }

    /// Which sampler it is, and why: one line.
    pub fn why(&self) -> &str {
        &self.why
    }

    fn decide(study: StudyFacts) -> Self {
        let (chosen, why) = match cells(&study.space) {
            Some(cells) if !study.is_noisy => {
                let there = if cells == 1 {
                    "is only 1 combination"
                } else {
                    &format!("are only {cells} combinations")
                };
                let why = format!("grid: there {there}");
                (Chosen::Grid(Box::new(Grid::default().shuffled())), why)
            }
            _ => {
                let tpe = Tpe::new(&study.objectives);
                let tpe = if study.is_noisy { tpe.noisy() } else { tpe };
                let tpe = if study.is_cost_aware { tpe.cost_aware(study.budget) } else { tpe };
                match study.dear {
                    _ if study.space.is_conditional() => {
                        (Chosen::Tpe(Box::new(tpe)), "tpe: parameters have conditions".to_owned())
                    }
                    Some((dear, unit)) if !study.is_noisy => {
                        let gp = Gp::new(&study.objectives);
                        let gp = if study.is_cost_aware { gp.cost_aware(study.budget) } else { gp };
                        let why = format!(
                            "gp where trials cost {dear} {unit} or more, up to {MOST} of them; tpe, which is quicker, else"
                        );
                        let either = Either { tpe, gp: Some(gp), dear, costs: BTreeMap::new() };
                        (Chosen::Either(Box::new(either)), why)
                    }
                    _ => (Chosen::Tpe(Box::new(tpe)), "tpe: it suits spaces of all kinds".to_owned()),
                }
            }
        };
        Self { study, chosen, why }
    }
}

/// How many points `space` has, when they are few.
fn cells(space: &Space) -> Option<u64> {
    // Conditions and constraints leave fewer than the product, and counting them takes time.
    space.cardinality().filter(|most| *most <= 100 * FEW)?;
    let cells = Grid::default().cells(space).take(FEW as usize + 1).count() as u64;
    (cells <= FEW).then_some(cells)
}

impl Sampler for Auto {
    fn tell(&mut self, trial: &Trial) {
        match &mut self.chosen {
            Chosen::Grid(grid) => grid.tell(trial),
            Chosen::Tpe(tpe) => tpe.tell(trial),
            Chosen::Either(either) => either.tell(trial),
        }
    }

    fn ask(&mut self, space: &Space, stream: Stream) -> Point {
        match &mut self.chosen {
            Chosen::Grid(grid) => grid.ask(space, stream),
            Chosen::Tpe(tpe) => tpe.ask(space, stream),
            Chosen::Either(either) => either.ask(space, stream),
        }
    }

    fn is_exhausted(&self, space: &Space) -> bool {
        match &self.chosen {
            Chosen::Grid(grid) => grid.is_exhausted(space),
            Chosen::Tpe(tpe) => tpe.is_exhausted(space),
            Chosen::Either(either) => either.tpe.is_exhausted(space),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::direction::Direction;
    use crate::samplers::Sobol;
    use crate::testing;
    use crate::trial::Outcome;

    #[test]
    fn auto_is_a_sampler() {
        testing::check_sampler_in(Auto::new);
        testing::check_sampler_in(|space, objectives| {
            Auto::new(space, objectives).noisy().cost_aware(Some(50.0))
        });
        testing::check_sampler_in(|space, objectives| Auto::new(space, objectives).dear_from(8.0, "J"));
    }

    #[test]
    fn dear_trials_are_worth_a_gaussian_process_while_they_are_few() {
        let space = Space::new().float("x", 0.0, 1.0).unwrap().float("y", 0.0, 1.0).unwrap();
        let objectives = Objectives::single(Direction::Min);
        let tell = |sampler: &mut dyn Sampler, trials: u64, cost: f64| {
            for id in 0..trials {
                let point = Sobol.ask(&space, Stream::new(3, id));
                let value = point.float("x").unwrap() - point.float("y").unwrap();
                let state = State::Done(Outcome::of(value, cost));
                sampler.tell(&Trial { id: TrialId(id), point, state, curve: Vec::new() });
            }
        };
        let next = |mut sampler: Box<dyn Sampler>, trials: u64, cost: f64| {
            tell(&mut sampler, trials, cost);
            sampler.ask(&space, Stream::new(3, trials))
        };
        let auto = || Box::new(Auto::new(&space, &objectives).dear_from(100.0, "J"));
        let gp = next(Box::new(Gp::new(&objectives)), 30, 1.0);
        let tpe = next(Box::new(Tpe::new(&objectives)), 30, 1.0);
        assert_ne!(gp, tpe);
        assert_eq!((next(auto(), 30, 100.0), next(auto(), 30, 99.0)), (gp, tpe));
        let many = MOST as u64 + 1;
        assert_eq!(next(auto(), many, 100.0), next(Box::new(Tpe::new(&objectives)), many, 100.0));
        assert!(auto().why().starts_with("gp where trials cost 100 J or more"), "{}", auto().why());
    }

    #[test]
    fn the_choice_has_a_reason() {
        let discrete = Space::new().int("n", 1, 5).unwrap().choice("c", &["a", "b"]).unwrap();
        let discrete = discrete.when("n", "c == a").unwrap();
        let wide = Space::new().float("x", 0.0, 1.0).unwrap();
        let conditional = wide.clone().choice("c", &["a", "b"]).unwrap().when("x", "c == a").unwrap();
        let objectives = Objectives::single(Direction::Max);
        let why = |space: &Space| Auto::new(space, &objectives).why().to_owned();
        assert_eq!(why(&discrete), "grid: there are only 6 combinations");
        let one = Space::new().choice("x", &["a"]).unwrap();
        assert_eq!(why(&one), "grid: there is only 1 combination");
        assert_eq!(why(&wide), "tpe: it suits spaces of all kinds");
        assert_eq!(why(&conditional), "tpe: parameters have conditions");
        let noisy = Auto::new(&discrete, &objectives).noisy();
        assert_eq!(noisy.why(), "tpe: parameters have conditions");
        assert!(!noisy.is_exhausted(&discrete));
        let many = Space::new().int("n", 1, 21).unwrap();
        assert!(why(&many).starts_with("tpe"));
        let endless = Space::new().int("n", 0, i64::MAX).unwrap();
        assert!(why(&endless).starts_with("tpe"));
    }
}
