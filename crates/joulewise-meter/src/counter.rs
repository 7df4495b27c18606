//! A hardware counter of microjoules that starts over: wraps are unfolded, resets are told from them, and what a
//! gap may hide is bounded.

use crate::source::Gaps;

/// What a new value of the counter meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// The counter went on, through its end or not.
    Counted,
    /// It may have gone round more often than its values tell.
    Blind,
    /// It was set back. What was used since the last value is lost.
    Reset,
    /// It went on by more than its domain can use. What was used since the last value is lost.
    Jump,
}

/// A counter that goes from 0 to `range_uj` and starts over.
#[derive(Clone, Debug)]
pub(crate) struct Counter {
    range_uj: u64,
    plausible_w: f64,
    last_uj: u64,
    total_uj: u64,
    watts: f64,
    gaps: Gaps,
}

/// Power over a short time can be any number, since the counter moves in steps of about a millisecond.
const JITTER_S: f64 = 0.01;
/// Mean power is told from values that are at least so far apart.
const TELLING_S: f64 = 5e-3;

impl Counter {
    /// A counter at `now_uj`. `plausible_w` is more than its domain can draw.
    pub(crate) fn new(range_uj: u64, plausible_w: f64, now_uj: u64) -> Self {
        Self { range_uj, plausible_w, last_uj: now_uj, total_uj: 0, watts: 0.0, gaps: Gaps::default() }
    }

    /// Joules since the counter was made, those included that were assumed for gaps.
    pub(crate) fn joules(&self) -> f64 {
        self.total_uj as f64 * 1e-6 + self.gaps.assumed_j
    }

    /// Mean power when it was last told, in watts.
    pub(crate) fn watts(&self) -> f64 {
        self.watts
    }

    /// The times that the counter did not tell about.
    pub(crate) fn gaps(&self) -> Gaps {
        self.gaps
    }

    /// The longest time between two readings in which at most one wrap is possible, in seconds.
    pub(crate) fn safe_period_s(&self) -> f64 {
        self.range_uj as f64 * 1e-6 / self.plausible_w
    }

    /// Takes in a value that was read `elapsed_s` after the last one.
    pub(crate) fn advance(&mut self, now_uj: u64, elapsed_s: f64) -> Step {
        let last_uj = std::mem::replace(&mut self.last_uj, now_uj);
        let most_j = self.plausible_w * (elapsed_s + JITTER_S);
        let step_uj = match now_uj.checked_sub(last_uj) {
            Some(step_uj) => Some(step_uj),
            None => self.range_uj.checked_sub(last_uj).map(|left| left + self.unit_uj() + now_uj),
        };
        let Some(step_uj) = step_uj.filter(|&step_uj| step_uj as f64 * 1e-6 <= most_j) else {
            self.assume(self.watts * elapsed_s, most_j, elapsed_s);
            return if now_uj < last_uj { Step::Reset } else { Step::Jump };
        };
        self.total_uj += step_uj;
        let (step_j, round_j) = (step_uj as f64 * 1e-6, (self.range_uj + self.unit_uj()) as f64 * 1e-6);
        let most_rounds = if self.range_uj > 0 { ((most_j - step_j) / round_j).floor() } else { 0.0 };
        if most_rounds >= 1.0 && elapsed_s > self.safe_period_s() + JITTER_S {
            let expected = ((self.watts * elapsed_s - step_j) / round_j).round().clamp(0.0, most_rounds);
            self.assume(expected * round_j, most_rounds * round_j, elapsed_s);
            return Step::Blind;
        }
        if elapsed_s >= TELLING_S {
            self.watts = step_j / elapsed_s;
        } else if self.watts == 0.0 {
            self.watts = step_j / TELLING_S;
        }
        Step::Counted
    }

    /// Counts `expected_j` for a gap in which at most `most_j` can have been used.
    fn assume(&mut self, expected_j: f64, most_j: f64, elapsed_s: f64) {
        self.gaps.time_s += elapsed_s;
        self.gaps.assumed_j += expected_j;
        self.gaps.doubt_j += (most_j - expected_j).max(0.0);
    }

