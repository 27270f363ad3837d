//! What a command may not do: put on between its fork and its exec, for it and all its children.
//!
//! Pid 1 of the guest has every capability in the user namespace, since it builds the world and
//! traces. A command is root there, too, so that packages can be installed, but with few
//! capabilities, none of which can change a mount, and without a way to others:
//!
//! - The bounding set is what root has after any exec (capabilities(7)).
//! - A new user namespace would come with all of them: [`crate::seccomp`] denies it.
//! - no_new_privs: set-user-ID programs and file capabilities give nothing. What runs as root needs
//!   neither, and where programs are substituted neither would work: the kernel takes both from the
//!   interpreter, so that a tree could depend on the machine that it was made on.
//!
//! With [`Rights::Full`] only fsync and its like are filtered.

use std::io;

use libc::sock_filter;
use rustix::thread::{
    CapabilitySet, CapabilitySets, clear_ambient_capability_set,
    remove_capability_from_bounding_set, set_capabilities, set_no_new_privs,
};

use crate::{Rights, seccomp, sys};

/// What installing and configuring packages takes: owners and modes of any file, other users' ids,
/// signals, chroot, file capabilities for the image. SETPCAP only lets a program give up more.
const KEPT: CapabilitySet = CapabilitySet::CHOWN
    .union(CapabilitySet::DAC_OVERRIDE)
    .union(CapabilitySet::FOWNER)
    .union(CapabilitySet::FSETID)
    .union(CapabilitySet::KILL)
    .union(CapabilitySet::SETGID)
    .union(CapabilitySet::SETUID)
    .union(CapabilitySet::SETPCAP)
    .union(CapabilitySet::SYS_CHROOT)
    .union(CapabilitySet::SETFCAP);

/// What is put on every command of a session.
#[derive(Debug, Clone)]
pub(crate) struct Confinement {
    rights: Rights,
    filter: Vec<sock_filter>,
}

impl Confinement {
    pub(crate) fn new(rights: Rights, drop_fsync: bool) -> Self {
        Self { rights, filter: seccomp::program(rights, drop_fsync) }
    }

    /// Confines the calling process for good. Allocates nothing: for use after a fork.
    pub(crate) fn enter(&mut self) -> io::Result<()> {
        if self.rights == Rights::Package {
            drop_capabilities()?;
            set_no_new_privs(true)?;
        }
        sys::set_seccomp_filter(&mut self.filter)
    }
}

/// Leaves those of [`KEPT`] in all sets that may have any.
fn drop_capabilities() -> io::Result<()> {
    clear_ambient_capability_set()?;
    for bit in 0..u64::BITS {
        let capability = CapabilitySet::from_bits_retain(1 << bit);
        if KEPT.contains(capability) {
            continue;
        }
        match remove_capability_from_bounding_set(capability) {
            // The kernel knows no more.
            Err(rustix::io::Errno::INVAL) => break,
            other => other?,
        }
    }
    let inheritable = CapabilitySet::empty();
    set_capabilities(None, CapabilitySets { effective: KEPT, permitted: KEPT, inheritable })?;
    Ok(())
}
