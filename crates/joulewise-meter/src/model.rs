//! Energy of the process tree on a machine whose counters cannot be read.
//!
//! # What is charged
//!
//! Every CPU second of the process tree (this process, its children, theirs, running or ended) is charged the watts
//! of one busy hardware thread:
//!
//! ```text
//! idle + f(u)/u · (full − idle)
//! ```
//!
//! `idle` and `full` are the watts per hardware thread of an idle and of a fully loaded server of this processor's
//! [`Family`], everything in the server included; `u` is the share of the machine's threads that is busy, with
//! whatever, over the last tenth of a second or more; `f` is the curve from load to power above idle. So a busy
//! thread pays for itself while idle, and all busy threads share alike in what the load adds.
//!
//! Not charged: threads that nobody uses, and time in which the tree waits. A command that sleeps costs nothing here,
//! while a counter would show the idle machine. GPUs are not modelled.
//!
//! # How wrong it is
//!
//! For servers left out of the table, 90 % of the errors are within −34 to +34 % when the family is known. A virtual
//! machine adds neighbours and turbo frequencies that cannot be seen from inside: the interval is ×0.6 to ×1.7, and
//! ×0.35 to ×2.3 for a processor that the table lacks. All of it is scale: it cancels in a ratio of two readings.

use std::time::{Duration, Instant};

use crate::energy::Method;
use crate::load::Load;
use crate::process::Tree;
use crate::processor::Family;
use crate::source::{Domain, Place, ReadError, Reading, Source};

/// The source that computes joules from the CPU time of the process tree.
pub struct Model {
    family: Family,
    domains: [Domain; 1],
    load: Lately,
    tree: Tree,
    cpu_s: f64,
    joules: f64,
}

impl Model {
    /// A model of the processor that this process runs on.
    pub fn of_this_machine() -> Self {
        Self::of(Tree::OWN)
    }

    /// A model of the processor that this process runs on, for a tree of processes.
    pub(crate) fn of(tree: Tree) -> Self {
        Self { cpu_s: tree.cpu_s(), tree, ..Self::new(Family::of_this_machine()) }
    }

    /// A model with the watts of that family.
    pub fn new(family: Family) -> Self {
        let cpu = Domain {
            name: "process-tree".to_owned(),
            place: Place::Root,
            method: Method::Modelled,
            scale: family.scale,
        };
        Self {
            family,
            domains: [cpu],
            load: Lately::new(),
            tree: Tree::OWN,
            cpu_s: Tree::OWN.cpu_s(),
            joules: 0.0,
        }
    }

    /// The row of the table in use.
    pub fn family(&self) -> Family {
        self.family
    }

    fn charge(&mut self, cpu_s: f64, busy: f64) {
        // The time of a child moves from one account of the kernel to another when it ends; the sum may dip.
        let spent_s = (cpu_s - self.cpu_s).max(0.0);
        self.cpu_s += spent_s;
        self.joules += spent_s * self.family.busy_thread_w(busy);
    }
}

impl Source for Model {
    fn name(&self) -> String {
        let Family { name, idle_w, full_w, .. } = self.family;
        format!("model: {name}, {idle_w:.2} to {full_w:.2} W per thread")
    }

    fn domains(&self) -> &[Domain] {
        &self.domains
    }

    fn read(&mut self, into: &mut Reading) -> Result<(), ReadError> {
        into.at = Instant::now();
        let busy = self.load.busy_share(into.at);
        let cpu_s = self.tree.cpu_s();
        self.charge(cpu_s, busy);
        into.tree_cpu_s = Some(cpu_s);
        into.joules[0] = self.joules;
        into.lag_j[0] = 0.0;
        Ok(())
    }
}

/// How busy the machine has been lately.
struct Lately {
    at: Instant,
    load: Option<Load>,
    busy: f64,
}

impl Lately {
    /// The kernel counts in ticks of 10 ms: a shorter window would be noise.
    const WINDOW: Duration = Duration::from_millis(100);

    /// Until the first window is over the machine counts as full: the joules per CPU second are then in the middle
    /// of their range.
    fn new() -> Self {
        Self { at: Instant::now(), load: Load::now(), busy: 1.0 }
    }

    fn busy_share(&mut self, now: Instant) -> f64 {
        if now.duration_since(self.at) >= Self::WINDOW {
            self.at = now;
            let load = Load::now();
            if let (Some(before), Some(now)) = (self.load, load) {
                self.busy = now.busy_share_since(&before).unwrap_or(self.busy);
            }
            self.load = load;
        }
        self.busy
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cpu_second_costs_the_watts_of_a_busy_thread() {
        let family = Family::from_cpuinfo("");
        let mut model = Model::new(family);
        let start_s = model.cpu_s;
        model.charge(start_s + 2.0, 1.0);
        assert!((model.joules - 2.0 * family.full_w).abs() < 1e-9);
        // A dip is not paid back, and what follows it is not paid twice.
        model.charge(start_s + 1.5, 1.0);
        model.charge(start_s + 3.0, 1.0);
        assert!((model.joules - 3.0 * family.full_w).abs() < 1e-9);
    }

    #[test]
    fn is_a_source() {
        crate::testing::check_source(&mut Model::of_this_machine());
    }
}
