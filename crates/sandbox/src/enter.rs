//! Makes an ordinary user root of a user namespace of their own.
//!
//! Everything that osb makes belongs to the users of an image: root, and some dozens of others. An
//! ordinary user may have such files in a user namespace in which they are root and their
//! *subordinate ids* (subuid(5)) are everyone else. Writing that map is the one thing here that
//! needs a privilege, which the set-user-ID programs `newuidmap` and `newgidmap` lend.
//!
//! They must be run by a process outside the new namespace, hence the order:
//!
//! ```text
//! this process   starts a helper ─ unshares the user namespace ─ says so ──────── waits ─ goes on
//! the helper                                                      newuidmap, newgidmap
//! ```

use std::io::{self, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::{fs, os::unix::process::CommandExt};

use crate::ids::{self, Extent};
use crate::{CHILD_NAME, Missing, Need, host, sys};

/// First argument of the child process that is to write the maps of its parent.
pub(crate) const MAPPER: &str = "map";

/// Who runs osb.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Identity {
    /// Root, of the host or of a container.
    Root,
    /// An ordinary user, who is root of a user namespace now.
    User {
        /// Login name.
        name: String,
        /// User id outside.
        uid: u32,
        /// First id outside of the first range of subordinate user ids in use.
        subordinate: u32,
    },
}

/// Enters a user namespace in which this process is root, unless it is root already. For the start
/// of `main`: the process must have one thread. `launcher` is an executable that calls
/// [`crate::dispatch`], normally `/proc/self/exe`.
///
/// # Errors
/// What the host lacks for it, with the remedy. The process is then where it was, but after a
/// failure of `newuidmap`, when it is in a namespace without any ids.
pub fn enter(launcher: &Path) -> Result<Identity, Missing> {
    let uid = rustix::process::getuid().as_raw();
    if uid == 0 {
        return Ok(Identity::Root);
    }
    let gid = rustix::process::getgid().as_raw();
    let (name, group) = sys::user_entry(uid).ok_or_else(|| host::no_user(uid))?;
    if group != gid {
        return Err(host::other_group(&name, gid, group).into());
    }
    let (uids, gids) = maps(uid, gid, &name)?;
    for program in ["newuidmap", "newgidmap"] {
        is_there(program)?;
    }
    let subordinate = uids.get(1).map_or(uid, |extent| extent.outside);
    let mapper = start_mapper(launcher, &uids, &gids).map_err(|error| host::no_mapper(&error))?;
    unshare_and_map(mapper)?;
    // AppArmor lets namespaces of ordinary users be made, and then forbids everything in them.
    sys::unshare_host_name().map_err(|error| Need::namespaces(&error.to_string()))?;
    Ok(Identity::User { name, uid, subordinate })
}

/// The maps that `/etc/subuid` and `/etc/subgid` allow.
fn maps(uid: u32, gid: u32, name: &str) -> Result<(Vec<Extent>, Vec<Extent>), Missing> {
    let map = |file: &str, own: u32| {
        let text = fs::read_to_string(file).unwrap_or_default();
        ids::with_subordinate(own, &ids::subordinate(&text, name, uid))
            .ok_or_else(|| host::no_subordinate_ids(file, name))
    };
    Ok((map("/etc/subuid", uid)?, map("/etc/subgid", gid)?))
}

fn is_there(program: &str) -> Result<(), Missing> {
    // Without arguments it prints its usage and fails.
    let tried = Command::new(program).stdout(Stdio::null()).stderr(Stdio::null()).status();
    tried.map(drop).map_err(|error| host::no_program(program, &error))
}

fn start_mapper(launcher: &Path, uids: &[Extent], gids: &[Extent]) -> io::Result<Child> {
    let words = |map: &[Extent]| {
        let numbers = map.iter().flat_map(|extent| [extent.inside, extent.outside, extent.count]);
        numbers.map(|number| number.to_string()).collect::<Vec<_>>().join(" ")
    };
    Command::new(launcher)
        .arg0(CHILD_NAME)
        .args([MAPPER, &std::process::id().to_string(), &words(uids), &words(gids)])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
}

fn unshare_and_map(mut mapper: Child) -> Result<(), Missing> {
    let unshared = sys::unshare_user();
    // One byte: go. The end of the input instead: there is nothing to do.
    let mut stdin = mapper.stdin.take();
    if let (Ok(()), Some(stdin)) = (&unshared, &mut stdin) {
        // If it is gone, its status tells why.
        let _ = stdin.write_all(b"m");
    }
    drop(stdin);
    let ended = mapper.wait_with_output();
    unshared.map_err(|error| Missing::from(Need::namespaces(&error.to_string())))?;
    match ended {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            Err(host::not_mapped(&if said.is_empty() { output.status.to_string() } else { said }))
        }
        Err(error) => Err(host::no_mapper(&error)),
    }
}

/// The helper: `map PID UIDS GIDS`.
pub(crate) fn mapper(arguments: &[String]) -> Result<(), String> {
    let [pid, uids, gids] = arguments else {
        return Err("expected a process and two maps".to_owned());
    };
    let mut go = [0];
    if io::stdin().read(&mut go).map_err(|error| error.to_string())? == 0 {
        return Ok(());
    }
    for (program, map) in [("newuidmap", uids), ("newgidmap", gids)] {
        let output = Command::new(program)
            .arg(pid)
            .args(map.split(' '))
            .output()
            .map_err(|error| format!("{program}: {error}"))?;
        if !output.status.success() {
            return Err(format!("{program}: {}", String::from_utf8_lossy(&output.stderr).trim()));
        }
    }
    Ok(())
}
