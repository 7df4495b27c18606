//! Choosing the images to train on, without any training.

use rayon::prelude::*;

use super::Images;
use super::features::{Features, squared_distance};
use super::split::by_class;

/// Principal components that images are told apart by.
const COMPONENTS: usize = 24;

/// `n` of the images at `indices` (all of them when there are fewer), ascending: each class in its proportion
/// and, within a class, every region of the pictures in its density.
///
/// The images of a class are halved again and again along the component in which they vary most, each half
/// getting its share of what is to be chosen, until one is to be chosen: the one nearest to its region's
/// mean. Coverage and density together are what training-free selection needs at moderate rates (SubZeroCore,
/// arXiv 2509.21748); compare with a stratified random subset of the same size, which is the measure to beat.
/// One pass over the pixels and `O(n log n)` after it. Panics when a label is not below `classes`, which the
/// loaders exclude.
pub fn coreset(images: &Images, indices: &[u32], classes: usize, n: usize) -> Vec<u32> {
    let groups = by_class(indices, &images.labels, classes).expect("labels are checked when data are loaded");
    let quotas = quotas(&groups, n.min(indices.len()));
    let mut chosen: Vec<u32> = groups
        .into_par_iter()
        .zip(quotas)
        .flat_map_iter(|(group, quota)| of_class(images, &group, quota))
        .collect();
    chosen.sort_unstable();
    chosen
}

/// How many to choose of each class: its proportion, the remainders to the largest fractions.
fn quotas(groups: &[Vec<u32>], n: usize) -> Vec<usize> {
    let total = groups.iter().map(Vec::len).sum::<usize>().max(1);
    let mut quotas: Vec<usize> = groups.iter().map(|group| group.len() * n / total).collect();
    let mut order: Vec<usize> = (0..groups.len()).collect();
    order.sort_by_key(|&class| (std::cmp::Reverse(groups[class].len() * n % total), class));
    let missing = n - quotas.iter().sum::<usize>();
    for class in order.into_iter().take(missing) {
        quotas[class] += 1;
    }
    quotas
}

fn of_class(images: &Images, group: &[u32], quota: usize) -> Vec<u32> {
    let (features, _) = Features::unit_blocks(images, group).principal(COMPONENTS);
    let mut members: Vec<usize> = (0..group.len()).collect();
    let mut chosen = Vec::with_capacity(quota);
    choose(&features, &mut members, quota, &mut chosen);
    chosen.into_iter().map(|member| group[member]).collect()
}

/// Chooses `quota` of `members`.
fn choose(features: &Features, members: &mut [usize], quota: usize, chosen: &mut Vec<usize>) {
    if quota == 0 || members.len() <= quota {
        chosen.extend(members.iter().take(quota));
        return;
    }
    let (mean, widest) = spread(features, members);
    if quota == 1 {
        let distance = |&member: &usize| squared_distance(features.row(member), &mean);
        chosen.extend(
            members.iter().copied().min_by(|a, b| distance(a).total_cmp(&distance(b)).then(a.cmp(b))),
        );
        return;
    }
    let along = |member: usize| features.row(member)[widest];
    members.sort_by(|&a, &b| along(a).total_cmp(&along(b)).then(a.cmp(&b)));
    let left = quota / 2;
    let cut = members.len() * left / quota;
    let (low, high) = members.split_at_mut(cut);
    choose(features, low, left, chosen);
    choose(features, high, quota - left, chosen);
}

/// The mean of `members`, and the component in which they vary most.
fn spread(features: &Features, members: &[usize]) -> (Vec<f32>, usize) {
    let count = members.len() as f32;
    let mut mean = vec![0.0; features.width];
    let mut squares = vec![0.0; features.width];
    for &member in members {
        for ((sum, square), &x) in mean.iter_mut().zip(&mut squares).zip(features.row(member)) {
            *sum += x / count;
            *square += x * x / count;
        }
    }
    let variance = |i: usize| squares[i] - mean[i] * mean[i];
    let widest = (0..features.width).max_by(|&a, &b| variance(a).total_cmp(&variance(b)).then(b.cmp(&a)));
    (mean, widest.unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::data::glyphs;

    #[test]
    fn a_coreset_has_the_size_and_the_classes_that_were_asked_for() {
        let images = glyphs(600, 0, 3).train;
        let indices: Vec<u32> = (50..550).collect();
        let chosen = coreset(&images, &indices, 10, 200);
        assert_eq!(chosen.len(), 200);
        assert_eq!(chosen.iter().collect::<BTreeSet<_>>().len(), 200);
        assert!(chosen.is_sorted() && chosen.iter().all(|index| indices.contains(index)));
        for class in 0..10 {
            let of = |set: &[u32]| set.iter().filter(|&&i| images.labels[i as usize] == class).count();
            assert!((of(&chosen) as f64 - 0.4 * of(&indices) as f64).abs() <= 1.0);
        }
        assert_eq!(coreset(&images, &indices, 10, 9_999), indices);
    }

    #[test]
    fn a_coreset_covers_its_set_better_than_chance() {
        let images = glyphs(1500, 0, 5).train;
        let indices: Vec<u32> = (0..1500).collect();
        let (features, _) = Features::unit_blocks(&images, &indices).principal(COMPONENTS);
        let gap = |subset: &[u32]| -> f32 {
            let nearest = |i: usize| {
                let same = subset.iter().filter(|&&j| images.labels[j as usize] == images.labels[i]);
                same.map(|&j| squared_distance(features.row(i), features.row(j as usize)))
                    .fold(f32::INFINITY, f32::min)
            };
            (0..1500).map(nearest).sum()
        };
        let covering = gap(&coreset(&images, &indices, 10, 150));
        let by_chance =
            (0..5).map(|seed| gap(&crate::data::stratified_subset(&indices, &images.labels, 150, seed)));
        let least = by_chance.fold(f32::INFINITY, f32::min);
        assert!(covering < least, "{covering} against {least}");
    }
}
