//! A hardware counter of microjoules that starts over: wraps are unfolded, resets are told from them.

/// What a new value of the counter meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// The counter went on, through its end or not.
    Counted,
    /// It may have gone round more than once since it was last read.
    Blind,
    /// It was set back. What was used since the last value is lost.
    Reset,
}

/// A counter that goes from 0 to `range_uj` and starts over.
#[derive(Clone, Debug)]
pub(crate) struct Counter {
    range_uj: u64,
    plausible_w: f64,
    last_uj: u64,
    total_uj: u64,
}

/// Power over a short time can be any number, since the counter moves in steps of about a millisecond.
const JITTER_S: f64 = 0.01;

impl Counter {
    /// A counter at `now_uj`. `plausible_w` is more than its domain can draw.
    pub(crate) fn new(range_uj: u64, plausible_w: f64, now_uj: u64) -> Self {
        Self { range_uj, plausible_w, last_uj: now_uj, total_uj: 0 }
    }

    /// Joules since the counter was made.
    pub(crate) fn joules(&self) -> f64 {
        self.total_uj as f64 * 1e-6
    }

    /// The longest time between two readings in which at most one wrap is possible, in seconds.
    pub(crate) fn safe_period_s(&self) -> f64 {
        self.range_uj as f64 * 1e-6 / self.plausible_w
    }

    /// Takes in a value that was read `elapsed_s` after the last one.
    pub(crate) fn advance(&mut self, now_uj: u64, elapsed_s: f64) -> Step {
        let last_uj = std::mem::replace(&mut self.last_uj, now_uj);
        if now_uj < last_uj {
            let through_end_uj = (self.range_uj + self.unit_uj()).saturating_sub(last_uj) + now_uj;
            let plausible_uj = self.plausible_w * (elapsed_s + JITTER_S) * 1e6;
            if last_uj > self.range_uj || through_end_uj as f64 > plausible_uj {
                return Step::Reset;
            }
            self.total_uj += through_end_uj;
        } else {
            self.total_uj += now_uj - last_uj;
        }
        if elapsed_s > self.safe_period_s() + JITTER_S { Step::Blind } else { Step::Counted }
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
        assert_eq!(counter.joules(), 54.0);
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

        /// A counter set back from where no plausible power could have taken it through its end adds nothing.
        #[test]
        fn resets_add_nothing(last in 0..1_900_000_000u64, part in 0.0..1.0f64, elapsed_s in 0.0..0.05f64) {
            let mut counter = Counter::new(2_000_000_000, 1000.0, 0);
            counter.advance(last, 1.9);
            let before = counter.joules();
            let now = (last as f64 * part) as u64;
            if now < last {
                prop_assert_eq!(counter.advance(now, elapsed_s), Step::Reset);
                prop_assert_eq!(counter.joules(), before);
            }
        }
    }
}
