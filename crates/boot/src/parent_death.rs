//! The one place with `unsafe`: a child that dies when its parent does.
//!
//! Why not the obvious thing: QEMU learnt `-run-with exit-with-parent` only in 10.2, after the
//! suite that the tools come from, and `setpriv --pdeathsig` would be one more program. A cancel
//! flag does not help against `SIGKILL` of osb itself, and a forgotten QEMU eats a processor.
#![allow(unsafe_code)]

use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::process::{Signal, getpid, getppid, set_parent_process_death_signal};

/// Makes the kernel send `SIGKILL` to the child when the thread that spawns it ends.
pub(crate) fn die_with_parent(command: &mut Command) {
    let parent = getpid();
    let hook = move || {
        set_parent_process_death_signal(Some(Signal::KILL))?;
        // The parent may have died before the call above; then nobody would send the signal.
        if getppid() == Some(parent) { Ok(()) } else { Err(io::Error::from_raw_os_error(3)) }
    };
    // SAFETY: the hook runs between fork and exec and makes two system calls (prctl, getppid). It
    // allocates nothing, takes no lock, and touches no memory that another thread may hold.
    unsafe { command.pre_exec(hook) };
}
