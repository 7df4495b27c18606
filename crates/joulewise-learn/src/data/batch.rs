//! From bytes in memory to the floats of a batch.

use super::{Images, Normalise};
use crate::random::Stream;

/// Random changes of training images that keep their class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Augment {
    /// The image is moved by up to so many pixels each way; black (raw 0) comes in from outside.
    pub crop_padding: usize,
    /// Mirror every other image left to right.
    pub flip: bool,
}

/// The number of the stream that the first epoch is shuffled by; later epochs count up.
const EPOCH_STREAM: u64 = 0xe_0000_0000;

/// The batches of one pass over some images, as places in the data set.
#[derive(Clone, Debug)]
pub struct Batches {
    order: Vec<u32>,
    next: usize,
    size: usize,
    keep_rest: bool,
}

impl Batches {
    /// Epoch number `epoch`: `indices` in an order of its own, in batches of exactly `size`;
    /// the remainder is dropped (another one in each epoch).
    pub fn shuffled(indices: &[u32], size: usize, seed: u64, epoch: u64) -> Self {
        let mut order = indices.to_vec();
        Stream::keyed(seed, EPOCH_STREAM.wrapping_add(epoch)).shuffle(&mut order);
        Self { order, next: 0, size: size.max(1), keep_rest: false }
    }

    /// `indices` as they come, the last batch being what remains.
    pub fn in_order(indices: &[u32], size: usize) -> Self {
        Self { order: indices.to_vec(), next: 0, size: size.max(1), keep_rest: true }
    }
}

impl Iterator for Batches {
    type Item = Vec<u32>;

    fn next(&mut self) -> Option<Vec<u32>> {
        let rest = &self.order[self.next..];
        let take = if self.keep_rest { self.size.min(rest.len()) } else { self.size };
        let batch = rest.get(..take).filter(|batch| !batch.is_empty())?.to_vec();
        self.next += take;
        Some(batch)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let rest = self.order.len() - self.next;
        let batches = if self.keep_rest { rest.div_ceil(self.size) } else { rest / self.size };
        (batches, Some(batches))
    }
}

impl ExactSizeIterator for Batches {}

/// The key of image `index`'s random changes in an epoch: it does not depend on who computes it when.
pub fn augment_key(seed: u64, epoch: u64, index: u32) -> u64 {
    mix(mix(mix(seed) ^ epoch) ^ u64::from(index))
}

