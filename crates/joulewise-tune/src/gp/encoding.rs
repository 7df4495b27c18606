//! Points as vectors of features between which a kernel measures distances.

use crate::domain::{Domain, Value};
use crate::point::Point;
use crate::space::Space;

/// Numbers with more values than this are moved along gradients and then rounded.
const DENSE: u64 = 32;

/// How the points of a space become features.
///
/// A number is its place between 0 and 1; a choice is one feature per option, so scaled that any two options are 1
/// apart. Where parameters depend on conditions, each has a further feature that says whether it is active: of two
/// points in neither of which it is, it says nothing, and what is active is far from what is not.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Encoding {
    axes: Vec<Axis>,
    groups: Vec<usize>,
    is_conditional: bool,
}

/// A parameter that has more than one value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Axis {
    /// Its name.
    pub(crate) name: String,
    /// What it may be.
    pub(crate) domain: Domain,
    /// Its first feature.
    pub(crate) start: usize,
}

impl Encoding {
    /// Of the points of `space`.
    pub(crate) fn new(space: &Space) -> Self {
        let mut encoding =
            Self { axes: Vec::new(), groups: Vec::new(), is_conditional: space.is_conditional() };
        for (name, domain) in space.parameters().filter(|(_, domain)| domain.cardinality() != Some(1)) {
            let start = encoding.groups.len();
            let width = match domain {
                Domain::Choice(options) => options.len(),
                _ => 1,
            };
            let width = width + usize::from(encoding.is_conditional);
            encoding.groups.extend(std::iter::repeat_n(encoding.axes.len(), width));
            encoding.axes.push(Axis { name: name.to_owned(), domain: domain.clone(), start });
        }
        encoding
    }

    /// The parameters.
    pub(crate) fn axes(&self) -> &[Axis] {
        &self.axes
    }

    /// Which parameter each feature belongs to.
    pub(crate) fn groups(&self) -> &[usize] {
        &self.groups
    }

    /// The features of a point.
    pub(crate) fn features(&self, point: &Point) -> Vec<f64> {
        let mut features = vec![0.0; self.groups.len()];
        for axis in &self.axes {
            let features = &mut features[axis.start..];
            match (point.get(&axis.name), &axis.domain) {
                (Some(Value::Choice(value)), Domain::Choice(options)) => {
                    if let Some(index) = options.iter().position(|option| option == value) {
                        features[index] = std::f64::consts::FRAC_1_SQRT_2;
                    }
                }
                (Some(value), domain) => features[0] = domain.unit(value),
                // Points of elsewhere may lack what is always active here.
                (None, _) if !self.is_conditional => {}
                (None, Domain::Choice(options)) => features[options.len()] = std::f64::consts::FRAC_1_SQRT_2,
                (None, _) => (features[0], features[1]) = (0.5, 1.0),
            }
        }
        features
    }
}

impl Axis {
    /// Whether its values lie so densely that a gradient is of use.
    pub(crate) fn is_smooth(&self) -> bool {
        !self.domain.is_categorical() && self.domain.cardinality().is_none_or(|values| values > DENSE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn distance(encoding: &Encoding, a: &Point, b: &Point) -> f64 {
        let (a, b) = (encoding.features(a), encoding.features(b));
        a.iter().zip(&b).map(|(a, b)| (a - b).powi(2)).sum()
    }

    fn point(values: &[(&str, Value)]) -> Point {
        values.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
    }

    #[test]
    fn options_are_one_apart_and_numbers_by_their_difference() {
        let space = Space::new().choice("c", &["a", "b", "d"]).unwrap().float("x", 0.0, 10.0).unwrap();
        let space = space.with("f", Domain::Fixed(Value::Int(3))).unwrap();
        let encoding = Encoding::new(&space);
        assert_eq!((encoding.groups(), encoding.axes().len()), (&[0, 0, 0, 1][..], 2));
        let at = |c: &str, x: f64| point(&[("c", Value::Choice(c.into())), ("x", Value::Float(x))]);
        assert!((distance(&encoding, &at("a", 1.0), &at("b", 1.0)) - 1.0).abs() < 1e-12);
        assert!((distance(&encoding, &at("a", 1.0), &at("d", 6.0)) - 1.25).abs() < 1e-12);
        assert_eq!(distance(&encoding, &at("a", 1.0), &at("a", 1.0)), 0.0);
    }

    #[test]
    fn what_is_active_is_far_from_what_is_not() {
        let space = Space::new().choice("o", &["sgd", "adam"]).unwrap().float("m", 0.0, 1.0).unwrap();
        let space = space.when("m", "o == sgd").unwrap();
        let encoding = Encoding::new(&space);
        let sgd = |m: f64| point(&[("o", Value::Choice("sgd".into())), ("m", Value::Float(m))]);
        let adam = point(&[("o", Value::Choice("adam".into()))]);
        assert_eq!(distance(&encoding, &adam, &adam), 0.0);
        assert!(distance(&encoding, &sgd(0.5), &adam) >= 2.0 - 1e-12);
        assert!((distance(&encoding, &sgd(0.0), &sgd(1.0)) - 1.0).abs() < 1e-12);
    }
}
