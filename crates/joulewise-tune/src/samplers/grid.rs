//! All combinations.

use std::collections::{BTreeMap, BTreeSet};

use crate::point::Point;
use crate::random::Stream;
use crate::sampler::Sampler;
use crate::samplers::cells::{Cells, Levels};
use crate::space::Space;
use crate::trial::{State, Trial, TrialId};

/// Random cells that are tried before the first free one is looked up.
const DRAWS: usize = 100;

/// Every combination of levels once, by default in their order.
///
/// Countable domains are there in full, others with a number of levels. What conditions make inactive adds no
/// cells, and cells that break a constraint are left out. A cell is taken while a trial runs there and once it has
/// ended, failed or not; the cell of a trial that got lost is proposed again, before all new ones. When nothing is
/// left the sampler [is exhausted](Sampler::is_exhausted), and asking on starts over.
#[derive(Clone, Debug)]
pub struct Grid {
    levels: Levels,
    is_shuffled: bool,
    /// Trials that take a point, lost ones excepted.
    taken: BTreeMap<Point, Vec<TrialId>>,
    /// Points of lost trials that nobody has taken since.
    again: BTreeSet<Point>,
    /// The first cell that may be free, and the space that it belongs to.
    next: Option<(Space, Cells)>,
}

impl Grid {
    /// A grid in which domains that are not countable have `levels` levels, at least 1: both ends and equal steps
    /// between them, in the logarithm where the domain is logarithmic.
    pub fn new(levels: u64) -> Self {
        let levels = Levels { count: levels.max(1), is_published: false };
        Self { levels, is_shuffled: false, taken: BTreeMap::new(), again: BTreeSet::new(), next: None }
    }

    /// The grid of Yarally et al. (2023): levels from the least value on that leave out the greatest, on a linear
    /// scale whatever the domain says, in random order.
    pub fn as_published(levels: u64) -> Self {
        let mut grid = Self::new(levels).shuffled();
        grid.levels.is_published = true;
        grid
    }

    /// The same cells in random order.
    #[must_use]
    pub fn shuffled(mut self) -> Self {
        self.is_shuffled = true;
        self
    }

    /// The points of its cells in `space`, in their order. They may be very many.
    pub fn cells(&self, space: &Space) -> impl Iterator<Item = Point> {
        let (mut cells, space) = (Cells::new(self.levels), space.clone());
        std::iter::from_fn(move || {
            let point = cells.peek(&space)?;
            cells.step();
            Some(point)
        })
    }

    fn is_free(&self, point: &Point) -> bool {
        self.taken.get(point).is_none_or(Vec::is_empty)
    }

    /// A lost trial's cell. Trials that were started elsewhere than on the grid do not count.
    fn lost_cell(&self, space: &Space) -> Option<&Point> {
        self.again.iter().find(|point| self.levels.hold(space, point))
    }

    /// Goes on from `cells` to a cell that is free.
    fn first_free(&self, space: &Space, cells: &mut Cells) -> Option<Point> {
        loop {
            let point = cells.peek(space)?;
            if self.is_free(&point) {
                return Some(point);
            }
            cells.step();
        }
    }

    fn cursor(&self, space: &Space) -> Cells {
        match &self.next {
            Some((known, cells)) if known == space => cells.clone(),
            _ => Cells::new(self.levels),
        }
    }
}

impl Default for Grid {
    fn default() -> Self {
        Self::new(5)
    }
}

impl Sampler for Grid {
    fn tell(&mut self, trial: &Trial) {
        let holders = self.taken.entry(trial.point.clone()).or_default();
        holders.retain(|id| *id != trial.id);
        if !matches!(trial.state, State::Lost { .. }) {
            holders.push(trial.id);
        }
        if holders.is_empty() {
            self.again.insert(trial.point.clone());
        } else {
            self.again.remove(&trial.point);
        }
    }

    fn ask(&mut self, space: &Space, mut stream: Stream) -> Point {
        if let Some(point) = self.lost_cell(space) {
            return point.clone();
        }
        let mut cells = self.cursor(space);
        let Some(first) = self.first_free(space, &mut cells) else {
            return Cells::new(self.levels).peek(space).unwrap_or_else(|| space.draw(&mut stream));
        };
        self.next = Some((space.clone(), cells));
        let mut draws = (0..if self.is_shuffled { DRAWS } else { 0 }).map(|_| {
            space.complete(|_, domain| self.levels.value(domain, stream.below(self.levels.of(domain))))
        });
        draws.find(|point| space.admits(point) && self.is_free(point)).unwrap_or(first)
    }

