//! The control group (version 2) that commands run in: its CPU time is that of all that they started, of processes that
//! nobody waits for too.
//!
//! It is made below the group of this process, where that is delegated to whoever runs it, and removed with the session.
//! Commands are born in it: moving a process there would make the kernel hold up every fork on the machine for some
//! milliseconds.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::cgroup::{self, Cgroup};
use crate::{process, sys};

/// The group that commands run in, and those that were removed.
struct Groups {
    now: Option<Arc<Group>>,
    /// CPU time of the groups that were removed, in seconds.
    removed_s: f64,
    /// Whether there is no use in making one.
    is_refused: bool,
}

static GROUPS: Mutex<Groups> = Mutex::new(Groups { now: None, removed_s: 0.0, is_refused: false });

/// What names of groups begin with; the number of the process that made them follows.
const NAME: &str = "joulewise-";

/// A group that was made for commands.
pub(crate) struct Group {
    folder: PathBuf,
    stat: Cgroup,
    /// Stands for the group in system calls.
    pub(crate) handle: File,
}

/// What is known from control groups of the commands that this process has run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct InGroups {
    /// Their CPU time, in seconds.
    pub(crate) cpu_s: f64,
    /// Whether this holds all that runs now.
    pub(crate) is_complete: bool,
}

/// The group to run a command in; `None` where none can be made, and where this process is alone in its own, which
/// serves as well.
pub(crate) fn for_a_command() -> Option<Arc<Group>> {
    let mut groups = lock();
    if groups.is_refused || process::has_own_group() {
        return None;
    }
    if groups.now.is_none() {
        groups.now = cgroup::own_path().and_then(|parent| Group::below(&parent)).map(Arc::new);
        groups.is_refused = groups.now.is_none();
    }
    groups.now.clone()
}

/// Says that a command runs outside of its group, so that no group tells of all any more.
pub(crate) fn give_up() {
    remove();
    lock().is_refused = true;
}

/// Removes the group if all that ran in it has ended. What it has counted is kept.
pub(crate) fn remove() {
    let mut groups = lock();
    let Some(group) = groups.now.take() else { return };
    let cpu_s = group.stat.cpu_s();
    if fs::remove_dir(&group.folder).is_ok() {
        groups.removed_s += cpu_s.unwrap_or(0.0);
    } else {
        groups.now = Some(group);
    }
}

/// What the groups tell now.
pub(crate) fn read() -> InGroups {
    let groups = lock();
    let now_s = groups.now.as_ref().and_then(|group| group.stat.cpu_s());
    InGroups {
        cpu_s: groups.removed_s + now_s.unwrap_or(0.0),
        is_complete: now_s.is_some() && !groups.is_refused,
    }
}

/// Whether a group can be made below that one.
pub(crate) fn is_possible(parent: &Path) -> bool {
    sys::may_write(parent) && parent.join("cpu.stat").exists()
}

impl Group {
    fn below(parent: &Path) -> Option<Self> {
        remove_left_below(parent);
        let folder = parent.join(format!("{NAME}{}", std::process::id()));
        fs::create_dir(&folder).ok()?;
        let made = || {
            let stat = Cgroup::at(&folder)?;
            Some(Self { handle: File::open(&folder).ok()?, stat, folder: folder.clone() })
        };
        let made = made();
        if made.is_none() {
            // What cannot be removed was nobody's to use before either.
            let _ = fs::remove_dir(&folder);
        }
        made
    }
}

/// Removes what killed processes have left there, and what ended after its session.
fn remove_left_below(parent: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let process = name.to_str().and_then(|name| name.strip_prefix(NAME)?.parse().ok());
        let is_left = |process: i32| process == std::process::id() as i32 || !process::exists(process);
        if process.is_some_and(is_left) {
            // One with processes in it stays.
            let _ = fs::remove_dir(entry.path());
        }
    }
}

fn lock() -> MutexGuard<'static, Groups> {
    GROUPS.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_folder_that_is_no_control_group_is_left_as_it_was() {
        let parent = tempfile::tempdir().unwrap();
        assert!(!is_possible(parent.path()));
        assert!(Group::below(parent.path()).is_none());
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 0);
        assert!(Group::below(Path::new("/nowhere")).is_none());
    }

    #[test]
    fn what_nobody_uses_any_more_is_removed() {
        let parent = tempfile::tempdir().unwrap();
        let make = |name: &str| fs::create_dir(parent.path().join(name)).unwrap();
        // More than the kernel ever gives to a process.
        let gone = format!("{NAME}{}", (1 << 22) + 1);
        ["joulewise-1", "joulewise-x", "other", &gone].into_iter().for_each(make);
        remove_left_below(parent.path());
        let mut left: Vec<_> =
            fs::read_dir(parent.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["joulewise-1", "joulewise-x", "other"]);
    }

    #[test]
    fn a_group_is_possible_where_its_parent_may_be_written() {
        let parent = tempfile::tempdir().unwrap();
        fs::write(parent.path().join("cpu.stat"), "usage_usec 1\n").unwrap();
        assert!(is_possible(parent.path()));
        // Root may write whatever the mode says.
        fs::set_permissions(parent.path(), Permissions::from_mode(0o555)).unwrap();
        let is_root = fs::write(parent.path().join("probe"), "").is_ok();
        assert_eq!(is_possible(parent.path()), is_root);
    }
}
