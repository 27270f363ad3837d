//! The blocks of a directory: one with all entries, or leaves in the order of their hashes under
//! an index.
//!
//! After fs/ext4/ext4.h and fs/ext4/namei.c: every block ends in a checksum; the root of the index
//! looks like a block with `.` and `..` alone, its other nodes like blocks with nothing, so that
//! who knows no index reads the directory all the same.

use crate::bytes::Record;
use crate::checksum::Sum;
use crate::geometry::BLOCK;
use crate::hash::hash;

/// A name and what it names.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry<'tree> {
    pub(crate) name: &'tree [u8],
    pub(crate) inode: u32,
    /// `EXT4_FT_*`.
    pub(crate) kind: u8,
}

/// `EXT4_FT_*` of a directory.
pub(crate) const DIRECTORY: u8 = 2;

/// The record at the end of a block that has its checksum.
const TAIL: usize = 12;
/// What of a block entries can use.
const USABLE: usize = BLOCK as usize - TAIL;
/// `.` and `..`.
const DOTS: usize = 24;
/// Where the index entries begin in the root and in the other nodes.
const ROOT_AT: usize = 32;
const NODE_AT: usize = 8;
/// Index entries in the root and in the other nodes.
const ROOT_ENTRIES: usize = (BLOCK as usize - ROOT_AT - 8) / 8;
const NODE_ENTRIES: usize = (BLOCK as usize - NODE_AT - 8) / 8;
/// Most leaves under two levels, without the feature `large_dir`.
const MOST_LEAVES: usize = ROOT_ENTRIES * NODE_ENTRIES;
/// `DX_HASH_HALF_MD4`; whether bytes are signed is said in the superblock.
pub(crate) const HALF_MD4: u8 = 1;

/// Bytes of an entry.
pub(crate) fn entry_bytes(name: &[u8]) -> usize {
    (8 + name.len()).next_multiple_of(4)
}

/// The most blocks that entries of so many bytes can take, the longest of them so long.
pub(crate) fn most_blocks(bytes: u64, longest: u64) -> u64 {
    if bytes + DOTS as u64 <= USABLE as u64 {
        return 1;
    }
    // A leaf is closed by an entry that does not fit, so it is filled at least so far.
    let filled = USABLE as u64 + 4 - longest;
    let leaves = bytes / filled + 1;
    1 + leaves + nodes(leaves as usize) as u64
}

/// Nodes below the root.
fn nodes(leaves: usize) -> usize {
    if leaves > ROOT_ENTRIES { leaves.div_ceil(NODE_ENTRIES) } else { 0 }
}

/// A directory that is to be written.
#[derive(Debug)]
pub(crate) struct Directory<'tree> {
    pub(crate) inode: u32,
    pub(crate) parent: u32,
    pub(crate) entries: Vec<Entry<'tree>>,
}

impl Directory<'_> {
    /// Its blocks; `None` if it needs more leaves than an index can have. More than one block
    /// means that it has an index. `sum` is the inode's.
    pub(crate) fn blocks(&self, seed: &[u32; 4], sum: Sum) -> Option<Vec<u8>> {
        let bytes: usize = self.entries.iter().map(|entry| entry_bytes(entry.name)).sum();
        if DOTS + bytes <= USABLE {
            let mut block = vec![0; BLOCK as usize];
            let dots = self.dots();
            write(&mut block, dots.iter().chain(&self.entries), sum);
            return Some(block);
        }
        let mut sorted: Vec<_> =
            self.entries.iter().map(|entry| (hash(entry.name, seed), entry)).collect();
        sorted.sort_by_key(|(hash, entry)| (*hash, entry.name));
        let leaves = leaves(&sorted);
        if leaves.len() > MOST_LEAVES {
            return None;
        }
        let nodes = nodes(leaves.len());
        let mut out = vec![0; (1 + nodes + leaves.len()) * BLOCK as usize];
        let (index, rest) = out.split_at_mut((1 + nodes) * BLOCK as usize);
        let (root, inner) = index.split_at_mut(BLOCK as usize);
        // The first hash of a leaf, and its place; that it goes on from the leaf before.
        let mut targets = Vec::with_capacity(leaves.len());
        for ((place, block), range) in
            (1 + nodes..).zip(rest.chunks_mut(BLOCK as usize)).zip(&leaves)
        {
            let first = sorted[range.start].0.0;
            let goes_on = range.start > 0 && sorted[range.start - 1].0.0 == first;
            targets.push((first | u32::from(goes_on), place as u32));
            write(block, sorted[range.clone()].iter().map(|(_, entry)| *entry), sum);
        }
        if nodes > 0 {
            let mut above = Vec::with_capacity(nodes);
            for ((place, block), targets) in
                (1..).zip(inner.chunks_mut(BLOCK as usize)).zip(targets.chunks(NODE_ENTRIES))
            {
                Record(block).u16(4, BLOCK as u16);
                write_index(block, NODE_AT, targets, NODE_ENTRIES, sum);
                above.push((targets[0].0, place));
            }
            targets = above;
        }
        self.write_root(root, &targets, u8::from(nodes > 0), sum);
        Some(out)
    }

    fn dots(&self) -> [Entry<'static>; 2] {
        let dot = |name, inode| Entry { name, inode, kind: DIRECTORY };
        [dot(b".", self.inode), dot(b"..", self.parent)]
    }

    fn write_root(&self, block: &mut [u8], targets: &[(u32, u32)], levels: u8, sum: Sum) {
        let [own, parent] = self.dots();
        let mut record = Record(block);
        put(&mut record, 0, &own, 12);
        // Up to the end, so that the index is hidden from who does not know it.
        put(&mut record, 12, &parent, BLOCK as usize - 12);
        record.u8(28, HALF_MD4);
        // Length of these fields.
        record.u8(29, 8);
        record.u8(30, levels);
        write_index(block, ROOT_AT, targets, ROOT_ENTRIES, sum);
    }
}

