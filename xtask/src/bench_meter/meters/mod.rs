//! The meters that are compared.

mod alumet;
mod bare;
mod codecarbon;
mod energibridge;
mod joule_profiler;
mod joulewise;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;
use serde::{Deserialize, Serialize};

pub(crate) use self::alumet::Alumet;
pub(crate) use self::bare::Bare;
pub(crate) use self::codecarbon::CodeCarbon;
pub(crate) use self::energibridge::EnergiBridge;
pub(crate) use self::joule_profiler::JouleProfiler;
pub(crate) use self::joulewise::Joulewise;
use super::curve::Curve;
use super::launch::Launched;

/// Something that measures the joules of a command.
pub(crate) trait Meter {
    /// As in the tables.
    fn name(&self) -> String;

    /// Whether it can read the counters of that curve.
    fn reads(&self, _: &Curve) -> bool {
        true
    }

    /// The command that measures `probe` at that site.
    fn command(&self, site: &Site, probe: Command) -> Command;

    /// What it said in the end.
    fn told(&self, site: &Site, launched: &Launched) -> Result<Told>;
}

/// Where a meter runs.
pub(crate) struct Site {
    /// An empty folder for its files.
    pub(crate) folder: PathBuf,
    /// What stands for `/sys`.
    pub(crate) sysfs: PathBuf,
    /// What stands for `/dev/cpu`.
    pub(crate) registers: PathBuf,
    /// Whether permissions are heeded, although the benchmark is root's.
    pub(crate) is_unprivileged: bool,
}

/// What a meter said.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Told {
    /// Joules in all, as far as it counts any.
    pub(crate) energy_j: Option<f64>,
    /// Its interval around them.
    pub(crate) low_j: Option<f64>,
    pub(crate) high_j: Option<f64>,
    /// Joules of the processor's packages alone.
    pub(crate) packages_j: Option<f64>,
    /// CPU time of the command and of all that it started, in seconds.
    pub(crate) command_cpu_s: Option<f64>,
    /// What it said against its own figures.
    pub(crate) flags: Vec<String>,
    /// Joules of each span, in the order of their beginning.
    pub(crate) spans_j: Vec<f64>,
}

impl Site {
    /// The command with no more rights than its user's, where that is wanted.
    fn restricted(&self, command: Command) -> Command {
        if !self.is_unprivileged {
            return command;
        }
        followed_by(["setpriv", "--inh-caps=-all", "--bounding-set=-all"], &command)
    }

    /// The command where the site's counters stand in the place of the machine's own. Only mounts are private there: nothing
    /// is written below /sys and /dev.
    fn mounted(&self, command: &Command) -> Command {
        const SCRIPT: &str = "mount --bind \"$1/class\" /sys/class && \
            mount --bind \"$1/devices/virtual\" /sys/devices/virtual && \
            { ! test -d /dev/cpu || mount --bind \"$2\" /dev/cpu; } && shift 2 && exec \"$@\"";
        let (sysfs, registers) = (program(&self.sysfs), program(&self.registers));
        followed_by(["unshare", "--mount", "sh", "-c", SCRIPT, "sh", &sysfs, &registers], command)
    }
}

/// A command whose last arguments are another one. The other's folder and variables are taken over.
fn followed_by<'a>(words: impl IntoIterator<Item = &'a str>, command: &Command) -> Command {
    let mut words = words.into_iter();
    let mut whole = Command::new(words.next().unwrap_or_default());
    whole.args(words).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => whole.env(name, value),
            None => whole.env_remove(name),
        };
    }
    if let Some(folder) = command.get_current_dir() {
        whole.current_dir(folder);
    }
    whole
}

/// A program in its place on this machine.
fn program(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
