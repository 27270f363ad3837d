//! The group descriptors (`struct ext4_group_desc`, 64 bytes), of which every copy is the same.

use crate::allocate::{bitmap, used};
use crate::bytes::Record;
use crate::checksum::Sum;
use crate::geometry::{BLOCK, GROUP, Geometry, Group};
use crate::inode::DiskInode;

/// Size in bytes.
pub(crate) const DESCRIPTOR: usize = 64;
/// `EXT4_BG_*`: no inode is in use, no block but those of superblock and descriptors; the kernel
/// then makes the bitmap itself. And: the inode table is zeroed.
const INODE_UNINIT: u16 = 1;
const BLOCK_UNINIT: u16 = 2;
const INODE_ZEROED: u16 = 4;

/// What of each group is in use.
#[derive(Debug)]
pub(crate) struct Usage<'a> {
    pub(crate) geometry: &'a Geometry,
    /// Behind the last block that was given out.
    pub(crate) end: u64,
    /// The inodes from number 1 on; those behind them are free.
    pub(crate) inodes: &'a [DiskInode],
}

impl Usage<'_> {
    /// Blocks that are free.
    pub(crate) fn free_blocks(&self) -> u64 {
        (0..self.geometry.groups)
            .map(|index| {
                let group = self.geometry.group(index);
                group.end - group.first - used(&group, self.end)
            })
            .sum()
    }

    /// The bitmap of a group's blocks; `None` if the kernel makes it.
    pub(crate) fn block_bitmap(&self, index: u64) -> Option<Vec<u8>> {
        let group = self.geometry.group(index);
        // The last group may be shorter, which the kernel's does not know.
        let plain = group.leads == 0 && self.end <= group.free && group.end - group.first == GROUP;
        (!plain || index + 1 == self.geometry.groups)
            .then(|| bitmap(used(&group, self.end), group.end - group.first))
    }

    /// The inodes of a group up to the last that is in use.
    pub(crate) fn inodes_of(&self, index: u64) -> &[DiskInode] {
        let per_group = self.geometry.inodes_per_group as usize;
        let start = (index as usize * per_group).min(self.inodes.len());
        &self.inodes[start..self.inodes.len().min(start + per_group)]
    }

    /// The bitmap of a group's inodes; `None` if none is in use.
    pub(crate) fn inode_bitmap(&self, index: u64) -> Option<Vec<u8>> {
        let used = self.inodes_of(index).len() as u64;
        (used > 0).then(|| bitmap(used, self.geometry.inodes_per_group))
    }

    /// All descriptors, up to the end of their last block.
    pub(crate) fn descriptors(&self, sum: Sum) -> Vec<u8> {
        let mut table = vec![0; (self.geometry.descriptor_blocks * BLOCK) as usize];
        for (index, bytes) in (0..self.geometry.groups).zip(table.chunks_mut(DESCRIPTOR)) {
            self.descriptor(index, &self.geometry.group(index), sum, bytes);
        }
        table
    }

    fn descriptor(&self, index: u64, group: &Group, sum: Sum, bytes: &mut [u8]) {
        let inodes = self.inodes_of(index);
        let per_group = self.geometry.inodes_per_group as u32;
        let unused = per_group - inodes.len() as u32;
        let directories = inodes.iter().filter(|inode| inode.is_directory()).count();
        let free = group.end - group.first - used(group, self.end);
        let mut flags = INODE_ZEROED;
        let mut sums = [0; 2];
        match self.block_bitmap(index) {
            Some(bitmap) => sums[0] = sum.and(&bitmap).value(),
            None => flags |= BLOCK_UNINIT,
        }
        match self.inode_bitmap(index) {
            Some(bitmap) => sums[1] = sum.and(&bitmap[..per_group as usize / 8]).value(),
            None => flags |= INODE_UNINIT,
        }
        let mut record = Record(bytes);
        record.split_u32(0x00, 0x20, group.block_bitmap);
        record.split_u32(0x04, 0x24, group.inode_bitmap);
        record.split_u32(0x08, 0x28, group.inode_table);
        record.split_u16(0x0C, 0x2C, free as u32);
        record.split_u16(0x0E, 0x2E, unused);
        record.split_u16(0x10, 0x30, directories as u32);
        record.u16(0x12, flags);
        record.split_u16(0x18, 0x38, sums[0]);
        record.split_u16(0x1A, 0x3A, sums[1]);
        record.split_u16(0x1C, 0x32, unused);
        let value = sum.and(&(index as u32).to_le_bytes()).and(bytes).value();
        Record(bytes).u16(0x1E, value as u16);
    }
}
