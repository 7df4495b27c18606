//! The system calls that the standard library does not offer. The only unsafe code of this crate.
#![allow(unsafe_code)]

use std::io;
use std::mem::MaybeUninit;

/// The clock that all processes of the machine share, in seconds.
pub(crate) fn monotonic_s() -> f64 {
    clock_s(libc::CLOCK_MONOTONIC)
}

/// CPU time of this process, in seconds.
pub(crate) fn own_cpu_s() -> f64 {
    clock_s(libc::CLOCK_PROCESS_CPUTIME_ID)
}

/// CPU time of another process so far, without its children, in seconds; `None` once it is gone.
pub(crate) fn cpu_s_of(pid: u32) -> Option<f64> {
    let mut clock = 0;
    // SAFETY: the pointer leads to an integer of the right type that outlives the call.
    let found = unsafe { libc::clock_getcpuclockid(pid as libc::pid_t, &raw mut clock) };
    (found == 0).then(|| clock_s(clock))
}

fn clock_s(clock: libc::clockid_t) -> f64 {
    let mut time = MaybeUninit::<libc::timespec>::zeroed();
    // SAFETY: the kernel fills the struct that the pointer leads to, and all-zero is a valid one.
    let time = unsafe {
        libc::clock_gettime(clock, time.as_mut_ptr());
        time.assume_init()
    };
    time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
}

/// Lets the calling thread run whenever it has work to do, whatever else the machine is busy with; says whether that was
/// allowed.
pub(crate) fn be_punctual() -> bool {
    let priority = libc::sched_param { sched_priority: 1 };
    // SAFETY: the pointer leads to a struct of the right type that outlives the call.
    unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO, &raw const priority) == 0 }
}

/// How a child ended.
pub(crate) struct Ended {
    /// Its exit code; 128 + the signal that ended it.
    pub(crate) code: i32,
    /// CPU time of the child and of all that it waited for, in seconds.
    pub(crate) cpu_s: f64,
}

/// Waits for a child.
pub(crate) fn wait(pid: u32) -> io::Result<Ended> {
    let mut status = 0;
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: both pointers lead to structs of the right type that outlive the call; all-zero is a valid rusage.
    let (found, usage) =
        unsafe { (libc::wait4(pid as i32, &raw mut status, 0, usage.as_mut_ptr()), usage.assume_init()) };
    if found < 0 {
        return Err(io::Error::last_os_error());
    }
    let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 * 1e-6;
    let code =
        if libc::WIFSIGNALED(status) { 128 + libc::WTERMSIG(status) } else { libc::WEXITSTATUS(status) };
    Ok(Ended { code, cpu_s: seconds(usage.ru_utime) + seconds(usage.ru_stime) })
}
