//! Divides measured joules: what the machine would have used anyway, and what those who computed used.
//!
//! Time is cut into windows. In each of them, with the joules `E` of the processor and `G` of the GPUs, the CPU seconds
//! `t` of the process tree, `o` of all others, and the capacity `c` of all hardware threads:
//!
//! ```text
//! idle     = min(idle power × time, E)                  marginal = E − idle
//! tree     = idle · t/c + marginal · t/(t + o) + G      others   = the same with o, without G
//! unused   = the rest: idling that nobody computed in
//! ```
//!
//! So a thread pays for itself while idle, and all who compute share alike in what the load adds, as in the
//! [`model`](crate::model). A GPU is held, not shared: those that are metered are the ones that the tree may use, and it
//! pays for them in full. The parts of a window sum to it, and none is negative, whatever was read.

use serde::{Deserialize, Serialize};

use crate::load::Load;
use crate::session::Session;
use crate::usage::{Covers, DomainUsage, Mark};

/// A moment at which joules and CPU time were read.
#[derive(Clone, Debug)]
pub struct Moment {
    /// The joules and the CPU time of the process tree.
    pub mark: Mark,
    /// The CPU time of the whole machine.
    pub load: Option<Load>,
}

impl Moment {
    /// Reads both.
    pub fn now(session: &Session) -> Self {
        Self { mark: session.mark(), load: Load::now() }
    }
}

/// What a window of time held.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Window {
    /// Joules of all counted domains.
    pub whole_j: f64,
    /// Joules of the processor's counted domains.
    pub processor_j: f64,
    /// Wall time, in seconds.
    pub wall_s: f64,
    /// CPU time of the process tree without the meter, in seconds.
    pub tree_s: f64,
    /// CPU time of everything else, in seconds.
    pub others_s: f64,
    /// How wrong `others_s` may be, in seconds.
    pub resolution_s: f64,
    /// Time of all hardware threads, in seconds.
    pub capacity_s: f64,
    /// What each GPU did.
    pub gpus: Vec<GpuWindow>,
}

/// What a GPU did in a window of time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GpuWindow {
    /// As in `gpu-0`.
    pub name: String,
    /// Joules.
    pub energy_j: f64,
    /// How long it was busy, in seconds, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub busy_s: Option<f64>,
}

impl Window {
    /// What happened between two moments; `None` where the load of the machine is not known.
    pub fn between(earlier: &Moment, now: &Moment) -> Option<Self> {
        let usage = now.mark.since(&earlier.mark);
        let (load_before, load) = (earlier.load?, now.load?);
        let counted = usage.domains.iter().filter(|domain| domain.is_counted);
        let (processor, gpus): (Vec<_>, Vec<_>) =
            counted.partition(|domain| domain.part == Covers::Processor);
        let gpu = |domain: &DomainUsage| GpuWindow {
            name: domain.name.clone(),
            energy_j: domain.energy_j,
            busy_s: domain.busy_s,
        };
        let tree_s = (usage.cpu_s - usage.own_cpu_s).max(0.0);
        Some(Self {
            whole_j: usage.energy.value,
            processor_j: processor.iter().map(|domain| domain.energy_j).sum(),
            wall_s: usage.wall_s,
            tree_s,
            others_s: (load.busy_s_since(&load_before) - tree_s).max(0.0),
            resolution_s: load.resolution_s(),
            capacity_s: f64::from(load.threads()) * usage.wall_s,
            gpus: gpus.into_iter().map(gpu).collect(),
        })
    }

    fn join(&mut self, next: &Self) {
        self.whole_j += next.whole_j;
        self.processor_j += next.processor_j;
        self.wall_s += next.wall_s;
        self.tree_s += next.tree_s;
        self.others_s += next.others_s;
        // Ticks that one window missed are in the next one.
        self.resolution_s = self.resolution_s.max(next.resolution_s);
        self.capacity_s += next.capacity_s;
        for gpu in &next.gpus {
            match self.gpus.iter_mut().find(|known| known.name == gpu.name) {
                Some(known) => known.join(gpu),
                None => self.gpus.push(gpu.clone()),
            }
        }
    }

