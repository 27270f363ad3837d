//! Tar archives from outside any repository: what projects release, vaults.
//!
//! They are read as strictly as packages are: no path escapes, no entry builds on a link of the same
//! archive, no device, no more entries and bytes than allowed, nothing behind the end.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use crate::deb::fault::DebFault;
use crate::deb::guard::{Guard, parent_of};
use crate::deb::package::Bounded;
use crate::deb::tar::{Dialect, TarReader};
use crate::deb::unpacker::Unpacker;
use crate::deb::{Compression, Entry, EntryKind};

/// Bytes read from a file or a decompressor at once.
const CHUNK: usize = 128 << 10;

/// Targets of symbolic links, by path.
type Links = BTreeMap<Vec<u8>, Vec<u8>>;

/// What an archive may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArchiveLimits {
    /// Files, directories and links; directories, too, that only paths of others name.
    pub entries: u64,
    /// Bytes of the decompressed archive, with headers and padding.
    pub bytes: u64,
    /// Whether files may be set-user-ID or set-group-ID.
    pub setuid: bool,
}

/// Why an archive was refused.
#[derive(Debug, thiserror::Error)]
#[error("{}{reason}", member.as_ref().map(|member| format!("its member {member:?}: ")).unwrap_or_default())]
pub struct ArchiveError {
    /// The member that is to blame, as written in the archive, if it is one.
    pub member: Option<String>,
    /// What is wrong.
    pub reason: String,
}

impl ArchiveLimits {
    fn hold(&self, entries: u64) -> Result<(), ArchiveError> {
        match entries > self.entries {
            true => {
                let reason = format!("more than {} entries", self.entries);
                Err(ArchiveError { member: None, reason })
            }
            false => Ok(()),
        }
    }
}

impl ArchiveError {
    fn of(member: &[u8], reason: impl Into<String>) -> ArchiveError {
        let member = String::from_utf8_lossy(member).into_owned();
        ArchiveError { member: Some(member), reason: reason.into() }
    }
}

impl From<DebFault> for ArchiveError {
    fn from(fault: DebFault) -> Self {
        let (member, reason) = match fault {
            DebFault::Io { action, source } => (None, format!("{action}: {source}")),
            DebFault::Malformed(reason) | DebFault::TooLarge(reason) => (None, reason),
            DebFault::Entry { entry, reason } => (Some(entry), reason),
            DebFault::Unpack { entry, action, source } => {
                (Some(entry), format!("{action}: {source}"))
            }
        };
        ArchiveError { member, reason }
    }
}

/// Calls `visit` for every entry of a tar stream, with its content.
///
/// # Errors
/// The archive is damaged, hostile or larger than `limits`; or what `visit` says.
pub fn walk_tar<E: From<ArchiveError>>(
    input: impl Read,
    limits: &ArchiveLimits,
    visit: &mut dyn FnMut(&Entry, &mut dyn BufRead) -> Result<(), E>,
) -> Result<(), E> {
    let input = Bounded::new(input, limits.bytes, "it".to_owned());
    let input = BufReader::with_capacity(CHUNK, input);
    let mut reader = TarReader::new(input, Dialect::Pax);
    let mut guard = Guard::default();
    let mut count = 0;
    while let Some(entry) = reader.next_entry().map_err(ArchiveError::from)? {
        count += 1;
        limits.hold(count)?;
        guard.admit(&entry).map_err(ArchiveError::from)?;
        // A further name of a file brings a mode for it, too.
        let file = matches!(entry.kind, EntryKind::File | EntryKind::HardLink(_));
        if file && entry.mode & 0o6000 != 0 && !limits.setuid {
            let reason = "it is set-user-ID or set-group-ID";
            return Err(ArchiveError::of(&entry.path, reason).into());
        }
        visit(&entry, &mut reader)?;
    }
    Ok(())
}

