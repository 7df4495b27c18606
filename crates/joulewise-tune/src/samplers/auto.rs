//! The sampler that suits the study.

use crate::objective::Objectives;
use crate::point::Point;
use crate::random::Stream;
use crate::sampler::Sampler;
use crate::samplers::{Grid, Tpe};
use crate::space::Space;
use crate::trial::Trial;

/// Up to so many combinations are all tried.
const FEW: u64 = 20;

/// Whichever sampler suits the space, and why.
///
/// - Every combination, once, in random order, where there are no more than 20.
/// - [`Tpe`] for everything else; it begins with an even spread.
///
/// How many trials there will be does not matter: a study that is continued for longer goes on as it began.
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
}

#[derive(Clone, Debug)]
enum Chosen {
    Grid(Box<Grid>),
    Tpe(Box<Tpe>),
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

    /// Which sampler it is, and why: one line.
    pub fn why(&self) -> &str {
        &self.why
    }

    fn decide(study: StudyFacts) -> Self {
        let (chosen, why) = match cells(&study.space) {
            Some(cells) if !study.is_noisy => {
                let why = format!("grid: there are only {cells} combinations");
                (Chosen::Grid(Box::new(Grid::default().shuffled())), why)
            }
            _ => {
                let tpe = Tpe::new(&study.objectives);
                let tpe = if study.is_noisy { tpe.noisy() } else { tpe };
                let tpe = if study.is_cost_aware { tpe.cost_aware(study.budget) } else { tpe };
                let why = if study.space.is_conditional() {
                    "tpe: parameters have conditions"
                } else {
                    "tpe: it suits spaces of all kinds"
                };
                (Chosen::Tpe(Box::new(tpe)), why.to_owned())
            }
        };
        Self { study, chosen, why }
    }

    fn sampler(&mut self) -> &mut dyn Sampler {
        match &mut self.chosen {
            Chosen::Grid(grid) => &mut **grid,
            Chosen::Tpe(tpe) => &mut **tpe,
        }
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
        self.sampler().tell(trial);
    }

    fn ask(&mut self, space: &Space, stream: Stream) -> Point {
        self.sampler().ask(space, stream)
    }

    fn is_exhausted(&self, space: &Space) -> bool {
        match &self.chosen {
            Chosen::Grid(grid) => grid.is_exhausted(space),
            Chosen::Tpe(tpe) => tpe.is_exhausted(space),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::direction::Direction;
    use crate::testing;

    #[test]
    fn auto_is_a_sampler() {
        testing::check_sampler_in(Auto::new);
        testing::check_sampler_in(|space, objectives| {
            Auto::new(space, objectives).noisy().cost_aware(Some(50.0))
        });
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
