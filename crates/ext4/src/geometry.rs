//! How a size divides into block groups, inode tables, journal and room for content.
//!
//! The rules are mke2fs's (and mkext4's): 32,768 blocks a group, a copy of superblock and
//! descriptors in groups 1 and the powers of 3, 5 and 7 (`sparse_super`), the tables of 16
//! groups together in the first of them (`flex_bg`), the journal by steps of the size.

use crate::need::{Need, tree_blocks};

/// Block size in bytes.
pub(crate) const BLOCK: u64 = 4096;
/// Block numbers are 32 bits: the feature `64bit` is not written.
pub(crate) const MAX_BLOCKS: u64 = u32::MAX as u64 - 1;
/// Share of the blocks that only root may fill. mke2fs takes 5, which is 50 GB of a disk of
/// 1 TB; 1 is enough for root to log in and clean up.
pub(crate) const RESERVED_PERCENT: u8 = 1;

/// Granularity of [`smallest_size`] in bytes.
const STEP: u64 = 4 << 20;
/// Blocks that one bitmap block describes.
const GROUP: u64 = 32768;
/// Groups whose tables lie together.
const FLEX: u64 = 16;
/// Inodes of 256 bytes in a block.
const INODES_PER_BLOCK: u64 = 16;
/// mke2fs's default: one inode for so many blocks, that is for 16 KiB.
const BLOCKS_PER_INODE: u64 = 4;
/// The smallest journal has 1024 blocks, and mkext4 gives it a quarter at most: 16 MiB.
const MIN_BLOCKS: u64 = 4096;
/// mke2fs drops a last group that has less room than this besides its own metadata.
const LAST_GROUP_SLACK: u64 = 50;

/// The division of one size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Geometry {
    /// Blocks of the file system. Can be less than the size has, when the last group would
    /// be too small to be used.
    pub(crate) blocks: u64,
    /// Length of the journal in blocks.
    pub(crate) journal_blocks: u64,
    groups: u64,
    inodes_per_group: u64,
    descriptor_blocks: u64,
}

impl Geometry {
    /// Divides `size` bytes; `None` if that is less than 16 MiB or 16 TiB and more.
    pub(crate) fn new(size: u64, need: &Need) -> Option<Geometry> {
        let mut blocks = size / BLOCK;
        loop {
            if !(MIN_BLOCKS..=MAX_BLOCKS).contains(&blocks) {
                return None;
            }
            let geometry = Geometry::of_blocks(blocks, need);
            let last = geometry.groups - 1;
            let own = if has_copy(last) { 1 + geometry.descriptor_blocks } else { 0 }
                + if last.is_multiple_of(FLEX) { 2 + geometry.table_blocks() } else { 0 };
            let in_last = blocks - last * GROUP;
            if last == 0 || in_last >= own + LAST_GROUP_SLACK {
                return Some(geometry);
            }
            blocks -= in_last;
        }
    }

    fn of_blocks(blocks: u64, need: &Need) -> Geometry {
        let groups = blocks.div_ceil(GROUP);
        let descriptor_blocks = (groups * 32).div_ceil(BLOCK);
        // As many as mke2fs makes, and for the room that the tree leaves too: a tree of tiny
        // files must not use up what container images will need.
        let wanted = (blocks / BLOCKS_PER_INODE)
            .max(need.inodes + blocks.saturating_sub(need.blocks) / BLOCKS_PER_INODE);
        // The tables of 16 groups must not run into the next group, where a copy of the
        // superblock lies.
        let most = (GROUP - 1 - descriptor_blocks - 2 * FLEX) / INODES_PER_BLOCK * INODES_PER_BLOCK;
        let inodes_per_group = wanted
            .div_ceil(groups)
            .next_multiple_of(INODES_PER_BLOCK)
            .clamp(INODES_PER_BLOCK, most);
        let journal_blocks = journal_blocks(blocks);
        Geometry { blocks, journal_blocks, groups, inodes_per_group, descriptor_blocks }
    }

    /// Number of inodes, the first eleven (root, journal, lost+found, ...) included.
    pub(crate) fn inodes(&self) -> u64 {
        self.inodes_per_group * self.groups
    }

    fn table_blocks(&self) -> u64 {
        self.inodes_per_group / INODES_PER_BLOCK
    }

    /// Blocks that hold neither files nor directories.
    fn fixed_blocks(&self) -> u64 {
        let copies = (1..self.groups).filter(|group| has_copy(*group)).count() as u64;
        (1 + copies) * (1 + self.descriptor_blocks)
            + self.groups * (2 + self.table_blocks())
            + self.journal_blocks
            + tree_blocks(self.journal_blocks)
    }

