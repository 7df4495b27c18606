//! Images that are in a data set more than once.

use std::collections::HashMap;
use std::ops::Range;

use rayon::prelude::*;

use super::Images;
use super::features::{Features, moments, squared_distance};

/// Two images are near duplicates when, brightness and contrast taken out, the length of their difference
/// is at most this share of their own.
const NEAR: f32 = 0.05;
/// Directions that the search sorts images by.
const DIRECTIONS: usize = 3;
/// Directions that candidates are compared in before anything dearer.
const PREFILTER: usize = 16;

/// Which images repeat others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Duplicates {
    /// (kept, dropped): the same label and the same bytes.
    pub exact: Vec<(u32, u32)>,
    /// (kept, dropped): the same label and almost the same picture, up to brightness and contrast.
    pub near: Vec<(u32, u32)>,
}

impl Duplicates {
    /// `indices` without the dropped ones.
    pub fn remaining(&self, indices: &[u32]) -> Vec<u32> {
        let dropped: std::collections::HashSet<u32> =
            self.exact.iter().chain(&self.near).map(|&(_, dropped)| dropped).collect();
        indices.iter().copied().filter(|index| !dropped.contains(index)).collect()
    }
}

/// Finds duplicates among `images` at `indices`. Of images that are alike, the first in `indices` is kept.
/// Images of different labels are never duplicates: which label is wrong is another question.
pub fn duplicates(images: &Images, indices: &[u32]) -> Duplicates {
    let (exact, distinct) = exact(images, indices);
    let near = near(images, &distinct);
    Duplicates { exact, near }
}

/// Pairs of equal images, and the images that are equal to none before them.
fn exact(images: &Images, indices: &[u32]) -> (Vec<(u32, u32)>, Vec<u32>) {
    let (mut pairs, mut distinct) = (Vec::new(), Vec::new());
    let mut seen: HashMap<(u16, &[u8]), u32> = HashMap::with_capacity(indices.len());
    for &index in indices {
        let image = (images.labels[index as usize], images.pixels_of(index as usize));
        let kept = *seen.entry(image).or_insert(index);
        if kept == index {
            distinct.push(index);
        } else {
            pairs.push((kept, index));
        }
    }
    (pairs, distinct)
}

/// Near duplicates among images none of which are equal.
fn near(images: &Images, indices: &[u32]) -> Vec<(u32, u32)> {
    let features = Features::unit_blocks(images, indices);
    let projections = features.principal(PREFILTER);
    let grid = Grid::of(&projections);
    // Projections bring images closer together, never apart: these tests lose nothing.
    let within = |features: &Features, a: usize, b: usize| {
        squared_distance(features.row(a), features.row(b)) <= NEAR * NEAR
    };
    // For each place in `indices`, the places before it that are near.
    let neighbours: Vec<Vec<u32>> = (0..indices.len())
        .into_par_iter()
        .map(|place| {
            let mut earlier: Vec<u32> = grid
                .around(place)
                .filter(|&other| {
                    (other as usize) < place
                        && within(&projections, place, other as usize)
                        && within(&features, place, other as usize)
                        && alike(images, indices[place], indices[other as usize])
                })
                .collect();
            earlier.sort_unstable();
            earlier
        })
        .collect();
    let mut dropped = vec![false; indices.len()];
    let mut pairs = Vec::new();
    for (place, earlier) in neighbours.iter().enumerate() {
        if let Some(&kept) = earlier.iter().find(|&&other| !dropped[other as usize]) {
            dropped[place] = true;
            pairs.push((indices[kept as usize], indices[place]));
        }
    }
    pairs
}

/// Whether two images of one label differ by at most [`NEAR`] once centred and scaled to length 1.
fn alike(images: &Images, a: u32, b: u32) -> bool {
    if images.labels[a as usize] != images.labels[b as usize] {
        return false;
    }
    let (a, b) = (images.pixels_of(a as usize), images.pixels_of(b as usize));
    let ((mean_a, deviation_a), (mean_b, deviation_b)) = (moments(a), moments(b));
    if deviation_a == 0.0 || deviation_b == 0.0 {
        return false;
    }
    let products: u64 = a.iter().zip(b).map(|(&a, &b)| u64::from(u32::from(a) * u32::from(b))).sum();
    let covariance = products as f64 / a.len() as f64 - mean_a * mean_b;
    let squared = 2.0 - 2.0 * covariance / (deviation_a * deviation_b);
    squared <= f64::from(NEAR * NEAR)
}

