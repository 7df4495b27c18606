//! Where a program runs, as far as it decides which joules can be read: virtual machine, container, Slurm, WSL.

use std::fs;
use std::path::Path;

use serde::Serialize;

/// What stands between a program and the hardware.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Environment {
    /// The hypervisor, as in `KVM`; `unknown` where it does not say.
    pub virtual_machine: Option<String>,
    /// The container's kind, as in `Docker`.
    pub container: Option<String>,
    /// The batch job.
    pub slurm: Option<Slurm>,
    /// Whether Linux runs inside of Windows (WSL).
    pub is_wsl: bool,
}

/// A job of the batch system Slurm.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Slurm {
    /// The job's number.
    pub job: String,
    /// CPUs of this node that the job may use.
    pub cpus: Option<u32>,
    /// Tasks of the job on all its nodes.
    pub tasks: Option<u32>,
}

/// Looks up a variable of the environment.
pub type Variable<'a> = &'a dyn Fn(&str) -> Option<String>;

impl Environment {
    /// Looks around below `root`, which is `/` or stands for it, and among the variables.
    pub fn detect(root: &Path, variable: Variable<'_>) -> Self {
        let is_wsl = is_wsl(root);
        Self {
            virtual_machine: if is_wsl { Some("Hyper-V".to_owned()) } else { virtual_machine(root) },
            container: container(root, variable),
            slurm: slurm(variable),
            is_wsl,
        }
    }
}

/// The text of a file without its line end; empty if there is none.
fn text(root: &Path, path: &str) -> String {
    fs::read(root.join(path))
        .map(|bytes| String::from_utf8_lossy(&bytes).trim().to_owned())
        .unwrap_or_default()
}

/// Microsoft's kernels say so in their version.
fn is_wsl(root: &Path) -> bool {
    let version = text(root, "proc/version").to_lowercase();
    version.contains("microsoft") && version.contains("wsl")
}

/// How firmware names hypervisors: the beginning of one of its fields, and what people call it.
const FIRMWARE: [(&str, &str); 17] = [
    ("Google Compute Engine", "Google Compute Engine"),
    ("Amazon EC2", "Amazon EC2"),
    ("Virtual Machine", "Hyper-V"),
    ("VMware", "VMware"),
    ("VirtualBox", "VirtualBox"),
    ("innotek", "VirtualBox"),
    ("Parallels", "Parallels"),
    ("HVM domU", "Xen"),
    ("Xen", "Xen"),
    ("BHYVE", "bhyve"),
    ("Bochs", "Bochs"),
    ("Apple Virtualization", "Apple Virtualization"),
    ("Alibaba Cloud", "Alibaba Cloud"),
    ("OpenStack", "KVM (OpenStack)"),
    ("KubeVirt", "KVM (KubeVirt)"),
    ("KVM", "KVM"),
    ("QEMU", "QEMU"),
];

/// The hypervisor, if there is one. On x86 the processor itself says whether; clouds rent bare metal under the same names.
fn virtual_machine(root: &Path) -> Option<String> {
    let cpuinfo = text(root, "proc/cpuinfo");
    let flags = cpuinfo.lines().find_map(|line| line.strip_prefix("flags")?.split_once(':'));
    let is_virtual = flags.map(|(_, flags)| flags.split_ascii_whitespace().any(|flag| flag == "hypervisor"));
    if is_virtual == Some(false) {
        return None;
    }
    let fields = ["product_name", "sys_vendor", "board_vendor", "bios_vendor"]
        .map(|field| text(root, &format!("sys/class/dmi/id/{field}")));
    let named = FIRMWARE
        .iter()
        .find(|(beginning, _)| fields.iter().any(|field| field.starts_with(beginning)))
        .map(|(_, name)| (*name).to_owned());
    let clocks = text(root, "sys/devices/system/clocksource/clocksource0/available_clocksource");
    let by_clock = clocks.contains("kvm-clock").then(|| "KVM".to_owned());
    let unknown = (is_virtual == Some(true)).then(|| "unknown".to_owned());
    named.or(by_clock).or(unknown)
}

fn container(root: &Path, variable: Variable<'_>) -> Option<String> {
    let cgroup = text(root, "proc/self/cgroup");
    let systemd = text(root, "run/systemd/container");
    let kinds: [(bool, &str); 8] = [
        (variable("APPTAINER_CONTAINER").is_some(), "Apptainer"),
        (variable("SINGULARITY_CONTAINER").is_some(), "Apptainer"),
        (variable("KUBERNETES_SERVICE_HOST").is_some() || cgroup.contains("kubepods"), "Kubernetes"),
        (root.join("run/.containerenv").exists() || cgroup.contains("libpod"), "Podman"),
        (root.join(".dockerenv").exists() || cgroup.contains("/docker"), "Docker"),
        (cgroup.contains("/lxc") || systemd.starts_with("lxc"), "LXC"),
        (systemd.starts_with("systemd-nspawn"), "systemd-nspawn"),
        (!systemd.is_empty() && systemd != "wsl", "unknown"),
    ];
    kinds.iter().find(|(is_it, _)| *is_it).map(|(_, name)| (*name).to_owned())
}