    /// Divides it, if the machine draws `idle` when nobody computes and the others' time is off by `error` of its
    /// resolution, from −1 to 1.
    fn divide(&self, idle: Idle, error: f64) -> Parts {
        let others_s = (self.others_s + error * self.resolution_s).max(0.0);
        let busy_s = self.tree_s + others_s;
        let capacity_s = self.capacity_s.max(busy_s);
        let share = |part: f64, of: f64| if of > 0.0 { part / of } else { 0.0 };
        let idle_j = (idle.processor_w * self.wall_s).clamp(0.0, self.processor_j.max(0.0));
        let added_j = self.processor_j - idle_j;
        let of = |time_s: f64| idle_j * share(time_s, capacity_s) + added_j * share(time_s, busy_s);
        let gpus_j = (self.whole_j - self.processor_j).max(0.0);
        let (tree_j, others_j) = (of(self.tree_s), of(others_s));
        let whole_idle_j = (idle.whole_w * self.wall_s).clamp(0.0, self.whole_j.max(0.0));
        Parts {
            marginal_j: self.whole_j - whole_idle_j,
            idle_j: whole_idle_j,
            tree_j: tree_j + gpus_j,
            others_j,
            unused_j: (self.processor_j - tree_j - others_j).max(0.0),
        }
    }
}

impl GpuWindow {
    fn join(&mut self, next: &Self) {
        self.energy_j += next.energy_j;
        self.busy_s = self.busy_s.zip(next.busy_s).map(|(a, b)| a + b);
    }
}

/// What the machine draws when nobody computes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Idle {
    /// All counted domains, in watts.
    pub whole_w: f64,
    /// The processor's counted domains, in watts.
    pub processor_w: f64,
}

impl Idle {
    /// Nothing: all that is drawn is drawn for those who compute.
    pub const NOTHING: Self = Self { whole_w: 0.0, processor_w: 0.0 };
    /// All that is drawn, whatever is computed.
    pub const EVERYTHING: Self = Self { whole_w: f64::MAX, processor_w: f64::MAX };

    /// The mean power in a window.
    pub fn of(window: &Window) -> Self {
        let wall_s = window.wall_s.max(f64::MIN_POSITIVE);
        Self { whole_w: window.whole_j / wall_s, processor_w: window.processor_j / wall_s }
    }
}

/// Joules by who used them. `marginal_j + idle_j` are the whole, and so are `tree_j + others_j + unused_j`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Parts {
    /// What was used beyond idling.
    pub marginal_j: f64,
    /// What would have been used anyway.
    pub idle_j: f64,
    /// The process tree's: its share of the processor, and the GPUs that it may use.
    pub tree_j: f64,
    /// Everybody else's.
    pub others_j: f64,
    /// Idling of hardware threads that nobody used.
    pub unused_j: f64,
}

/// The windows of a run, in order.
#[derive(Clone, Debug, Default)]
pub struct Division {
    windows: Vec<Window>,
    /// How many windows that were added make one that is kept.
    joined: u32,
    pending: u32,
}

/// More windows than these are joined in pairs: a run of days takes no more memory than one of minutes.
const MOST_WINDOWS: usize = 512;

impl Division {
    /// Adds the window that follows.
    pub fn add(&mut self, window: Window) {
        self.joined = self.joined.max(1);
        match self.windows.last_mut() {
            Some(last) if self.pending > 0 && self.pending < self.joined => last.join(&window),
            _ => {
                self.windows.push(window);
                self.pending = 0;
            }
        }
        self.pending += 1;
        if self.windows.len() > MOST_WINDOWS {
            let pairs = self.windows.chunks(2).map(|pair| {
                let mut first = pair[0].clone();
                pair[1..].iter().for_each(|second| first.join(second));
                first
            });
            self.windows = pairs.collect();
            self.joined *= 2;
            self.pending = self.joined;
        }
    }

    /// Adds the window that follows, if there is one.
    pub fn extend(&mut self, window: Option<Window>) {
        window.into_iter().for_each(|window| self.add(window));
    }

    /// The windows, in order. Those of a long run are longer.
    pub fn windows(&self) -> &[Window] {
        &self.windows
    }

    /// Whether there is anything to divide.
    pub fn is_empty(&self) -> bool {
        self.windows.is_empty()
    }

