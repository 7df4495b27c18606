//! Quantities with their unit in the type, and energy with its interval.

use serde::{Deserialize, Serialize};

/// How a number of joules was obtained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// Read from a counter of the hardware.
    Measured,
    /// Computed from CPU time and a table of watts.
    Modelled,
}

/// Joules with an interval: `low ≤ value ≤ high`.
///
/// The sum of a measured and a modelled energy is modelled.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Energy {
    /// Best estimate, in joules.
    pub value: f64,
    /// Lower end of the interval, in joules.
    pub low: f64,
    /// Upper end of the interval, in joules.
    pub high: f64,
    /// Where the number comes from.
    pub method: Method,
}
