//! Dividing a training set, class by class.

use super::{DataError, DataErrorKind};
use crate::random::Stream;

/// The parts of a training set, as ascending places in it. They share no image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// Images to train on.
    pub train: Vec<u32>,
    /// Images that tuning and stopping look at.
    pub select: Vec<u32>,
    /// Images that judge each candidate once.
    pub judge: Vec<u32>,
}

impl Split {
    /// Takes `select` and `judge` images out of `labels.len()`, each with the classes in the
    /// proportions of the whole; the rest is for training. The same arguments give the same split.
    ///
    /// Fails when nothing would be left to train on, or a label is not below `classes`.
    pub fn stratified(
        labels: &[u16],
        classes: usize,
        select: usize,
        judge: usize,
        seed: u64,
    ) -> Result<Self, DataError> {
        let all: Vec<u32> = (0..labels.len() as u32).collect();
        Self::stratified_of(&all, labels, classes, select, judge, seed)
    }

    /// As [`Split::stratified`], of the images `indices` only; `labels` are those of the whole set.
    pub fn stratified_of(
        indices: &[u32],
        labels: &[u16],
        classes: usize,
        select: usize,
        judge: usize,
        seed: u64,
    ) -> Result<Self, DataError> {
        if select.saturating_add(judge) >= indices.len() {
            return Err(DataError::new(
                DataErrorKind::TooFew,
                format!(
                    "{} images cannot give {select} for selection and {judge} for judging",
                    indices.len()
                ),
                "give more images",
            ));
        }
        let mut groups = by_class(indices, labels, classes)?;
        let mut draw = Stream::new(seed, "split");
        for group in &mut groups {
            draw.shuffle(group);
        }
        let mut split = Self { train: Vec::new(), select: Vec::new(), judge: Vec::new() };
        split.select = take_stratified(&mut groups, select);
        split.judge = take_stratified(&mut groups, judge);
        split.train = groups.concat();
        split.train.sort_unstable();
        Ok(split)
    }
}

/// `n` of `indices` (all of them when there are fewer), with the classes in the proportions of
/// `indices`, ascending. `labels` are those of the whole set, by place.
pub fn stratified_subset(indices: &[u32], labels: &[u16], n: usize, seed: u64) -> Vec<u32> {
    let classes = indices.iter().map(|&i| labels[i as usize] as usize + 1).max().unwrap_or(0);
    let mut groups = by_class(indices, labels, classes).unwrap_or_default();
    let mut draw = Stream::new(seed, "subset");
    for group in &mut groups {
        draw.shuffle(group);
    }
    take_stratified(&mut groups, n.min(indices.len()))
}

/// `indices` grouped by their label, in their order.
pub(crate) fn by_class(indices: &[u32], labels: &[u16], classes: usize) -> Result<Vec<Vec<u32>>, DataError> {
    let mut groups = vec![Vec::new(); classes];
    for &index in indices {
        let label = labels[index as usize];
        match groups.get_mut(label as usize) {
            Some(group) => group.push(index),
            None => {
                return Err(DataError::new(
                    DataErrorKind::Labels,
                    format!("image {index} has label {label}, but there are {classes} classes"),
                    "correct the labels",
                ));
            }
        }
    }
    Ok(groups)
}

/// Shares `n` among groups in proportion to their sizes, by largest remainder (ties go to the
/// first); no group gives more than it has. `n` must not exceed the sum of `sizes`.
pub(crate) fn apportion(sizes: &[usize], n: usize) -> Vec<usize> {
    let total: usize = sizes.iter().sum::<usize>().max(1);
    let mut shares: Vec<usize> = sizes.iter().map(|size| n * size / total).collect();
    let mut by_remainder: Vec<usize> = (0..sizes.len()).collect();
    by_remainder.sort_by_key(|&group| std::cmp::Reverse(n * sizes[group] % total));
    let missing = n - shares.iter().sum::<usize>();
    by_remainder.into_iter().take(missing).for_each(|group| shares[group] += 1);
    shares
}

/// Moves `n` images off the ends of the groups, in proportion to their sizes.
fn take_stratified(groups: &mut [Vec<u32>], n: usize) -> Vec<u32> {
    let sizes: Vec<usize> = groups.iter().map(Vec::len).collect();
    let shares = apportion(&sizes, n);
    let mut taken: Vec<u32> = groups
        .iter_mut()
        .zip(shares)
        .flat_map(|(group, share)| group.split_off(group.len() - share))
        .collect();
    taken.sort_unstable();
    taken
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn counts(indices: &[u32], labels: &[u16], classes: usize) -> Vec<usize> {
        by_class(indices, labels, classes).unwrap().iter().map(Vec::len).collect()
    }

    #[test]
    fn a_split_is_stratified() {
        let labels: Vec<u16> = (0..1000).map(|i| u16::from(i % 4 == 0)).collect();
        let split = Split::stratified(&labels, 2, 100, 300, 5).unwrap();
        assert_eq!(counts(&split.select, &labels, 2), [75, 25]);
        assert_eq!(counts(&split.judge, &labels, 2), [225, 75]);
        assert_eq!(counts(&split.train, &labels, 2), [450, 150]);
    }

    #[test]
    fn seeds_change_the_split_and_only_they() {
        let labels: Vec<u16> = (0..500).map(|i| i % 10).collect();
        let split = |seed| Split::stratified(&labels, 10, 100, 100, seed).unwrap();
        assert_eq!(split(1), split(1));
        assert_ne!(split(1).judge, split(2).judge);
    }

    #[test]
    fn too_few_images_and_strange_labels_are_errors() {
        let error = Split::stratified(&[0, 1, 0, 1], 2, 2, 2, 0).unwrap_err();
        assert_eq!(error.kind(), DataErrorKind::TooFew);
        let error = Split::stratified(&[0, 1, 0, 7], 2, 1, 1, 0).unwrap_err();
        assert_eq!(error.kind(), DataErrorKind::Labels);
        assert!(error.to_string().contains("image 3 has label 7"), "{error}");
    }

    #[test]
    fn a_subset_keeps_the_proportions_of_the_indices() {
        let labels: Vec<u16> = (0..100).map(|i| i % 2).collect();
        let indices: Vec<u32> = (0..60).collect();
        let subset = stratified_subset(&indices, &labels, 20, 3);
        assert_eq!(counts(&subset, &labels, 2), [10, 10]);
        assert!(subset.iter().all(|i| *i < 60));
        assert_eq!(stratified_subset(&indices, &labels, 1000, 3), indices);
    }

    proptest! {
        #[test]
        fn the_parts_are_disjoint_and_whole(
            labels in prop::collection::vec(0u16..5, 3..200), a in 0usize..60, b in 0usize..60, seed: u64,
        ) {
            prop_assume!(a + b < labels.len());
            let split = Split::stratified(&labels, 5, a, b, seed).unwrap();
            prop_assert_eq!((split.select.len(), split.judge.len()), (a, b));
            let mut all = [split.train, split.select, split.judge].concat();
            all.sort_unstable();
            prop_assert_eq!(all, (0..labels.len() as u32).collect::<Vec<_>>());
        }

        #[test]
        fn shares_add_up_within_the_sizes(sizes in prop::collection::vec(0usize..50, 1..9), part in 0usize..101) {
            let n = sizes.iter().sum::<usize>() * part / 100;
            let shares = apportion(&sizes, n);
            prop_assert_eq!(shares.iter().sum::<usize>(), n);
            prop_assert!(shares.iter().zip(&sizes).all(|(share, size)| share <= size));
        }
    }
}
