//! Trees of extents: which blocks of the disk are which blocks of a file.
//!
//! After fs/ext4/ext4_extents.h: a node is a header and entries of 12 bytes; the root with room
//! for four lies in the inode, every other node fills a block and ends in a checksum.

use crate::bytes::Record;
use crate::checksum::Sum;
use crate::geometry::BLOCK;

/// Most blocks of one extent; greater numbers mean blocks that were never written.
const LONGEST: u64 = 32768;
/// Entries in the inode.
const IN_ROOT: usize = 4;
/// Entries in a block.
const IN_NODE: usize = 340;
/// `EXT4_EXT_MAGIC`.
const MAGIC: u16 = 0xF30A;
/// Size of the header and of an entry in bytes.
const ENTRY: usize = 12;

/// Blocks that follow each other in the file and on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Extent {
    /// Number of the first block in the file.
    pub(crate) logical: u32,
    /// Its number on the disk.
    pub(crate) start: u64,
    /// How many blocks, 32,768 at most.
    pub(crate) len: u16,
}

/// Adds blocks to `extents`, the last of which may reach up to them.
pub(crate) fn add(extents: &mut Vec<Extent>, mut logical: u64, mut start: u64, mut len: u64) {
    if let Some(last) = extents.last_mut() {
        let own = u64::from(last.len);
        if u64::from(last.logical) + own == logical && last.start + own == start {
            let more = len.min(LONGEST - own);
            last.len += more as u16;
            (logical, start, len) = (logical + more, start + more, len - more);
        }
    }
    while len > 0 {
        let part = len.min(LONGEST);
        extents.push(Extent { logical: logical as u32, start, len: part as u16 });
        (logical, start, len) = (logical + part, start + part, len - part);
    }
}

/// Blocks that the tree of so many extents takes outside of the inode.
pub(crate) fn nodes(extents: usize) -> u64 {
    let (mut level, mut nodes) = (extents, 0);
    while level > IN_ROOT {
        level = level.div_ceil(IN_NODE);
        nodes += level as u64;
    }
    nodes
}

/// The most that the tree of `blocks` blocks in so many runs can take.
///
/// An extent ends with its run, after 32,768 blocks, or where fixed metadata interrupts it, at most
/// about once a group.
pub(crate) fn most_nodes(blocks: u64, runs: u64) -> u64 {
    if runs <= 1 && blocks <= LONGEST {
        return 0;
    }
    nodes(usize::try_from(runs + 2 * (blocks / LONGEST) + 4).unwrap_or(usize::MAX))
}

/// The root, and the nodes that lie in `places`, of which there are [`nodes`].
pub(crate) fn tree(extents: &[Extent], places: &[u64], sum: Sum) -> ([u8; 60], Vec<Vec<u8>>) {
    let mut level: Vec<[u8; ENTRY]> = extents.iter().map(leaf).collect();
    let mut depth = 0;
    let mut blocks = Vec::new();
    let mut places = places.iter();
    while level.len() > IN_ROOT {
        let mut above = Vec::with_capacity(level.len() / IN_NODE + 1);
        for (entries, place) in level.chunks(IN_NODE).zip(&mut places) {
            let mut block = vec![0; BLOCK as usize];
            node(&mut block, entries, IN_NODE, depth);
            let tail = ENTRY * (1 + IN_NODE);
            let value = sum.and(&block[..tail]).value();
            Record(&mut block).u32(tail, value);
            blocks.push(block);
            above.push(index(&entries[0], *place));
        }
        level = above;
        depth += 1;
    }
    let mut root = [0; 60];
    node(&mut root, &level, IN_ROOT, depth);
    (root, blocks)
}

fn node(into: &mut [u8], entries: &[[u8; ENTRY]], most: usize, depth: u16) {
    let mut header = Record(into);
    header.u16(0, MAGIC);
    header.u16(2, entries.len() as u16);
    header.u16(4, most as u16);
    header.u16(6, depth);
    header.bytes(ENTRY, entries.as_flattened());
}

fn leaf(extent: &Extent) -> [u8; ENTRY] {
    let mut entry = [0; ENTRY];
    let mut record = Record(&mut entry);
    record.u32(0, extent.logical);
    record.u16(4, extent.len);
    record.u16(6, (extent.start >> 32) as u16);
    record.u32(8, extent.start as u32);
    entry
}

/// The entry for a node that begins with the entry `first`.
fn index(first: &[u8; ENTRY], place: u64) -> [u8; ENTRY] {
    let mut entry = [0; ENTRY];
    let mut record = Record(&mut entry);
    record.bytes(0, &first[..4]);
    record.u32(4, place as u32);
    record.u16(8, (place >> 32) as u16);
    entry
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_become_one_extent_up_to_its_limit() {
        let mut extents = Vec::new();
        add(&mut extents, 0, 100, 10);
        add(&mut extents, 10, 110, 40_000);
        add(&mut extents, 40_010, 60_000, 1);
        add(&mut extents, 50_000, 60_001, 1);
        let found: Vec<_> =
            extents.iter().map(|each| (each.logical, each.start, each.len)).collect();
        let expected =
            [(0, 100, 32768), (32768, 32868, 7242), (40_010, 60_000, 1), (50_000, 60_001, 1)];
        assert_eq!(found, expected);
    }

    #[test]
    fn a_tree_has_as_many_nodes_as_were_counted() {
        let depths = [(0, 0), (4, 0), (5, 1), (340, 1), (1360, 1), (1361, 2), (200_000, 2)];
        for (count, depth) in depths {
            let extents: Vec<_> = (0..count)
                .map(|at| Extent { logical: 2 * at, start: u64::from(at) + 7, len: 1 })
                .collect();
            let places: Vec<u64> = (0..nodes(extents.len())).collect();
            let (root, blocks) = tree(&extents, &places, Sum::START);
            assert_eq!(blocks.len(), places.len(), "{count}");
            assert_eq!(root[6], depth, "{count}");
        }
    }
}
