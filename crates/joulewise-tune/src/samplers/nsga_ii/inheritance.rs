//! What a child has of its parents.

use crate::domain::{Domain, Value};
use crate::point::Point;
use crate::random::Stream;
use crate::space::Space;

/// The probability that a child has two parents.
const CROSSOVER: f64 = 0.9;
/// How near to a parent's number that of a child is: the greater, the nearer (the distribution indices of Deb et al.).
const NEARNESS: f64 = 15.0;
/// The same of a number that moves by itself.
const STEADINESS: f64 = 20.0;

/// A child of two parents; it need not keep the constraints.
pub(crate) fn child(space: &Space, mother: &Point, father: &Point, stream: &mut Stream) -> Point {
    let has_two = stream.unit() < CROSSOVER;
    let father = if has_two { father } else { mother };
    let is_searched = |name: &str| space.domain(name).is_some_and(|domain| domain.cardinality() != Some(1));
    let searched = mother.values().filter(|(name, _)| is_searched(name)).count().max(1);
    space.complete(|name, domain| {
        if domain.cardinality() == Some(1) {
            return domain.at(0.5);
        }
        let value = match (mother.get(name), father.get(name)) {
            (Some(mother), Some(father)) => crossed(domain, mother, father, stream),
            (Some(only), None) | (None, Some(only)) => only.clone(),
            (None, None) => return domain.at(stream.unit()),
        };
        if stream.unit() * (searched as f64) < 1.0 { moved(domain, &value, stream) } else { value }
    })
}

fn crossed(domain: &Domain, mother: &Value, father: &Value, stream: &mut Stream) -> Value {
    let (parent, other) = if stream.unit() < 0.5 { (mother, father) } else { (father, mother) };
    if mother == father || domain.is_categorical() || stream.unit() < 0.5 {
        return parent.clone();
    }
    let u = stream.unit();
    let spread = if u < 0.5 { 2.0 * u } else { 0.5 / (1.0 - u) }.powf(1.0 / (NEARNESS + 1.0));
    let (near, far) = (domain.unit(parent), domain.unit(other));
    domain.at(f64::midpoint(near, far) + 0.5 * spread * (near - far))
}

/// Another value, most often one nearby (polynomial mutation).
fn moved(domain: &Domain, value: &Value, stream: &mut Stream) -> Value {
    let u = stream.unit();
    let at = domain.index(value).unwrap_or(0);
    if let (Some(count), true) = (domain.cardinality(), domain.is_categorical()) {
        let by = 1 + stream.below(count - 1);
        return domain.nth((at + by) % count).unwrap_or_else(|| value.clone());
    }
    let reach = |u: f64| u.powf(1.0 / (STEADINESS + 1.0)) - 1.0;
    let by = if u < 0.5 { reach(2.0 * u) } else { -reach(2.0 * (1.0 - u)) };
    let there = domain.at(domain.unit(value) + by);
    if there != *value {
        return there;
    }
    // A step is the least that a countable value moves by.
    let up = at.checked_add(1).and_then(|next| domain.nth(next));
    let down = at.checked_sub(1).and_then(|next| domain.nth(next));
    let neighbour = if by > 0.0 { up.or(down) } else { down.or(up) };
    neighbour.unwrap_or(there)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parents(space: &Space) -> [Point; 2] {
        [0.2, 0.7].map(|unit| space.complete(|_, domain| domain.at(unit)))
    }

    #[test]
    fn children_are_like_their_parents() {
        let space = Space::new().float("x", 0.0, 1.0).unwrap().choice("c", &["a", "b", "c", "d"]).unwrap();
        let space = space.int("n", 0, 9).unwrap().log_float("y", 1e-3, 1.0).unwrap();
        let [mother, father] = parents(&space);
        let children: Vec<Point> =
            (0..4000).map(|n| child(&space, &mother, &father, &mut Stream::new(1, n))).collect();
        assert!(children.iter().all(|child| space.contains(child)));
        let like = |name: &str, parent: &Point| {
            children.iter().filter(|child| child.get(name) == parent.get(name)).count()
        };
        // A tenth has one parent, a quarter of the choices moves.
        assert!((1700..1900).contains(&like("c", &mother)), "{}", like("c", &mother));
        assert!((1430..1640).contains(&like("c", &father)), "{}", like("c", &father));
        let near = |centre: f64| {
            let x = |child: &Point| child.float("x").unwrap();
            children.iter().filter(|child| (x(child) - centre).abs() < 0.1).count()
        };
        assert!(near(0.2) + near(0.7) > 3600, "{} {}", near(0.2), near(0.7));
    }

    #[test]
    fn what_one_parent_lacks_comes_from_the_other_one() {
        let space = Space::new().choice("c", &["a", "b"]).unwrap().float("x", 0.0, 1.0).unwrap();
        let space = space.when("x", "c == a").unwrap();
        let [mother, father] = parents(&space);
        assert!(mother.get("x").is_some() && father.get("x").is_none());
        for n in 0..500 {
            let child = child(&space, &father, &mother, &mut Stream::new(1, n));
            assert!(space.contains(&child), "{child}");
        }
    }

    #[test]
    fn whatever_moves_is_something_else() {
        for domain in [Domain::int(0, 1), Domain::choice(&["a", "b", "c"]), Domain::log_int(1, 512)] {
            let values = (0..domain.cardinality().unwrap()).map(|index| domain.nth(index).unwrap());
            for (n, value) in values.enumerate() {
                let there = moved(&domain, &value, &mut Stream::new(1, n as u64));
                assert!(there != value && domain.contains(&there), "{value} of {domain:?}");
            }
        }
    }
}
