//! A GPU's counter of joules against its power over time: two answers of one driver that should agree, and do not always.

use std::time::Instant;

use crate::event::Caveat;
use crate::gpu::{Identity, Integral};

/// Compares the two over one window after another.
#[derive(Debug)]
pub(crate) struct CrossCheck {
    started: Instant,
    start_mj: u64,
    power: Integral,
    readings: u32,
    sum_w: f64,
    squares_w2: f64,
}

/// Shorter, the counter's own steps of 100 ms would be a part of the difference.
const WINDOW_S: f64 = 10.0;
/// Fewer readings say too little about the power between them.
const FEWEST: u32 = 20;
/// A difference that is told.
const TOLERANCE: f64 = 0.1;

impl CrossCheck {
    pub(crate) fn new(now: Instant, watts: f64, now_mj: u64) -> Self {
        let power = Integral::new(now, watts);
        Self { started: now, start_mj: now_mj, power, readings: 1, sum_w: watts, squares_w2: watts * watts }
    }

    /// Takes in a reading of both; a caveat once they differ by more than what the readings' scatter explains.
    pub(crate) fn add(&mut self, now: Instant, watts: f64, now_mj: u64, of: &Identity) -> Option<Caveat> {
        self.power.add(now, watts);
        self.readings += 1;
        self.sum_w += watts;
        self.squares_w2 += watts * watts;
        let seconds = now.duration_since(self.started).as_secs_f64();
        if seconds < WINDOW_S || self.readings < FEWEST {
            return None;
        }
        let counted_j = now_mj.saturating_sub(self.start_mj) as f64 * 1e-3;
        let power_j = self.power.joules;
        let is_off = (counted_j - power_j).abs() > TOLERANCE * power_j + 2.0 * self.error_w() * seconds;
        *self = Self::new(now, watts, now_mj);
        is_off.then(|| {
            let text = format!(
                "over {seconds:.0} s the counter of {of} says {counted_j:.0} J and its power {power_j:.0} J"
            );
            Caveat::new(
                "counter-disagrees",
                text,
                "the total follows the counter; a newer driver may agree with itself",
            )
        })
    }

    /// Standard error of the mean power, in watts.
    fn error_w(&self) -> f64 {
        let n = f64::from(self.readings);
        let variance = (self.squares_w2 / n - (self.sum_w / n).powi(2)).max(0.0);
        (variance / (n - 1.0)).sqrt()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Checks a counter of `counted_w` against a power that alternates between two values, 10 times a second.
    fn codes(power_w: [f64; 2], counted_w: f64, seconds: u64) -> Vec<String> {
        let start = Instant::now();
        let mut check = CrossCheck::new(start, power_w[0], 0);
        let of = Identity::default();
        let add = |i: u64| {
            let now_mj = (counted_w * 100.0 * i as f64) as u64;
            check.add(start + Duration::from_millis(100 * i), power_w[i as usize % 2], now_mj, &of)
        };
        (1..=seconds * 10).filter_map(add).map(|caveat| caveat.code).collect()
    }

    #[test]
    fn a_tenth_is_tolerated_and_more_is_told() {
        assert!(codes([300.0; 2], 275.0, 40).is_empty());
        assert!(codes([300.0; 2], 325.0, 40).is_empty());
        assert_eq!(codes([300.0; 2], 260.0, 10), ["counter-disagrees"]);
        assert_eq!(codes([300.0; 2], 340.0, 10), ["counter-disagrees"]);
        assert_eq!(codes([300.0; 2], 0.0, 10), ["counter-disagrees"], "a counter that stands still");
    }

    #[test]
    fn short_windows_and_idle_cards_say_nothing() {
        assert!(codes([300.0; 2], 0.0, 9).is_empty());
        assert!(codes([0.0; 2], 0.0, 30).is_empty());
    }

    /// Power that is 50 or 550 W at random leaves its mean uncertain by 17 %: no reason to doubt the counter.
    #[test]
    fn scatter_of_the_power_is_not_held_against_the_counter() {
        assert!(codes([50.0, 550.0], 250.0, 10).is_empty());
        assert_eq!(codes([50.0, 550.0], 150.0, 10), ["counter-disagrees"]);
    }
}
