//! The system calls that the standard library does not offer. The only unsafe code of this crate.
#![allow(unsafe_code)]

pub(crate) mod guard;

use std::ffi::CString;
use std::fs::File;
use std::io::{self, Read as _};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command};
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;

/// CPU time of this process in all its threads, user and system, in seconds.
pub(crate) fn own_cpu_s() -> f64 {
    clock_s(libc::CLOCK_PROCESS_CPUTIME_ID).unwrap_or(0.0)
}

/// CPU time of another process in all its threads, in seconds; `None` once it is gone.
pub(crate) fn cpu_s_of(pid: i32) -> Option<f64> {
    // Linux builds the clock's id from the process id: the complement, shifted by three, and 2 for "scheduler,
    // whole process" (`clock_getcpuclockid`, which also asks the kernel whether the process exists).
    clock_s((!pid << 3) | 2)
}

/// For how long the machine has been suspended since it was started, in seconds.
pub(crate) fn suspended_s() -> f64 {
    let awake_s = clock_s(libc::CLOCK_MONOTONIC);
    clock_s(libc::CLOCK_BOOTTIME).zip(awake_s).map_or(0.0, |(all, awake)| all - awake)
}

fn clock_s(clock: libc::clockid_t) -> Option<f64> {
    let time = read_clock(clock)?;
    Some(time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9)
}

fn read_clock(clock: libc::clockid_t) -> Option<libc::timespec> {
    let mut time = MaybeUninit::<libc::timespec>::uninit();
    // SAFETY: the kernel fills the struct that the pointer leads to; it is read only after success.
    unsafe { (libc::clock_gettime(clock, time.as_mut_ptr()) == 0).then(|| time.assume_init()) }
}

/// CPU time of the thread that asks, in seconds.
pub(crate) fn thread_cpu_s() -> f64 {
    clock_s(libc::CLOCK_THREAD_CPUTIME_ID).unwrap_or(0.0)
}

/// Nanoseconds of a clock that all processes share, since some moment in the past.
pub(crate) fn monotonic_ns() -> u64 {
    read_clock(libc::CLOCK_MONOTONIC)
        .map_or(0, |time| time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64)
}

/// Waits of the thread that asks end on time, where the kernel would else gather them within 50 µs.
pub(crate) fn sharpen_timers() {
    // SAFETY: the call takes no pointer.
    unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, 1, 0, 0, 0) };
}

/// CPU time of all descendants that were waited for, in seconds.
pub(crate) fn reaped_cpu_s() -> f64 {
    let mut usage = MaybeUninit::<libc::rusage>::uninit();
    // SAFETY: the kernel fills the struct that the pointer leads to; it is read only after success.
    let usage = unsafe {
        (libc::getrusage(libc::RUSAGE_CHILDREN, usage.as_mut_ptr()) == 0).then(|| usage.assume_init())
    };
    usage.as_ref().map_or(0.0, cpu_s_in)
}

fn cpu_s_in(usage: &libc::rusage) -> f64 {
    let seconds = |t: libc::timeval| t.tv_sec as f64 + t.tv_usec as f64 * 1e-6;
    seconds(usage.ru_utime) + seconds(usage.ru_stime)
}

/// Whether this process has any child, running or not yet waited for.
pub(crate) fn has_children() -> bool {
    let mut info = MaybeUninit::<libc::siginfo_t>::zeroed();
    let look = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
    // SAFETY: the kernel fills the struct that the pointer leads to; WNOWAIT leaves the children as they are.
    unsafe { libc::waitid(libc::P_ALL, 0, info.as_mut_ptr(), look) == 0 }
}

/// How many units of `/proc/PID/stat` make a second.
pub(crate) fn ticks_per_s() -> f64 {
    // SAFETY: no pointer is involved.
    let ticks = unsafe { libc::sysconf(libc::_SC_CLK_TCK) };
    if ticks > 0 { ticks as f64 } else { 100.0 }
}

/// Orphaned descendants become children of this process instead of the system's init.
pub(crate) fn become_subreaper() {
    // SAFETY: the call takes no pointer. A kernel that does not know it returns an error, and orphans are lost to us.
    unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) };
}

/// This process is asked to end (TERM) when the thread that has started it ends, and now if `parent` is gone already.
pub(crate) fn end_with(parent: i32) {
    // SAFETY: the calls take no pointer.
    unsafe {
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM);
        if libc::getppid() != parent {
            libc::raise(libc::SIGTERM);
        }
    }
}

