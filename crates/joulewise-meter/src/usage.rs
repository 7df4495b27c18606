//! What was used between two moments of a session, by domain, and how it is known.

use serde::{Deserialize, Serialize};

use crate::energy::{Energy, Estimate, Method};
pub use crate::meter::Covers;
use crate::meter::{Meter, Totals};
use crate::process::cpu_time_s;

/// A moment of a session; made by [`Session::mark`](crate::Session::mark).
#[derive(Clone, Debug)]
pub struct Mark {
    totals: Totals,
    domains: Vec<DomainUsage>,
    own_cpu_s: f64,
}

/// What was used between two moments.
#[derive(Clone, Debug, PartialEq)]
pub struct Usage {
    /// The sum over the domains that are counted.
    pub energy: Energy,
    /// The same with the parts of its interval apart.
    pub estimate: Estimate,
    /// All domains.
    pub domains: Vec<DomainUsage>,
    /// How the energy is known.
    pub shares: Shares,
    /// The part of the wall time in which every source was read, from 0 to 1.
    pub coverage: f64,
    /// Wall time, in seconds.
    pub wall_s: f64,
    /// CPU time of the process tree, this process included, in seconds.
    pub cpu_s: f64,
    /// CPU time of this process, in seconds.
    pub own_cpu_s: f64,
}

/// The joules of one domain.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DomainUsage {
    /// As in `package-0`.
    pub name: String,
    /// Joules.
    pub energy_j: f64,
    /// Whether the total contains it; the others are part of one that it contains, or overlap with several.
    #[serde(rename = "counted")]
    pub is_counted: bool,
    /// The part of the machine that it belongs to.
    pub part: Covers,
    /// Where the number comes from.
    pub method: Method,
    /// How long it was busy, in seconds; known of some GPUs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub busy_s: Option<f64>,
}

/// How joules are known: three fractions whose sum is 1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Shares {
    /// Read from counters.
    pub measured: f64,
    /// Computed from CPU time and a table of watts.
    pub modelled: f64,
    /// Assumed for times that a counter did not tell about.
    pub assumed: f64,
}

impl Shares {
    /// The shares of `total_j`, of which so much is modelled and so much assumed. No joules count as measured.
    pub(crate) fn of(total_j: f64, modelled_j: f64, assumed_j: f64) -> Self {
        if total_j <= 0.0 {
            return Self { measured: 1.0, modelled: 0.0, assumed: 0.0 };
        }
        let assumed = (assumed_j / total_j).clamp(0.0, 1.0);
        let modelled = (modelled_j / total_j).clamp(0.0, 1.0 - assumed);
        Self { measured: 1.0 - modelled - assumed, modelled, assumed }
    }
}

impl Mark {
    /// This moment.
    pub(crate) fn now(meter: &mut Meter) -> Self {
        let totals = meter.read();
        Self { totals, domains: meter.domains(), own_cpu_s: cpu_time_s() }
    }

    /// When it was, in seconds since the session was opened.
    pub fn at_s(&self) -> f64 {
        self.totals.at_s
    }

    /// Joules since the session was opened.
    pub fn energy_j(&self) -> f64 {
        self.totals.joules()
    }

    /// What was used from `earlier` to this moment.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Usage {
        let estimate = self.totals.since(&earlier.totals);
        // Sources that join later come last: those that both moments know have the same places.
        let used = |(i, now): (usize, &DomainUsage)| {
            let before = earlier.domains.get(i);
            let before_s = before.and_then(|before| before.busy_s).unwrap_or(0.0);
            DomainUsage {
                energy_j: now.energy_j - before.map_or(0.0, |before| before.energy_j),
                busy_s: now.busy_s.map(|busy_s| busy_s - before_s),
                ..now.clone()
            }
        };
        Usage {
            energy: estimate.energy(),
            estimate,
            domains: self.domains.iter().enumerate().map(used).collect(),
            shares: self.totals.shares_since(&earlier.totals),
            coverage: self.totals.coverage_since(&earlier.totals),
            wall_s: self.totals.at_s - earlier.totals.at_s,
            cpu_s: self.totals.cpu_s - earlier.totals.cpu_s,
            own_cpu_s: self.own_cpu_s - earlier.own_cpu_s,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn no_joules_are_measured_ones() {
        assert_eq!(Shares::of(0.0, 0.0, 0.0), Shares { measured: 1.0, modelled: 0.0, assumed: 0.0 });
    }

    proptest! {
        #[test]
        fn shares_are_fractions_of_one(total in 0.0..1e6f64, modelled in 0.0..1.0f64, assumed in 0.0..1.0f64) {
            let shares = Shares::of(total, total * modelled, total * assumed * (1.0 - modelled));
            for share in [shares.measured, shares.modelled, shares.assumed] {
                prop_assert!((0.0..=1.0).contains(&share), "{shares:?}");
            }
            prop_assert!((shares.measured + shares.modelled + shares.assumed - 1.0).abs() < 1e-12);
        }
    }
}
