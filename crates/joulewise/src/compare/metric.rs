//! What sides are compared by.

use serde::Serialize;

use super::Run;
use crate::report::quantity;

/// A quantity of a run, named as in machine-readable results.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// CPU time of all processes, in seconds.
    CpuS,
    /// Joules.
    EnergyJ,
    /// From start to end, in seconds.
    WallS,
    /// Joules per second, in watts.
    PowerW,
}

impl Metric {
    /// All of them. CPU time is first: it is known exactly, whatever the joules are.
    pub const ALL: [Self; 4] = [Self::CpuS, Self::EnergyJ, Self::WallS, Self::PowerW];

    /// Its name in rules and results, as in `energy_j`.
    pub fn name(self) -> &'static str {
        match self {
            Self::CpuS => "cpu_s",
            Self::EnergyJ => "energy_j",
            Self::WallS => "wall_s",
            Self::PowerW => "power_w",
        }
    }

    /// What people call it.
    pub fn title(self) -> &'static str {
        match self {
            Self::CpuS => "CPU time",
            Self::EnergyJ => "energy",
            Self::WallS => "time",
            Self::PowerW => "power",
        }
    }

    /// The metric with that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|metric| metric.name() == name)
    }

    /// Its value in a run.
    pub fn of(self, run: &Run) -> f64 {
        match self {
            Self::CpuS => run.cpu_s,
            Self::EnergyJ => run.energy_j,
            Self::WallS => run.wall_s,
            Self::PowerW => run.energy_j / run.wall_s,
        }
    }

    /// Whether it holds joules, and with them the scale of a source.
    pub fn is_of_energy(self) -> bool {
        matches!(self, Self::EnergyJ | Self::PowerW)
    }

    /// A value with its unit.
    pub fn shown(self, value: f64) -> String {
        match self {
            Self::CpuS | Self::WallS => quantity::seconds(value),
            Self::EnergyJ => quantity::joules(value),
            Self::PowerW => quantity::watts(value),
        }
    }
}
