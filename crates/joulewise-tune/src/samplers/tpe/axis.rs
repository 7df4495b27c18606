//! A parameter as a coordinate.

use crate::domain::{Domain, Value};
use crate::point::Point;
use crate::space::Space;

/// A parameter of which there is more than one value.
#[derive(Clone, Debug)]
pub(crate) struct Axis {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    domain: Domain,
}

/// What the coordinates of an axis are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    /// Places on the unit interval, of which values have an equal part each.
    Place {
        /// The part of a value; 0 where they are not countable.
        cell: f64,
    },
    /// Numbers of options, from 0.
    Option {
        /// How many there are.
        count: u64,
    },
}

impl Axis {
    /// Those of a space, by name.
    pub(crate) fn all(space: &Space) -> Vec<Self> {
        let axis = |(name, domain): (&str, &Domain)| {
            let kind = match domain.cardinality() {
                Some(count) if domain.is_categorical() => Kind::Option { count },
                Some(count) => Kind::Place { cell: 1.0 / count as f64 },
                None => Kind::Place { cell: 0.0 },
            };
            Self { name: name.to_owned(), kind, domain: domain.clone() }
        };
        space.parameters().filter(|(_, domain)| domain.cardinality() != Some(1)).map(axis).collect()
    }

    /// Where `point` lies; NaN where the parameter is not active.
    pub(crate) fn coordinate(&self, point: &Point) -> f32 {
        let Some(value) = point.get(&self.name) else { return f32::NAN };
        let unit = self.domain.unit(value);
        match self.kind {
            Kind::Place { .. } => unit as f32,
            Kind::Option { count } => (unit * count as f64) as u64 as f32,
        }
    }

    /// The value at a coordinate.
    pub(crate) fn value(&self, coordinate: f64) -> Value {
        match self.kind {
            Kind::Place { .. } => self.domain.at(coordinate),
            Kind::Option { count } => self.domain.at((coordinate + 0.5) / count as f64),
        }
    }

    /// The coordinate that the value at a coordinate has.
    pub(crate) fn snap(&self, coordinate: f64) -> f64 {
        match self.kind {
            Kind::Place { cell } if cell > 0.0 => self.domain.unit(&self.domain.at(coordinate)),
            _ => coordinate,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_and_coordinates_go_together() {
        let space =
            Space::new().log_int("n", 1, 50).unwrap().choice("c", &["a", "b", "c", "d", "e", "f", "g"]);
        let space = space.unwrap().int("k", 3, 9).unwrap().with("one", Domain::int(3, 3)).unwrap();
        let axes = Axis::all(&space);
        assert_eq!(axes.len(), 3, "a parameter without a choice is no axis");
        for axis in &axes {
            for index in 0..7 {
                let value = axis.domain.nth(index).unwrap();
                let point = Point::from_iter([(axis.name.clone(), value.clone())]);
                let coordinate = f64::from(axis.coordinate(&point));
                assert_eq!(axis.value(coordinate), value);
                assert!((axis.snap(coordinate) - coordinate).abs() < 1e-6);
            }
            assert!(axis.coordinate(&Point::default()).is_nan());
        }
    }
}
