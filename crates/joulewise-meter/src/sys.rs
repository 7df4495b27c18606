//! The system calls that the standard library does not offer. The only unsafe code of this crate.
#![allow(unsafe_code)]

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicI32, Ordering};

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
    let mut time = MaybeUninit::<libc::timespec>::uninit();
    // SAFETY: the kernel fills the struct that the pointer leads to; it is read only after success.
    let time = unsafe { (libc::clock_gettime(clock, time.as_mut_ptr()) == 0).then(|| time.assume_init()) }?;
    Some(time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9)
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
/// The last signal that arrived before there was a receiver.
static WAITING: AtomicI32 = AtomicI32::new(0);

/// While it lives, signals that ask this process to end go to another one instead.
pub(crate) struct Forwarding {
    before: Vec<(i32, libc::sigaction)>,
}

impl Forwarding {
    /// Holds signals back until there is a receiver.
    pub(crate) fn start() -> Self {
        const FORWARDED: [i32; 6] =
            [libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGQUIT, libc::SIGUSR1, libc::SIGUSR2];
        let mut before = Vec::with_capacity(FORWARDED.len());
        for signal in FORWARDED {
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

    /// Forwards to `pid` (a group if negative) from now on, beginning with what was held back.
    #[expect(clippy::unused_self, reason = "forwarding must have been started")]
    pub(crate) fn to(&self, pid: i32) {
        FORWARD_TO.store(pid, Ordering::SeqCst);
        match WAITING.swap(0, Ordering::SeqCst) {
            0 => {}
            signal => kill(pid, signal),
        }
    }
}

impl Drop for Forwarding {
    fn drop(&mut self) {
        for (signal, action) in &self.before {
            // SAFETY: the action is the one that the kernel gave out for this signal.
            unsafe { libc::sigaction(*signal, action, std::ptr::null_mut()) };
        }
        FORWARD_TO.store(0, Ordering::SeqCst);
    }
}

extern "C" fn forward(signal: i32, info: *mut libc::siginfo_t, _context: *mut libc::c_void) {
    // A key press reaches the whole foreground group, the child included: forwarding it would deliver it twice.
    // SAFETY: the kernel passes a valid siginfo to a handler installed with SA_SIGINFO.
    let is_key_press = unsafe { (*info).si_code } == libc::SI_KERNEL;
    match FORWARD_TO.load(Ordering::SeqCst) {
        0 => WAITING.store(signal, Ordering::SeqCst),
        group if group < 0 => kill(group, signal),
        _ if is_key_press => {}
        pid => kill(pid, signal),
    }
}
