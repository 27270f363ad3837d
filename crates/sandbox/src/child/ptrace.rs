//! ptrace(2) and what goes with it, as far as [`super::trace`] needs it: thin, safe wrappers.
//!
//! Process ids are plain numbers here: they come from the kernel and go back to it.
#![allow(unsafe_code)] // The reasons are at each call.

use std::io;
use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::ptr::null_mut;
use std::time::Duration;

use libc::{c_int, c_long, c_void, pid_t};

/// Every new thread and process of a traced one is traced, too; each exec stops it.
const OPTIONS: c_int = libc::PTRACE_O_TRACEFORK
    | libc::PTRACE_O_TRACEVFORK
    | libc::PTRACE_O_TRACECLONE
    | libc::PTRACE_O_TRACEEXEC;

/// What happened to a child or a traced process or thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) pid: pid_t,
    pub(super) what: What,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    /// It has ended; the status as shells count: 128 + n if signal n ended it.
    Ended(i32),
    /// It is stopped. `event` is a `PTRACE_EVENT_…`, or zero when `signal` is about to be delivered.
    Stopped { signal: c_int, event: c_int },
}

/// Lets a command stop after its exec, for the caller to [`take_over`], and undoes for it what
/// [`child_signals`] did: std's `Command` hands the signal mask on.
pub(super) fn stop_at_exec(command: &mut Command) {
    let stop = || {
        mask_child_signal(libc::SIG_UNBLOCK)?;
        // SAFETY: no memory is involved; the other arguments are ignored.
        check(unsafe { libc::ptrace(libc::PTRACE_TRACEME) })
    };
    // SAFETY: ptrace is a plain system call, hence async-signal-safe; the closure allocates nothing.
    unsafe { command.pre_exec(stop) };
}

/// Begins to trace a child that [`stop_at_exec`] has stopped. Nothing of it has run yet; it goes on
/// as soon as its stops are served.
///
/// Why not stay with what `stop_at_exec` began: only a seized process can be stopped and continued
/// by others as if nobody traced it (ptrace(2), "Group-stop"). One cannot seize what is traced
/// already, so it is let go into a stop, where it cannot run, and seized there.
pub(super) fn take_over(pid: pid_t) -> io::Result<()> {
    request(libc::PTRACE_DETACH as c_int, pid, libc::SIGSTOP as usize)?;
    request(libc::PTRACE_SEIZE as c_int, pid, OPTIONS as usize)?;
    // SAFETY: no memory is involved.
    check(unsafe { libc::kill(pid, libc::SIGCONT) }.into())
}

/// Lets a stopped process go on, with a signal to be delivered if that is not zero.
pub(super) fn resume(pid: pid_t, signal: c_int) -> io::Result<()> {
    request(libc::PTRACE_CONT as c_int, pid, signal as usize)
}

/// Leaves a process in the stop that SIGSTOP or its like put it into, until SIGCONT.
pub(super) fn listen(pid: pid_t) -> io::Result<()> {
    request(libc::PTRACE_LISTEN as c_int, pid, 0)
}

/// At an exec: the id that the thread had before; it has the process's now.
pub(super) fn former_id(pid: pid_t) -> io::Result<pid_t> {
    let mut message: libc::c_ulong = 0;
    // SAFETY: GETEVENTMSG writes one unsigned long.
    check(unsafe {
        libc::ptrace(
            libc::PTRACE_GETEVENTMSG,
            pid,
            null_mut::<c_void>(),
            (&raw mut message).cast::<c_void>(),
        )
    })?;
    pid_t::try_from(message).map_err(io::Error::other)
}

