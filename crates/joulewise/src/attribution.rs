//! Whose the joules are: the machine's, the run's beyond idling, the process tree's.

use std::collections::BTreeMap;

use joulewise_meter::division::{Division, Idle, Parts};
use joulewise_meter::{Energy, Method};
use serde::Serialize;

/// Joules of a run by who used them. What is not known is `null`, and `unknown` says why.
#[derive(Serialize)]
pub struct Attribution {
    /// All that the counters saw.
    pub machine_j: Option<Energy>,
    /// What the run added to an idle machine.
    pub marginal_j: Option<Energy>,
    /// The process tree's share of the processor's joules, and all of the GPUs that it may use.
    pub process_tree_j: Option<Energy>,
    /// Everybody else's share of the processor's joules.
    pub other_processes_j: Option<f64>,
    /// Idling of hardware threads that nobody used.
    pub unused_j: Option<f64>,
    /// Power of the idle machine.
    pub idle_w: Option<IdlePower>,
    /// Reasons, by field.
    pub unknown: BTreeMap<&'static str, &'static str>,
}

#[derive(Serialize)]
/// Power of the idle machine, in watts.
pub struct IdlePower {
    /// Before the run.
    pub before: f64,
    /// After it.
    pub after: f64,
}

const MODELLED: &str = "no counter tells what the machine uses: joules are modelled for the process tree";

impl Attribution {
    /// The mean over so many runs.
    pub fn new(total: Energy, division: &Division, idle: Option<(Idle, Idle)>, runs: usize) -> Self {
        let mut this = Self {
            machine_j: None,
            marginal_j: None,
            process_tree_j: None,
            other_processes_j: None,
            unused_j: None,
            idle_w: idle.map(|(before, after)| IdlePower { before: before.whole_w, after: after.whole_w }),
            unknown: BTreeMap::new(),
        };
        if total.method == Method::Modelled {
            this.process_tree_j = Some(total);
            this.unknown.extend([("machine_j", MODELLED), ("marginal_j", MODELLED)]);
            return this;
        }
        this.machine_j = Some(total);
        if division.is_empty() {
            this.unknown.insert("process_tree_j", "the kernel does not show how busy the machine was");
            return this;
        }
        let bounds = idle.map(Bounds::of);
        let divide = |idle: Idle, error: f64| division.divide(idle, error);
        let energy = |of: fn(&Parts) -> f64, best: Parts, least: Parts, most: Parts| {
            let scale = |end: f64| if total.value > 0.0 { end / total.value } else { 1.0 };
            Some(Energy {
                value: of(&best) / runs as f64,
                low: of(&least) * scale(total.low) / runs as f64,
                high: of(&most) * scale(total.high) / runs as f64,
                method: Method::Measured,
            })
        };
        let Bounds { best, least, most } = bounds.unwrap_or(Bounds::UNKNOWN);
        let parts = divide(best, 0.0);
        this.process_tree_j = energy(|parts| parts.tree_j, parts, divide(most, 1.0), divide(least, -1.0));
        this.other_processes_j = Some(parts.others_j / runs as f64);
        this.unused_j = Some(parts.unused_j / runs as f64);
        match bounds {
            Some(_) => {
                this.marginal_j =
                    energy(|parts| parts.marginal_j, parts, divide(most, 0.0), divide(least, 0.0));
            }
            None => {
                let reason = "the idle machine was not measured: add --idle 5s";
                this.unknown.insert("marginal_j", reason);
            }
        }
        this
    }
}

/// The idle power, and between what it lies.
#[derive(Clone, Copy)]
struct Bounds {
    best: Idle,
    least: Idle,
    most: Idle,
}

impl Bounds {
    /// All energy is divided among those who compute; at worst, all of it is idling.
    const UNKNOWN: Self = Self { best: Idle::NOTHING, least: Idle::NOTHING, most: Idle::EVERYTHING };

    fn of((before, after): (Idle, Idle)) -> Self {
        let each = |of: fn(f64, f64) -> f64| Idle {
            whole_w: of(before.whole_w, after.whole_w),
            processor_w: of(before.processor_w, after.processor_w),
        };
        Self { best: each(f64::midpoint), least: each(f64::min), most: each(f64::max) }
    }
}

#[cfg(test)]
mod tests {
    use joulewise_meter::division::Window;

    use super::*;

    fn division() -> Division {
        let mut division = Division::default();
        // Two runs of a second: 100 J, one of four threads busy with the tree, one with others.
        for _ in 0..2 {
            division.add(Window {
                whole_j: 100.0,
                processor_j: 100.0,
                wall_s: 1.0,
                tree_s: 1.0,
                others_s: 1.0,
                resolution_s: 0.0,
                capacity_s: 4.0,
                gpus: Vec::new(),
            });
        }
        division
    }

    const TOTAL: Energy = Energy { value: 100.0, low: 90.0, high: 110.0, method: Method::Measured };

    #[test]
    fn without_the_idle_power_the_share_is_wide_and_nothing_is_marginal() {
        let found = Attribution::new(TOTAL, &division(), None, 2);
        let tree = found.process_tree_j.unwrap();
        assert_eq!((tree.low, tree.value), (22.5, 50.0));
        assert!((tree.high - 55.0).abs() < 1e-9, "{tree:?}");
        assert_eq!((found.machine_j, found.marginal_j), (Some(TOTAL), None));
        assert!(found.unknown["marginal_j"].contains("--idle"));
    }

    #[test]
    fn the_idle_power_narrows_the_share() {
        let idle = |w| Idle { whole_w: w, processor_w: w };
        let found = Attribution::new(TOTAL, &division(), Some((idle(36.0), idle(44.0))), 2);
        let (marginal, tree) = (found.marginal_j.unwrap(), found.process_tree_j.unwrap());
        assert_eq!(marginal.value, 60.0);
        assert!((marginal.low - 50.4).abs() < 1e-9 && (marginal.high - 70.4).abs() < 1e-9, "{marginal:?}");
        assert_eq!(tree.value, 40.0);
        assert!((tree.low - 35.1).abs() < 1e-9 && (tree.high - 45.1).abs() < 1e-9, "{tree:?}");
        assert_eq!((found.other_processes_j, found.unused_j), (Some(40.0), Some(20.0)));
        assert!(found.unknown.is_empty());
    }

    #[test]
    fn gpus_are_the_process_trees_in_full() {
        let mut division = division();
        division.add(Window { whole_j: 200.0, wall_s: 1.0, capacity_s: 4.0, ..Window::default() });
        let total = Energy { value: 400.0, low: 360.0, high: 440.0, method: Method::Measured };
        let found = Attribution::new(total, &division, None, 1);
        let tree = found.process_tree_j.unwrap();
        assert!((tree.value - 300.0).abs() < 1e-9, "{tree:?}");
        assert!(tree.low >= 200.0 * 0.9 && tree.high <= 440.0, "{tree:?}");
    }

    #[test]
    fn modelled_joules_are_the_process_trees() {
        let total = Energy { method: Method::Modelled, ..TOTAL };
        let found = Attribution::new(total, &division(), None, 2);
        assert_eq!((found.process_tree_j, found.machine_j), (Some(total), None));
        assert_eq!(found.unknown.len(), 2);
    }
}
