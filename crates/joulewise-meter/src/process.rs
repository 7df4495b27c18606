//! CPU time of this process and of everything that it started.

use std::fs::{self, File};
use std::io::Read;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

use crate::cgroup::Cgroup;
use crate::{command_group, sys};

/// CPU time of this process, user and system, in seconds.
pub fn cpu_time_s() -> f64 {
    sys::own_cpu_s()
}

/// CPU time of this process and all its descendants, in seconds: those waited for, those still running, and
/// those that these waited for.
///
/// A descendant whose parent ended before it counts as long as it belongs to the tree, which takes a subreaper
/// (see [`Command`](crate::command::Command)). One that its parent never waits for is lost when it ends, unless this
/// process is alone in a control group, or may give its commands one.
pub fn tree_cpu_time_s() -> f64 {
    Tree::OWN.cpu_s()
}

/// A process and all its descendants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tree {
    /// `None` for this process.
    root: Option<i32>,
}

impl Tree {
    /// This process and its descendants.
    pub(crate) const OWN: Self = Self { root: None };

    /// Another process and its descendants.
    pub(crate) fn of(pid: i32) -> Self {
        Self { root: Some(pid) }
    }

    /// CPU time of those that are running and of those that were waited for, in seconds.
    pub(crate) fn cpu_s(self) -> f64 {
        match self.root {
            None => own_tree_cpu_s(),
            Some(root) => {
                cpu_s_of_branch(root) + descendants(root).into_iter().map(cpu_s_of_branch).sum::<f64>()
            }
        }
    }
}

/// Whether there is a process of that number.
pub fn exists(pid: i32) -> bool {
    Path::new("/proc").join(pid.to_string()).exists()
}

/// Asks a process to end (TERM).
pub fn ask_to_end(pid: i32) {
    sys::kill(pid, libc::SIGTERM);
}

/// Asks this process to end (TERM) as soon as `parent`, which has started it, has ended, in whatever way.
pub fn end_with(parent: i32) {
    sys::end_with(parent);
}

/// Waits until a process, which need not be a child, has ended.
pub fn wait_for_end(pid: i32) {
    while exists(pid) {
        match sys::pidfd(pid) {
            Some(pidfd) => sys::wait_readable_at_most(pidfd.as_raw_fd(), None),
            None => thread::sleep(LOOK_AGAIN),
        }
        // It is gone for good once its parent has waited for it, but it uses nothing any more.
        if read_proc(format!("/proc/{pid}/stat")).is_none_or(|stat| is_over(&stat)) {
            return;
        }
    }
}

/// How soon the end of a process is noticed on a kernel that cannot tell it.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// Whether a process has ended and only waits for its parent, from the text of its `/proc/PID/stat`.
fn is_over(stat: &str) -> bool {
    stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with(['Z', 'X']))
}

fn own_tree_cpu_s() -> f64 {
    // Descendants are counted after those waited for: one that ends in between is missed now and found at the
    // next reading, where the other order would count it twice.
    let ended = || sys::own_cpu_s() + sys::reaped_cpu_s();
    // The group misses what has left it, the other account what nobody waits for. Neither counts too much.
    if let Some(in_group_s) = group_cpu_s() {
        return in_group_s.max(ended());
    }
    let commands = command_group::read();
    let in_groups_s = sys::own_cpu_s() + commands.cpu_s;
    if commands.is_complete {
        return in_groups_s.max(ended());
    }
    let (ended_s, own) = (ended(), std::process::id() as i32);
    let running: f64 =
        if sys::has_children() { descendants(own).into_iter().map(cpu_s_of_branch).sum() } else { 0.0 };
    in_groups_s.max(ended_s + running)
}

/// CPU time of this process's control group, if it was alone there when it was first asked, in seconds. The group may
/// be older than the process: what it had used by then is not counted.
fn group_cpu_s() -> Option<f64> {
    let (group, before_s) = own_group()?;
    Some(group.cpu_s()? - before_s)
}

/// Whether this process was alone in its control group when it was first asked.
pub(crate) fn has_own_group() -> bool {
    own_group().is_some()
}

/// That group, and what it had used before this process was in it.
fn own_group() -> Option<&'static (Cgroup, f64)> {
    static GROUP: OnceLock<Option<(Cgroup, f64)>> = OnceLock::new();
    let group = GROUP.get_or_init(|| {
        let group = Cgroup::own()?;
        let before_s = group.cpu_s()? - sys::own_cpu_s() - sys::reaped_cpu_s();
        Some((group, before_s))
    });
    group.as_ref()
}

