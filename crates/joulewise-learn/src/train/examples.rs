//! Labelled examples that a network can be fed with: pictures, or rows of cached features.

use joulewise_kernels::Image;

use crate::data::{Augment, Images, Normalise, fill_image};

/// A numbered collection of labelled examples.
pub trait Examples: Sync {
    /// The class of example `index`.
    fn label(&self, index: u32) -> u16;

    /// Writes example `index` as `[h, w, c]` into an image whose halo is zero already. With `variant`,
    /// an augmented version that is keyed by it.
    fn fill(&self, index: u32, variant: Option<u64>, layout: Image, into: &mut [f32]);
}

/// The pictures of a data set, normalised and, in training, augmented.
#[derive(Clone, Debug)]
pub struct Pictures<'a> {
    /// The pictures and their labels.
    pub images: &'a Images,
    /// Mean and deviation of each channel.
    pub normalise: &'a Normalise,
    /// Random crops and flips of training pictures.
    pub augment: Option<Augment>,
}

impl Examples for Pictures<'_> {
    fn label(&self, index: u32) -> u16 {
        self.images.labels[index as usize]
    }

    fn fill(&self, index: u32, variant: Option<u64>, layout: Image, into: &mut [f32]) {
        let augment = self.augment.as_ref().zip(variant);
        let offset = layout.offset(0, 0);
        fill_image(self.images, index, self.normalise, augment, into, layout.row(), offset);
    }
}

/// Rows of features that a frozen trunk computed once.
#[derive(Clone, Debug)]
pub struct Features<'a> {
    /// `width` numbers for each example.
    pub rows: &'a [f32],
    /// Numbers in a row.
    pub width: usize,
    /// One class for each example.
    pub labels: &'a [u16],
}

impl Examples for Features<'_> {
    fn label(&self, index: u32) -> u16 {
        self.labels[index as usize]
    }

    fn fill(&self, index: u32, _variant: Option<u64>, _layout: Image, into: &mut [f32]) {
        into.copy_from_slice(&self.rows[index as usize * self.width..][..self.width]);
    }
}