/// A sorted grid over projected images, in which all that are within [`NEAR`] of one lie in the cells
/// around its own.
struct Grid {
    /// The cell of each image.
    cells: Vec<[i32; DIRECTIONS]>,
    /// Images by cell.
    sorted: Vec<([i32; DIRECTIONS], u32)>,
}

impl Grid {
    fn of(projections: &Features) -> Self {
        let cell = |row: &[f32]| -> [i32; DIRECTIONS] {
            std::array::from_fn(|i| row.get(i).map_or(0, |x| (x / NEAR).floor() as i32))
        };
        let cells: Vec<_> = (0..projections.len()).map(|place| cell(projections.row(place))).collect();
        let mut sorted: Vec<_> = cells.iter().enumerate().map(|(i, &cell)| (cell, i as u32)).collect();
        sorted.par_sort_unstable();
        Self { cells, sorted }
    }

    /// The images in the cells around that of image `place`.
    fn around(&self, place: usize) -> impl Iterator<Item = u32> {
        let [x, y, z] = self.cells[place];
        (-1..=1).flat_map(move |dx| {
            (-1..=1).flat_map(move |dy| {
                let cells = [x + dx, y + dy, z - 1]..[x + dx, y + dy, z + 2];
                self.within(cells).iter().map(|&(_, image)| image)
            })
        })
    }

    fn within(&self, cells: Range<[i32; DIRECTIONS]>) -> &[([i32; DIRECTIONS], u32)] {
        let first = self.sorted.partition_point(|(cell, _)| *cell < cells.start);
        let rest = &self.sorted[first..];
        &rest[..rest.partition_point(|(cell, _)| *cell < cells.end)]
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::data::{glyphs, planted};

    #[test]
    fn planted_copies_are_found_and_nothing_else() {
        for seed in [1, 2] {
            let train = glyphs(4000, 0, seed).train;
            let all: Vec<u32> = (0..4000).collect();
            let found = duplicates(&train, &all);
            let planted = planted(4000, seed);
            for (found, planted) in [(&found.exact, &planted.exact), (&found.near, &planted.near)] {
                let ordered = |&(a, b): &(u32, u32)| (a.min(b), a.max(b));
                let planted: HashSet<_> = planted.iter().map(ordered).collect();
                let hits = found.iter().filter(|pair| planted.contains(&ordered(pair))).count() as f64;
                let (recall, precision) = (hits / planted.len() as f64, hits / found.len() as f64);
                assert!(recall >= 0.95 && precision >= 0.99, "recall {recall}, precision {precision}");
            }
            assert_eq!(found.remaining(&all).len(), 4000 - found.exact.len() - found.near.len());
        }
    }

    #[test]
    fn the_first_is_kept_and_labels_tell_apart() {
        let picture = |seed: u32| (0..64).map(move |i: u32| ((i * seed) % 251) as u8);
        let brighter = picture(37).map(|pixel| (pixel / 2).saturating_add(60));
        let pixels: Vec<u8> = picture(37)
            .chain(picture(101))
            .chain(picture(37))
            .chain(picture(37))
            .chain(brighter)
            .chain([9; 64])
            .chain([10; 64])
            .collect();
        let images = Images::new([1, 8, 8], pixels, vec![0, 0, 0, 1, 0, 0, 0]);
        let found = duplicates(&images, &[0, 1, 2, 3, 4, 5, 6]);
        assert_eq!(found, Duplicates { exact: vec![(0, 2)], near: vec![(0, 4)] });
        let found = duplicates(&images, &[4, 2, 0]);
        assert_eq!(found, Duplicates { exact: vec![(2, 0)], near: vec![(4, 2)] });
        assert_eq!(duplicates(&images, &[]), Duplicates::default());
    }
}
