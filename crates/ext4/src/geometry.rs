//! How a size divides into block groups, inode tables, journal and room for content.
//!
//! The rules are mke2fs's (lib/ext2fs/initialize.c): 32,768 blocks a group, a copy of superblock
//! and descriptors in groups 1 and the powers of 3, 5 and 7 (`sparse_super`), the tables of 16
//! groups together in the first of them (`flex_bg`), room behind the descriptors for those of a
//! file system 1024 times as large (`resize_inode`), the journal by steps of the size.

use crate::extents;
use crate::need::Need;

/// Block size in bytes.
pub(crate) const BLOCK: u64 = 4096;
/// Block numbers are 32 bits wherever a file system can still grow by `resize_inode`.
pub(crate) const MAX_BLOCKS: u64 = u32::MAX as u64 - 1;
/// Share of the blocks that only root may fill. mke2fs takes 5, which is 50 GB of a disk of
/// 1 TB; 1 is enough for root to log in and clean up.
const RESERVED_PERCENT: u64 = 1;

/// Blocks that one bitmap block describes.
pub(crate) const GROUP: u64 = 32768;
/// Groups whose tables lie together, as a power of two.
pub(crate) const FLEX_SHIFT: u8 = 4;
/// Inodes of 256 bytes in a block.
pub(crate) const INODES_PER_BLOCK: u64 = 16;
/// Group descriptors of 64 bytes in a block.
const DESCRIPTORS_PER_BLOCK: u64 = 64;
/// Block numbers in a block: as many blocks for further descriptors the resize inode can list.
const NUMBERS_PER_BLOCK: u64 = 1024;
/// mke2fs's default: one inode for so many blocks, that is for 16 KiB.
const BLOCKS_PER_INODE: u64 = 4;
/// The smallest journal has 1024 blocks, and it should not be more than a quarter: 16 MiB.
pub(crate) const MIN_BLOCKS: u64 = 4096;
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
    /// Number of groups.
    pub(crate) groups: u64,
    /// Inodes in a group.
    pub(crate) inodes_per_group: u64,
    /// Blocks of group descriptors behind each superblock.
    pub(crate) descriptor_blocks: u64,
    /// Blocks kept free behind them for the descriptors of groups that are not there yet.
    pub(crate) growth_blocks: u64,
}

