//! Takes a package apart, once and for all.

use std::fs;
use std::io;
use std::path::Path;

use super::fault::{DebError, DebFault};
use super::package::{Deb, Limits, walk};
use super::tar::{Entry, EntryKind};
use super::unpacker::Unpacker;

/// Unpacks `deb` into the existing directory `folder`: its control files into `control`, its files
/// into `data`, with owners, modes, times, symbolic and hard links. Returns the entries of its data
/// in the archive's order. Needs the right to give files away.
///
/// `keep` is asked for each entry of the data whether to make it; its error ends the work.
///
/// # Errors
/// The package is damaged, hostile or larger than `limits`, or the file system refused something;
/// what was made until then stays.
pub fn explode(
    deb: &Path,
    folder: &Path,
    limits: &Limits,
    keep: &dyn Fn(&Entry) -> io::Result<bool>,
) -> Result<Vec<Entry>, DebError> {
    let package = Deb::open(deb)?;
    explode_opened(&package, folder, limits, keep).map_err(|fault| fault.at(deb))
}

fn explode_opened(
    package: &Deb,
    folder: &Path,
    limits: &Limits,
    keep: &dyn Fn(&Entry) -> io::Result<bool>,
) -> Result<Vec<Entry>, DebFault> {
    let opening = |name: &str| {
        let folder = folder.join(name);
        fs::create_dir(&folder)
            .and_then(|()| Unpacker::new(&folder))
            .map_err(DebFault::io("making the directory to unpack into"))
    };
    let layout = package.layout();
    let mut unpacker = opening("control")?;
    let input = package.open_member(&layout.control, limits.control_bytes)?;
    walk(input, limits.entries, &mut |entry, content| match &entry.kind {
        EntryKind::Directory if entry.path.is_empty() => Ok(()),
        EntryKind::File if !entry.path.contains(&b'/') => unpacker.put(entry, content),
        // dpkg refuses these, too ("package control info contained directory").
        _ => Err(DebFault::entry(&entry.path, "a control archive has plain files only")),
    })?;
    let mut unpacker = opening("data")?;
    let mut entries = Vec::new();
    let input = package.open_member(&layout.data, limits.data_bytes)?;
    walk(input, limits.entries, &mut |entry, content| {
        let keep = keep(entry).map_err(DebFault::io("going on"))?;
        if keep && !entry.path.is_empty() {
            unpacker.put(entry, content)?;
        }
        entries.push(entry.clone());
        Ok(())
    })?;
    unpacker.finish()?;
    Ok(entries)
}
