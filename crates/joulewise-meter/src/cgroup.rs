//! The control group (version 2) of this process, where nobody else is in it: its CPU time is that of the process tree,
//! of children that nobody waits for too.
//!
//! Such a group is what `systemd-run --scope` and a container give a command. Where this process has none of its own, its
//! commands may be given one (see [`command_group`](crate::command_group)).

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// The CPU time of a group of processes.
pub(crate) struct Cgroup {
    stat: File,
}

impl Cgroup {
    /// The group of this process, if it is alone there.
    pub(crate) fn own() -> Option<Self> {
        Self::of(&own_path()?, std::process::id())
    }

    /// That group, if it tells its CPU time.
    pub(crate) fn at(group: &Path) -> Option<Self> {
        let this = Self { stat: File::open(group.join("cpu.stat")).ok()? };
        this.cpu_s().is_some().then_some(this)
    }

    pub(crate) fn of(group: &Path, process: u32) -> Option<Self> {
        let members = fs::read_to_string(group.join("cgroup.procs")).ok()?;
        if members.lines().eq([process.to_string()]) { Self::at(group) } else { None }
    }

    /// CPU time of all that was ever in the group, in seconds.
    pub(crate) fn cpu_s(&self) -> Option<f64> {
        let mut text = [0; 256];
        let length = self.stat.read_at(&mut text, 0).ok()?;
        let text = str::from_utf8(&text[..length]).ok()?;
        let microseconds: u64 =
            text.lines().find_map(|line| line.strip_prefix("usage_usec "))?.trim().parse().ok()?;
        Some(microseconds as f64 * 1e-6)
    }
}

/// Where the group of this process is.
pub(crate) fn own_path() -> Option<PathBuf> {
    path(&read("/proc/self/cgroup")?, &read("/proc/self/mountinfo")?)
}

fn read(path: &str) -> Option<String> {
    fs::read_to_string(path).ok()
}

/// Where the group is, from the texts of `/proc/self/cgroup` and `/proc/self/mountinfo`.
pub(crate) fn path(groups: &str, mounts: &str) -> Option<PathBuf> {
    // Version 2 is the hierarchy with the number 0 and no name.
    let group = groups.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let mount = mounts.lines().find_map(|line| {
        let (place, kind) = line.split_once(" - ")?;
        kind.starts_with("cgroup2 ").then(|| place.split(' ').nth(4))?
    })?;
    Some(Path::new(mount).join(group))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
        24 30 0:22 / /proc rw,nosuid shared:13 - proc proc rw\n\
        31 25 0:27 / /sys/fs/cgroup/cpu rw shared:9 - cgroup cgroup rw,cpu\n\
        33 25 0:28 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n";

    #[test]
    fn the_group_is_found_below_its_mount() {
        let found = path("3:cpu:/elsewhere\n0::/user.slice/run-r1.scope\n", MOUNTS);
        assert_eq!(found, Some(PathBuf::from("/sys/fs/cgroup/user.slice/run-r1.scope")));
        assert_eq!(path("0::/\n", MOUNTS), Some(PathBuf::from("/sys/fs/cgroup/")));
        assert_eq!(path("3:cpu:/\n", MOUNTS), None);
        assert_eq!(path("0::/\n", ""), None);
    }

    #[test]
    fn a_group_counts_where_this_process_is_alone() {
        let group = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(group.path().join(name), text).unwrap();
        write("cpu.stat", "usage_usec 2500000\nuser_usec 2000000\nsystem_usec 500000\n");
        write("cgroup.procs", "7\n");
        assert_eq!(Cgroup::of(group.path(), 7).unwrap().cpu_s(), Some(2.5));
        assert!(Cgroup::of(group.path(), 8).is_none());
        write("cgroup.procs", "7\n8\n");
        assert!(Cgroup::of(group.path(), 7).is_none());
        write("cgroup.procs", "7\n");
        write("cpu.stat", "nr_periods 0\n");
        assert!(Cgroup::of(group.path(), 7).is_none());
    }
}
