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

/// How the joules of a study's trials are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    measured: bool,
    modelled: bool,
    unknown: bool,
}

impl Origin {
    /// That of all trials of `study` that have any joules.
    pub fn of(study: &Study) -> Self {
        let mut origin = Self { measured: false, modelled: false, unknown: false };
        for trial in study.trials().iter().filter(|trial| trial.cost() > 0.0) {
            let how = study.record(trial.id).and_then(|record| record.notes.get(METHOD));
            match how.map(String::as_str) {
                Some("measured") => origin.measured = true,
                Some("modelled") => origin.modelled = true,
                _ => origin.unknown = true,
            }
        }
        origin
    }

    /// Whether some were modelled, which all trials of a machine share the error of.
    pub fn has_modelled(self) -> bool {
        self.modelled
    }

    /// For people; empty where there are none.
    pub fn text(self) -> &'static str {
        match self {
            Self { measured: false, modelled: false, unknown: false } => "",
            Self { measured: true, modelled: false, unknown: false } => "measured",
            Self { measured: false, modelled: true, unknown: false } => "modelled from CPU time",
            Self { measured: false, modelled: false, unknown: true } => "of unknown origin",
            Self { measured: true, modelled: true, unknown: false } => "some measured and some modelled",
            Self { measured: true, modelled: false, unknown: true } => "measured, some of unknown origin",
            Self { measured: false, modelled: true, unknown: true } => "modelled, some of unknown origin",
            Self { measured: true, modelled: true, unknown: true } => {
                "some measured, some modelled, some of unknown origin"
            }
        }
    }
}

/// The note of a trial that says how its joules are known.
const METHOD: &str = "energy_method";

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
