//! The journal's first block; the others are zeroes.
//!
//! After include/linux/jbd2.h (`journal_superblock_t`), big-endian. As mke2fs writes it: empty and
//! without features. The kernel adds those that the file system asks for (64-bit block numbers,
//! checksums of version 3) when it is mounted for the first time.

use crate::geometry::BLOCK;

/// `JBD2_MAGIC_NUMBER`, and the type of a superblock of version 2.
const MAGIC: u32 = 0xC03B_3998;
const SUPERBLOCK_V2: u32 = 4;

/// The first block of a journal of so many.
pub(crate) fn superblock(blocks: u64, uuid: &[u8; 16]) -> Vec<u8> {
    let mut block = vec![0; BLOCK as usize];
    let mut put = |at: usize, value: u32| {
        block[at..at + 4].copy_from_slice(&value.to_be_bytes());
    };
    put(0x00, MAGIC);
    put(0x04, SUPERBLOCK_V2);
    put(0x0C, BLOCK as u32);
    put(0x10, blocks as u32);
    // The first block of the log, and the first transaction's number.
    put(0x14, 1);
    put(0x18, 1);
    // One file system uses it.
    put(0x40, 1);
    block[0x30..0x40].copy_from_slice(uuid);
    block
}
