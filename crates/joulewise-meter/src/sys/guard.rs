//! A guard: a process between this one and a command. It adopts the orphans among what the command starts, and kills all that
//! is left once the command has ended, or once this process has, in whatever way.
//!
//! It is a copy of this process that executes no program, made where the standard library lets code run between fork and
//! exec. Only what is safe in a signal handler may happen there: no memory is allocated, no lock is taken.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command};

use super::CLONE_INTO_CGROUP;

/// A command with its guard.
pub(crate) struct Guarded {
    /// The guard: it ends after the command and as the command did, and its CPU time holds that of all that it has adopted.
    pub(crate) guard: Child,
    /// The number of the command, which leads a process group of its own.
    pub(crate) command: i32,
    /// Whether the command was born in the control group.
    pub(crate) is_in_group: bool,
}

/// What a command says of itself before it is executed.
const MESSAGE: usize = size_of::<[i32; 2]>();

/// Starts a command with a guard, and in the control group of which `group` is the folder, where the kernel does that.
pub(crate) fn spawn(command: &mut Command, group: Option<&File>) -> io::Result<Guarded> {
    let (mut heard, told) = io::pipe()?;
    let parent = std::process::id() as i32;
    let (group, teller) = (group.map(AsRawFd::as_raw_fd), told.as_raw_fd());
    // SAFETY: what is called there is safe between fork and exec, and the descriptors are open in the child as they are here.
    let guard = unsafe {
        command.pre_exec(move || divide(parent, group, teller));
        command.spawn()?
    };
    drop(told);
    let mut message = [0; MESSAGE];
    heard.read_exact(&mut message)?;
    let (command, is_in_group) = message.split_at(MESSAGE / 2);
    let number = |bytes: &[u8]| bytes.try_into().map_or(0, i32::from_ne_bytes);
    Ok(Guarded { guard, command: number(command), is_in_group: number(is_in_group) != 0 })
}

