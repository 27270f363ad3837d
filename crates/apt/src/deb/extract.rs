//! Unpacking a package into a directory.

use std::path::Path;

use super::fault::{DebError, DebFault};
use super::package::{Deb, Limits};
use super::unpacker::Unpacker;

/// Unpacks the files of `deb` into the existing directory `root`: owners, modes, times, symbolic
/// and hard links; existing files are replaced by rename. Needs the right to give files away.
///
/// `keep` is asked for every entry with its path below the root, as `usr/bin/env`; refused entries
/// are not made, and missing parents of others are (root:root, 0755).
///
/// What exists is treated as dpkg treats it: a directory entry where a directory, or a link to one,
/// exists, changes nothing, so merged-`/usr` links stay; a symbolic link does not replace a
/// directory. All paths are resolved inside `root`, whatever links lie there. Several packages may
/// be unpacked into one root at the same time.
///
/// # Errors
/// The package is damaged or hostile, or the file system refused something; files already made stay.
pub fn extract(deb: &Path, root: &Path, keep: &dyn Fn(&[u8]) -> bool) -> Result<(), DebError> {
    let package = Deb::open(deb)?;
    let opening = DebFault::io("opening the directory to unpack into");
    let mut unpacker = Unpacker::new(root).map_err(|e| opening(e).at(deb))?;
    package.for_each(&Limits::default(), &mut |entry, content| {
        if entry.path.is_empty() || !keep(&entry.path) {
            return Ok(());
        }
        unpacker.put(entry, content)
    })?;
    unpacker.finish().map_err(|fault| fault.at(deb))
}
