//! The superblock (`struct ext4_super_block` in fs/ext4/ext4.h), as mke2fs of Debian trixie makes
//! it by default, without `orphan_file`.

use crate::Options;
use crate::bytes::Record;
use crate::checksum::Sum;
use crate::descriptors::DESCRIPTOR;
use crate::directory::HALF_MD4;
use crate::geometry::{FLEX_SHIFT, GROUP, Geometry};
use crate::inode::{DiskInode, EXTRA, INODE};
use crate::own::{JOURNAL, LOST_FOUND};

/// Size in bytes, and where the primary one lies in its block.
pub(crate) const SUPERBLOCK: usize = 1024;

/// `EXT4_FEATURE_COMPAT_*`: has_journal, ext_attr, resize_inode, dir_index.
const COMPATIBLE: u32 = 0x4 | 0x8 | 0x10 | 0x20;
/// `EXT4_FEATURE_INCOMPAT_*`: filetype, extents, 64bit, flex_bg, csum_seed.
const INCOMPATIBLE: u32 = 0x2 | 0x40 | 0x80 | 0x200 | 0x2000;
/// `EXT4_FEATURE_RO_COMPAT_*`: sparse_super, large_file, huge_file, dir_nlink, extra_isize,
/// metadata_csum.
const READ_ONLY: u32 = 0x1 | 0x2 | 0x8 | 0x20 | 0x40 | 0x400;
/// The length of blocks, as a power of two above 1024.
const BLOCK_SHIFT: u32 = 2;
/// `EXT4_VALID_FS`.
const VALID: u16 = 1;
/// Errors are logged, and nothing else (`EXT4_ERRORS_CONTINUE`).
const CONTINUE: u16 = 1;
/// `EXT2_FLAGS_SIGNED_HASH`: see [`crate::hash`].
const SIGNED_HASH: u32 = 1;
/// `EXT4_DEFM_XATTR_USER` and `EXT4_DEFM_ACL`.
const MOUNT_OPTIONS: u32 = 0x4 | 0x8;
/// `EXT4_CRC32C_CHKSUM`.
const CRC32C: u8 = 1;

/// What a superblock tells.
#[derive(Debug)]
pub(crate) struct Superblock<'a> {
    pub(crate) geometry: &'a Geometry,
    pub(crate) options: &'a Options,
    pub(crate) free_blocks: u64,
    pub(crate) free_inodes: u64,
    /// Where the journal lies, in case that its inode is lost.
    pub(crate) journal: &'a DiskInode,
}

impl Superblock<'_> {
    /// The one of `group`.
    pub(crate) fn encode(&self, group: u64) -> [u8; SUPERBLOCK] {
        let mut bytes = [0; SUPERBLOCK];
        let mut record = Record(&mut bytes);
        self.counts(&mut record);
        self.identity(&mut record);
        record.u16(0x38, 0xEF53);
        // A copy may be older than the file system: who starts from it has to check first.
        record.u16(0x3A, if group == 0 { VALID } else { 0 });
        record.u16(0x3C, CONTINUE);
        // Revision 1: with the features and sizes that follow.
        record.u32(0x4C, 1);
        record.u32(0x54, LOST_FOUND);
        record.u16(0x58, INODE as u16);
        record.u16(0x5A, group as u16);
        record.u32(0x5C, COMPATIBLE);
        record.u32(0x60, INCOMPATIBLE);
        record.u32(0x64, READ_ONLY);
        record.u8(0xFC, HALF_MD4);
        record.u16(0xFE, DESCRIPTOR as u16);
        record.u32(0x100, MOUNT_OPTIONS);
        record.u16(0x15C, EXTRA);
        record.u16(0x15E, EXTRA);
        record.u32(0x160, SIGNED_HASH);
        record.u8(0x174, FLEX_SHIFT);
        record.u8(0x175, CRC32C);
        self.journal(&mut record);
        let value = Sum::START.and(&bytes[..SUPERBLOCK - 4]).value();
        Record(&mut bytes).u32(SUPERBLOCK - 4, value);
        bytes
    }

    fn counts(&self, record: &mut Record) {
        let geometry = self.geometry;
        record.u32(0x00, geometry.inodes() as u32);
        record.split_u32(0x04, 0x150, geometry.blocks);
        record.split_u32(0x08, 0x154, geometry.reserved());
        record.split_u32(0x0C, 0x158, self.free_blocks);
        record.u32(0x10, self.free_inodes as u32);
        record.u32(0x18, BLOCK_SHIFT);
        // Clusters are blocks.
        record.u32(0x1C, BLOCK_SHIFT);
        record.u32(0x20, GROUP as u32);
        record.u32(0x24, GROUP as u32);
        record.u32(0x28, geometry.inodes_per_group as u32);
        record.u16(0xCE, geometry.growth_blocks as u16);
        record.u32(0x248, geometry.overhead() as u32);
    }

    fn identity(&self, record: &mut Record) {
        let Options { uuid, hash_seed, label, timestamp, .. } = self.options;
        let time = u64::try_from(*timestamp).unwrap_or(0);
        // Last written, last checked, made.
        for (low, high) in [(0x30, 0x274), (0x40, 0x277), (0x108, 0x276)] {
            record.u32(low, time as u32);
            record.u8(high, (time >> 32) as u8);
        }
        // Never checked because of its age or the number of mounts.
        record.u16(0x36, u16::MAX);
        record.bytes(0x68, uuid);
        record.bytes(0x78, label.as_bytes());
        record.bytes(0xEC, hash_seed);
        record.u32(0x270, Sum::seed(uuid).value());
    }

    fn journal(&self, record: &mut Record) {
        record.u32(0xE0, JOURNAL);
        // The inode's blocks and its size are kept here too.
        record.u8(0xFD, 1);
        record.bytes(0x10C, &self.journal.body);
        record.split_u32(0x14C, 0x148, self.journal.size);
    }
}
