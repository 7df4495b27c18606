//! A small part of a data set that stands for the whole, chosen without training anything.
//!
//! The classes are kept in their proportions, and within a class one example is drawn from each of as many cells of
//! equal population. The cells come from halving the class again and again across the direction in which it varies
//! most, on principal components. So every region of a class is *covered*, each in proportion to its *density*: what
//! uniform sampling gives only on average. The price is a small part of one epoch.
//!
//! Whether it helps is to be measured against [`stratified_subset`](super::stratified_subset) of the same size.

use rayon::prelude::*;

use super::Images;
use super::features::Features;
use super::split::{apportion, by_class};
use crate::random::Stream;

/// Principal components that images are compared by.
const DIRECTIONS: usize = 24;

/// Chooses `n` of `indices` (all of them when there are fewer), ascending, by principal components of means of
/// blocks of pixels.
///
/// Panics when a label is not below `classes` or an index lies outside of `images`: bugs of the caller.
pub fn coreset(images: &Images, indices: &[u32], classes: usize, n: usize, seed: u64) -> Vec<u32> {
    let labels: Vec<u16> = indices.iter().map(|&index| images.labels[index as usize]).collect();
    let places = coreset_of(&Features::unit_blocks(images, indices), &labels, classes, n, seed);
    let mut chosen: Vec<u32> = places.into_iter().map(|place| indices[place as usize]).collect();
    chosen.sort_unstable();
    chosen
}

/// As [`coreset`], of any examples: the rows of `features`, which have `labels`.
///
/// Panics when there are not as many labels as rows, or a label is not below `classes`: bugs of the caller.
pub fn coreset_of(features: &Features, labels: &[u16], classes: usize, n: usize, seed: u64) -> Vec<u32> {
    assert_eq!(features.len(), labels.len(), "one label for each row");
    let places: Vec<u32> = (0..labels.len() as u32).collect();
    let groups = by_class(&places, labels, classes).expect("labels are below the number of classes");
    let sizes: Vec<usize> = groups.iter().map(Vec::len).collect();
    let shares = apportion(&sizes, n.min(labels.len()));
    let features = features.principal(DIRECTIONS);
    let mut chosen: Vec<u32> = groups
        .into_par_iter()
        .zip(shares)
        .enumerate()
        .flat_map_iter(|(class, (mut group, share))| {
            let mut random = Stream::keyed(seed, 0xc0_0000 + class as u64);
            let mut chosen = Vec::with_capacity(share);
            one_of_each_cell(&features, &mut group, share, &mut random, &mut chosen);
            chosen
        })
        .collect();
    chosen.sort_unstable();
    chosen
}

/// Divides `members` into `cells` cells of equal population, give or take one, and draws one from each.
fn one_of_each_cell(
    features: &Features,
    members: &mut [u32],
    cells: usize,
    random: &mut Stream,
    chosen: &mut Vec<u32>,
) {
    if cells == 0 {
        return;
    }
    if cells == 1 {
        chosen.push(members[random.below(members.len())]);
        return;
    }
    let axis = widest(features, members);
    let first_cells = cells / 2;
    let first_members = members.len() * first_cells / cells;
    let along = |&member: &u32| features.row(member as usize).get(axis).copied().unwrap_or(0.0);
    members.select_nth_unstable_by(first_members, |a, b| along(a).total_cmp(&along(b)).then(a.cmp(b)));
    let (first, second) = members.split_at_mut(first_members);
    one_of_each_cell(features, first, first_cells, random, chosen);
    one_of_each_cell(features, second, cells - first_cells, random, chosen);
}

/// The component along which `members` vary most.
fn widest(features: &Features, members: &[u32]) -> usize {
    let mut moments = vec![(0.0f64, 0.0f64); features.width];
    for &member in members {
        for (&x, (sum, squares)) in features.row(member as usize).iter().zip(&mut moments) {
            *sum += f64::from(x);
            *squares += f64::from(x) * f64::from(x);
        }
    }
    let count = members.len() as f64;
    let variance = |&(sum, squares): &(f64, f64)| squares - sum * sum / count;
    let widest = (0..features.width).max_by(|&a, &b| variance(&moments[a]).total_cmp(&variance(&moments[b])));
    widest.unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{glyphs, stratified_subset};

    #[test]
    fn a_coreset_has_the_size_the_classes_and_no_image_twice() {
        let train = glyphs(1000, 0, 1).train;
        let indices: Vec<u32> = (100..900).collect();
        for n in [0, 1, 80, 333, 800, 5000] {
            let chosen = coreset(&train, &indices, 10, n, 4);
            assert_eq!(chosen.len(), n.min(800));
            assert!(chosen.is_sorted_by(|a, b| a < b));
            assert!(chosen.iter().all(|index| indices.contains(index)));
            let subset = stratified_subset(&indices, &train.labels, n, 4);
            let classes = |chosen: &[u32]| -> Vec<usize> {
                by_class(chosen, &train.labels, 10).unwrap().iter().map(Vec::len).collect()
            };
            assert_eq!(classes(&chosen), classes(&subset));
        }
    }

    #[test]
    fn it_depends_on_the_seed_and_nothing_else() {
        let train = glyphs(600, 0, 1).train;
        let indices: Vec<u32> = (0..600).collect();
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        let alone = pool.install(|| coreset(&train, &indices, 10, 100, 1));
        assert_eq!(alone, coreset(&train, &indices, 10, 100, 1));
        assert_ne!(alone, coreset(&train, &indices, 10, 100, 2));
    }

    /// Whatever is chosen, the images left out have a chosen one of their class closer by than under uniform
    /// sampling of the same size.
    #[test]
    fn it_covers_better_than_chance() {
        let train = glyphs(3000, 0, 2).train;
        let indices: Vec<u32> = (0..3000).collect();
        let features = Features::unit_blocks(&train, &indices).principal(DIRECTIONS);
        let gap = |chosen: &[u32]| -> f64 {
            let nearest = |&index: &u32| {
                let distance = |&other: &u32| {
                    let (a, b) = (features.row(index as usize), features.row(other as usize));
                    f64::from(super::super::features::squared_distance(a, b))
                };
                let alike = |other: &&u32| train.labels[**other as usize] == train.labels[index as usize];
                chosen.iter().filter(alike).map(distance).fold(f64::INFINITY, f64::min)
            };
            indices.iter().map(nearest).sum()
        };
        let (mut covered, mut by_chance) = (0.0, 0.0);
        for seed in 0..3 {
            covered += gap(&coreset(&train, &indices, 10, 300, seed));
            by_chance += gap(&stratified_subset(&indices, &train.labels, 300, seed));
        }
        assert!(covered < by_chance, "{covered} against {by_chance}");
    }
}
