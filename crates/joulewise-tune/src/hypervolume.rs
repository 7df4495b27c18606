//! Volume that points dominate.

use crate::front::extent;

/// The `count` points of `front` that together dominate the most volume below a reference point a tenth of the
/// extent behind the worst of `all`, chosen one after the other (Guerreiro et al. 2016), best first.
pub(crate) fn largest(points: &[Vec<f64>], all: &[usize], front: &[usize], count: usize) -> Vec<usize> {
    let extent = extent(points, all);
    // On the unit cube no coordinate outweighs the others, and what is infinite lies on its far side.
    let scaled = |index: usize| -> Vec<f64> {
        let coordinates = points[index].iter().zip(&extent).map(|(x, (low, high))| {
            let unit = if high > low { (x - low) / (high - low) } else { 0.0 };
            if unit.is_nan() { 1.0 } else { unit.clamp(0.0, 1.0) }
        });
        coordinates.collect()
    };
    let reference = vec![1.1; extent.len()];
    let mut left: Vec<(usize, Vec<f64>, f64)> =
        front.iter().map(|&index| (index, scaled(index), f64::INFINITY)).collect();
    let (mut chosen, mut order, mut total) = (Vec::new(), Vec::new(), 0.0);
    while order.len() < count && !left.is_empty() {
        // What a point adds only shrinks while others are chosen: an old figure is an upper bound of the new one.
        let next = (0..left.len()).rev().max_by(|&a, &b| left[a].2.total_cmp(&left[b].2)).unwrap_or(0);
        chosen.push(left[next].1.clone());
        let gain = hypervolume(&chosen, &reference) - total;
        let is_largest = left.iter().enumerate().all(|(i, other)| i == next || other.2 <= gain);
        if is_largest {
            total += gain;
            order.push(left.remove(next).0);
        } else {
            chosen.pop();
            left[next].2 = gain;
        }
    }
    order
}

/// The volume of what lies below `reference` and is dominated by one of `points`.
pub(crate) fn hypervolume(points: &[Vec<f64>], reference: &[f64]) -> f64 {
    let Some((&end, rest)) = reference.split_last() else {
        return if points.is_empty() { 0.0 } else { 1.0 };
    };
    let mut order: Vec<&Vec<f64>> =
        points.iter().filter(|point| point.iter().zip(reference).all(|(x, end)| x < end)).collect();
    let depth = rest.len();
    order.sort_by(|a, b| a[depth].total_cmp(&b[depth]));
    if depth == 1 {
        // The common case of two coordinates needs no recursion: a staircase.
        let (mut volume, mut width) = (0.0, rest[0]);
        for point in order {
            if point[0] < width {
                volume += (width - point[0]) * (end - point[1]);
                width = point[0];
            }
        }
        return volume;
    }
    let mut volume = 0.0;
    let mut slab: Vec<Vec<f64>> = Vec::new();
    for (i, point) in order.iter().enumerate() {
        slab.push(point[..depth].to_vec());
        let next = order.get(i + 1).map_or(end, |next| next[depth]);
        if next > point[depth] {
            volume += (next - point[depth]) * hypervolume(&slab, rest);
        }
    }
    volume
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::front::tests::clouds;

    #[test]
    fn volumes_are_known() {
        let at = |points: &[&[f64]], reference: &[f64]| {
            hypervolume(&points.iter().map(|p| p.to_vec()).collect::<Vec<_>>(), reference)
        };
        assert_eq!(at(&[], &[1.0, 1.0]), 0.0);
        assert_eq!(at(&[&[0.25]], &[1.0]), 0.75);
        assert_eq!(at(&[&[0.0, 0.5], &[0.5, 0.0]], &[1.0, 1.0]), 0.75);
        assert_eq!(at(&[&[0.0, 0.5], &[0.5, 0.0], &[2.0, -5.0]], &[1.0, 1.0]), 0.75);
        assert_eq!(at(&[&[0.0, 0.0, 0.5], &[0.5, 0.5, 0.0]], &[1.0, 1.0, 1.0]), 0.5 + 0.125);
    }

    #[test]
    fn the_largest_subset_leaves_out_what_adds_little() {
        let points = [[0.0, 1.0], [0.45, 0.46], [0.5, 0.4], [1.0, 0.0]].map(|p| p.to_vec()).to_vec();
        assert_eq!(largest(&points, &[0, 1, 2, 3], &[0, 1, 2, 3], 1), [2]);
        let mut three = largest(&points, &[0, 1, 2, 3], &[0, 1, 2, 3], 3);
        three.sort_unstable();
        assert_eq!(three, [0, 2, 3]);
        assert_eq!(largest(&points, &[0, 1], &[0], 9), [0]);
    }

    proptest! {
        /// On whole coordinates the volume is the number of unit boxes, and choosing all gives all of it.
        #[test]
        fn volume_is_the_number_of_boxes(points in clouds()) {
            let d = points[0].len();
            let boxes = (0..8usize.pow(d as u32)).filter(|&cell| {
                let corner: Vec<f64> = (0..d).map(|i| (cell / 8usize.pow(i as u32) % 8) as f64).collect();
                points.iter().any(|point| point.iter().zip(&corner).all(|(x, c)| x <= c))
            });
            prop_assert_eq!(hypervolume(&points, &vec![8.0; d]), boxes.count() as f64);
            let all: Vec<usize> = (0..points.len()).collect();
            prop_assert_eq!(largest(&points, &all, &all, points.len()).len(), points.len());
        }
    }
}
