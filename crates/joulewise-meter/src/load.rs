//! How busy the machine is, with whatever.

use crate::process::read_proc;
use crate::sys;

/// What the kernel has counted since the machine was started, summed over its hardware threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    busy_ticks: u64,
    idle_ticks: u64,
    threads: u32,
}

impl Load {
    /// The counts of this moment; `None` where the kernel does not show them.
    pub fn now() -> Option<Self> {
        Self::from_stat(&read_proc("/proc/stat")?)
    }

    /// The counts in the text of `/proc/stat`.
    fn from_stat(stat: &str) -> Option<Self> {
        let mut lines = stat.lines();
        let mut fields = lines.next()?.strip_prefix("cpu ")?.split_ascii_whitespace();
        let mut next = || fields.next()?.parse::<u64>().ok();
        let (user, nice, system, idle, wait) = (next()?, next()?, next()?, next()?, next()?);
        let interrupts = next().unwrap_or(0) + next().unwrap_or(0);
        // What follows is time that the hypervisor gave to others, and guests that `user` already contains.
        Some(Self {
            busy_ticks: user + nice + system + interrupts,
            idle_ticks: idle + wait,
            threads: lines.take_while(|line| line.starts_with("cpu")).count().max(1) as u32,
        })
    }

    /// Busy seconds of all hardware threads since then.
    pub fn busy_s_since(&self, earlier: &Self) -> f64 {
        self.busy_ticks.saturating_sub(earlier.busy_ticks) as f64 / sys::ticks_per_s()
    }

    /// The busy part of the time since then, from 0 to 1; `None` where no tick has passed.
    pub fn busy_share_since(&self, earlier: &Self) -> Option<f64> {
        let busy = self.busy_ticks.saturating_sub(earlier.busy_ticks) as f64;
        let idle = self.idle_ticks.saturating_sub(earlier.idle_ticks) as f64;
        (busy + idle > 0.0).then(|| busy / (busy + idle))
    }

    /// The number of hardware threads.
    pub fn threads(&self) -> u32 {
        self.threads
    }

    /// How wrong a difference of two counts of busy time may be, in seconds.
    pub fn resolution_s(&self) -> f64 {
        f64::from(self.threads) / sys::ticks_per_s()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stolen_time_is_neither_busy_nor_idle() {
        let before =
            Load::from_stat("cpu  100 0 50 1000 10 5 5 900 0 0\ncpu0 1 2\ncpu1 1 2\nintr 5").unwrap();
        assert_eq!(before, Load { busy_ticks: 160, idle_ticks: 1010, threads: 2 });
        let now = Load::from_stat("cpu  190 0 50 1010 10 5 5 9000 0 0\n").unwrap();
        assert_eq!(now.busy_share_since(&before), Some(0.9));
        assert_eq!(now.busy_share_since(&now), None);
        assert_eq!(now.busy_s_since(&before), 90.0 / sys::ticks_per_s());
        assert_eq!(Load::from_stat("intr 1 2 3"), None);
    }
}
