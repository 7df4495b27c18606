//! Uniform at random.

use crate::point::Point;
use crate::random::Stream;
use crate::sampler::Sampler;
use crate::space::Space;
use crate::trial::Trial;

/// Uniform at random; uniform in the logarithm where the domain is logarithmic.
///
/// The baseline that every other sampler has to beat, and a good choice for a handful of trials
/// (Bergstra and Bengio 2012).
#[derive(Clone, Copy, Debug, Default)]
pub struct Random;

impl Sampler for Random {
    fn tell(&mut self, _trial: &Trial) {}

    fn ask(&mut self, space: &Space, mut stream: Stream) -> Point {
        space.draw(&mut stream)
    }
}

/// Uniform at random on a linear scale, whatever the domain says: what the logarithm is worth shows beside it.
#[derive(Clone, Copy, Debug, Default)]
pub struct LinearRandom;

impl Sampler for LinearRandom {
    fn tell(&mut self, _trial: &Trial) {}

    fn ask(&mut self, space: &Space, mut stream: Stream) -> Point {
        space.first_admitted(|| space.complete(|_, domain| domain.linear().at(stream.unit())))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing;

    #[test]
    fn random_is_a_sampler() {
        testing::check_sampler(|_| Random);
        testing::check_sampler(|_| LinearRandom);
    }

    #[test]
    fn without_the_logarithm_small_values_are_rare() {
        let space = Space::new().log_float("x", 1e-4, 1.0).unwrap().log_int("n", 1, 100).unwrap();
        let points = (0..4000).map(|n| LinearRandom.ask(&space, Stream::new(1, n))).collect::<Vec<_>>();
        let mean = |name: &str| points.iter().map(|p| p.float(name).unwrap()).sum::<f64>() / 4000.0;
        assert!((mean("x") - 0.5).abs() < 0.02);
        assert!((mean("n") - 50.5).abs() < 2.0);
    }

    #[test]
    fn logarithmic_parameters_are_uniform_in_the_exponent() {
        let space = Space::new().log_float("x", 1e-4, 1.0).unwrap().log_int("n", 1, 1000).unwrap();
        let points = (0..4000).map(|n| Random.ask(&space, Stream::new(1, n))).collect::<Vec<_>>();
        let share = |name: &str, below: f64| {
            points.iter().filter(|p| p.float(name).unwrap() < below).count() as f64 / points.len() as f64
        };
        assert!((share("x", 1e-2) - 0.5).abs() < 0.03);
        assert!((share("x", 1e-3) - 0.25).abs() < 0.03);
        let expected = (31.5f64 / 0.5).ln() / (1000.5f64 / 0.5).ln();
        assert!((share("n", 32.0) - expected).abs() < 0.03);
    }

    #[test]
    fn every_whole_number_and_every_choice_is_drawn() {
        let space = Space::new().int("n", -1, 1).unwrap().choice("c", &["a", "b"]).unwrap();
        let mut seen = std::collections::BTreeSet::new();
        for n in 0..100 {
            let point = Random.ask(&space, Stream::new(1, n));
            seen.insert((point.int("n").unwrap(), point.choice("c").unwrap().to_owned()));
        }
        assert_eq!(seen.len(), 6);
    }

    proptest! {
        #[test]
        fn draws_stay_in_their_domain(
            a in -1e300..1e300f64, b in -1e300..1e300f64, n: i64, m: i64, seed: u64, number: u64,
        ) {
            let space = Space::new()
                .float("x", a.min(b), a.max(b)).unwrap()
                .log_float("y", 1e-300, 1e-300 + b.abs()).unwrap()
                .int("n", n.min(m), n.max(m)).unwrap()
                .log_int("m", 1, m.max(1)).unwrap();
            let point = Random.ask(&space, Stream::new(seed, number));
            prop_assert!(space.contains(&point), "{point:?}");
        }
    }
}