/// Whether this process may write there, as in a folder.
pub(crate) fn may_write(path: &Path) -> bool {
    let Ok(path) = CString::new(path.as_os_str().as_bytes()) else { return false };
    // SAFETY: the pointer leads to a string that ends with a zero and outlives the call.
    unsafe { libc::access(path.as_ptr(), libc::W_OK) == 0 }
}

/// Starts a program that is born in a control group, of which `group` is the folder, and gives its number. Where the kernel
/// does not do that, the program is started outside of it, and there is no number but the child's.
///
/// The child that the standard library makes has a sibling in the group, which becomes the program in its place: only so
/// is a program in a group from its first moment.
pub(crate) fn spawn_into(
    command: &mut Command,
    group: &File,
    has_own_group: bool,
) -> io::Result<(Child, Option<i32>)> {
    let (mut heard, told) = io::pipe()?;
    let (group, teller) = (group.as_raw_fd(), told.as_raw_fd());
    let replace = move || {
        // SAFETY: all-zero is a valid `clone_args`, which the kernel reads; the calls are those that are allowed between
        // fork and exec, and both descriptors are open in the child as they are here, until the program is executed.
        unsafe {
            let mut arguments: libc::clone_args = std::mem::zeroed();
            arguments.flags = libc::CLONE_PARENT as u64 | CLONE_INTO_CGROUP;
            arguments.cgroup = group as u64;
            match libc::syscall(libc::SYS_clone3, &raw mut arguments, size_of::<libc::clone_args>()) {
                0 => {
                    if has_own_group {
                        libc::setpgid(0, 0);
                    }
                    let pid: i32 = libc::getpid();
                    libc::write(teller, (&raw const pid).cast(), size_of::<i32>());
                    Ok(())
                }
                pid if pid > 0 => libc::_exit(0),
                _ => Ok(()),
            }
        }
    };
    // SAFETY: see there; nothing is allocated and no lock is taken.
    unsafe { command.pre_exec(replace) };
    let spawned = command.spawn();
    drop(told);
    let mut pid = [0; size_of::<i32>()];
    let pid = heard.read_exact(&mut pid).ok().map(|()| i32::from_ne_bytes(pid));
    match (spawned, pid) {
        (Ok(mut child), Some(pid)) => child.wait().map(|_| (child, Some(pid))),
        (Ok(child), None) => Ok((child, None)),
        (Err(error), pid) => {
            if let Some(pid) = pid {
                // SAFETY: the kernel is given no pointer. The sibling could not become the program, and has ended.
                unsafe { libc::waitpid(pid, std::ptr::null_mut(), 0) };
            }
            Err(error)
        }
    }
}

/// As in `linux/sched.h`.
const CLONE_INTO_CGROUP: u64 = 1 << 33;

/// A child that ended.
pub(crate) struct Ended {
    pub(crate) pid: i32,
    /// Its exit code, or the signal that ended it.
    pub(crate) status: Result<i32, i32>,
    /// CPU time of the child and of the descendants that it waited for, in seconds.
    pub(crate) cpu_s: f64,
}

/// Takes in one ended child, if there is one: `which` as for `waitpid`.
pub(crate) fn reap(which: i32) -> io::Result<Option<Ended>> {
    let mut status = 0;
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: both pointers lead to structs of the right type that outlive the call; all-zero is a valid rusage.
    let (pid, usage) = unsafe {
        (libc::wait4(which, &raw mut status, libc::WNOHANG, usage.as_mut_ptr()), usage.assume_init())
    };
    match pid {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(None),
        _ => Ok(Some(Ended {
            pid,
            status: if libc::WIFSIGNALED(status) {
                Err(libc::WTERMSIG(status))
            } else {
                Ok(libc::WEXITSTATUS(status))
            },
            cpu_s: cpu_s_in(&usage),
        })),
    }
}

/// The signal that has stopped a child since this was last asked, if one has.
pub(crate) fn stopped_by(pid: i32) -> Option<i32> {
    let mut info = MaybeUninit::<libc::siginfo_t>::zeroed();
    let look = libc::WSTOPPED | libc::WNOHANG;
    // SAFETY: all-zero is a valid siginfo, which the kernel fills in; it says that no child changed by leaving the
    // process id at 0, and both fields that are read are those of a SIGCHLD.
    unsafe {
        let found = libc::waitid(libc::P_PID, pid as libc::id_t, info.as_mut_ptr(), look) == 0;
        let info = info.assume_init();
        (found && info.si_pid() == pid).then(|| info.si_status())
    }
}

