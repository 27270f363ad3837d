//! How the guest's programs are started, and what the kernel's version says about that.

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::{Machine, Need};

/// How the guest's programs are started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mode {
    /// Through a handler that is private to the session: with exec substitution.
    Private,
    /// Through a handler that the host's administrator registered: all emulated, slow.
    Registered,
    /// Directly: the guest is of the host's architecture.
    Native,
}

/// A host with neither a private nor a registered handler.
pub(crate) fn no_handler(guest: Machine, why: &str) -> Need {
    Need::missing(
        "programs",
        format!(
            "{} programs cannot be started: {why}, and no handler for them is registered",
            guest.kernel_name()
        ),
        "use Linux 6.7 or later with CONFIG_BINFMT_MISC, or install qemu-user-static and \
         binfmt-support",
    )
}

/// Whether the host has an enabled handler for the guest's programs that works inside another root
/// (flag F: the kernel opened the interpreter at registration).
pub(crate) fn registered(guest: Machine) -> bool {
    registered_in(guest, Path::new("/proc/sys/fs/binfmt_misc"))
}

fn registered_in(guest: Machine, directory: &Path) -> bool {
    let Ok(entries) = fs::read_dir(directory) else { return false };
    entries
        .filter_map(Result::ok)
        .filter(|e| e.file_name() != "register" && e.file_name() != "status")
        .filter_map(|e| fs::read_to_string(e.path()).ok())
        .any(|text| handles(guest, &text))
}

/// Reads one entry as the kernel prints it (fs/binfmt_misc.c, `entry_status`).
fn handles(guest: Machine, entry: &str) -> bool {
    let value = |name: &str| entry.lines().find_map(|l| l.strip_prefix(name)).map(str::trim);
    let machine = guest.elf_machine().to_le_bytes();
    let magic = "7f454c460201"; // ELF, 64-bit, little-endian
    entry.lines().next() == Some("enabled")
        && value("flags:").is_some_and(|flags| flags.contains('F'))
        && value("offset ") == Some("0")
        && value("magic ").is_some_and(|m| {
            m.starts_with(magic)
                && m.get(36..40) == Some(&format!("{:02x}{:02x}", machine[0], machine[1]))
        })
}

pub(crate) fn kernel_version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENTRY: &str = "enabled\ninterpreter /usr/bin/qemu-aarch64-static\nflags: PF\noffset 0\n\
        magic 7f454c460201010000000000000000000200b700\n\
        mask ffffffffffffff00fffffffffffffffffeffffff\n";

    #[test]
    fn a_registered_handler_is_recognised() {
        assert!(handles(Machine::Aarch64, ENTRY));
        assert!(!handles(Machine::X86_64, ENTRY));
        assert!(!handles(Machine::Aarch64, &ENTRY.replace("enabled", "disabled")));
        assert!(!handles(Machine::Aarch64, &ENTRY.replace("PF", "P")), "needs flag F");
        assert!(!handles(Machine::Aarch64, ""));
    }

    #[test]
    fn kernel_versions() {
        assert_eq!(kernel_version("6.18.44-generic\n"), Some((6, 18)));
        assert_eq!(kernel_version("7.0-rc1"), Some((7, 0)));
        assert_eq!(kernel_version(""), None);
    }
}
