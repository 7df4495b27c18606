//! Samplers: where to look next.

use crate::random::Stream;
use crate::space::{Domain, Point, Space, Value};
use crate::trial::Trial;

/// Proposes points.
///
/// A sampler is a deterministic fold over what it was told: after the same tells, the same ask gives the same
/// point. [`check_sampler`](crate::testing::check_sampler) tests an implementation.
pub trait Sampler {
    /// Learns of a trial: when it starts and again when it ends. A failed trial has no value.
    fn tell(&mut self, trial: &Trial);

    /// Proposes a point of `space`. All randomness comes from `stream`, which belongs to the new trial.
    fn ask(&mut self, space: &Space, stream: Stream) -> Point;
}

/// Uniform at random; uniform in the logarithm where the domain is logarithmic.
///
/// The baseline that every other sampler has to beat, and a good choice for a handful of trials
/// (Bergstra and Bengio 2012).
#[derive(Clone, Copy, Debug, Default)]
pub struct Random;

impl Sampler for Random {
    fn tell(&mut self, _trial: &Trial) {}

    fn ask(&mut self, space: &Space, mut stream: Stream) -> Point {
        space.parameters().map(|(name, domain)| (name.to_owned(), draw(domain, &mut stream))).collect()
    }
}

fn draw(domain: &Domain, stream: &mut Stream) -> Value {
    match *domain {
        Domain::Float { low, high, log } => {
            let unit = stream.unit();
            let x = if log { low * (high / low).powf(unit) } else { low + (high - low) * unit };
            // Rounding may leave the domain by one unit in the last place.
            Value::Float(x.clamp(low, high))
        }
        Domain::Int { low, high, log: true } => {
            // Half a step beyond both ends gives them the weight of the other numbers.
            let (start, end) = (low as f64 - 0.5, high as f64 + 0.5);
            let x = start * (end / start).powf(stream.unit());
            Value::Int((x.round() as i64).clamp(low, high))
        }
        Domain::Int { low, high, log: false } => {
            // The width of the widest domain, 2⁶⁴, does not fit: its last number is never drawn.
            let width = high.abs_diff(low).saturating_add(1);
            Value::Int(low.wrapping_add_unsigned(stream.below(width)))
        }
        Domain::Choice(ref options) => {
            Value::Choice(options[stream.below(options.len() as u64) as usize].clone())
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing;

    #[test]
    fn random_is_a_sampler() {
        testing::check_sampler(|| Random);
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