/// The process group of this process.
pub(crate) fn own_group() -> i32 {
    // SAFETY: the call takes no pointer and cannot fail.
    unsafe { libc::getpgrp() }
}

/// The process group in the foreground of a terminal; `None` if this process does not belong to the terminal.
pub(crate) fn foreground_group(terminal: i32) -> Option<i32> {
    // SAFETY: the call takes no pointer.
    let group = unsafe { libc::tcgetpgrp(terminal) };
    (group > 0).then_some(group)
}

/// Puts a process group into the foreground of a terminal, also from the background.
pub(crate) fn set_foreground_group(terminal: i32, group: i32) {
    let mut stop = MaybeUninit::<libc::sigset_t>::uninit();
    let mut before = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: `sigemptyset` makes `stop` a valid set, and `pthread_sigmask` fills in `before` before it is used. The
    // signal would stop a process of the background that asks for this. Errors leave the terminal as it is.
    unsafe {
        libc::sigemptyset(stop.as_mut_ptr());
        libc::sigaddset(stop.as_mut_ptr(), libc::SIGTTOU);
        if libc::pthread_sigmask(libc::SIG_BLOCK, stop.as_ptr(), before.as_mut_ptr()) == 0 {
            libc::tcsetpgrp(terminal, group);
            libc::pthread_sigmask(libc::SIG_SETMASK, before.as_ptr(), std::ptr::null_mut());
        }
    }
}

/// What the kernel's `perf_event_attr` was when it was new: every kernel since understands this much of it.
#[repr(C)]
struct PerfEvent {
    kind: u32,
    size: u32,
    config: u64,
    /// Sampling, formats and flags: none.
    rest: [u64; 6],
}

/// Opens an event that counts on one CPU for all processes; a read gives its 64-bit value.
pub(crate) fn perf_event(kind: u32, config: u64, cpu: u32) -> io::Result<File> {
    let event = PerfEvent { kind, size: size_of::<PerfEvent>() as u32, config, rest: [0; 6] };
    let (every_process, no_group, close_on_exec): (libc::c_long, libc::c_long, libc::c_ulong) = (-1, -1, 8);
    // SAFETY: the kernel reads `size` bytes of the struct that the pointer leads to; a non-negative result is a new
    // descriptor that nobody else owns.
    unsafe {
        let fd = libc::syscall(
            libc::SYS_perf_event_open,
            &raw const event,
            every_process,
            libc::c_long::from(cpu),
            no_group,
            close_on_exec,
        );
        if fd < 0 { Err(io::Error::last_os_error()) } else { Ok(File::from_raw_fd(fd as i32)) }
    }
}

/// A descriptor that becomes readable when the process ends; `None` on a kernel before 5.3.
pub(crate) fn pidfd(pid: i32) -> Option<OwnedFd> {
    // SAFETY: the call takes no pointer; a non-negative result is a new descriptor that nobody else owns.
    unsafe {
        let fd = libc::syscall(libc::SYS_pidfd_open, pid, 0);
        (fd >= 0).then(|| OwnedFd::from_raw_fd(fd as i32))
    }
}

/// Waits until one of the descriptors is readable or closed, a signal arrives, or the time is over (`None`: for ever).
pub(crate) fn wait_readable(fds: &[i32], timeout_ms: Option<i32>) {
    let mut polled: Vec<_> =
        fds.iter().map(|&fd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 }).collect();
    // SAFETY: the pointer and the length are those of one vector. Errors only end the wait early.
    unsafe { libc::poll(polled.as_mut_ptr(), polled.len() as libc::nfds_t, timeout_ms.unwrap_or(-1)) };
}

/// Waits until the descriptor is readable or closed, a signal arrives, or the time is over (`None`: for ever).
pub(crate) fn wait_readable_at_most(fd: i32, at_most: Option<Duration>) {
    let mut polled = libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
    let timeout = at_most.map(|time| libc::timespec {
        tv_sec: time.as_secs() as libc::time_t,
        tv_nsec: time.subsec_nanos().into(),
    });
    let timeout = timeout.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
    // SAFETY: both pointers lead to structs that outlive the call. Errors only end the wait early.
    unsafe { libc::ppoll(&raw mut polled, 1, timeout, std::ptr::null()) };
}

