//! The search for sources: what there is of each, why it cannot be read, and what would help.

use std::collections::BTreeSet;
use std::{fs, io, process};

use super::{Finding, GPU_COUNTER, GPU_POWER, Site, State};
use crate::cgroup::{self, Cgroup};
use crate::command_group;
use crate::cure::{self, Cure, Rights};
use crate::environment::Environment;
use crate::gpu::Gpu;
use crate::nvml::{self, Absence};
use crate::processor::Family;
use crate::source::Source as _;
use crate::zone::{self, Zone};

/// The search for sources, and what is known when it begins.
pub(super) struct Search<'a> {
    pub(super) site: &'a Site<'a>,
    pub(super) environment: &'a Environment,
    pub(super) cpuinfo: &'a str,
    pub(super) rights: Rights,
    /// The name of the source that the processor's joules are read from.
    pub(super) used: Option<&'a str>,
}

fn shared(gpu: &Gpu) -> &'static str {
    if gpu.identity().sharing.is_some() { ", shared with others" } else { "" }
}

pub(super) fn finding(source: &str, state: State, text: impl Into<String>, cures: Vec<Cure>) -> Finding {
    Finding { source: source.to_owned(), state, text: text.into(), cures }
}

impl Search<'_> {
    pub(super) fn powercap(&self) -> Finding {
        let zones = zone::discover(self.site.sysfs);
        let names = |zones: &[&Zone]| {
            let names: Vec<&str> = zones.iter().map(|zone| zone.name.as_str()).collect();
            names.join(", ")
        };
        let (readable, refused): (Vec<&Zone>, Vec<&Zone>) = zones.iter().partition(|zone| zone.is_readable());
        if let Some(domains) = self.used.and_then(|name| name.strip_prefix("powercap: ")) {
            let loss = if refused.is_empty() { String::new() } else { format!("; not {}", names(&refused)) };
            return finding(
                "powercap",
                State::Used,
                format!("{domains}{loss}"),
                self.powercap_cures(&refused),
            );
        }
        match (refused.first(), readable.is_empty()) {
            (Some(first), _) => {
                let why = first.unreadable.map_or_else(String::new, |kind| kind.to_string());
                let text = format!("{}: {why}", first.path.join("energy_uj").display());
                // With another interface in use nothing is to be gained.
                let cures = if self.used.is_some() { Vec::new() } else { self.powercap_cures(&refused) };
                finding("powercap", State::Refused, text, cures)
            }
            (None, false) if self.used.is_some() => {
                finding("powercap", State::Spare, names(&readable), Vec::new())
            }
            (None, false) => finding(
                "powercap",
                State::Refused,
                format!("no package among {}", names(&readable)),
                Vec::new(),
            ),
            (None, true) => {
                let cures = if self.used.is_some() { Vec::new() } else { self.driver("intel_rapl_msr") };
                finding("powercap", State::Absent, self.why_no_counters(), cures)
            }
        }
    }

    pub(super) fn powercap_cures(&self, refused: &[&Zone]) -> Vec<Cure> {
        let is_denied = refused.iter().any(|zone| zone.unreadable == Some(io::ErrorKind::PermissionDenied));
        if is_denied { self.rights.to_read_zones() } else { Vec::new() }
    }

    pub(super) fn perf(&self) -> Finding {
        let opened = (self.site.perf)();
        if let Some(domains) = self.used.and_then(|name| name.strip_prefix("perf: ")) {
            return finding("perf", State::Used, domains, Vec::new());
        }
        match (&opened.source, opened.caveats.first()) {
            (Some(source), _) => {
                let domains: Vec<_> = source.domains().iter().map(|domain| domain.name.clone()).collect();
                finding("perf", State::Spare, domains.join(", "), Vec::new())
            }
            (None, Some(caveat)) => {
                let paranoid = fs::read_to_string(self.site.root.join("proc/sys/kernel/perf_event_paranoid"));
                let level = match paranoid {
                    Ok(level) if opened.is_denied => {
                        format!("; kernel.perf_event_paranoid is {}", level.trim())
                    }
                    _ => String::new(),
                };
                let is_needed = opened.is_denied && self.used.is_none();
                let cures = if is_needed { self.rights.to_open_events() } else { Vec::new() };
                finding("perf", State::Refused, format!("{}{level}", caveat.text), cures)
            }
            (None, None) => {
                let cures = if self.used.is_some() { Vec::new() } else { self.driver("rapl") };
                finding("perf", State::Absent, self.why_no_counters(), cures)
            }
        }
    }

    /// The drivers are loaded by themselves where they are installed; by hand where that was prevented.
    fn driver(&self, module: &str) -> Vec<Cure> {
        let is_metal = self.environment.virtual_machine.is_none() && self.environment.container.is_none();
        if is_metal && self.is_x86() { cure::load(module) } else { Vec::new() }
    }

    fn is_x86(&self) -> bool {
        ["GenuineIntel", "AuthenticAMD", "HygonGenuine"].iter().any(|vendor| self.cpuinfo.contains(vendor))
    }

    fn why_no_counters(&self) -> &'static str {
        match self.environment {
            Environment { virtual_machine: Some(_), .. } => "the hypervisor passes no counters on",
            Environment { container: Some(_), .. } => "not visible in this container",
            _ if self.is_x86() => "its driver is not loaded",
            _ => "Linux offers none for this processor",
        }
    }

    pub(super) fn model(&self) -> Finding {
        let Family { name, idle_w, full_w, .. } = Family::from_cpuinfo(self.cpuinfo);
        let text = format!("{name}: {idle_w} W idle to {full_w} W busy per thread");
        finding("CPU model", if self.used.is_some() { State::Spare } else { State::Used }, text, Vec::new())
    }

    pub(super) fn gpus(&self) -> Vec<Finding> {
        let gpus = &self.site.gpus;
        let mut findings = Vec::new();
        for gpu in &gpus.gpus {
            let how = if gpu.is_counting() { "counter" } else { "power over time" };
            let text = format!("{}, {how}{}", gpu.identity().model, shared(gpu));
            findings.push(finding(&format!("gpu-{}", gpu.identity().index), State::Used, text, Vec::new()));
        }
        for card in &gpus.hidden {
            let text = format!("{}, left out by CUDA_VISIBLE_DEVICES", card.model);
            findings.push(finding(&format!("gpu-{}", card.index), State::Spare, text, Vec::new()));
        }
        for caveat in gpus.caveats.iter().filter(|caveat| caveat.code == "gpu-not-metered") {
            findings.push(finding("NVIDIA GPUs", State::Refused, caveat.text.clone(), self.gpu_cures(gpus)));
        }
        let vendors = self.vendors();
        if findings.is_empty() {
            let missing = match &gpus.absence {
                _ if !vendors.contains(NVIDIA) => None,
                Some(Absence::NoLibrary) => {
                    Some("a card is there, and its driver's library libnvidia-ml.so.1 is not")
                }
                Some(_) => Some("a card is there, and its driver is not loaded"),
                None => Some("a card is there, and its driver does not know it"),
            };
            findings.push(match missing {
                Some(text) => finding("NVIDIA GPUs", State::Refused, text, self.rights.to_reach_gpus()),
                None => finding("NVIDIA GPUs", State::Absent, "no card", Vec::new()),
            });
        }
        if vendors.contains(AMD) {
            let text = "a card is there; its joules are not read by this version";
            findings.push(finding("AMD GPUs", State::Refused, text, Vec::new()));
        }
        findings
    }

    pub(super) fn accuracy_of_gpus(&self) -> Vec<String> {
        let of = |gpu: &Gpu| {
            let right = if gpu.is_counting() { GPU_COUNTER } else { GPU_POWER };
            format!("gpu-{}: measured, the whole card{}, {right}", gpu.identity().index, shared(gpu))
        };
        let mut accuracy: Vec<String> = self.site.gpus.gpus.iter().map(of).collect();
        if accuracy.is_empty() && !self.vendors().is_empty() {
            accuracy.push("GPUs: not in the total".to_owned());
        }
        accuracy
    }

    fn gpu_cures(&self, gpus: &nvml::Opened) -> Vec<Cure> {
        match &gpus.absence {
            Some(Absence::Refused(why)) if why.contains("version") => cure::restart(),
            Some(Absence::Refused(_)) => self.rights.to_reach_gpus(),
            _ => Vec::new(),
        }
    }

    /// The vendors of the graphics cards on the bus that people train on.
    fn vendors(&self) -> BTreeSet<String> {
        let devices = fs::read_dir(self.site.sysfs.join("bus/pci/devices")).into_iter().flatten().flatten();
        let vendor = |device: fs::DirEntry| {
            let read = |file: &str| fs::read_to_string(device.path().join(file)).ok();
            let is_display = read("class")?.starts_with("0x03");
            let vendor = read("vendor")?.trim().to_owned();
            (is_display && [NVIDIA, AMD].contains(&vendor.as_str())).then_some(vendor)
        };
        devices.filter_map(vendor).collect()
    }

    /// How the CPU time of the process tree is found, which shares out the joules.
    pub(super) fn process_tree(&self) -> Finding {
        let found = |text, cures| finding("process tree", State::Used, text, cures);
        let read = |path: &str| fs::read_to_string(self.site.root.join(path)).unwrap_or_default();
        let group = cgroup::path(&read("proc/self/cgroup"), &read("proc/self/mountinfo"));
        let group = group.and_then(|group| Some(self.site.root.join(group.strip_prefix("/").ok()?)));
        if group.as_ref().is_some_and(|group| Cgroup::of(group, process::id()).is_some()) {
            return found("CPU time of its own control group: of every descendant", Vec::new());
        }
        if group.is_some_and(|group| command_group::is_possible(&group)) {
            return found("CPU time of a control group for each command: of every descendant", Vec::new());
        }
        let has_systemd = self.site.root.join("run/systemd/system").exists();
        let text = "CPU time of every descendant that somebody waits for, through /proc and from the kernel";
        found(text, if has_systemd { cure::scope() } else { Vec::new() })
    }
}

const NVIDIA: &str = "0x10de";
const AMD: &str = "0x1002";
