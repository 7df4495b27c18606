//! The built-in data sets: stroke-drawn characters, distorted at random, made from nothing but a seed.
//!
//! All arithmetic is addition, multiplication and square root, so that a seed gives the same bytes on
//! every platform and with any number of threads.

mod pen;
mod strokes;

use rayon::prelude::*;

use super::{Dataset, Images};
use crate::random::Stream;

/// Height and width of the images.
pub(crate) const SIDE: usize = 28;
/// Classes of every alphabet.
const CLASSES: usize = 10;

/// Which characters are drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Alphabet {
    /// 0 to 9.
    #[default]
    Digits,
    /// Ten capital letters, for transfer from other classes of the same kind.
    Letters,
}

impl Alphabet {
    fn stream(self) -> u64 {
        match self {
            Self::Digits => 0,
            Self::Letters => 1 << 60,
        }
    }
}

/// Training images that are copies of others, as (original, copy) places in the training set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planted {
    /// Copies of every byte.
    pub exact: Vec<(u32, u32)>,
    /// Copies whose bytes differ by at most one grey level.
    pub near: Vec<(u32, u32)>,
}

/// The data set `glyphs`: digits, `train` images to train on (4 % of them exact and 4 % near copies of
/// others, see [`planted`]) and `test` images, 28×28 grey, classes in equal shares.
///
/// A linear classifier stays below 90 % accuracy on it, a small convolutional network passes 97 %.
pub fn glyphs(train: usize, test: usize, seed: u64) -> Dataset {
    glyphs_of(Alphabet::Digits, train, test, seed)
}

/// [`glyphs()`] of any alphabet.
pub fn glyphs_of(alphabet: Alphabet, train: usize, test: usize, seed: u64) -> Dataset {
    let name = match alphabet {
        Alphabet::Digits => "glyphs",
        Alphabet::Letters => "letters",
    };
    Dataset {
        name: name.to_owned(),
        classes: strokes::characters(alphabet).iter().map(|character| character.name.to_owned()).collect(),
        train: with_copies(&drawn(alphabet, train, seed, 0), seed),
        test: (test > 0).then(|| drawn(alphabet, test, seed, 1 << 59)),
        skipped: Vec::new(),
    }
}

/// Where [`glyphs()`] hides its copies among `train` training images.
pub fn planted(train: usize, seed: u64) -> Planted {
    let copies = train / 25;
    let mut places: Vec<u32> = (0..train as u32).collect();
    Stream::keyed(seed, 1 << 58).shuffle(&mut places);
    let (copied, originals) = places.split_at(2 * copies);
    let pairs: Vec<(u32, u32)> = originals.iter().copied().zip(copied.iter().copied()).collect();
    let (exact, near) = pairs.split_at(copies);
    Planted { exact: exact.to_vec(), near: near.to_vec() }
}

/// `count` images, the classes taking turns.
fn drawn(alphabet: Alphabet, count: usize, seed: u64, stream: u64) -> Images {
    let characters = strokes::characters(alphabet);
    let mut pixels = vec![0; count * SIDE * SIDE];
    pixels.par_chunks_exact_mut(SIDE * SIDE).enumerate().for_each(|(place, image)| {
        let mut draw = Stream::keyed(seed, alphabet.stream() + stream + place as u64);
        pen::write(&characters[place % CLASSES], &mut draw, image);
    });
    Images::new([1, SIDE, SIDE], pixels, (0..count).map(|place| (place % CLASSES) as u16).collect())
}

/// Replaces the [`planted`] places of a training set by copies.
fn with_copies(images: &Images, seed: u64) -> Images {
    let planted = planted(images.len(), seed);
    let (mut pixels, mut labels) = (images.pixels.to_vec(), images.labels.to_vec());
    let mut copy = |&(original, copy): &(u32, u32)| {
        let start = original as usize * SIDE * SIDE;
        pixels.copy_within(start..start + SIDE * SIDE, copy as usize * SIDE * SIDE);
        labels[copy as usize] = labels[original as usize];
    };
    planted.exact.iter().for_each(&mut copy);
    planted.near.iter().for_each(&mut copy);
    for (number, &(_, copy)) in planted.near.iter().enumerate() {
        let mut draw = Stream::keyed(seed, (1 << 57) + u64::from(copy));
        let start = copy as usize * SIDE * SIDE;
        for pixel in &mut pixels[start..start + SIDE * SIDE] {
            // Every other near copy is one grey level lighter, the others carry noise of one level.
            let step = if number % 2 == 0 { 2 } else { draw.below(3) as i16 };
            *pixel = (i16::from(*pixel) + step - 1).clamp(0, 255) as u8;
        }
    }
    Images::new(images.shape, pixels, labels)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_images_with_any_number_of_threads() {
        let made = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| glyphs(200, 50, 7))
        };
        let (one, three) = (made(1), made(3));
        assert_eq!(one.train, three.train);
        assert_eq!(one.test, three.test);
        assert_ne!(one.train.pixels, glyphs(200, 50, 8).train.pixels);
    }

    #[test]
    fn the_images_never_change_between_versions_and_platforms() {
        let hash = |images: &Images| {
            images.pixels.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, &byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
            })
        };
        let digits = glyphs(50, 0, 1);
        let letters = glyphs_of(Alphabet::Letters, 50, 0, 1);
        assert_eq!((hash(&digits.train), hash(&letters.train)), (14824009405575993960, 12352685701030433539));
    }

    #[test]
    fn classes_have_equal_shares_and_names() {
        let letters = glyphs_of(Alphabet::Letters, 0, 30, 1);
        assert_eq!(letters.classes.concat(), "ACEFHKLTXZ");
        let test = letters.test.unwrap();
        assert_eq!(test.labels.iter().filter(|&&label| label == 3).count(), 3);
    }

    #[test]
    fn copies_are_where_they_are_said_to_be() {
        let train = glyphs(500, 0, 3).train;
        let planted = planted(500, 3);
        assert_eq!((planted.exact.len(), planted.near.len()), (20, 20));
        let farthest = |&(a, b): &(u32, u32)| {
            assert_eq!(train.labels[a as usize], train.labels[b as usize]);
            let pixels = train.pixels_of(a as usize).iter().zip(train.pixels_of(b as usize));
            pixels.map(|(a, b)| a.abs_diff(*b)).max().unwrap()
        };
        assert!(planted.exact.iter().all(|pair| farthest(pair) == 0));
        assert!(planted.near.iter().all(|pair| farthest(pair) == 1));
    }
}