/// Becomes two processes: in the one that is to be the command this returns, the other is its guard.
///
/// # Safety
///
/// For a process of one thread that has just been forked. The descriptors are open.
unsafe fn divide(parent: i32, group: Option<i32>, teller: i32) -> io::Result<()> {
    // SAFETY: the pointers lead to values of the right types that outlive the calls, and the sets are filled in before they
    // are used.
    unsafe {
        let (mut all, mut before) = (std::mem::zeroed(), std::mem::zeroed());
        libc::sigfillset(&raw mut all);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const all, &raw mut before);
        libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
        let (pid, is_in_group) = fork_into(group);
        match pid {
            0 => {
                libc::setpgid(0, 0);
                // Should somebody kill the guard itself.
                libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
                let message: [i32; 2] = [libc::getpid(), is_in_group.into()];
                libc::write(teller, message.as_ptr().cast(), MESSAGE);
                libc::sigprocmask(libc::SIG_SETMASK, &raw const before, std::ptr::null_mut());
                Ok(())
            }
            command if command > 0 => guard(parent, command),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

/// Forks; the child is born in the control group, if there is one and the kernel does that.
///
/// # Safety
///
/// As for [`divide`].
unsafe fn fork_into(group: Option<i32>) -> (i32, bool) {
    let fork = |group: Option<i32>| {
        // SAFETY: all-zero is a valid `clone_args`, which the kernel reads. Without flags the call is a fork.
        unsafe {
            let mut arguments: libc::clone_args = std::mem::zeroed();
            arguments.exit_signal = libc::SIGCHLD as u64;
            if let Some(group) = group {
                arguments.flags = CLONE_INTO_CGROUP;
                arguments.cgroup = group as u64;
            }
            libc::syscall(libc::SYS_clone3, &raw mut arguments, size_of::<libc::clone_args>()) as i32
        }
    };
    if group.is_some() {
        let pid = fork(group);
        if pid >= 0 {
            return (pid, true);
        }
    }
    let pid = fork(None);
    // SAFETY: the call takes no pointer. A kernel without `clone3` is asked in the old way.
    (if pid >= 0 { pid } else { unsafe { libc::fork() } }, false)
}

/// Waits for the end of the command, or of `parent`, and ends what is left.
///
/// # Safety
///
/// As for [`divide`], with all signals blocked.
unsafe fn guard(parent: i32, command: i32) -> ! {
    // SAFETY: the set is made valid before it is used, and the name ends with a zero; the other calls take no pointers.
    unsafe {
        // Nothing that is sent to the group of `parent`, or that its terminal sends, is meant for the guard.
        libc::setsid();
        libc::prctl(libc::PR_SET_NAME, c"jw-guard".as_ptr());
        let parent_ended = libc::SIGRTMAX();
        libc::prctl(libc::PR_SET_PDEATHSIG, parent_ended);
        close_all();
        let mut awaited = std::mem::zeroed();
        libc::sigemptyset(&raw mut awaited);
        libc::sigaddset(&raw mut awaited, libc::SIGCHLD);
        libc::sigaddset(&raw mut awaited, parent_ended);
        // The signal comes at the end of the thread too that has forked, where the process may go on: the parent tells.
        let status = loop {
            if let Some(status) = reap_until(command) {
                break Some(status);
            }
            if libc::getppid() != parent {
                break None;
            }
            libc::sigwaitinfo(&raw const awaited, std::ptr::null_mut());
        };
        libc::kill(-command, libc::SIGKILL);
        end_descendants();
        end_as(status.unwrap_or(0))
    }
}

/// Closes all descriptors. Who waits for the other end of one would wait for the guard.
///
/// # Safety
///
/// None of them may be used again.
unsafe fn close_all() {
    // SAFETY: the calls take no pointers.
    unsafe {
        if libc::syscall(libc::SYS_close_range, 0, u32::MAX, 0) != 0 {
            for descriptor in 0..libc::sysconf(libc::_SC_OPEN_MAX).clamp(1024, 1 << 20) {
                libc::close(descriptor as i32);
            }
        }
    }
}

/// Takes in the children that have ended; the status of `command`, if it is one of them.
fn reap_until(command: i32) -> Option<i32> {
    loop {
        let mut status = 0;
        // SAFETY: the kernel fills the number that the pointer leads to.
        match unsafe { libc::waitpid(-1, &raw mut status, libc::WNOHANG) } {
            pid if pid == command => return Some(status),
            pid if pid <= 0 => return None,
            _ => {}
        }
    }
}

/// Kills all children, and those that they leave behind, until there are none, or none that may be killed.
fn end_descendants() {
    loop {
        // SAFETY: the kernel is given no pointer.
        while unsafe { libc::waitpid(-1, std::ptr::null_mut(), libc::WNOHANG) } > 0 {}
        if !kill_children() {
            return;
        }
        // SAFETY: as above.
        unsafe { libc::waitpid(-1, std::ptr::null_mut(), 0) };
    }
}

/// Kills all children; whether there was one that could be.
fn kill_children() -> bool {
    let mut list = [0_u8; 4096];
    // SAFETY: the path ends with a zero, and the kernel fills no more than the length of the list.
    let length = unsafe {
        let file = libc::open(c"/proc/thread-self/children".as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC);
        let length = libc::read(file, list.as_mut_ptr().cast(), list.len());
        libc::close(file);
        usize::try_from(length).unwrap_or(0)
    };
    let mut was_any_killed = false;
    let mut pid = 0;
    for &byte in &list[..length] {
        // Each number is followed by a space; one that is cut off at the end of the list is left for the next time.
        if byte.is_ascii_digit() {
            pid = pid * 10 + i32::from(byte - b'0');
        } else {
            // SAFETY: the call takes no pointer.
            was_any_killed |= pid > 0 && unsafe { libc::kill(pid, libc::SIGKILL) } == 0;
            pid = 0;
        }
    }
    was_any_killed
}

/// Ends with that status: the exit code, or the signal.
fn end_as(status: i32) -> ! {
    // SAFETY: the set is made valid before it is used; the other calls take no pointers.
    unsafe {
        if libc::WIFSIGNALED(status) {
            let signal = libc::WTERMSIG(status);
            // Whatever there is to see in memory is that of the command, which has dumped it.
            libc::prctl(libc::PR_SET_DUMPABLE, 0, 0, 0, 0);
            libc::signal(signal, libc::SIG_DFL);
            let mut none = std::mem::zeroed();
            libc::sigemptyset(&raw mut none);
            libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut());
            libc::kill(libc::getpid(), signal);
            libc::_exit(128 + signal)
        }
        libc::_exit(libc::WEXITSTATUS(status))
    }
}