/// CPU time of a running process and of the descendants that it waited for, in seconds.
fn cpu_s_of_branch(pid: i32) -> f64 {
    let own = sys::cpu_s_of(pid).unwrap_or(0.0);
    let stat = read_proc(format!("/proc/{pid}/stat")).unwrap_or_default();
    own + waited_for_ticks(&stat).unwrap_or(0) as f64 / sys::ticks_per_s()
}

/// User and system time of the children that a process waited for, from the text of its `/proc/PID/stat`.
fn waited_for_ticks(stat: &str) -> Option<u64> {
    // The second field is the command's name in parentheses, and may itself hold spaces and parentheses.
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    let user: u64 = fields.nth(13)?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

/// All processes below that one that still exist.
fn descendants(root: i32) -> Vec<i32> {
    let mut found: Vec<i32> = Vec::new();
    let mut next = children(root);
    while let Some(pid) = next.pop() {
        // A process that is moved to another parent while we look could appear twice.
        if !found.contains(&pid) {
            found.push(pid);
            next.extend(children(pid));
        }
    }
    found
}

/// The children of all threads of a process.
fn children(pid: i32) -> Vec<i32> {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    let mut found = Vec::new();
    for thread in threads.flatten() {
        let list = read_proc(thread.path().join("children")).unwrap_or_default();
        found.extend(list.split_ascii_whitespace().filter_map(|pid| pid.parse::<i32>().ok()));
    }
    found
}

/// The text of a file below `/proc`, whose length is not known before it is read: the standard library would feel its
/// way in small steps, each a system call that the kernel answers slowly.
pub(crate) fn read_proc(path: impl AsRef<Path>) -> Option<String> {
    let mut text = Vec::with_capacity(4096);
    let mut file = File::open(path).ok()?;
    loop {
        text.reserve(4096);
        let filled = text.len();
        text.resize(text.capacity(), 0);
        let length = file.read(&mut text[filled..]).ok()?;
        text.truncate(filled + length);
        if length == 0 {
            return Some(String::from_utf8_lossy(&text).into_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// Keeps a CPU busy for about 100 ms of CPU time.
    const SPIN: &str = "i=0; while [ $i -lt 120000 ]; do i=$((i+1)); done";

    #[test]
    fn own_time_grows_with_work() {
        let before = cpu_time_s();
        let mut x = 1u64;
        for i in 0..2_000_000u64 {
            x = std::hint::black_box(x.wrapping_mul(i | 1));
        }
        assert!(cpu_time_s() > before);
    }

    #[test]
    fn children_count_while_they_run_and_after() {
        let before = tree_cpu_time_s();
        // The inner shell is waited for by the outer one, which then waits to be told to end.
        let mut child = Command::new("sh")
            .args(["-c", &format!("sh -c '{SPIN}'; echo done; read line")])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        std::io::BufRead::read_line(&mut std::io::BufReader::new(child.stdout.take().unwrap()), &mut line)
            .unwrap();
        let own = cpu_time_s();
        let running = tree_cpu_time_s();
        assert!(running - own > 0.03, "the grandchild's time is missing while its parent runs");
        drop(child.stdin.take());
        child.wait().unwrap();
        assert!(tree_cpu_time_s() > before);
        assert!(sys::reaped_cpu_s() > 0.0);
    }

    /// More than the kernel ever gives to a process.
    const NOBODY: i32 = (1 << 22) + 1;

    #[test]
    fn another_tree_counts_what_runs_in_it_and_what_it_waited_for() {
        let mut child = Command::new("sh")
            .args(["-c", &format!("sh -c '{SPIN}'; echo done; read line")])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let pid = child.id() as i32;
        let mut line = String::new();
        std::io::BufRead::read_line(&mut std::io::BufReader::new(child.stdout.take().unwrap()), &mut line)
            .unwrap();
        assert!(Tree::of(pid).cpu_s() > 0.03);
        assert!(exists(pid) && !exists(NOBODY));
        drop(child.stdin.take());
        wait_for_end(pid);
        child.wait().unwrap();
        assert_eq!(Tree::of(NOBODY).cpu_s(), 0.0);
    }

    #[test]
    fn the_name_of_a_process_may_hold_anything() {
        let stat = "42 (a) b (c)) S 1 2 3 4 5 6 7 8 9 10 11 12 30 12 20 0 1 0";
        assert_eq!(waited_for_ticks(stat), Some(42));
        assert_eq!(waited_for_ticks("42 (x"), None);
        assert_eq!(waited_for_ticks(""), None);
        assert!(is_over("42 (a) R) Z 1 2") && !is_over("42 (a) Z) R 1 2") && !is_over(""));
    }
}