    fn is_exhausted(&self, space: &Space) -> bool {
        self.lost_cell(space).is_none() && self.first_free(space, &mut self.cursor(space)).is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::direction::Direction;
    use crate::domain::{Domain, Value};
    use crate::objective::Objectives;
    use crate::study::Study;
    use crate::testing;
    use crate::trial::Outcome;

    fn conditional() -> Space {
        let space =
            Space::new().choice("optimiser", &["sgd", "adam"]).unwrap().float("momentum", 0.0, 0.9).unwrap();
        let space = space.when("momentum", "optimiser == sgd").unwrap().int("layers", 1, 3).unwrap();
        space.constraint("not (optimiser == adam and layers == 2)").unwrap()
    }

    fn run_out(space: &Space, grid: Grid) -> Vec<Point> {
        let mut study = Study::new(space.clone(), Objectives::single(Direction::Min), 3, grid);
        while !study.is_exhausted() {
            assert!(study.trials().len() < 5000);
            let (id, _) = study.ask();
            if id.0 % 3 == 0 {
                study.tell(id, Outcome::of(f64::NAN, 1.0));
            }
        }
        study.trials().iter().map(|trial| trial.point.clone()).collect()
    }

    #[test]
    fn grids_are_samplers() {
        testing::check_sampler(|_| Grid::default());
        testing::check_sampler(|_| Grid::new(3).shuffled());
        testing::check_sampler(|_| Grid::as_published(4));
    }

    #[test]
    fn every_cell_comes_once_while_others_run_or_have_failed() {
        for grid in [Grid::new(4), Grid::new(4).shuffled(), Grid::as_published(4)] {
            let points = run_out(&conditional(), grid.clone());
            assert_eq!(points.len(), 4 * 3 + 2, "momentum is no cell of its own where it is not active");
            assert!(points.iter().all(|point| conditional().contains(point)));
            let distinct: BTreeSet<Point> = points.iter().cloned().collect();
            assert_eq!(distinct.len(), points.len());
            assert_eq!(distinct, grid.cells(&conditional()).collect());
        }
    }

    #[test]
    fn lost_cells_come_again_and_late_results_take_them() {
        let space = Space::new().int("n", 1, 3).unwrap();
        let mut study = Study::new(space, Objectives::single(Direction::Min), 1, Grid::default());
        let trials: Vec<_> = (0..3).map(|_| study.ask()).collect();
        assert!(study.is_exhausted());
        study.end(trials[1].0, State::Lost { cost: 1.0 });
        study.end(trials[2].0, State::Lost { cost: 1.0 });
        study.tell(trials[1].0, Outcome::of(1.0, 1.0));
        assert!(!study.is_exhausted());
        let (again, point) = study.ask();
        assert_eq!(point, trials[2].1);
        study.end(trials[2].0, State::Lost { cost: 2.0 });
        assert!(study.is_exhausted(), "another trial has the cell");
        study.end(again, State::Lost { cost: 2.0 });
        assert_eq!(study.ask().1, point);
    }

    #[test]
    fn trials_beside_the_grid_do_not_count() {
        let space = Space::new().float("x", 0.0, 1.0).unwrap();
        let mut study = Study::new(space, Objectives::single(Direction::Min), 1, Grid::new(2));
        let id = study.start(Point::from_iter([("x".to_owned(), Value::Float(0.3))]));
        study.end(id, State::Lost { cost: 0.0 });
        let points: Vec<_> = std::iter::from_fn(|| (!study.is_exhausted()).then(|| study.ask().1)).collect();
        assert_eq!(points.iter().map(|p| p.float("x").unwrap()).collect::<Vec<_>>(), [0.0, 1.0]);
        let over = study.ask().1;
        assert!(study.space().contains(&over));
    }

    #[test]
    fn levels_lie_where_they_are_said_to_lie() {
        let levels = |grid: Grid, domain: Domain| {
            let space = Space::new().with("x", domain).unwrap();
            grid.cells(&space).map(|point| point.float("x").unwrap()).collect::<Vec<_>>()
        };
        let close = |a: Vec<f64>, b: &[f64]| {
            assert!(a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-9), "{a:?} {b:?}");
        };
        close(levels(Grid::default(), Domain::float(0.0, 1.0)), &[0.0, 0.25, 0.5, 0.75, 1.0]);
        close(levels(Grid::new(3), Domain::log_float(1e-4, 1.0)), &[1e-4, 1e-2, 1.0]);
        close(levels(Grid::new(1), Domain::float(0.0, 1.0)), &[0.5]);
        close(levels(Grid::default(), Domain::float(2.0, 2.0)), &[2.0]);
        close(levels(Grid::new(2), Domain::int(3, 7)), &[3.0, 4.0, 5.0, 6.0, 7.0]);
        let published = [1e-5, 0.020008, 0.040006, 0.060004, 0.080002];
        close(levels(Grid::as_published(5), Domain::log_float(1e-5, 0.1)), &published);
    }

    #[test]
    fn random_order_is_not_the_order() {
        let space = Space::new().int("n", 1, 100).unwrap();
        let points = run_out(&space, Grid::default().shuffled());
        let falls = points.windows(2).filter(|pair| pair[0] > pair[1]).count();
        assert!((30..70).contains(&falls), "{falls}");
    }
}