    /// The step from the last value to 0: the hardware counts 2³² of its own units.
    fn unit_uj(&self) -> u64 {
        (self.range_uj as f64 / f64::from(u32::MAX)).round() as u64
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const INTEL_RANGE_UJ: u64 = 262_143_328_850;

    #[test]
    fn a_wrap_is_unfolded() {
        let mut counter = Counter::new(INTEL_RANGE_UJ, 1000.0, INTEL_RANGE_UJ - 50_000_000);
        assert_eq!(counter.advance(49_999_939, 1.0), Step::Counted);
        assert_eq!(counter.joules(), 100.0);
    }

    #[test]
    fn a_reset_is_not_a_wrap() {
        let mut counter = Counter::new(INTEL_RANGE_UJ, 1000.0, 30_000_000);
        counter.advance(80_000_000, 1.0);
        assert_eq!(counter.advance(1_000_000, 1.0), Step::Reset);
        assert_eq!(counter.advance(5_000_000, 1.0), Step::Counted);
        // 50 J and 4 J were read; the second of the gap counts with the 50 W before it.
        assert_eq!(counter.joules(), 104.0);
        let gaps = counter.gaps();
        assert_eq!((gaps.time_s, gaps.assumed_j, gaps.doubt_j), (1.0, 50.0, 960.0));
    }

    #[test]
    fn a_jump_is_not_believed() {
        let mut counter = Counter::new(INTEL_RANGE_UJ, 1000.0, 0);
        counter.advance(10_000_000, 0.1);
        assert_eq!(counter.advance(200_000_000_000, 0.1), Step::Jump);
        assert_eq!(counter.advance(200_010_000_000, 0.1), Step::Counted);
        assert_eq!(counter.joules(), 30.0);
    }

    #[test]
    fn a_counter_without_a_range_only_resets() {
        let mut counter = Counter::new(0, 1000.0, 500);
        assert_eq!(counter.advance(400, 10.0), Step::Reset);
    }

    #[test]
    fn a_pause_that_may_hide_a_wrap_is_noticed() {
        let mut counter = Counter::new(65_000_000, 1000.0, 0);
        assert_eq!(counter.advance(1_000_000, 0.05), Step::Counted);
        assert_eq!(counter.advance(2_000_000, 1.0), Step::Blind);
    }

    #[test]
    fn missed_rounds_are_assumed_from_the_power_before() {
        let mut counter = Counter::new(65_000_000, 1000.0, 0);
        counter.advance(5_000_000, 0.05);
        // 100 W for 2 s are three rounds of 65 J and 5 J.
        assert_eq!(counter.advance(10_000_015, 2.0), Step::Blind);
        assert!((counter.joules() - 205.0).abs() < 1e-3, "{} J", counter.joules());
        assert!(counter.gaps().doubt_j > 1700.0 && counter.gaps().doubt_j < 2000.0);
    }

    proptest! {
        /// However the energy is cut into readings, and wherever the counter starts, the sum comes out.
        #[test]
        fn readings_add_up_through_wraps(
            start in 0..2_000_000_000u64,
            steps in prop::collection::vec((0.0..1.0f64, 0.001..1.0f64), 1..200),
        ) {
            const RANGE_UJ: u64 = 2_000_000_000;
            let mut counter = Counter::new(RANGE_UJ, 1000.0, start);
            let (mut at_uj, mut used_uj) = (start, 0);
            for (load, elapsed_s) in steps {
                let step_uj = (load * 1000.0 * elapsed_s * 1e6) as u64;
                used_uj += step_uj;
                at_uj = (at_uj + step_uj) % RANGE_UJ;
                prop_assert_eq!(counter.advance(at_uj, elapsed_s), Step::Counted);
            }
            prop_assert_eq!(counter.total_uj, used_uj);
        }

        /// A counter set back from where no plausible power could have taken it through its end adds what is assumed, and says so.
        #[test]
        fn resets_add_what_is_assumed(last in 0..1_900_000_000u64, part in 0.0..1.0f64, elapsed_s in 0.0..0.05f64) {
            let mut counter = Counter::new(2_000_000_000, 1000.0, 0);
            counter.advance(last, 1.9);
            let before = counter.joules();
            let now = (last as f64 * part) as u64;
            if now < last {
                prop_assert_eq!(counter.advance(now, elapsed_s), Step::Reset);
                prop_assert_eq!(counter.joules(), before + counter.gaps().assumed_j);
            }
        }
    }
}
