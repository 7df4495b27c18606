//! What EnergiBridge tells of the machine beside joules: how busy and how fast each hardware thread is, and memory.

use std::fs;

/// The machine at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Gauges {
    /// Since the start of the machine, by hardware thread: ticks in which it was busy, and all.
    ticks: Vec<(u64, u64)>,
    /// By hardware thread.
    mhz: Vec<f64>,
    /// In the order of [`MEMORY`], in bytes.
    memory: [u64; 4],
}

const MEMORY: [&str; 4] = ["TOTAL_MEMORY", "TOTAL_SWAP", "USED_MEMORY", "USED_SWAP"];

impl Gauges {
    pub(super) fn now() -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        Self::of(&read("/proc/stat"), &read("/proc/cpuinfo"), &read("/proc/meminfo"))
    }

    /// From the texts of the kernel.
    fn of(stat: &str, cpuinfo: &str, meminfo: &str) -> Self {
        // The first line is the sum, and idling and waiting for disks are the fourth and the fifth number.
        let threads = stat.lines().skip(1).take_while(|line| line.starts_with("cpu"));
        let ticks = threads.map(|line| {
            let counts = line.split_ascii_whitespace().skip(1).take(8);
            let counts: Vec<u64> = counts.filter_map(|count| count.parse().ok()).collect();
            let all = counts.iter().sum();
            (all - counts.iter().skip(3).take(2).sum::<u64>(), all)
        });
        let mhz = cpuinfo.lines().filter_map(|line| line.strip_prefix("cpu MHz")?.split_once(':'));
        let kib = |name: &str| -> u64 {
            let value = meminfo.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            value.and_then(|value| value.split_ascii_whitespace().next()?.parse().ok()).unwrap_or(0)
        };
        let used = |all: u64, free: u64| all.saturating_sub(free);
        let (memory, swap) = (kib("MemTotal"), kib("SwapTotal"));
        let kibs = [memory, swap, used(memory, kib("MemAvailable")), used(swap, kib("SwapFree"))];
        Self {
            ticks: ticks.collect(),
            mhz: mhz.filter_map(|(_, mhz)| mhz.trim().parse().ok()).collect(),
            memory: kibs.map(|kib| kib * 1024),
        }
    }

    /// The columns, as there.
    pub(super) fn columns(&self) -> impl Iterator<Item = String> {
        let numbered = |name: &str, count: usize| -> Vec<String> {
            (0..count).map(|thread| format!("{name}_{thread}")).collect()
        };
        numbered("CPU_FREQUENCY", self.mhz.len())
            .into_iter()
            .chain(numbered("CPU_USAGE", self.ticks.len()))
            .chain(MEMORY.map(str::to_owned))
    }

    /// Their values: MHz, per cent since the reading `before`, and bytes.
    pub(super) fn values(&self, before: Option<&Self>) -> impl Iterator<Item = f64> {
        let usage = |(thread, &(busy, all)): (usize, &(u64, u64))| {
            let (busy_before, all_before) =
                before.and_then(|before| before.ticks.get(thread)).copied().unwrap_or((busy, all));
            let passed = all.saturating_sub(all_before);
            if passed > 0 { 100.0 * busy.saturating_sub(busy_before) as f64 / passed as f64 } else { 0.0 }
        };
        let usages: Vec<f64> = self.ticks.iter().enumerate().map(usage).collect();
        self.mhz.clone().into_iter().chain(usages).chain(self.memory.map(|bytes| bytes as f64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_texts_are_read() {
        let stat = |busy: u64, idle: u64| {
            format!("cpu  9 9 9\ncpu0 {busy} 0 10 {idle} 5 0 0 0 7 7\ncpu1 0 0 0 1 0\nintr 1\n")
        };
        let cpuinfo = "processor\t: 0\ncpu MHz\t\t: 2600.5\n\ncpu MHz\t\t: 800\n";
        let meminfo =
            "MemTotal: 100 kB\nMemFree: 1 kB\nMemAvailable: 60 kB\nSwapTotal: 8 kB\nSwapFree: 8 kB\n";
        let before = Gauges::of(&stat(100, 200), cpuinfo, meminfo);
        let now = Gauges::of(&stat(130, 210), cpuinfo, meminfo);
        let columns: Vec<String> = now.columns().collect();
        assert_eq!(
            columns.join(" "),
            "CPU_FREQUENCY_0 CPU_FREQUENCY_1 CPU_USAGE_0 CPU_USAGE_1 TOTAL_MEMORY TOTAL_SWAP USED_MEMORY USED_SWAP"
        );
        let values: Vec<f64> = now.values(Some(&before)).collect();
        assert_eq!(values, [2600.5, 800.0, 75.0, 0.0, 102_400.0, 8192.0, 40_960.0, 0.0]);
        assert_eq!(now.values(None).nth(2), Some(0.0));
        assert_eq!(Gauges::of("", "", "").columns().count(), MEMORY.len());
    }
}