/// Waits for a change of `pid`, or of any process if that is zero. An end is seen again until
/// [`reap`], so that [`cpu`] still works. `None`: no change yet, without `block`; or nobody left to
/// wait for.
pub(super) fn next_change(pid: pid_t, block: bool) -> io::Result<Option<Change>> {
    let mut flags = libc::WEXITED | libc::WNOWAIT | libc::__WALL;
    if !block {
        flags |= libc::WNOHANG;
    }
    let Some(info) = wait(pid, flags)? else { return Ok(None) };
    // SAFETY: waitid has filled the fields that belong to SIGCHLD, or left zeros.
    let (pid, status) = unsafe { (info.si_pid(), info.si_status()) };
    let what = match info.si_code {
        libc::CLD_EXITED => What::Ended(status),
        libc::CLD_KILLED | libc::CLD_DUMPED => What::Ended(128 + (status & 0x7f)),
        _ => What::Stopped { signal: status & 0xff, event: status >> 8 },
    };
    if pid == 0 {
        return Ok(None);
    }
    if let What::Stopped { .. } = what {
        // Taken for good: after an exec by another thread than the first the kernel refuses every
        // request until then (looks_like_a_spurious_pid() in kernel/ptrace.c).
        wait(pid, libc::WSTOPPED | libc::WNOHANG | libc::__WALL)?;
    }
    Ok(Some(Change { pid, what }))
}

/// Takes the status of an ended process: it is gone then, or its parent's to take.
pub(super) fn reap(pid: pid_t) -> io::Result<()> {
    wait(pid, libc::WEXITED | libc::WNOHANG | libc::__WALL).map(drop)
}

/// waitid(2); `None` if there is nobody to wait for.
fn wait(pid: pid_t, flags: c_int) -> io::Result<Option<libc::siginfo_t>> {
    let (kind, id) = if pid == 0 { (libc::P_ALL, 0) } else { (libc::P_PID, pid.cast_unsigned()) };
    loop {
        // SAFETY: siginfo_t is plain data, for which zero is a valid value.
        let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
        // SAFETY: the pointer is to a live siginfo_t.
        match check(unsafe { libc::waitid(kind, id, &raw mut info, flags) }.into()) {
            Ok(()) => return Ok(Some(info)),
            Err(error) if error.raw_os_error() == Some(libc::ECHILD) => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// CPU time, in user mode and in the kernel, that all threads of a process have used since it was
/// forked. Works until the process has been reaped. Zero for one that is gone.
pub(super) fn cpu(pid: pid_t) -> Duration {
    let mut clock: libc::clockid_t = 0;
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: both pointers are to live values of the right types.
    let read = unsafe {
        libc::clock_getcpuclockid(pid, &raw mut clock) == 0
            && libc::clock_gettime(clock, &raw mut time) == 0
    };
    let Ok(nanoseconds) = u32::try_from(time.tv_nsec) else { return Duration::ZERO };
    if read { Duration::new(time.tv_sec.unsigned_abs(), nanoseconds) } else { Duration::ZERO }
}

/// Blocks SIGCHLD in this thread and returns a descriptor that becomes readable when one arrives.
pub(super) fn child_signals() -> io::Result<OwnedFd> {
    let set = mask_child_signal(libc::SIG_BLOCK)?;
    // SAFETY: the set is live; the descriptor that signalfd returns is ours alone.
    unsafe {
        let fd = libc::signalfd(-1, &raw const set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK);
        check(fd.into())?;
        Ok(OwnedFd::from_raw_fd(fd))
    }
}

/// Blocks or unblocks SIGCHLD in this thread; the set of that signal alone.
fn mask_child_signal(how: c_int) -> io::Result<libc::sigset_t> {
    // SAFETY: sigset_t is plain data; sigemptyset makes it valid before anything reads it. All
    // three calls are async-signal-safe.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        libc::sigaddset(&raw mut set, libc::SIGCHLD);
        check(libc::sigprocmask(how, &raw const set, null_mut()).into())?;
        Ok(set)
    }
}

/// A ptrace request without an address. Its type differs between C libraries.
fn request(request: c_int, pid: pid_t, data: usize) -> io::Result<()> {
    // SAFETY: the requests used here take `data` as a number and touch no memory of this process.
    check(unsafe { libc::ptrace(request as _, pid, null_mut::<c_void>(), data) })
}

fn check(result: c_long) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
