//! What became of the trials of a search.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::practice::Setback;

/// How a trial ended, as events spell it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Ended {
    /// With a value.
    Complete,
    /// Its loss or its metric was no longer a number: its setting is at fault.
    Diverged,
    /// Something else broke, as a batch that there are too few examples for.
    Failed,
}

impl Ended {
    /// As in `complete`.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Diverged => "diverged",
            Self::Failed => "failed",
        }
    }
}

/// Counts the trials, and those that went no further: the worse ones of a rung, and what broke.
#[derive(Debug, Default)]
pub(super) struct Tally {
    trials: usize,
    stopped: usize,
    diverged: usize,
    failed: usize,
    /// Why the last of them broke.
    last: String,
}

impl Tally {
    /// So many trials more began.
    pub(super) fn began(&mut self, trials: usize) {
        self.trials += trials;
    }

    /// A trial was stopped early.
    pub(super) fn stopped(&mut self) {
        self.stopped += 1;
    }

    /// A trial diverged or failed, for this reason.
    pub(super) fn broke(&mut self, ended: Ended, reason: impl fmt::Display) {
        match ended {
            Ended::Complete => return,
            Ended::Diverged => self.diverged += 1,
            Ended::Failed => self.failed += 1,
        }
        self.last = reason.to_string();
    }

    /// Why there is no winner.
    pub(super) fn no_winner(&self) -> Setback {
        let all = match (self.diverged, self.failed) {
            (_, 0) => "every trial diverged".to_owned(),
            (0, _) => "every trial failed".to_owned(),
            (diverged, failed) => format!("every trial broke, {diverged} diverged and {failed} failed"),
        };
        Setback::Failed(format!("{all}; the last: {}", self.last))
    }
}

impl fmt::Display for Tally {
    /// As in `9, of which 5 stopped early, 1 diverged, 2 failed (the last: …)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.trials)?;
        let parts = [(self.stopped, "stopped early"), (self.diverged, "diverged"), (self.failed, "failed")];
        let parts: Vec<String> =
            parts.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")).collect();
        if !parts.is_empty() {
            write!(f, ", of which {}", parts.join(", "))?;
        }
        if self.last.is_empty() { Ok(()) } else { write!(f, " (the last: {})", self.last) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn divergence_and_failure_are_told_apart() {
        let mut tally = Tally::default();
        tally.began(3);
        tally.began(1);
        assert_eq!(tally.to_string(), "4");
        tally.broke(Ended::Diverged, "the loss became NaN");
        assert_eq!(tally.to_string(), "4, of which 1 diverged (the last: the loss became NaN)");
        assert_eq!(tally.no_winner().to_string(), "every trial diverged; the last: the loss became NaN");
        tally.broke(Ended::Failed, "too few examples");
        assert_eq!(tally.to_string(), "4, of which 1 diverged, 1 failed (the last: too few examples)");
        tally.stopped();
        assert_eq!(
            tally.to_string(),
            "4, of which 1 stopped early, 1 diverged, 1 failed (the last: too few examples)"
        );
        assert_eq!(
            tally.no_winner().to_string(),
            "every trial broke, 1 diverged and 1 failed; the last: too few examples"
        );
    }
}