    /// The parts, summed over the windows. `error` is how wrong the others' CPU time is taken to be, from −1 (as
    /// much too high as it may be) to 1.
    pub fn divide(&self, idle: Idle, error: f64) -> Parts {
        let parts = self.windows.iter().map(|window| window.divide(idle, error));
        parts.fold(Parts::default(), |sum, parts| Parts {
            marginal_j: sum.marginal_j + parts.marginal_j,
            idle_j: sum.idle_j + parts.idle_j,
            tree_j: sum.tree_j + parts.tree_j,
            others_j: sum.others_j + parts.others_j,
            unused_j: sum.unused_j + parts.unused_j,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_window_is_divided_by_who_computed() {
        // 100 J in a second, of which 40 J are idling; four threads, one of them the tree's, one another's; 30 J of a GPU.
        let window = Window {
            whole_j: 130.0,
            processor_j: 100.0,
            wall_s: 1.0,
            tree_s: 1.0,
            others_s: 1.0,
            resolution_s: 0.0,
            capacity_s: 4.0,
            gpus: Vec::new(),
        };
        let mut division = Division::default();
        division.add(window.clone());
        let parts = division.divide(Idle { whole_w: 60.0, processor_w: 40.0 }, 0.0);
        assert_eq!(
            parts,
            Parts { marginal_j: 70.0, idle_j: 60.0, tree_j: 70.0, others_j: 40.0, unused_j: 20.0 }
        );
        assert_eq!(division.divide(Idle::NOTHING, 0.0).tree_j, 80.0);
        assert_eq!(division.divide(Idle::EVERYTHING, 0.0).tree_j, 55.0);
        assert_eq!(Idle::of(&window), Idle { whole_w: 130.0, processor_w: 100.0 });
    }

    fn windows() -> impl Strategy<Value = Window> {
        ((0.0..1e3f64, 0.0..1e3f64, 0.0..2.0f64), (0.0..10.0f64, 0.0..10.0f64, 0.0..0.1f64, 0.0..8.0f64))
            .prop_map(|((gpu_j, processor_j, wall_s), (tree_s, others_s, resolution_s, capacity_s))| Window {
                whole_j: gpu_j + processor_j,
                processor_j,
                wall_s,
                tree_s,
                others_s,
                resolution_s,
                capacity_s,
                gpus: Vec::new(),
            })
    }

    #[test]
    fn what_gpus_did_is_joined_by_their_names() {
        let gpu = |name: &str, energy_j, busy_s| GpuWindow { name: name.to_owned(), energy_j, busy_s };
        let mut first = Window { gpus: vec![gpu("gpu-0", 1.0, Some(0.5))], ..Window::default() };
        // One joins late, and does not tell how busy it is.
        let gpus = vec![gpu("gpu-0", 2.0, Some(0.25)), gpu("gpu-1", 4.0, None)];
        first.join(&Window { gpus, ..Window::default() });
        assert_eq!(first.gpus, [gpu("gpu-0", 3.0, Some(0.75)), gpu("gpu-1", 4.0, None)]);
    }

    proptest! {
        /// Whatever is read, no part is negative, and together they are the whole.
        #[test]
        fn parts_make_the_whole(
            windows in prop::collection::vec(windows(), 1..40),
            whole_w in 0.0..2e3f64,
            part in 0.0..1.0f64,
            error in -1.0..1.0f64,
        ) {
            let mut division = Division::default();
            windows.iter().for_each(|window| division.add(window.clone()));
            let parts = division.divide(Idle { whole_w, processor_w: whole_w * part }, error);
            for joules in [parts.marginal_j, parts.idle_j, parts.tree_j, parts.others_j, parts.unused_j] {
                prop_assert!(joules >= 0.0, "{parts:?}");
            }
            let whole: f64 = windows.iter().map(|window| window.whole_j).sum();
            prop_assert!((parts.marginal_j + parts.idle_j - whole).abs() <= 1e-9 * whole);
            prop_assert!((parts.tree_j + parts.others_j + parts.unused_j - whole).abs() <= 1e-9 * whole);
        }

        /// However long a run is, its windows are few and nothing of it is lost.
        #[test]
        fn long_runs_are_joined(count in 1..5000usize) {
            let mut division = Division::default();
            (0..count).for_each(|_| division.add(Window { whole_j: 1.0, wall_s: 1.0, ..Window::default() }));
            prop_assert!(division.windows.len() <= MOST_WINDOWS);
            prop_assert_eq!(division.divide(Idle::NOTHING, 0.0).marginal_j, count as f64);
        }
    }
}
