//! Gives the guest's programs a handler: the embedded interpreter, in a `binfmt_misc` instance that
//! belongs to this user namespace alone (Linux 6.7).

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rustix::mount::{MountFlags, mount};

use super::{Doing, Failure, mounts};
use crate::exec_config::{self, CONFIG, TOOLS};
use crate::probe::Mode;
use crate::protocol::Setup;

/// Compiled by `build.rs` for this machine.
const INTERPRETER: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/interpreter"));
pub(super) const INTERPRETER_PATH: &str = "/run/osb/interpreter";
/// Not the usual place under /proc/sys: scripts that find a binfmt_misc there write into it.
const INSTANCE: &str = "/run/osb/binfmt";

/// Registers the handler; with the guest's root entered. Falls back to a handler of the host.
pub(super) fn register(setup: &Setup, loader: Option<&str>) -> Result<Mode, Failure> {
    if let Err(error) = mount_instance() {
        return match setup.registered {
            true => Ok(Mode::Registered),
            false => Err(Failure::NoHandler(format!("a private binfmt_misc gives: {error}"))),
        };
    }
    let emulator = setup.guest.emulator();
    let emulator = mounts::resolve_in(TOOLS, emulator).ok_or_else(|| {
        Failure::Step(format!(
            "the tools tree {} has no {emulator}; does its package set include qemu-user?",
            setup.tools.display()
        ))
    })?;
    let tools = Path::new(TOOLS);
    let config = exec_config::write(setup.host, setup.guest, tools, loader, &emulator);
    put(CONFIG, config.as_bytes(), 0o444)?;
    put(INTERPRETER_PATH, INTERPRETER, 0o555)?;
    mounts::show_root_again()?;
    fs::write(format!("{INSTANCE}/register"), registration(setup))
        .doing("registering the handler")?;
    Ok(Mode::Private)
}

fn mount_instance() -> io::Result<()> {
    fs::create_dir(INSTANCE)?;
    fs::set_permissions(INSTANCE, Permissions::from_mode(0o700))?;
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    mount("binfmt_misc", INSTANCE, "binfmt_misc", flags, None)?;
    Ok(())
}

/// The line for the `register` file (Documentation/admin-guide/binfmt-misc.rst): magic and mask
/// with every byte escaped, flags F (open the interpreter now, so that it also serves other roots)
/// and P (keep `argv[0]`).
fn registration(setup: &Setup) -> String {
    let (magic, mask) = setup.guest.elf_magic();
    let escape = |bytes: [u8; 20]| bytes.iter().map(|b| format!("\\x{b:02x}")).collect::<String>();
    format!(":osb:M::{}:{}:{INTERPRETER_PATH}:FP", escape(magic), escape(mask))
}

fn put(path: &str, bytes: &[u8], mode: u32) -> Result<(), Failure> {
    fs::write(path, bytes)
        .and_then(|()| fs::set_permissions(path, Permissions::from_mode(mode)))
        .doing(format!("writing {path}"))
}
