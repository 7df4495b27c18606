//! Bytes to floats around zero.

use super::Images;

/// The linear map from a byte to what a network sees: `(byte / 255 − mean) / std`, per channel.
#[derive(Clone, Debug, PartialEq)]
pub struct Normalise {
    /// Mean of each channel, on the scale where white is 1.
    pub mean: Vec<f32>,
    /// Standard deviation of each channel on the same scale; never 0.
    pub std: Vec<f32>,
}

impl Normalise {
    /// The statistics of the images at `indices`. A constant channel gets the deviation 1.
    ///
    /// Panics when an index lies outside of `images`.
    pub fn of(images: &Images, indices: &[u32]) -> Self {
        let channels = images.shape[0];
        let mut sums = vec![(0u64, 0u64); channels];
        for &index in indices {
            for pixel in images.pixels_of(index as usize).chunks_exact(channels) {
                for (&sample, (sum, squares)) in pixel.iter().zip(&mut sums) {
                    *sum += u64::from(sample);
                    *squares += u64::from(sample) * u64::from(sample);
                }
            }
        }
        let count = (indices.len() * images.shape[1] * images.shape[2]).max(1) as f64;
        let moments = sums.into_iter().map(|(sum, squares)| {
            let mean = sum as f64 / count;
            let variance = squares as f64 / count - mean * mean;
            let std = if variance > 0.0 { variance.sqrt() / 255.0 } else { 1.0 };
            ((mean / 255.0) as f32, std as f32)
        });
        let (mean, std) = moments.unzip();
        Self { mean, std }
    }

    /// Factor and summand of a raw byte in `channel`: the normalised value is `byte · factor + summand`.
    pub fn scale_shift(&self, channel: usize) -> (f32, f32) {
        let (mean, std) = (self.mean[channel], self.std[channel]);
        (1.0 / (255.0 * std), -mean / std)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statistics_are_per_channel_and_of_the_given_indices_only() {
        let images = Images::new([2, 1, 2], vec![0, 255, 255, 255, 9, 9, 9, 9], vec![0, 1]);
        let normalise = Normalise::of(&images, &[0]);
        assert_eq!(normalise.mean, [0.5, 1.0]);
        assert_eq!(normalise.std, [0.5, 1.0]);
        let (factor, summand) = normalise.scale_shift(0);
        assert_eq!((summand, 255.0 * factor + summand), (-1.0, 1.0));
    }
}