/// Where a group has what is its own. All that is fixed lies at the beginning of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Group {
    /// Its first block.
    pub(crate) first: u64,
    /// Behind its last one.
    pub(crate) end: u64,
    /// Whether superblock and descriptors, or copies, are at its beginning.
    pub(crate) has_copy: bool,
    /// For the first of those whose tables lie together: how many they are, else 0.
    pub(crate) leads: u64,
    /// The block with the bitmap of its blocks.
    pub(crate) block_bitmap: u64,
    /// The block with the bitmap of its inodes.
    pub(crate) inode_bitmap: u64,
    /// The first block of its inodes.
    pub(crate) inode_table: u64,
    /// The first block that is not fixed.
    pub(crate) free: u64,
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
            let own = 2
                + geometry.table_blocks()
                + if has_copy(last) { geometry.copy_blocks() } else { 0 };
            let in_last = blocks - last * GROUP;
            if last == 0 || in_last >= own + LAST_GROUP_SLACK {
                return Some(geometry);
            }
            blocks -= in_last;
        }
    }

    fn of_blocks(blocks: u64, need: &Need) -> Geometry {
        let groups = blocks.div_ceil(GROUP);
        let descriptor_blocks = groups.div_ceil(DESCRIPTORS_PER_BLOCK);
        // As mke2fs's calc_reserved_gdt_blocks.
        let largest = if blocks < u64::from(u32::MAX) / 1024 { blocks * 1024 } else { MAX_BLOCKS };
        let growth_blocks = (largest.div_ceil(GROUP).div_ceil(DESCRIPTORS_PER_BLOCK)
            - descriptor_blocks)
            .min(NUMBERS_PER_BLOCK);
        // As many as mke2fs makes, and for the room that the tree leaves too: a tree of tiny
        // files must not use up what container images will need.
        let wanted = (blocks / BLOCKS_PER_INODE)
            .max(need.inodes + blocks.saturating_sub(need.blocks) / BLOCKS_PER_INODE);
        // The tables of 16 groups must not run into the next group, where a copy of the
        // superblock lies.
        let room = GROUP - 1 - descriptor_blocks - growth_blocks;
        let most = ((room >> FLEX_SHIFT) - 2) * INODES_PER_BLOCK;
        let inodes_per_group = wanted
            .div_ceil(groups)
            .next_multiple_of(INODES_PER_BLOCK)
            .clamp(INODES_PER_BLOCK, most);
        let journal_blocks = journal_blocks(blocks);
        Geometry {
            blocks,
            journal_blocks,
            groups,
            inodes_per_group,
            descriptor_blocks,
            growth_blocks,
        }
    }

    /// Number of inodes, the first eleven (root, journal, lost+found, ...) included.
    pub(crate) fn inodes(&self) -> u64 {
        self.inodes_per_group * self.groups
    }

    /// Blocks of a group's inodes.
    pub(crate) fn table_blocks(&self) -> u64 {
        self.inodes_per_group / INODES_PER_BLOCK
    }

    /// Blocks of a superblock with what follows it.
    fn copy_blocks(&self) -> u64 {
        1 + self.descriptor_blocks + self.growth_blocks
    }

    /// The group `index`.
    pub(crate) fn group(&self, index: u64) -> Group {
        let first = index * GROUP;
        let leader = index >> FLEX_SHIFT << FLEX_SHIFT;
        let members = (self.groups - leader).min(1 << FLEX_SHIFT);
        let copy = |group| if has_copy(group) { self.copy_blocks() } else { 0 };
        let tables = leader * GROUP + copy(leader);
        let place = index - leader;
        let leads = if place == 0 { members } else { 0 };
        Group {
            first,
            end: (first + GROUP).min(self.blocks),
            has_copy: has_copy(index),
            leads,
            block_bitmap: tables + place,
            inode_bitmap: tables + members + place,
            inode_table: tables + 2 * members + place * self.table_blocks(),
            free: first + copy(index) + leads * (2 + self.table_blocks()),
        }
    }

    /// The groups with a copy of the superblock.
    pub(crate) fn copies(&self) -> impl Iterator<Item = u64> {
        (1..self.groups).filter(|group| has_copy(*group))
    }

    /// Blocks that only root may fill.
    pub(crate) fn reserved(&self) -> u64 {
        self.blocks * RESERVED_PERCENT / 100
    }

    /// Blocks that no file of the tree can have, besides the few of the file system's own files:
    /// what the kernel calls overhead.
    pub(crate) fn overhead(&self) -> u64 {
        (1 + self.copies().count() as u64) * self.copy_blocks()
            + self.groups * (2 + self.table_blocks())
            + self.journal_blocks
    }

    /// Blocks that hold neither files nor directories.
    fn fixed_blocks(&self) -> u64 {
        self.overhead() + extents::most_nodes(self.journal_blocks, 1)
    }

    /// Blocks that are left to unprivileged users; `None` if `need` does not fit at all.
    fn available(&self, need: &Need) -> Option<u64> {
        if self.inodes() < need.inodes {
            return None;
        }
        let free = self.blocks.checked_sub(self.fixed_blocks())?.checked_sub(need.blocks)?;
        // The kernel keeps 2 %, 4096 blocks at most, for itself on top
        // (`ext4_calculate_resv_clusters` in fs/ext4/super.c).
        let for_kernel = (self.blocks / 50).min(4096);
        Some(free.saturating_sub(self.reserved() + for_kernel))
    }

    /// How many blocks are missing until `need` fits with `free` blocks left; none if it does.
    pub(crate) fn missing(&self, need: &Need, free: u64) -> Option<u64> {
        match self.available(need) {
            Some(available) if available >= free => None,
            Some(available) => Some(free - available),
            None => Some((self.fixed_blocks() + need.blocks).saturating_sub(self.blocks)),
        }
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
    group <= 1 || power_of(3) || power_of(5) || power_of(7)
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

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING: Need = Need { blocks: 5, inodes: 11 };

    #[test]
    fn a_last_group_without_room_for_its_tables_is_dropped() {
        let size = (16 * GROUP + 100) * BLOCK;
        assert_eq!(Geometry::new(size, &NOTHING).unwrap().blocks, 16 * GROUP);
        let size = (16 * GROUP + 1024) * BLOCK;
        assert_eq!(Geometry::new(size, &NOTHING).unwrap().blocks, 16 * GROUP + 1024);
    }

    #[test]
    fn it_is_mke2fss() {
        // mke2fs -t ext4 -b 4096, dumpe2fs: blocks of descriptors, for growth, overhead.
        let little = Need { blocks: 100, inodes: 11 };
        for (size, expected) in [
            (1, (1, 127, 12_949)),
            (2, (1, 255, 26_150)),
            (64, (8, 1024, 407_669)),
            (1024, (128, 1024, 4_494_739)),
        ] {
            let geometry = Geometry::new(size << 30, &little).unwrap();
            let found = (geometry.descriptor_blocks, geometry.growth_blocks, geometry.overhead());
            assert_eq!(found, expected, "{size} GiB");
        }
    }

    #[test]
    fn what_is_fixed_stays_in_its_group_and_apart() {
        for size in [16 << 20, 1 << 30, 3 << 30, 100 << 30, 15 << 40] {
            let geometry = Geometry::new(size, &NOTHING).unwrap();
            for index in (0..geometry.groups).filter(|index| *index < 40 || index % 997 == 0) {
                let group = geometry.group(index);
                assert!(group.free <= group.end, "{size} {index} {group:?}");
                let leader = geometry.group(index >> FLEX_SHIFT << FLEX_SHIFT);
                let table_end = group.inode_table + geometry.table_blocks();
                assert!(group.inode_bitmap < leader.inode_table && table_end <= leader.free);
            }
        }
    }
}