    /// Blocks that are left to unprivileged users; `None` if `need` does not fit at all.
    pub(crate) fn available(&self, need: &Need) -> Option<u64> {
        if self.inodes() < need.inodes {
            return None;
        }
        let free = self.blocks.checked_sub(self.fixed_blocks())?.checked_sub(need.blocks)?;
        let for_root = self.blocks * u64::from(RESERVED_PERCENT) / 100;
        // The kernel keeps 2 %, 4096 blocks at most, for itself on top
        // (`ext4_calculate_resv_clusters` in fs/ext4/super.c).
        let for_kernel = (self.blocks / 50).min(4096);
        Some(free.saturating_sub(for_root + for_kernel))
    }
}

/// Whether a group has a copy of superblock and descriptors; group 0 has the originals.
fn has_copy(group: u64) -> bool {
    let power_of = |base: u64| {
        let mut rest = group;
        while rest.is_multiple_of(base) {
            rest /= base;
        }
        rest == 1
    };
    group == 1 || group > 1 && (power_of(3) || power_of(5) || power_of(7))
}

/// `ext2fs_default_journal_size` of e2fsprogs for blocks of 4 KiB.
fn journal_blocks(blocks: u64) -> u64 {
    match blocks {
        0..0x8000 => 1024,
        0x8000..0x4_0000 => 4096,
        0x4_0000..0x8_0000 => 8192,
        0x8_0000..0x40_0000 => 16384,
        0x40_0000..0x80_0000 => 32768,
        0x80_0000..0x100_0000 => 65536,
        0x100_0000..0x200_0000 => 131_072,
        _ => 262_144,
    }
}

/// The smallest multiple of 4 MiB in which `need` fits with `free` bytes left to users.
///
/// What is asked for beyond 16 TiB cannot be made: the answer is then just some size that is
/// too large, which the plan refuses.
pub(crate) fn smallest_size(need: &Need, free: u64) -> u64 {
    let free = free.div_ceil(BLOCK);
    let mut size = need
        .blocks
        .saturating_add(free)
        .max(MIN_BLOCKS)
        .saturating_mul(BLOCK)
        .checked_next_multiple_of(STEP)
        .unwrap_or(u64::MAX / STEP * STEP);
    while size / BLOCK <= MAX_BLOCKS {
        // Overhead never shrinks when a file system grows, so no size below `size + missing`
        // can do either: the jump does not skip a smaller answer.
        let missing = match Geometry::new(size, need) {
            Some(geometry) => match geometry.available(need) {
                Some(available) if available >= free => return size,
                Some(available) => free - available,
                None => (geometry.fixed_blocks() + need.blocks).saturating_sub(geometry.blocks),
            },
            None => 0,
        };
        size += (missing * BLOCK / STEP * STEP).max(STEP);
    }
    size
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING: Need = Need { blocks: 5, inodes: 11 };

    #[test]
    fn an_empty_tree_takes_the_smallest_file_system() {
        assert_eq!(smallest_size(&NOTHING, 0), 16 << 20);
    }

    #[test]
    fn a_last_group_without_room_for_its_tables_is_dropped() {
        // Group 16 leads a new flex group: its tables of 512 blocks do not fit into 100.
        let size = (16 * GROUP + 100) * BLOCK;
        assert_eq!(Geometry::new(size, &NOTHING).unwrap().blocks, 16 * GROUP);
        let size = (16 * GROUP + 1024) * BLOCK;
        assert_eq!(Geometry::new(size, &NOTHING).unwrap().blocks, 16 * GROUP + 1024);
    }

    #[test]
    fn the_smallest_size_is_the_smallest() {
        for blocks in (0..2_000_000).step_by(77_777) {
            for free in [0, 1 << 20, 3 << 30] {
                let need = Need { blocks, inodes: 11 + blocks / 3 };
                let size = smallest_size(&need, free);
                let enough = |size: u64| {
                    Geometry::new(size, &need)
                        .and_then(|geometry| geometry.available(&need))
                        .is_some_and(|available| available >= free.div_ceil(BLOCK))
                };
                assert!(enough(size), "{blocks} blocks, {free} free: {size}");
                assert!(size == 16 << 20 || !enough(size - STEP), "{blocks} {free}: {size}");
            }
        }
    }

    #[test]
    fn many_tiny_inodes_are_given_groups() {
        let need = Need { blocks: 10_000, inodes: 1_000_000 };
        let size = smallest_size(&need, 0);
        assert!(Geometry::new(size, &need).unwrap().inodes() >= 1_000_000);
    }

    #[test]
    fn absurd_wishes_end() {
        assert!(smallest_size(&NOTHING, u64::MAX) / BLOCK > MAX_BLOCKS);
    }
}