/// The finaliser of SplitMix64: all bits of the result depend on all bits of `x`.
fn mix(x: u64) -> u64 {
    let x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// Writes image `index`, normalised, as floats with interleaved channels into the caller's buffer: row `y`
/// begins at `out[offset + y · row_stride]`, so that a buffer may keep a border around the image,
/// which is left untouched. `augment` comes with the key of [`augment_key`].
///
/// Panics when `out` is too small or there is no such image.
pub fn fill_image(
    images: &Images,
    index: u32,
    normalise: &Normalise,
    augment: Option<(&Augment, u64)>,
    out: &mut [f32],
    row_stride: usize,
    offset: usize,
) {
    let [_, height, width] = images.shape;
    let source = images.pixels_of(index as usize);
    let view = augment.map_or(View::default(), |(augment, key)| View::drawn(augment, key));
    match images.shape[0] {
        1 => fill::<1>(source, height, width, normalise, view, out, row_stride, offset),
        3 => fill::<3>(source, height, width, normalise, view, out, row_stride, offset),
        channels => unreachable!("images have 1 or 3 channels, not {channels}"),
    }
}

/// Which part of an image is seen, and whether in a mirror.
#[derive(Clone, Copy, Default)]
struct View {
    /// Rows and columns that the image is moved down and to the right by.
    down: isize,
    right: isize,
    flip: bool,
}

impl View {
    fn drawn(augment: &Augment, key: u64) -> Self {
        let padding = augment.crop_padding;
        let shift =
            |bits: u64| (((bits & 0xffff) * (2 * padding as u64 + 1)) >> 16) as isize - padding as isize;
        Self { down: shift(key), right: shift(key >> 16), flip: augment.flip && key >> 63 == 1 }
    }
}

fn fill<const C: usize>(
    source: &[u8],
    height: usize,
    width: usize,
    normalise: &Normalise,
    view: View,
    out: &mut [f32],
    row_stride: usize,
    offset: usize,
) {
    let scale: [(f32, f32); C] = std::array::from_fn(|channel| normalise.scale_shift(channel));
    let black: [f32; C] = scale.map(|(_, summand)| summand);
    // The visible columns: `length` pixels from `from` in the source to `to` in the result.
    let to = view.right.max(0) as usize;
    let from = (-view.right).max(0) as usize;
    let length = width.saturating_sub(to.max(from));
    for y in 0..height {
        let start = offset + y * row_stride;
        let row = out[start..start + width * C].as_chunks_mut::<C>().0;
        let source_y = y as isize - view.down;
        if source_y < 0 || source_y >= height as isize || length == 0 {
            row.fill(black);
            continue;
        }
        let first = (source_y as usize * width + from) * C;
        let pixels = source[first..first + length * C].as_chunks::<C>().0;
        if view.flip {
            let (left, right) = (width - to - length, width - to);
            row[..left].fill(black);
            row[right..].fill(black);
            row[left..right].iter_mut().rev().zip(pixels).for_each(|(to, from)| *to = normal(from, &scale));
        } else {
            row[..to].fill(black);
            row[to + length..].fill(black);
            row[to..to + length].iter_mut().zip(pixels).for_each(|(to, from)| *to = normal(from, &scale));
        }
    }
}

#[inline(always)]
fn normal<const C: usize>(pixel: &[u8; C], scale: &[(f32, f32); C]) -> [f32; C] {
    std::array::from_fn(|c| f32::from(pixel[c]) * scale[c].0 + scale[c].1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(shape: [usize; 3]) -> Images {
        let samples: usize = shape.iter().product();
        Images::new(shape, (1..=samples as u8).collect(), vec![0])
    }

    /// Normalisation that leaves bytes as they are.
    fn raw(channels: usize) -> Normalise {
        Normalise { mean: vec![0.0; channels], std: vec![1.0 / 255.0; channels] }
    }

    #[test]
    fn an_epoch_visits_every_image_once_and_epochs_differ() {
        let indices: Vec<u32> = (10..30).collect();
        let epoch = |epoch| Batches::shuffled(&indices, 5, 1, epoch).collect::<Vec<_>>();
        assert_ne!(epoch(0), epoch(1));
        assert_eq!(epoch(1), epoch(1));
        let mut seen = epoch(1).concat();
        seen.sort_unstable();
        assert_eq!(seen, indices);
    }

    #[test]
    fn a_remainder_is_dropped_in_training_and_kept_in_evaluation() {
        let indices: Vec<u32> = (0..7).collect();
        let sizes = |batches: Batches| {
            assert_eq!(batches.len(), batches.clone().count());
            batches.map(|batch| batch.len()).collect::<Vec<_>>()
        };
        assert_eq!(sizes(Batches::shuffled(&indices, 3, 0, 0)), [3, 3]);
        assert_eq!(sizes(Batches::in_order(&indices, 3)), [3, 3, 1]);
    }

    #[test]
    fn an_image_is_written_inside_its_border() {
        let images = counted([1, 2, 3]);
        let mut out = [-1.0; 20];
        fill_image(&images, 0, &raw(1), None, &mut out, 5, 6);
        let border = -1.0;
        #[rustfmt::skip]
        assert_eq!(out, [
            border, border, border, border, border,
            border, 1.0, 2.0, 3.0, border,
            border, 4.0, 5.0, 6.0, border,
            border, border, border, border, border,
        ]);
    }

    #[test]
    fn channels_are_normalised_apart() {
        let images = Images::new([3, 1, 1], vec![255, 0, 255], vec![0]);
        let normalise = Normalise { mean: vec![0.0, 0.5, 1.0], std: vec![1.0, 0.5, 0.25] };
        let mut out = [0.0; 3];
        fill_image(&images, 0, &normalise, None, &mut out, 3, 0);
        assert_eq!(out, [1.0, -1.0, 0.0]);
    }

    /// Every view that augmentation can draw, against the definition: pad, crop, then mirror.
    #[test]
    fn every_view_is_a_crop_of_the_padded_image() {
        let images = counted([3, 4, 5]);
        let augment = Augment { crop_padding: 2, flip: true };
        let mut views = std::collections::BTreeSet::new();
        for index in 0..2000 {
            let key = augment_key(3, 1, index);
            let view = View::drawn(&augment, key);
            views.insert((view.down, view.right, view.flip));
            let mut out = [0.0; 60];
            fill_image(&images, 0, &raw(3), Some((&augment, key)), &mut out, 15, 0);
            for (place, &value) in out.iter().enumerate() {
                let (y, x, c) = (place as isize / 15, place as isize / 3 % 5, place % 3);
                let x = if view.flip { 4 - x } else { x };
                let (y, x) = (y - view.down, x - view.right);
                let inside = (0..4).contains(&y) && (0..5).contains(&x);
                let expected = if inside { images.pixels[(y * 5 + x) as usize * 3 + c] } else { 0 };
                assert_eq!(value.round(), f32::from(expected), "at {place} of {:?}", (view.down, view.right));
            }
        }
        assert_eq!(views.len(), 5 * 5 * 2, "all shifts, mirrored and not, are drawn");
    }

    #[test]
    fn a_shift_wider_than_the_image_leaves_it_black() {
        let images = counted([1, 2, 2]);
        let augment = Augment { crop_padding: 9, flip: false };
        let mut out = [1.0; 4];
        let key = (0..100).find(|&key| View::drawn(&augment, mix(key)).right.abs() > 2).map(mix);
        fill_image(&images, 0, &raw(1), key.map(|key| (&augment, key)), &mut out, 2, 0);
        assert_eq!(out, [0.0; 4]);
    }
}
