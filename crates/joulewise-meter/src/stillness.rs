//! Counters that can be read and never move, as some hypervisors pass them on: what they say is not that nothing was used.

use std::time::{Duration, Instant};

use crate::event::Caveat;
use crate::source::{Domain, Place};

/// A processor that is on moves its counters within milliseconds, however idle it is.
const LONGEST: Duration = Duration::from_millis(500);

/// Watches a counter until it has moved, or has not for too long.
pub(crate) struct Stillness {
    since: Instant,
    is_judged: bool,
}

impl Stillness {
    /// From now on.
    pub(crate) fn new() -> Self {
        Self { since: Instant::now(), is_judged: false }
    }

    /// What there is to say of the counter of `domain`, which has counted so many joules by `now`: once, if it stands still.
    /// Of memory without load, and of what no total contains, nothing is said.
    pub(crate) fn judge(&mut self, domain: &Domain, joules: f64, now: Instant) -> Option<Caveat> {
        let must_move = domain.place == Place::Root && !domain.name.starts_with("dram");
        if self.is_judged || !must_move {
            return None;
        }
        let is_still = joules == 0.0;
        let is_too_long = now.duration_since(self.since) >= LONGEST;
        self.is_judged = !is_still || is_too_long;
        (is_still && is_too_long).then(|| {
            let text = format!(
                "the counter of {} can be read and does not move: its joules are not known",
                domain.name
            );
            let hint = "happens in virtual machines; compare CPU seconds, or measure where counters count";
            Caveat::new("counter-still", text, hint)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::energy::Method;

    fn domain(name: &str, place: Place) -> Domain {
        Domain { name: name.to_owned(), place, method: Method::Measured, scale: (1.0, 1.0) }
    }

    #[test]
    fn a_package_that_does_not_move_is_told_of_once() {
        let package = domain("package-0", Place::Root);
        let mut stillness = Stillness::new();
        let start = stillness.since;
        assert!(stillness.judge(&package, 0.0, start + LONGEST / 2).is_none());
        assert_eq!(stillness.judge(&package, 0.0, start + LONGEST).unwrap().code, "counter-still");
        assert!(stillness.judge(&package, 0.0, start + 2 * LONGEST).is_none());
    }

    #[test]
    fn what_has_moved_may_rest_and_memory_need_not_move() {
        let package = domain("package-0", Place::Root);
        let mut stillness = Stillness::new();
        let later = stillness.since + 2 * LONGEST;
        assert!(stillness.judge(&package, 0.1, stillness.since).is_none());
        assert!(stillness.judge(&package, 0.1, later).is_none());
        assert!(Stillness::new().judge(&domain("dram-0", Place::Root), 0.0, later).is_none());
        assert!(Stillness::new().judge(&domain("psys", Place::Beside), 0.0, later).is_none());
    }
}
