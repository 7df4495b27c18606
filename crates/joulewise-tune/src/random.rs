//! Counter-based randomness.

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

/// The random numbers of one trial: ChaCha8 keyed by the study's seed, with the trial's number as the stream.
#[derive(Clone, Debug)]
pub struct Stream(ChaCha8Rng);

impl Stream {
    /// The numbers of trial `number` of `seed`.
    pub fn new(seed: u64, number: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(number);
        Self(rng)
    }

    /// Other numbers of the same trial, for a `purpose` of their own: what one part draws does not move another.
    #[must_use]
    pub fn branch(&self, purpose: u64) -> Self {
        let mut seed = self.0.get_seed();
        for (byte, mixed) in seed.iter_mut().zip(purpose.wrapping_add(1).to_le_bytes()) {
            *byte ^= mixed;
        }
        let mut rng = ChaCha8Rng::from_seed(seed);
        rng.set_stream(self.0.get_stream());
        Self(rng)
    }

    /// Numbers that all trials of the study have in common, for a `purpose`.
    #[must_use]
    pub fn common(&self, purpose: u64) -> Self {
        let mut stream = self.branch(purpose);
        stream.0.set_stream(u64::MAX);
        stream.0.set_word_pos(0);
        stream
    }

    /// The numbers of another trial of the study.
    #[must_use]
    pub fn sibling(&self, number: u64) -> Self {
        let mut stream = self.clone();
        stream.0.set_stream(number);
        stream.0.set_word_pos(0);
        stream
    }

    /// The number of the trial.
    pub fn number(&self) -> u64 {
        self.0.get_stream()
    }

    /// Uniform in `[0, 1)` with 53 bits.
    pub fn unit(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// From the standard normal distribution (Box and Muller 1958).
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.unit()).cos()
    }

    /// Uniform in `0..n`; 0 when `n` is 0.
    pub fn below(&mut self, n: u64) -> u64 {
        // Multiply-shift: the bias is below n / 2⁶⁴.
        ((u128::from(self.0.next_u64()) * u128::from(n)) >> 64) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_depends_on_seed_and_number_only() {
        let draw = |mut stream: Stream| [stream.below(u64::MAX), stream.below(u64::MAX)];
        assert_eq!(draw(Stream::new(1, 7)), draw(Stream::new(1, 7)));
        assert_ne!(draw(Stream::new(1, 7)), draw(Stream::new(1, 8)));
        assert_ne!(draw(Stream::new(1, 7)), draw(Stream::new(2, 7)));
        assert_eq!(draw(Stream::new(1, 7).branch(3)), draw(Stream::new(1, 7).branch(3)));
        assert_ne!(draw(Stream::new(1, 7).branch(0)), draw(Stream::new(1, 7)));
        assert_ne!(draw(Stream::new(1, 7).branch(0)), draw(Stream::new(1, 7).branch(1)));
        assert_eq!(draw(Stream::new(1, 7).common(0)), draw(Stream::new(1, 8).common(0)));
        assert_ne!(draw(Stream::new(1, 7).common(0)), draw(Stream::new(2, 7).common(0)));
        assert_ne!(draw(Stream::new(1, 7).common(0)), draw(Stream::new(1, 7).common(1)));
        assert_eq!(Stream::new(1, 7).branch(0).number(), 7);
        let mut used = Stream::new(1, 7);
        used.unit();
        assert_eq!(draw(used.sibling(8)), draw(Stream::new(1, 8)));
    }

    #[test]
    fn the_numbers_never_change() {
        let mut stream = Stream::new(1, 7);
        assert_eq!([stream.below(1000), stream.below(1000), stream.below(1000)], [465, 743, 871]);
    }

    #[test]
    fn draws_fill_their_range_evenly() {
        let mut stream = Stream::new(3, 0);
        let mut counts = [0; 10];
        let mut sum = 0.0;
        for _ in 0..10_000 {
            counts[stream.below(10) as usize] += 1;
            sum += stream.unit();
        }
        assert!(counts.iter().all(|count| (850..1150).contains(count)), "{counts:?}");
        assert!((sum / 1e4 - 0.5).abs() < 0.02, "{sum}");
    }
}