/// `lost+found`: the first block with `.` and `..`, the others empty.
pub(crate) fn lost_found(inode: u32, parent: u32, blocks: u64, sum: Sum) -> Vec<u8> {
    let own = Directory { inode, parent, entries: Vec::new() };
    let mut out = vec![0; (blocks * BLOCK) as usize];
    for (index, block) in out.chunks_mut(BLOCK as usize).enumerate() {
        write(block, own.dots().iter().filter(|_| index == 0), sum);
    }
    out
}

/// Which entries go into which leaf: each is filled as far as the next entry allows.
fn leaves(sorted: &[((u32, u32), &Entry)]) -> Vec<std::ops::Range<usize>> {
    let mut leaves = Vec::new();
    let (mut start, mut used) = (0, 0);
    for (index, (_, entry)) in sorted.iter().enumerate() {
        let bytes = entry_bytes(entry.name);
        if used + bytes > USABLE {
            leaves.push(start..index);
            (start, used) = (index, 0);
        }
        used += bytes;
    }
    leaves.push(start..sorted.len());
    leaves
}

/// A block with these entries, the last of them, or an empty one, up to the checksum.
fn write<'a>(block: &mut [u8], entries: impl Iterator<Item = &'a Entry<'a>>, sum: Sum) {
    let mut record = Record(block);
    let (mut at, mut last) = (0, 0);
    for entry in entries {
        let bytes = entry_bytes(entry.name);
        put(&mut record, at, entry, bytes);
        (last, at) = (at, at + bytes);
    }
    record.u16(last + 4, (USABLE - last) as u16);
    let value = sum.and(&record.0[..USABLE]).value();
    // It looks like an entry that is not used, of a type that is none.
    record.u16(USABLE + 4, TAIL as u16);
    record.u8(USABLE + 7, 0xDE);
    record.u32(USABLE + 8, value);
}

fn put(record: &mut Record, at: usize, entry: &Entry, bytes: usize) {
    record.u32(at, entry.inode);
    record.u16(at + 4, bytes as u16);
    record.u8(at + 6, entry.name.len() as u8);
    record.u8(at + 7, entry.kind);
    record.bytes(at + 8, entry.name);
}

/// Index entries from `at` on: the first has no hash, but the counts in its place.
fn write_index(block: &mut [u8], at: usize, targets: &[(u32, u32)], most: usize, sum: Sum) {
    let mut record = Record(block);
    for (index, (hash, place)) in targets.iter().enumerate() {
        record.u32(at + 8 * index, *hash);
        record.u32(at + 8 * index + 4, *place);
    }
    record.u16(at, most as u16);
    record.u16(at + 2, targets.len() as u16);
    // The used entries, then eight zero bytes in place of the reserved word and the checksum.
    let used = at + 8 * targets.len();
    let value = sum.and(&record.0[..used]).and(&[0; 8]).value();
    record.u32(at + 8 * most + 4, value);
}