/// Unpacks an archive into the existing, empty directory `folder`, without the first `strip`
/// components of every path; entries that have no more than these are left out, as tar(1) does it.
/// Everything becomes root's, of the time 0. Gives the number of entries. `go_on` is asked before
/// each; its error ends the work.
///
/// # Errors
/// The archive is damaged, hostile or larger than `limits`, a symbolic link in it leads out of the
/// folder, or the file system refused something. What was made until then stays.
pub fn unpack_tar(
    archive: &Path,
    compression: Compression,
    strip: usize,
    folder: &Path,
    limits: &ArchiveLimits,
    go_on: &dyn Fn() -> std::io::Result<()>,
) -> Result<u64, ArchiveError> {
    let opening = DebFault::io("opening it");
    let file = BufReader::with_capacity(CHUNK, File::open(archive).map_err(opening)?);
    let input = compression.decode(file).map_err(DebFault::io("preparing the decompression"))?;
    let opening = DebFault::io("opening the directory to unpack into");
    let mut unpacker = Unpacker::new(folder).map_err(opening)?;
    let (mut guard, mut links) = (Guard::default(), Links::new());
    let mut count = 0;
    walk_tar(input, limits, &mut |entry, content| {
        go_on().map_err(DebFault::io("going on"))?;
        let Some(entry) = stripped(entry, strip)? else { return Ok(()) };
        // Once more: without their first components, paths may meet that did not.
        guard.admit(&entry)?;
        if let EntryKind::Symlink(target) = &entry.kind {
            judge(&entry.path, target, &links)?;
            links.insert(entry.path.clone(), target.clone());
        }
        count += 1;
        unpacker.put(&entry, content)?;
        limits.hold(count + unpacker.implied())
    })?;
    // Only now are all links known that a link may lead through.
    links.iter().try_for_each(|(path, target)| judge(path, target, &links))?;
    unpacker.finish()?;
    Ok(count)
}

/// The entry as it is unpacked; nothing if it is not.
fn stripped(entry: &Entry, strip: usize) -> Result<Option<Entry>, ArchiveError> {
    let Some(path) = without(&entry.path, strip) else { return Ok(None) };
    let kind = match &entry.kind {
        EntryKind::HardLink(target) => match without(target, strip) {
            Some(target) => EntryKind::HardLink(target.to_vec()),
            None => {
                let reason = "a hard link to a file that is left out";
                return Err(ArchiveError::of(&entry.path, reason));
            }
        },
        other => other.clone(),
    };
    Ok(Some(Entry { path: path.to_vec(), kind, uid: 0, gid: 0, mtime: 0, ..entry.clone() }))
}

/// A path without its first components; nothing if there is no more.
fn without(path: &[u8], strip: usize) -> Option<&[u8]> {
    let mut rest = path;
    for _ in 0..strip {
        let slash = rest.iter().position(|b| *b == b'/')?;
        rest = &rest[slash + 1..];
    }
    (!rest.is_empty()).then_some(rest)
}

/// Refuses a symbolic link that leads out.
fn judge(path: &[u8], target: &[u8], links: &Links) -> Result<(), ArchiveError> {
    if !leads_out(parent_of(path), target, |path| links.contains_key(path)) {
        return Ok(());
    }
    let target = String::from_utf8_lossy(target);
    let reason = format!("a symbolic link to {target}, which is or may be outside of the archive");
    Err(ArchiveError::of(path, reason))
}

/// Whether a link in the folder `at` ends outside of the archive, or may: what lies above a link is
/// not what the text says.
fn leads_out(at: &[u8], target: &[u8], is_link: impl Fn(&[u8]) -> bool) -> bool {
    if target.starts_with(b"/") {
        return true;
    }
    let mut path: Vec<&[u8]> = parts(at).collect();
    let mut through_link = false;
    for part in parts(target) {
        if part != b".." {
            path.push(part);
            through_link |= is_link(&path.join(&b'/'));
        } else if through_link || path.pop().is_none() {
            return true;
        }
    }
    false
}

/// The components of a path that mean something.
fn parts(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    path.split(|b| *b == b'/').filter(|part| !matches!(*part, b"" | b"."))
}

#[cfg(test)]
mod tests;