/// Makes reads from the descriptor return instead of waiting.
pub(crate) fn set_nonblocking(fd: &impl AsRawFd) -> io::Result<()> {
    let fd = fd.as_raw_fd();
    // SAFETY: the calls take no pointer, and the descriptor is open as long as it is borrowed.
    unsafe {
        let flags = libc::fcntl(fd, libc::F_GETFL);
        if flags < 0 || libc::fcntl(fd, libc::F_SETFL, flags | libc::O_NONBLOCK) < 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

/// Sends a signal to a process, or to a process group if `pid` is negative. One that is gone is no error.
pub(crate) fn kill(pid: i32, signal: i32) {
    // SAFETY: the call takes no pointer.
    unsafe { libc::kill(pid, signal) };
}

/// Where [`forward`] sends signals; 0 as long as nobody is there to receive them.
static FORWARD_TO: AtomicI32 = AtomicI32::new(0);
/// The last signal that arrived while there was no receiver.
static WAITING: AtomicI32 = AtomicI32::new(0);
/// The last signal that asked to end.
static END: AtomicI32 = AtomicI32::new(0);

/// Signals that ask to end.
const ENDING: [i32; 4] = [libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGQUIT];
/// Signals that ask for something else.
const OTHER: [i32; 3] = [libc::SIGUSR1, libc::SIGUSR2, libc::SIGWINCH];

/// While it lives, signals that are meant for a program which this process runs go there instead.
pub(crate) struct Forwarding {
    before: Vec<(i32, libc::sigaction)>,
}

impl Forwarding {
    /// Holds signals back until there is a receiver.
    pub(crate) fn start() -> Self {
        let mut before = Vec::with_capacity(ENDING.len() + OTHER.len());
        for signal in ENDING.into_iter().chain(OTHER) {
            let mut old = MaybeUninit::<libc::sigaction>::zeroed();
            // SAFETY: all-zero is a valid sigaction (no flags, empty mask), and the kernel fills in `old`; the
            // handler has the signature that SA_SIGINFO asks for and calls only what is async-signal-safe.
            unsafe {
                libc::sigaction(signal, std::ptr::null(), old.as_mut_ptr());
                let old = old.assume_init();
                // What is ignored, as under `nohup`, stays ignored: the child inherits that.
                if old.sa_sigaction == libc::SIG_IGN {
                    continue;
                }
                let mut new: libc::sigaction = std::mem::zeroed();
                new.sa_sigaction = forward as *const () as libc::sighandler_t;
                new.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART;
                if libc::sigaction(signal, &raw const new, std::ptr::null_mut()) == 0 {
                    before.push((signal, old));
                }
            }
        }
        Self { before }
    }

    /// Forwards to `pid` (a group if negative) from now on, beginning with what was held back; holds back again
    /// if `pid` is 0.
    #[expect(clippy::unused_self, reason = "forwarding must have been started")]
    pub(crate) fn to(&self, pid: i32) {
        FORWARD_TO.store(pid, Ordering::SeqCst);
        if pid != 0 {
            match WAITING.swap(0, Ordering::SeqCst) {
                0 => {}
                signal => kill(pid, signal),
            }
        }
    }

    /// The last signal that asked to end, forwarded or not.
    #[expect(clippy::unused_self, reason = "forwarding must have been started")]
    pub(crate) fn end(&self) -> Option<i32> {
        Some(END.load(Ordering::SeqCst)).filter(|&signal| signal != 0)
    }
}

impl Drop for Forwarding {
    fn drop(&mut self) {
        for (signal, action) in &self.before {
            // SAFETY: the action is the one that the kernel gave out for this signal.
            unsafe { libc::sigaction(*signal, action, std::ptr::null_mut()) };
        }
        for held in [&FORWARD_TO, &WAITING, &END] {
            held.store(0, Ordering::SeqCst);
        }
    }
}

extern "C" fn forward(signal: i32, info: *mut libc::siginfo_t, _context: *mut libc::c_void) {
    if ENDING.contains(&signal) {
        END.store(signal, Ordering::SeqCst);
    }
    // A key press reaches the whole foreground group, the child included: forwarding it would deliver it twice.
    // SAFETY: the kernel passes a valid siginfo to a handler installed with SA_SIGINFO.
    let is_key_press = unsafe { (*info).si_code } == libc::SI_KERNEL;
    match FORWARD_TO.load(Ordering::SeqCst) {
        0 if ENDING.contains(&signal) => WAITING.store(signal, Ordering::SeqCst),
        // What asks for less than the end does not push it out.
        0 => drop(WAITING.compare_exchange(0, signal, Ordering::SeqCst, Ordering::SeqCst)),
        group if group < 0 => kill(group, signal),
        _ if is_key_press => {}
        pid => kill(pid, signal),
    }
}
