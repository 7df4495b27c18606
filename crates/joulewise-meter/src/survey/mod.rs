//! What this machine offers for metering: every source found, every one refused and why, and the least that would have to
//! be allowed.

mod search;

use std::path::{Path, PathBuf};
use std::{env, thread};

use serde::Serialize;

use self::search::Search;
use crate::counters;
use crate::cure::{Cure, Rights};
use crate::environment::{Environment, Variable};
use crate::nvml;
use crate::perf::{self, Perf};
use crate::process;
use crate::processor::Family;

/// What a machine offers.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Survey {
    /// The processor's model, as the kernel names it.
    pub processor: String,
    /// Hardware threads that this process may use.
    pub threads: usize,
    /// What stands between this program and the hardware.
    pub environment: Environment,
    /// Every source, whether it can be read or not.
    pub findings: Vec<Finding>,
    /// How right the joules are as things stand, by part of the machine.
    pub accuracy: Vec<String>,
    /// How right they would be with what the cures allow; empty where nothing can be gained.
    pub attainable: Vec<String>,
}

/// What was found out about one source.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finding {
    /// As in `powercap`.
    pub source: String,
    /// What became of it.
    pub state: State,
    /// What it gives, or why it gives nothing.
    pub text: String,
    /// What would enable it, the least first; empty where it is not needed or nothing would.
    pub cures: Vec<Cure>,
}

/// What becomes of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It is read.
    Used,
    /// It could be read, and another gives the same joules.
    Spare,
    /// It is there and cannot be read.
    Refused,
    /// The machine does not have it.
    Absent,
}

/// The processor's counters deviate so far from a power meter on the same rail.
const COUNTERS: &str = "within 5 %, in steps of 1 ms";
/// NVIDIA states this for its power readings.
const GPU_COUNTER: &str = "within 5 %, in steps of 100 ms";
const GPU_POWER: &str = "within 10 %, from 5 s on";

/// What is looked at, and how.
struct Site<'a> {
    root: &'a Path,
    sysfs: &'a Path,
    variable: Variable<'a>,
    perf: &'a dyn Fn() -> perf::Opened,
    gpus: nvml::Opened,
    program: &'a Path,
}

impl Survey {
    /// Looks at this machine, or at another root folder that stands for it, as a host's that is mounted into a container.
    pub fn below(root: &Path) -> Self {
        let sysfs = env::var_os("JOULEWISE_SYSFS").filter(|_| root == Path::new("/"));
        let sysfs = sysfs.map_or_else(|| root.join("sys"), PathBuf::from);
        let program = env::current_exe().unwrap_or_else(|_| PathBuf::from("joulewise"));
        Self::of(&Site {
            root,
            sysfs: &sysfs,
            variable: &|name| env::var(name).ok(),
            perf: &|| Perf::open(&sysfs),
            gpus: nvml::open(),
            program: &program,
        })
    }

    fn of(site: &Site<'_>) -> Self {
        let environment = Environment::detect(site.root, site.variable);
        let cpuinfo = process::read_proc(site.root.join("proc/cpuinfo")).unwrap_or_default();
        let counters = counters::open_with(site.sysfs, site.perf).source;
        let used = counters.as_ref().map(|source| source.name());
        let rights = Rights::new(site.root, site.program, environment.container.clone());
        let search =
            Search { site, environment: &environment, cpuinfo: &cpuinfo, rights, used: used.as_deref() };
        let mut findings = vec![search.powercap(), search.perf(), search.model()];
        findings.extend(search.gpus());
        findings.push(search.process_tree());
        let mut accuracy = vec![match &counters {
            Some(source) => {
                let has_memory = source.domains().iter().any(|domain| domain.name.starts_with("dram"));
                let memory = if has_memory { " and memory" } else { "" };
                format!("CPU{memory}: measured, the whole machine, {COUNTERS}")
            }
            None => {
                let (low, high) = Family::from_cpuinfo(&cpuinfo).scale;
                format!("CPU: modelled from the CPU time of the process tree, within ×{low} to ×{high}")
            }
        }];
        accuracy.extend(search.accuracy_of_gpus());
        let can = |source: &str| {
            findings.iter().any(|finding| finding.source == source && !finding.cures.is_empty())
        };
        let mut attainable = Vec::new();
        if can("powercap") || can("perf") {
            attainable.push(format!("CPU: measured, the whole machine, {COUNTERS}"));
        }
        if can("NVIDIA GPUs") {
            attainable.push(format!("GPUs: measured, whole cards, {GPU_COUNTER}"));
        }
        let processor = model_name(&cpuinfo)
            .map_or_else(|| Family::from_cpuinfo(&cpuinfo).name.to_owned(), str::to_owned);
        let threads = thread::available_parallelism().map_or(1, usize::from);
        Self { processor, threads, environment, findings, accuracy, attainable }
    }

    /// Whether the processor's joules are measured.
    pub fn is_measured(&self) -> bool {
        let is_used = |source: &str| {
            self.findings.iter().any(|finding| finding.source == source && finding.state == State::Used)
        };
        is_used("powercap") || is_used("perf")
    }
}

/// What `/proc/cpuinfo` calls the processor; Arm's kernels do not say.
fn model_name(cpuinfo: &str) -> Option<&str> {
    cpuinfo
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(':'))
        .map(|(_, name)| name.trim())
}

#[cfg(test)]
mod tests;
