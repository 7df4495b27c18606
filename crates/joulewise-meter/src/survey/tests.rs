use std::io;

use super::search::finding;
use super::*;
use crate::environment::tests::root;
use crate::event::Caveat;
use crate::gpu::tests::{Scripted, draws};
use crate::gpu::{Device, Sharing};
use crate::nvml::Absence;
use crate::zone;

const METAL: (&str, &str) =
    ("proc/cpuinfo", "vendor_id : AuthenticAMD\nmodel name : AMD EPYC 9654\nflags : fpu\n");
const VIRTUAL: (&str, &str) = ("proc/cpuinfo", "vendor_id : GenuineIntel\nflags : fpu hypervisor\n");
const ZONE: [(&str, &str); 3] = [
    ("sys/class/powercap/intel-rapl:0/name", "package-0"),
    ("sys/class/powercap/intel-rapl:0/energy_uj", "1"),
    ("sys/class/powercap/intel-rapl:0/max_energy_range_uj", "65532610987"),
];
const CARD: [(&str, &str); 2] = [
    ("sys/bus/pci/devices/0000:01:00.0/class", "0x030200"),
    ("sys/bus/pci/devices/0000:01:00.0/vendor", "0x10de"),
];

fn no_perf() -> perf::Opened {
    perf::Opened { source: None, caveats: Vec::new(), is_denied: false }
}

fn denied_perf() -> perf::Opened {
    let caveat = Caveat::new("unreadable-counter", "power/energy-pkg/: permission denied", "");
    perf::Opened { source: None, caveats: vec![caveat], is_denied: true }
}

fn survey(files: &[&[(&str, &str)]], perf: &dyn Fn() -> perf::Opened, gpus: nvml::Opened) -> Survey {
    let root = root(&files.concat());
    let sysfs = root.path().join("sys");
    let program = Path::new("/usr/bin/joulewise");
    Survey::of(&Site { root: root.path(), sysfs: &sysfs, variable: &|_| None, perf, gpus, program })
}

fn without_gpus(files: &[&[(&str, &str)]]) -> Survey {
    survey(files, &no_perf, nvml::Opened { absence: Some(Absence::NoLibrary), ..Default::default() })
}

impl Survey {
    fn of_source(&self, source: &str) -> &Finding {
        self.findings.iter().find(|finding| finding.source == source).unwrap()
    }
}

#[test]
fn a_virtual_machine_has_nothing_and_nothing_helps() {
    let survey = without_gpus(&[&[VIRTUAL]]);
    assert!(!survey.is_measured());
    let powercap = survey.of_source("powercap");
    assert_eq!(
        (powercap.state, powercap.text.as_str()),
        (State::Absent, "the hypervisor passes no counters on")
    );
    assert_eq!(survey.of_source("CPU model").state, State::Used);
    assert_eq!(survey.of_source("NVIDIA GPUs").state, State::Absent);
    assert!(survey.accuracy[0].contains("modelled") && survey.accuracy[0].contains("×0.35 to ×2.3"));
    assert!(survey.attainable.is_empty() && survey.findings.iter().all(|finding| finding.cures.is_empty()));
}

#[test]
fn readable_zones_are_used_and_leave_nothing_to_cure() {
    let survey = survey(&[&[METAL], &ZONE], &denied_perf, nvml::Opened::default());
    assert!(survey.is_measured());
    assert_eq!(survey.processor, "AMD EPYC 9654");
    assert_eq!(survey.of_source("powercap"), &finding("powercap", State::Used, "package-0", Vec::new()));
    assert_eq!(survey.of_source("perf").state, State::Refused);
    assert_eq!(survey.of_source("CPU model").state, State::Spare);
    assert_eq!(survey.accuracy, ["CPU: measured, the whole machine, within 5 %, in steps of 1 ms"]);
    assert!(survey.attainable.is_empty() && survey.of_source("perf").cures.is_empty());
}

#[test]
fn a_driver_that_is_not_loaded_can_be() {
    let survey = without_gpus(&[&[METAL]]);
    assert_eq!(survey.of_source("powercap").text, "its driver is not loaded");
    assert_eq!(survey.of_source("powercap").cures[0].commands, ["sudo modprobe intel_rapl_msr"]);
    assert_eq!(survey.of_source("perf").cures[0].commands, ["sudo modprobe rapl"]);
    assert_eq!(survey.attainable, ["CPU: measured, the whole machine, within 5 %, in steps of 1 ms"]);
}

#[test]
fn refused_events_need_a_capability() {
    let files: &[(&str, &str)] = &[METAL, ("proc/sys/kernel/perf_event_paranoid", "2\n")];
    let survey = survey(&[files], &denied_perf, nvml::Opened::default());
    let perf = survey.of_source("perf");
    assert_eq!(perf.text, "power/energy-pkg/: permission denied; kernel.perf_event_paranoid is 2");
    assert_eq!(perf.cures[0].commands, ["sudo setcap cap_perfmon=ep /usr/bin/joulewise"]);
    assert_eq!(survey.attainable.len(), 1);
}

