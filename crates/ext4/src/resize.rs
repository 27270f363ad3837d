//! The resize inode: it owns the blocks kept behind every copy of the group descriptors, so that
//! a mounted file system can grow into them.
//!
//! As `ext2fs_create_resize_inode` of e2fsprogs makes it: an inode with a doubly indirect block,
//! which lists the blocks kept in group 0; each of those lists the blocks kept for its copies.

use osb_tree::Time;

use crate::bytes::Record;
use crate::geometry::{BLOCK, GROUP, Geometry};
use crate::inode::{DiskInode, REGULAR};

/// Block numbers in a block.
const NUMBERS: u64 = BLOCK / 4;
/// Place of the doubly indirect block among an inode's fifteen.
const DOUBLY: usize = 13;

/// The first block that is kept in group 0.
fn first(geometry: &Geometry) -> u64 {
    1 + geometry.descriptor_blocks
}

/// The inode; `list` is where [`list`] lies.
pub(crate) fn inode(geometry: &Geometry, list: u64, time: Time) -> DiskInode {
    let mut inode = DiskInode::new(REGULAR | 0o600, time);
    // All that twelve direct, one indirect and one doubly indirect block could have.
    inode.size = (NUMBERS * NUMBERS + NUMBERS + 12) * BLOCK;
    inode.blocks = 1 + geometry.growth_blocks * (1 + geometry.copies().count() as u64);
    Record(&mut inode.body).u32(4 * DOUBLY, list as u32);
    inode
}

/// The doubly indirect block.
pub(crate) fn list(geometry: &Geometry) -> Vec<u8> {
    let mut block = vec![0; BLOCK as usize];
    let mut record = Record(&mut block);
    for index in 0..geometry.growth_blocks {
        // The place says for which block of descriptors it is kept.
        let place = (geometry.descriptor_blocks + index) % NUMBERS;
        record.u32(4 * place as usize, (first(geometry) + index) as u32);
    }
    block
}

/// The blocks kept in group 0, which list the blocks kept for their copies.
pub(crate) fn kept(geometry: &Geometry) -> Vec<u8> {
    let mut blocks = vec![0; (geometry.growth_blocks * BLOCK) as usize];
    for (own, block) in (first(geometry)..).zip(blocks.chunks_mut(BLOCK as usize)) {
        let mut record = Record(block);
        for (index, group) in geometry.copies().enumerate() {
            record.u32(4 * index, (own + group * GROUP) as u32);
        }
    }
    blocks
}
