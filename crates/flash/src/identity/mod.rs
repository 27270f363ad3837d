//! What tells one disk from its clones: identifiers in the partition table, and the place of the
//! table's copy, which is the end of the disk, wherever the image ended.

mod gpt;
mod mbr;

use std::io;

use osb_checksum::{Digest, sha256};
use osb_image::Table;
use serde::Serialize;

use crate::Overlay;
use gpt::Gpt;
use mbr::Mbr;

/// Identifiers before and after, as `root=PARTUUID=` and `/dev/disk/by-partuuid` have them: lower
/// case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Identity {
    /// The disk's: a GUID, or the eight digits of an MBR's signature.
    pub disk: Renamed,
    /// Those of its partitions, with their numbers.
    pub partitions: Vec<(u32, Renamed)>,
}

/// An identifier that became another; or the same twice if it was to be kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Renamed {
    /// In the image.
    pub old: String,
    /// On the disk.
    pub new: String,
}

/// Bytes of the sectors that the table counts in, by the first bytes of the disk; `None` if they
/// do not tell. An MBR does not.
pub(crate) fn sector_size(head: &[u8]) -> Option<u32> {
    [512, 4096].into_iter().find(|sector| Gpt::is_at(head, *sector))
}

/// Bytes that a disk must have for this table; `None` if it has none.
pub(crate) fn needed(head: &[u8], sector: u32) -> Option<u64> {
    Gpt::read(&mut from(head), sector).ok()?.map(|gpt| gpt.needed())
}

/// Whether there is a table.
pub(crate) fn has_table(head: &[u8], sector: u32) -> bool {
    let gpt = Gpt::read(&mut from(head), sector).is_ok_and(|gpt| gpt.is_some());
    gpt || Mbr::read(head).is_some()
}

/// Gives the disk new identifiers, made of `seed` (none: keeps them), and its table a copy at the
/// end of the disk. Returns what has become of them; `None` if there is no sound table.
///
/// # Errors
/// The disk's.
pub(crate) fn adapt(
    disk: &mut Overlay<'_>,
    sector: u32,
    seed: Option<Digest>,
) -> io::Result<Option<(Identity, Table)>> {
    let mut read = |offset: u64, bytes: &mut [u8]| disk.read_at(bytes, offset);
    if let Some(mut gpt) = Gpt::read(&mut read, sector)? {
        let old = gpt.table();
        if let Some(seed) = seed {
            gpt.rename(&mut |what| fresh(&seed, what));
        }
        gpt.place(disk)?;
        let new = gpt.table();
        return Ok(Some((identity(&old, &new), new)));
    }
    let mut sector_0 = [0; 512];
    disk.read_at(&mut sector_0, 0)?;
    let Some(mut mbr) = Mbr::read(&sector_0) else { return Ok(None) };
    let old = mbr.table(sector);
    if let Some(seed) = seed {
        mbr.rename(&fresh(&seed, "disk"));
        disk.write_at(mbr.bytes(), 0)?;
    }
    let new = mbr.table(sector);
    Ok(Some((identity(&old, &new), new)))
}

/// 32 bytes for an identifier.
fn fresh(seed: &Digest, what: &str) -> Digest {
    sha256(&[seed.as_slice(), what.as_bytes()].concat())
}

fn identity(old: &Table, new: &Table) -> Identity {
    let renamed = |old: &str, new: &str| Renamed {
        old: old.to_ascii_lowercase(),
        new: new.to_ascii_lowercase(),
    };
    let partitions = old.partitions.iter().zip(&new.partitions);
    Identity {
        disk: renamed(&old.id, &new.id),
        partitions: partitions.map(|(old, new)| (old.number, renamed(&old.id, &new.id))).collect(),
    }
}

/// Reads from bytes in memory; beyond them there is nothing.
fn from(bytes: &[u8]) -> impl FnMut(u64, &mut [u8]) -> io::Result<()> + '_ {
    |offset, into| {
        let part = usize::try_from(offset).ok().and_then(|at| bytes.get(at..)?.get(..into.len()));
        into.copy_from_slice(part.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
