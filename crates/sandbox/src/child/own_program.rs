//! This program, as the guest's processes may reach it: read-only.
//!
//! Pid 1 of the guest runs this program, and so does, for a moment, the process that becomes a
//! command. A guest may start a program that is a link to `/proc/self/exe`: then it runs the host's
//! file, with its own dynamic loader, which may change the file's mode or owner (as CVE-2019-5736 did
//! to its contents). So the inner child is started from a mount of that one file that is read-only,
//! and that commands have no capability to change.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;

use rustix::fs::CWD;
use rustix::mount::{OpenTreeFlags, open_tree};

use crate::sys;

/// A read-only mount of this program's file, attached nowhere.
pub(super) struct OwnProgram(OwnedFd);

impl OwnProgram {
    /// Needs a mount namespace of its own.
    pub(super) fn read_only() -> io::Result<Self> {
        // The link itself leads to the mount that the host started it from.
        let path = fs::read_link("/proc/self/exe")?;
        let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
        let program = open_tree(CWD, &path, flags)?;
        sys::set_mount_read_only(&program)?;
        let file = File::open(format!("/proc/self/fd/{}", program.as_raw_fd()))?.metadata()?;
        let own = fs::metadata("/proc/self/exe")?;
        if (file.dev(), file.ino()) != (own.dev(), own.ino()) {
            let text = format!("{} was replaced since this program was started", path.display());
            return Err(io::Error::other(text));
        }
        Ok(Self(program))
    }

    /// A path that starts it.
    pub(super) fn path(&self) -> String {
        format!("/proc/self/fd/{}", self.0.as_raw_fd())
    }
}
