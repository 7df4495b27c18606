//! The least that would have to be allowed for a source to be read, as commands.

use std::fs;
use std::path::Path;

use serde::Serialize;

/// Commands that enable a source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Cure {
    /// For whom and for how long, as in `this program alone, until it is replaced`.
    pub scope: String,
    /// To be run in a shell, in this order.
    pub commands: Vec<String>,
}

fn cure(scope: &str, commands: &[&str]) -> Cure {
    Cure { scope: scope.to_owned(), commands: commands.iter().map(|&command| command.to_owned()).collect() }
}

/// What rights can be given to, and how.
pub(crate) struct Rights {
    program: String,
    /// The capability that perf asks for.
    capability: &'static str,
    container: Option<String>,
}

/// Zones appear whenever their driver is loaded; a rule for them lasts, which a mode does not.
const ZONE_RULE: &str = r#"SUBSYSTEM=="powercap", RUN+="/bin/chgrp -f joulewise /sys%p/energy_uj", RUN+="/bin/chmod -f g+r /sys%p/energy_uj""#;

impl Rights {
    pub(crate) fn new(root: &Path, program: &Path, container: Option<String>) -> Self {
        let release = fs::read_to_string(root.join("proc/sys/kernel/osrelease")).unwrap_or_default();
        let capability = if has_perfmon(&release) { "cap_perfmon" } else { "cap_sys_admin" };
        Self { program: quoted(&program.to_string_lossy()), capability, container }
    }

    /// For the kernel's power events.
    pub(crate) fn to_open_events(&self) -> Vec<Cure> {
        match self.container.as_deref() {
            None => vec![cure(
                "this program alone, until it is replaced",
                &[&format!("sudo setcap {}=ep {}", self.capability, self.program)],
            )],
            Some("Kubernetes") => vec![cure(
                "this container",
                &["# in its specification: securityContext: {capabilities: {add: [PERFMON]}}"],
            )],
            Some(engine @ ("Docker" | "Podman")) => {
                vec![cure("this container", &[&format!("{} run --cap-add PERFMON …", engine.to_lowercase())])]
            }
            // These have the rights of whoever starts them.
            Some(_) => Vec::new(),
        }
    }

    /// For powercap's zones. A group and not everybody: they tell enough about other programs to guess secrets from
    /// (CVE-2020-8694).
    pub(crate) fn to_read_zones(&self) -> Vec<Cure> {
        match self.container.as_deref() {
            None => vec![cure(
                "members of the group joulewise, for good",
                &[
                    "sudo groupadd -f joulewise && sudo usermod -aG joulewise \"$USER\"   # then log in again",
                    &format!("echo '{ZONE_RULE}' | sudo tee /etc/udev/rules.d/70-joulewise.rules"),
                    "sudo udevadm control --reload && sudo udevadm trigger -s powercap",
                ],
            )],
            Some(engine @ ("Docker" | "Podman")) => {
                let run = format!(
                    "{} run -v /sys:/host/sys:ro -e JOULEWISE_SYSFS=/host/sys …",
                    engine.to_lowercase()
                );
                vec![cure("this container, as root inside", &[&run])]
            }
            Some(_) => Vec::new(),
        }
    }

    /// For the library of NVIDIA's driver.
    pub(crate) fn to_reach_gpus(&self) -> Vec<Cure> {
        match self.container.as_deref() {
            Some("Docker" | "Podman") => {
                vec![cure(
                    "this container",
                    &["docker run --gpus all -e NVIDIA_DRIVER_CAPABILITIES=compute,utility …"],
                )]
            }
            Some("Apptainer") => vec![cure("this container", &["apptainer run --nv …"])],
            Some(_) => Vec::new(),
            None => vec![cure("everybody", &["nvidia-smi   # says what is wrong with the driver"])],
        }
    }
}

/// For counters whose driver is not loaded.
pub(crate) fn load(module: &str) -> Vec<Cure> {
    vec![cure("everybody, until the next start", &[&format!("sudo modprobe {module}")])]
}

/// For a driver that was updated while it was loaded.
pub(crate) fn restart() -> Vec<Cure> {
    vec![cure("everybody", &["sudo reboot   # the driver was updated while it was loaded"])]
}

/// For a control group that holds the process tree and nobody else.
pub(crate) fn scope() -> Vec<Cure> {
    vec![cure(
        "one command, with descendants that nobody waits for",
        &["systemd-run --user --scope -- joulewise measure -- …"],
    )]
}

/// Since Linux 5.8 the right to count is one of its own.
fn has_perfmon(release: &str) -> bool {
    let mut numbers = release.split(['.', '-']).map(|number| number.trim().parse::<u32>());
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => (major, minor) >= (5, 8),
        _ => true,
    }
}

/// A path as a shell takes it.
fn quoted(path: &str) -> String {
    let is_plain = path.chars().all(|c| c.is_ascii_alphanumeric() || "/._-+:@".contains(c));
    if is_plain { path.to_owned() } else { format!("'{}'", path.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::environment::tests::root;

    fn rights(container: Option<&str>, release: &str) -> Rights {
        let root = root(&[("proc/sys/kernel/osrelease", release)]);
        Rights::new(root.path(), Path::new("/opt/my tools/joulewise"), container.map(str::to_owned))
    }

    #[test]
    fn one_program_is_given_the_smallest_right_that_the_kernel_knows() {
        let command = |release| rights(None, release).to_open_events().remove(0).commands.remove(0);
        assert_eq!(command("6.8.0-45-generic\n"), "sudo setcap cap_perfmon=ep '/opt/my tools/joulewise'");
        assert_eq!(command("5.4.0-150-generic\n"), "sudo setcap cap_sys_admin=ep '/opt/my tools/joulewise'");
        assert_eq!(command(""), command("5.8.0"));
    }

    #[test]
    fn containers_are_given_rights_from_outside() {
        let docker = rights(Some("Docker"), "6.8.0");
        assert_eq!(docker.to_open_events()[0].commands, ["docker run --cap-add PERFMON …"]);
        assert!(docker.to_read_zones()[0].commands[0].contains("JOULEWISE_SYSFS=/host/sys"));
        assert!(rights(Some("Apptainer"), "6.8.0").to_open_events().is_empty());
        assert!(rights(Some("Apptainer"), "6.8.0").to_reach_gpus()[0].commands[0].contains("--nv"));
    }

    #[test]
    fn zones_are_opened_to_a_group_and_not_to_everybody() {
        let cures = rights(None, "6.8.0").to_read_zones();
        let commands = cures[0].commands.join("\n");
        assert!(commands.contains("chgrp") && commands.contains("g+r"), "{commands}");
        assert!(!commands.contains("a+r") && !commands.contains("o+r"), "{commands}");
    }
}
