//! The joules at a moment, from counters that move in steps.
//!
//! A counter of the hardware stands still for about a millisecond, then takes the energy of that millisecond at once. A
//! reading says what it was at its last step, nobody knows how long ago: two readings 5 ms apart are wrong by up to a
//! fifth of what lies between them. So the counter is polled until it has moved twice. At a step its value is exact, the
//! power of the next millisecond is known from the step after it, and the moment lies that power before the first step.

/// Counters that were polled together around some moments.
#[derive(Default)]
pub(super) struct Staircase {
    polls: Vec<Poll>,
}

struct Poll {
    at_s: f64,
    joules: Vec<f64>,
}

/// A counter was seen to have moved.
struct Step {
    at_s: f64,
    joules: f64,
    height_j: f64,
}

/// What a counter would have shown.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Shown {
    pub(super) joules: f64,
    /// How far off that may be at most: what the step holds that the moment lies in, in joules. The power may have changed
    /// at any time in it.
    pub(super) doubt_j: f64,
}

impl Staircase {
    /// Adds what was read at that time, which is not before that of the last poll.
    pub(super) fn push(&mut self, at_s: f64, joules: Vec<f64>) {
        self.polls.push(Poll { at_s, joules });
    }

    /// Whether every counter has moved twice after that moment.
    pub(super) fn tells(&self, at_s: f64) -> bool {
        (0..self.counters()).all(|counter| self.steps(counter).filter(|step| step.at_s >= at_s).count() >= 2)
    }

    /// What each counter would have shown at that moment; `None` where it did not move twice soon after it.
    pub(super) fn at(&self, at_s: f64) -> Vec<Option<Shown>> {
        (0..self.counters()).map(|counter| self.shown_at(counter, at_s)).collect()
    }

    fn shown_at(&self, counter: usize, at_s: f64) -> Option<Shown> {
        let mut after = self.steps(counter).filter(|step| step.at_s >= at_s);
        let (first, second) = (after.next()?, after.next()?);
        let (ahead_s, step_s) = (first.at_s - at_s, second.at_s - first.at_s);
        // Whoever began to poll so late knows nothing of the power at that moment.
        (ahead_s <= 2.0 * step_s).then(|| Shown {
            joules: first.joules - second.height_j * ahead_s / step_s,
            doubt_j: first.height_j,
        })
    }

    /// The moves of a counter. One lies in the middle between the polls that stand on either side of it.
    fn steps(&self, counter: usize) -> impl Iterator<Item = Step> {
        self.polls.windows(2).filter_map(move |pair| {
            let (before, after) = (pair[0].joules.get(counter)?, *pair[1].joules.get(counter)?);
            let at_s = f64::midpoint(pair[0].at_s, pair[1].at_s);
            (after > *before).then_some(Step { at_s, joules: after, height_j: after - before })
        })
    }

    fn counters(&self) -> usize {
        self.polls.first().map_or(0, |poll| poll.joules.len())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const STEP_S: f64 = 1e-3;

    /// Joules of a load that draws `before` until `edge_s`, and `after` from there on.
    fn truth(at_s: f64, edge_s: f64, before: f64, after: f64) -> f64 {
        before * at_s.min(edge_s) + after * (at_s - edge_s).max(0.0)
    }

    #[test]
    fn a_counter_that_stands_still_tells_nothing() {
        let mut staircase = Staircase::default();
        assert!(staircase.tells(0.0));
        staircase.push(0.0, vec![1.0]);
        staircase.push(0.25, vec![1.0]);
        staircase.push(0.5, vec![2.0]);
        assert!(!staircase.tells(0.0));
        assert_eq!(staircase.at(0.0), [None]);
        staircase.push(0.75, vec![3.0]);
        assert!(staircase.tells(0.0));
        assert_eq!(staircase.at(0.125), [Some(Shown { joules: 1.0, doubt_j: 1.0 })]);
        assert_eq!(staircase.at(-0.25), [None], "too long ago");
    }

    proptest! {
        /// Wherever the edge falls between two steps, and whatever the power does there, the error is at most what is
        /// used between two polls.
        #[test]
        fn an_edge_is_right_within_a_poll(
            phase in 0.0..1.0f64,
            late_s in 0.0..5e-4f64,
            poll_s in 1e-5..2e-4f64,
            watts in prop::collection::vec((1.0..500.0f64, 1.0..500.0f64), 1..4),
        ) {
            let edge_s = 0.01 + phase * STEP_S;
            let mut staircase = Staircase::default();
            let mut at_s = edge_s + late_s;
            while !staircase.tells(edge_s) {
                let counted_s = (at_s / STEP_S).floor() * STEP_S;
                staircase.push(at_s, watts.iter().map(|&(a, b)| truth(counted_s, edge_s, a, b)).collect());
                at_s += poll_s;
            }
            for (shown, (before, after)) in staircase.at(edge_s).into_iter().zip(watts) {
                let error_j = shown.unwrap().joules - truth(edge_s, edge_s, before, after);
                // The middle is wrong by half a poll at both steps, and the power in proportion.
                let allowed_j = after * poll_s * (0.5 + (STEP_S + late_s) / (STEP_S - poll_s));
                prop_assert!(error_j.abs() <= allowed_j + 1e-9, "{error_j} of {allowed_j}");
            }
        }
    }
}
