//! Fronts of points of which every coordinate is to be small.

/// Splits `candidates`, which are indices of `points`, into those that no other one dominates and the rest, both in
/// the order that they had. Equal points stay together.
pub(crate) fn peel(points: &[Vec<f64>], candidates: &[usize]) -> (Vec<usize>, Vec<usize>) {
    let mut order = candidates.to_vec();
    // Whatever dominates a point comes before it.
    order.sort_by(|&a, &b| points[a].iter().map(Key).cmp(points[b].iter().map(Key)));
    let mut front: Vec<usize> = Vec::new();
    for index in order {
        // The last ones are the most alike.
        if !front.iter().rev().any(|&other| dominates(&points[other], &points[index])) {
            front.push(index);
        }
    }
    front.sort_unstable();
    let is_in_front = |index: &usize| front.binary_search(index).is_ok();
    candidates.iter().copied().partition(is_in_front)
}

/// Whether `a` is nowhere greater than `b` and somewhere less.
pub(crate) fn dominates(a: &[f64], b: &[f64]) -> bool {
    a.iter().zip(b).all(|(a, b)| a <= b) && a.iter().zip(b).any(|(a, b)| a < b)
}

/// `front` in such an order that every beginning of it is spread out: first the one with the least first coordinate,
/// then always the one that is the farthest from those before it, in units of the extent of the front.
pub(crate) fn spread(points: &[Vec<f64>], front: &[usize]) -> Vec<usize> {
    let mut left = front.to_vec();
    left.sort_by(|&a, &b| points[a].iter().map(Key).cmp(points[b].iter().map(Key)).then(a.cmp(&b)));
    let extent = extent(points, front);
    let distance = |a: usize, b: usize| -> f64 {
        let squares = points[a].iter().zip(&points[b]).zip(&extent).map(|((a, b), (low, high))| {
            let by = if high > low { (a - b) / (high - low) } else { 0.0 };
            if by.is_finite() { by * by } else { 0.0 }
        });
        squares.sum()
    };
    let mut nearest = vec![f64::INFINITY; left.len()];
    let mut order = Vec::with_capacity(left.len());
    while !left.is_empty() {
        // `max_by` takes the last of equals, and the first is meant.
        let next = (0..left.len()).rev().max_by(|&a, &b| nearest[a].total_cmp(&nearest[b])).unwrap_or(0);
        let chosen = left.remove(next);
        nearest.remove(next);
        for (nearest, &other) in nearest.iter_mut().zip(&left) {
            *nearest = nearest.min(distance(chosen, other));
        }
        order.push(chosen);
    }
    order
}

/// How much room each point of `front` has: the sum over the coordinates of how far its neighbours are from each other, as
/// parts of the extent of the front; infinite at its ends (the crowding distance of Deb et al. 2002). A coordinate that all
/// have in common does not count.
pub(crate) fn room(points: &[Vec<f64>], front: &[usize]) -> Vec<f64> {
    let mut room = vec![0.0; front.len()];
    let extent = extent(points, front);
    for (d, (low, high)) in extent.into_iter().enumerate().filter(|(_, (low, high))| high > low) {
        let at = |place: &usize| points[front[*place]][d];
        let mut order: Vec<usize> = (0..front.len()).collect();
        order.sort_by(|a, b| (at(a) + 0.0).total_cmp(&(at(b) + 0.0)));
        for (place, &this) in order.iter().enumerate() {
            let [before, after] = [place.checked_sub(1), place.checked_add(1)]
                .map(|place| place.and_then(|place| order.get(place)));
            room[this] += match (before, after) {
                (Some(before), Some(after)) => (at(after) - at(before)) / (high - low),
                _ => f64::INFINITY,
            };
        }
    }
    room
}

/// The least and the greatest finite value of each coordinate.
pub(crate) fn extent(points: &[Vec<f64>], of: &[usize]) -> Vec<(f64, f64)> {
    let width = of.first().map_or(0, |&index| points[index].len());
    let coordinate = |d: usize| {
        let finite = of.iter().map(move |&index| points[index][d]).filter(|x| x.is_finite());
        finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| (low.min(x), high.max(x)))
    };
    (0..width).map(coordinate).collect()
}

/// A number by its total order, so that points have a lexicographic one.
struct Key<'a>(&'a f64);

impl Ord for Key<'_> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.0 + 0.0).total_cmp(&(other.0 + 0.0))
    }
}

impl PartialOrd for Key<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Key<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Key<'_> {}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    pub(crate) fn clouds() -> impl Strategy<Value = Vec<Vec<f64>>> {
        (1usize..4)
            .prop_flat_map(|d| prop::collection::vec(prop::collection::vec(0u8..8, d), 1..25))
            .prop_map(|cloud| {
                cloud.iter().map(|point| point.iter().map(|&x| f64::from(x)).collect()).collect()
            })
    }

    proptest! {
        #[test]
        fn a_front_is_what_nothing_dominates(points in clouds()) {
            let all: Vec<usize> = (0..points.len()).collect();
            let (front, rest) = peel(&points, &all);
            let expected: Vec<usize> =
                all.iter().copied().filter(|&i| !all.iter().any(|&j| dominates(&points[j], &points[i]))).collect();
            prop_assert_eq!(&front, &expected);
            prop_assert_eq!(front.len() + rest.len(), all.len());
            let mut order = spread(&points, &front);
            prop_assert!(points[order[0]][0] <= points[*order.last().unwrap()][0]);
            order.sort_unstable();
            prop_assert_eq!(order, front);
        }
    }
}
