//! The guest's /proc, without what reaches the host.
//!
//! Files of /proc check ids, not capabilities (fs/proc/proc_sysctl.c, `test_perm`): the guest's root
//! is the host's if that started osb, and could write `core_pattern` or `sysrq-trigger`. So all that
//! is not a process's own becomes read-only, and what only root may read, or names the machine, is
//! hidden. Commands cannot undo that: they may not mount.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rustix::mount::{MountFlags, mount, mount_bind};

use super::{Doing, Failure, mounts};
use crate::Limits;

/// Hidden though anybody may read them; folders, then files. The same as container engines hide
/// (the OCI runtime specification's `maskedPaths`, runc's defaults).
const HIDDEN: [&str; 8] =
    ["acpi", "asound", "scsi", "kallsyms", "key-users", "keys", "latency_stats", "sched_debug"];

/// How many ids there are besides those that the limit on processes speaks of: the kernel keeps the
/// first 300 for its own (`RESERVED_PIDS`), and the watchdog must see the limit exceeded.
pub(super) const MORE_IDS: u32 = 1024;

/// Makes everything in `proc` that is not a process's own read-only, or hides it behind `null`.
pub(super) fn guard(proc: &Path, null: &Path) -> Result<(), Failure> {
    for entry in fs::read_dir(proc).doing("reading /proc")? {
        let entry = entry.doing("reading /proc")?;
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        if name.bytes().all(|byte| byte.is_ascii_digit()) {
            continue;
        }
        let guarded = guard_one(&entry.path(), name, null);
        guarded.doing(format!("guarding /proc/{name}"))?;
    }
    Ok(())
}

fn guard_one(path: &Path, name: &str, null: &Path) -> io::Result<()> {
    let facts = fs::symlink_metadata(path)?;
    // Links lead to processes: self, thread-self, net, mounts.
    if facts.is_symlink() {
        return Ok(());
    }
    let mode = facts.permissions().mode();
    let hidden = HIDDEN.contains(&name);
    if facts.is_dir() {
        return if hidden { hide_folder(path) } else { show_read_only(path) };
    }
    // What others may not read, or only root may write and nobody read.
    if hidden || mode & 0o044 == 0 {
        return Ok(mount_bind(null, path)?);
    }
    if mode & 0o222 != 0 { show_read_only(path) } else { Ok(()) }
}

fn hide_folder(path: &Path) -> io::Result<()> {
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC | MountFlags::RDONLY;
    Ok(mount("tmpfs", path, "tmpfs", flags, Some(c"mode=0555,size=4k,nr_inodes=2"))?)
}

fn show_read_only(path: &Path) -> io::Result<()> {
    mount_bind(path, path)?;
    mounts::set_read_only(path)
}

/// Lets the kernel stop a fork bomb by itself. Where the setting is the whole machine's (before
/// Linux 6.14) the watchdog has to do.
pub(super) fn limit_ids(proc: &Path, limits: &Limits) {
    let release = fs::read_to_string(proc.join("sys/kernel/osrelease")).unwrap_or_default();
    if crate::probe::kernel_version(&release) >= Some((6, 14)) {
        let ids = limits.processes.saturating_add(MORE_IDS);
        // Who may not set it is still watched.
        let _ = fs::write(proc.join("sys/kernel/pid_max"), ids.to_string());
    }
}
