//! Whether the machine was suspended: two clocks of the kernel drift apart while it is.

use crate::event::Caveat;
use crate::sys;

/// Notices suspensions.
pub(crate) struct Suspension {
    /// For how long the machine has been suspended since it was started, in seconds.
    so_far_s: f64,
}

/// Less is not a suspension but the time between reading the two clocks.
const SHORTEST_S: f64 = 0.05;

impl Suspension {
    /// Notices suspensions from now on.
    pub(crate) fn watch() -> Self {
        Self { so_far_s: sys::suspended_s() }
    }

    /// Looks at the clocks; tells of a suspension since the last look.
    pub(crate) fn look(&mut self) -> Option<Caveat> {
        self.advance(sys::suspended_s())
    }

    fn advance(&mut self, so_far_s: f64) -> Option<Caveat> {
        let suspended_s = so_far_s - self.so_far_s;
        if suspended_s < SHORTEST_S {
            return None;
        }
        self.so_far_s = so_far_s;
        Some(Caveat::new(
            "suspended",
            format!(
                "the machine was suspended for {suspended_s:.1} s, which no time and perhaps no energy contains"
            ),
            "keep it awake, as with `systemd-inhibit`, and measure again",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_suspension_is_told_once() {
        let mut suspension = Suspension { so_far_s: 100.0 };
        assert_eq!(suspension.advance(100.001), None);
        let caveat = suspension.advance(130.0).unwrap();
        assert_eq!(caveat.code, "suspended");
        assert!(caveat.text.contains("30.0 s"), "{}", caveat.text);
        assert_eq!(suspension.advance(130.0), None);
    }

    #[test]
    fn a_machine_that_is_awake_was_not_suspended() {
        let mut suspension = Suspension::watch();
        assert_eq!(suspension.look(), None);
    }
}