#[test]
fn refused_zones_need_a_group_unless_events_stand_in() {
    let root = root(&ZONE);
    let mut zones = zone::discover(&root.path().join("sys"));
    zones[0].unreadable = Some(io::ErrorKind::PermissionDenied);
    let site = Site {
        root: root.path(),
        sysfs: root.path(),
        variable: &|_| None,
        perf: &no_perf,
        gpus: nvml::Opened::default(),
        program: Path::new("joulewise"),
    };
    let rights = Rights::new(root.path(), site.program, None);
    let search =
        Search { site: &site, environment: &Environment::default(), cpuinfo: "", rights, used: None };
    assert!(search.powercap_cures(&[&zones[0]])[0].commands[0].contains("groupadd"));
    zones[0].unreadable = Some(io::ErrorKind::IsADirectory);
    assert!(search.powercap_cures(&[&zones[0]]).is_empty(), "no right helps against nonsense");
}

#[test]
fn gpus_are_listed_one_by_one() {
    let device = |index: u32, sharing| {
        let device = Scripted::new((index != 2).then_some(0), Some(draws(50.0, false)));
        {
            let identity = &mut device.0.lock().unwrap().identity;
            (identity.index, identity.sharing) = (index, sharing);
        }
        Box::new(device) as Box<dyn Device>
    };
    let devices =
        vec![device(0, None), device(1, Some(Sharing::Instances)), device(2, None), device(3, None)];
    let gpus = nvml::open_each(devices, Some("0,1,2"), None);
    let survey = survey(&[&[METAL], &ZONE, &CARD], &no_perf, gpus);
    let told: Vec<_> = survey.findings.iter().filter(|finding| finding.source.starts_with("gpu-")).collect();
    let texts: Vec<&str> = told.iter().map(|finding| finding.text.as_str()).collect();
    let expected = [
        "Test GPU, counter",
        "Test GPU, counter, shared with others",
        "Test GPU, power over time",
        "Test GPU, left out by CUDA_VISIBLE_DEVICES",
    ];
    assert_eq!(texts, expected);
    assert_eq!(told[3].state, State::Spare);
    assert_eq!(survey.accuracy[3], "gpu-2: measured, the whole card, within 10 %, from 5 s on");
}

#[test]
fn a_card_without_its_library_is_refused_and_not_absent() {
    let bare = without_gpus(&[&[METAL], &CARD]);
    assert_eq!(bare.of_source("NVIDIA GPUs").state, State::Refused);
    assert_eq!(bare.accuracy[1], "GPUs: not in the total");
    let docker = without_gpus(&[&[METAL, (".dockerenv", "")], &CARD]);
    assert!(docker.of_source("NVIDIA GPUs").cures[0].commands[0].contains("--gpus all"));
    assert_eq!(docker.of_source("powercap").text, "not visible in this container");

    let mismatch = nvml::Opened {
        caveats: vec![Caveat::new("gpu-not-metered", "version mismatch", "")],
        absence: Some(Absence::Refused("driver/library version mismatch".to_owned())),
        ..Default::default()
    };
    let survey = survey(&[&[METAL], &CARD], &no_perf, mismatch);
    assert!(survey.of_source("NVIDIA GPUs").cures[0].commands[0].contains("reboot"));
}

#[test]
fn control_groups_are_told_from_their_files() {
    let mount = ("proc/self/mountinfo", "33 25 0:28 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw");
    let group = ("proc/self/cgroup", "0::/run-1.scope");
    let usage = ("sys/fs/cgroup/run-1.scope/cpu.stat", "usage_usec 1");
    let own = std::process::id().to_string();
    let members = ("sys/fs/cgroup/run-1.scope/cgroup.procs", own.as_str());
    let alone = without_gpus(&[&[METAL, mount, group, usage, members]]);
    assert!(alone.of_source("process tree").text.contains("its own control group"));
    let delegated = without_gpus(&[&[METAL, mount, group, usage, ("run/systemd/system/x", "")]]);
    assert!(delegated.of_source("process tree").text.contains("a control group for each command"));
    assert!(delegated.of_source("process tree").cures.is_empty());
    let shared = without_gpus(&[&[METAL, mount, group, ("run/systemd/system/x", "")]]);
    assert!(shared.of_source("process tree").cures[0].commands[0].starts_with("systemd-run --user --scope"));
    assert!(without_gpus(&[&[METAL, mount]]).of_source("process tree").cures.is_empty(), "without systemd");
}

#[test]
fn this_machine_can_be_surveyed() {
    let survey = Survey::below(Path::new("/"));
    let used = survey.findings.iter().filter(|finding| finding.state == State::Used).count();
    assert!(used >= 2, "the processor and the process tree at least: {survey:?}");
}
