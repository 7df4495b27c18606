//! What trials cost: joules, but for studies of tools that know only how long a trial took.

use joulewise_tune::import;

use super::worker::Study;
use crate::report::quantity;

/// What the costs of a study are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cost {
    /// Joules.
    Joules,
    /// Seconds.
    Seconds,
}

impl Cost {
    /// That of `study`.
    pub fn of(study: &Study) -> Self {
        let unit = study.notes().get(import::COST_UNIT);
        if unit.is_some_and(|unit| unit == import::SECONDS) { Self::Seconds } else { Self::Joules }
    }

    /// So much of it, for people.
    pub fn text(self, amount: f64) -> String {
        match self {
            Self::Joules => quantity::joules(amount),
            Self::Seconds => quantity::seconds(amount),
        }
    }

    /// What it is called: `energy` or `duration`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Joules => "energy",
            Self::Seconds => "duration",
        }
    }

    /// What it counts: `joules` or `seconds`.
    pub fn unit(self) -> &'static str {
        match self {
            Self::Joules => "joules",
            Self::Seconds => "seconds",
        }
    }

    /// What files and axes call it: `energy_j` or `duration_s`.
    pub fn key(self) -> &'static str {
        match self {
            Self::Joules => "energy_j",
            Self::Seconds => "duration_s",
        }
    }
}
