//! Quasi-random: evenly spread.

use std::collections::BTreeMap;

use sobol_burley::parts::{hash, owen_scramble_rev, sobol_rev};

use crate::point::Point;
use crate::random::Stream;
use crate::sampler::Sampler;
use crate::space::Space;
use crate::trial::Trial;

/// What the scrambling draws from the numbers that all trials of a study have in common.
const SCRAMBLE: u64 = 1;

/// Bits of the index that the direction numbers know; what is above chooses another scrambling.
const INDEX_BITS: u32 = 16;

/// A Sobol' sequence with Owen's scrambling (Owen 1998; hashed after Burley 2020): the trials of a study lie evenly
/// in the space, whatever their number, and each of them is uniform by itself.
///
/// The place in the sequence is the trial's number, so that workers need to agree on nothing else. Where a
/// constraint is not kept, the point of another scrambling takes the place. Values of a small discrete space come
/// again, as with [`Random`](super::Random).
#[derive(Clone, Copy, Debug, Default)]
pub struct Sobol;

impl Sampler for Sobol {
    fn tell(&mut self, _trial: &Trial) {}

    fn ask(&mut self, space: &Space, mut stream: Stream) -> Point {
        let index = stream.number();
        let mut scrambles = stream.common(SCRAMBLE);
        space.first_admitted(|| {
            let scramble = scrambles.below(1 << 32) as u32;
            let units: BTreeMap<&str, f64> = space
                .parameters()
                .zip(0..)
                .map(|((name, _), dimension)| (name, coordinate(index, dimension, scramble, &mut stream)))
                .collect();
            space.complete(|name, domain| domain.at(units.get(name).copied().unwrap_or(0.5)))
        })
    }
}

/// Coordinate number `dimension` of point number `index`, in `[0, 1)`.
pub(crate) fn coordinate(index: u64, dimension: u32, scramble: u32, stream: &mut Stream) -> f64 {
    let (block, index) = ((index >> INDEX_BITS) as u32, index as u32 & ((1 << INDEX_BITS) - 1));
    // Dimensions beyond those of the direction numbers start over under another scrambling.
    let (round, axis) = (dimension / sobol_burley::NUM_DIMENSIONS, dimension % sobol_burley::NUM_DIMENSIONS);
    let seed = hash(hash(scramble ^ hash(block.wrapping_add(1))).wrapping_add(round));
    let shuffled = owen_scramble_rev(index.reverse_bits(), hash(seed));
    let bits = owen_scramble_rev(sobol_rev(shuffled, axis), hash(hash(seed ^ 1).wrapping_add(axis)));
    // What is finer than the sequence's 32 bits is the trial's own.
    (f64::from(bits.reverse_bits()) + stream.unit()) / (1u64 << 32) as f64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing;

    fn points(space: &Space, seed: u64, numbers: std::ops::Range<u64>) -> Vec<Point> {
        numbers.map(|number| Sobol.ask(space, Stream::new(seed, number))).collect()
    }

    #[test]
    fn sobol_is_a_sampler() {
        testing::check_sampler(|_| Sobol);
    }

    #[test]
    fn dimensions_and_trials_have_no_end() {
        let mut stream = Stream::new(1, 0);
        let mut draw = |index, dimension| coordinate(index, dimension, 5, &mut stream);
        let far = [draw(u64::MAX, 0), draw(1 << 16, 0), draw(0, 0), draw(0, 256), draw(0, 1000)];
        assert!(far.iter().all(|x| (0.0..1.0).contains(x)));
        assert!(far.windows(2).all(|pair| (pair[0] - pair[1]).abs() > 1e-6), "{far:?}");
    }

    proptest! {
        /// What makes it more even than chance: any 2ᵏ consecutive points from a multiple of 2ᵏ on have one in each
        /// of 2ᵏ equal parts of an axis, and of the first two axes also one in each box of 4 × 2ᵏ⁻².
        #[test]
        fn every_part_of_an_axis_has_its_point(seed: u64, k in 2u32..7, block in 0u64..5) {
            let space = Space::new().float("a", 0.0, 1.0).unwrap().float("b", 0.0, 1.0).unwrap();
            let n = 1u64 << k;
            let points = points(&space, seed, block * n..(block + 1) * n);
            let at = |p: &Point, name: &str, parts: u64| (p.float(name).unwrap() * parts as f64) as u64;
            for name in ["a", "b"] {
                let parts: std::collections::BTreeSet<u64> = points.iter().map(|p| at(p, name, n)).collect();
                prop_assert_eq!(parts.len() as u64, n);
            }
            let boxes: std::collections::BTreeSet<_> =
                points.iter().map(|p| (at(p, "a", 4), at(p, "b", n / 4))).collect();
            prop_assert_eq!(boxes.len() as u64, n);
        }
    }

    #[test]
    fn another_seed_gives_other_points() {
        let space = Space::new().float("a", 0.0, 1.0).unwrap();
        assert_ne!(points(&space, 1, 0..1), points(&space, 2, 0..1));
    }
}