fn slurm(variable: Variable<'_>) -> Option<Slurm> {
    let number = |name: &str| variable(name)?.trim().parse().ok();
    let job = variable("SLURM_JOB_ID").filter(|job| !job.is_empty())?;
    Some(Slurm { job, cpus: number("SLURM_CPUS_ON_NODE"), tasks: number("SLURM_NTASKS") })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A root folder with these files.
    pub(crate) fn root(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = root.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        root
    }

    fn detect(files: &[(&str, &str)], variables: &[(&str, &str)]) -> Environment {
        let variable =
            |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        Environment::detect(root(files).path(), &variable)
    }

    const VIRTUAL: (&str, &str) =
        ("proc/cpuinfo", "vendor_id\t: GenuineIntel\nflags\t\t: fpu vme hypervisor lahf_lm\n");
    const METAL: (&str, &str) = ("proc/cpuinfo", "vendor_id\t: AuthenticAMD\nflags\t\t: fpu vme lahf_lm\n");

    #[test]
    fn bare_metal_is_nothing() {
        assert_eq!(detect(&[METAL], &[]), Environment::default());
        assert_eq!(detect(&[], &[]), Environment::default());
        let rented = detect(&[METAL, ("sys/class/dmi/id/sys_vendor", "Amazon EC2\n")], &[]);
        assert_eq!(rented.virtual_machine, None, "the flag decides, not the vendor");
    }

    #[test]
    fn hypervisors_are_named_by_firmware_or_clock() {
        let named = |files: &[(&str, &str)]| detect(files, &[]).virtual_machine;
        let dmi = |field: &'static str, text: &'static str| named(&[VIRTUAL, (field, text)]);
        assert_eq!(dmi("sys/class/dmi/id/sys_vendor", "QEMU\n").as_deref(), Some("QEMU"));
        assert_eq!(dmi("sys/class/dmi/id/product_name", "Virtual Machine\n").as_deref(), Some("Hyper-V"));
        assert_eq!(dmi("sys/class/dmi/id/bios_vendor", "Amazon EC2\n").as_deref(), Some("Amazon EC2"));
        let clocks = "sys/devices/system/clocksource/clocksource0/available_clocksource";
        assert_eq!(dmi(clocks, "tsc kvm-clock \n").as_deref(), Some("KVM"));
        assert_eq!(named(&[VIRTUAL]).as_deref(), Some("unknown"));
        let arm = ("proc/cpuinfo", "CPU implementer\t: 0x41\n");
        assert_eq!(named(&[arm]), None);
        assert_eq!(
            named(&[arm, ("sys/class/dmi/id/sys_vendor", "Amazon EC2")]).as_deref(),
            Some("Amazon EC2")
        );
    }

    #[test]
    fn windows_says_so_in_the_kernels_version() {
        let version = "Linux version 5.15.90.1-microsoft-standard-WSL2 (oe-user@oe-host)";
        let found = detect(&[VIRTUAL, ("proc/version", version)], &[]);
        assert!(found.is_wsl);
        assert_eq!(found.virtual_machine.as_deref(), Some("Hyper-V"));
        let azure = detect(&[("proc/version", "Linux version 6.5.0-azure (Microsoft)")], &[]);
        assert!(!azure.is_wsl, "Azure's kernels are no WSL");
    }

    #[test]
    fn containers_are_told_by_their_marks() {
        let kind = |files: &[(&str, &str)], variables: &[(&str, &str)]| detect(files, variables).container;
        assert_eq!(kind(&[(".dockerenv", "")], &[]).as_deref(), Some("Docker"));
        assert_eq!(kind(&[("run/.containerenv", "")], &[]).as_deref(), Some("Podman"));
        assert_eq!(kind(&[("proc/self/cgroup", "0::/docker/4f2a\n")], &[]).as_deref(), Some("Docker"));
        let pod = [("KUBERNETES_SERVICE_HOST", "10.0.0.1")];
        assert_eq!(kind(&[(".dockerenv", "")], &pod).as_deref(), Some("Kubernetes"));
        assert_eq!(kind(&[], &[("APPTAINER_CONTAINER", "/x.sif")]).as_deref(), Some("Apptainer"));
        assert_eq!(kind(&[("run/systemd/container", "lxc\n")], &[]).as_deref(), Some("LXC"));
        assert_eq!(kind(&[("proc/self/cgroup", "0::/user.slice/session-1.scope\n")], &[]), None);
        assert_eq!(kind(&[("run/systemd/container", "wsl\n")], &[]), None);
    }

    #[test]
    fn a_slurm_job_has_its_numbers() {
        let found =
            detect(&[], &[("SLURM_JOB_ID", "4711"), ("SLURM_CPUS_ON_NODE", "8"), ("SLURM_NTASKS", "2")]);
        assert_eq!(found.slurm, Some(Slurm { job: "4711".to_owned(), cpus: Some(8), tasks: Some(2) }));
        assert_eq!(detect(&[], &[("SLURM_JOB_ID", "")]).slurm, None);
    }
}
