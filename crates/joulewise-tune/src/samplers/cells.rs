//! The cells of a grid, one after the other.

use crate::domain::{Domain, Value};
use crate::point::Point;
use crate::space::Space;

/// What values of a domain belong to the grid.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Levels {
    /// How many a domain has that is not countable.
    pub(crate) count: u64,
    /// Whether they are those of the paper: the greatest value left out, and no logarithm.
    pub(crate) is_published: bool,
}

impl Levels {
    /// Of spaces in which every domain is countable.
    pub(crate) const COUNTABLE: Self = Self { count: 1, is_published: false };

    /// How many there are.
    pub(crate) fn of(self, domain: &Domain) -> u64 {
        domain.cardinality().unwrap_or(self.count)
    }

    /// Level number `index`.
    pub(crate) fn value(self, domain: &Domain, index: u64) -> Value {
        domain.nth(index).unwrap_or_else(|| match (domain, self.is_published) {
            (&Domain::Float { low, high, .. }, true) => {
                Value::Float((low + index as f64 * (high - low) / self.count as f64).min(high))
            }
            _ if self.count == 1 => domain.at(0.5),
            _ => domain.at(index as f64 / (self.count - 1) as f64),
        })
    }

    /// Whether `point` is a cell of `space`.
    pub(crate) fn hold(self, space: &Space, point: &Point) -> bool {
        let is_level = |(name, value): (&str, &Value)| {
            space.domain(name).is_some_and(|domain| {
                domain.cardinality().is_some()
                    || (0..self.count).any(|index| self.value(domain, index) == *value)
            })
        };
        space.contains(point) && point.values().all(is_level)
    }
}

/// A place in the tree of choices: a level for each parameter that is active, in the order in which a space asks.
#[derive(Clone, Debug)]
pub(crate) struct Cells {
    levels: Levels,
    /// The level of each active parameter and how many it has; the rest is at its first.
    path: Vec<(u64, u64)>,
    is_over: bool,
}

impl Cells {
    /// The first cell.
    pub(crate) fn new(levels: Levels) -> Self {
        Self { levels, path: Vec::new(), is_over: false }
    }

    /// The point here, or at the next cell that keeps the constraints; `None` behind the last one.
    pub(crate) fn peek(&mut self, space: &Space) -> Option<Point> {
        while !self.is_over {
            let mut depth = 0;
            let point = space.complete(|_, domain| {
                if depth == self.path.len() {
                    self.path.push((0, self.levels.of(domain)));
                }
                depth += 1;
                self.levels.value(domain, self.path[depth - 1].0)
            });
            if space.admits(&point) {
                return Some(point);
            }
            self.step();
        }
        None
    }

    /// Goes to the next cell. What is active may change there: the path ends at the parameter that moved.
    pub(crate) fn step(&mut self) {
        while let Some((level, count)) = self.path.pop() {
            if level + 1 < count {
                self.path.push((level + 1, count));
                return;
            }
        }
        self.is_over = true;
    }
}
