//! Inodes on disk.

use osb_tree::{Device, Meta, Time};

use super::{Ext4, FORMAT};
use crate::bytes::Bytes;
use crate::error::Fault;
use crate::limits::Budget;

/// Flags of an inode (`EXT4_*_FL`).
pub(super) const ENCRYPTED: u32 = 0x800;
pub(super) const EXTENTS: u32 = 0x8_0000;
pub(super) const INLINE_DATA: u32 = 0x1000_0000;

/// An inode, taken apart.
#[derive(Debug, Clone)]
pub(super) struct DiskInode {
    /// Type and permissions.
    pub(super) mode: u32,
    pub(super) links: u16,
    pub(super) size: u64,
    flags: u32,
    uid: u32,
    gid: u32,
    mtime: Time,
    /// In units that matter only when there are none.
    sectors: u64,
    /// Extents, block numbers, a device, a link's target, or inline data.
    pub(super) block: [u8; 60],
    /// The block of extended attributes, or 0.
    pub(super) attribute_block: u64,
    /// What lies behind the fields, where attributes may be.
    pub(super) tail: Vec<u8>,
}

impl Ext4 {
    /// The inode with this number.
    pub(super) fn inode(&self, number: u32, budget: &mut Budget) -> Result<DiskInode, Fault> {
        let at = self.inode_at(number, budget)?;
        budget.work(self.superblock.inode_size)?;
        let bytes = self.window.bytes(at, self.superblock.inode_size as usize)?;
        Ok(self.parse(&bytes))
    }

    /// Where an inode is, in bytes.
    fn inode_at(&self, number: u32, budget: &mut Budget) -> Result<u64, Fault> {
        let superblock = &self.superblock;
        if number == 0 || number > superblock.inodes {
            let problem = format!("inode {number} of {}", superblock.inodes);
            return Err(Fault::damaged(FORMAT, problem));
        }
        let index = number - 1;
        let group = self.group(u64::from(index / superblock.inodes_per_group), budget)?;
        let into = u64::from(index % superblock.inodes_per_group) * superblock.inode_size;
        let table = group.inode_table.checked_mul(superblock.block_size);
        table.and_then(|table| table.checked_add(into)).ok_or_else(|| {
            Fault::damaged(FORMAT, format!("an inode table in block {}", group.inode_table))
        })
    }

    fn parse(&self, bytes: &[u8]) -> DiskInode {
        let fields = Bytes(bytes);
        let mode = u32::from(fields.u16(0));
        let wide = |low: usize, high: usize| {
            u32::from(fields.u16(low)) | u32::from(fields.u16(high)) << 16
        };
        // How many of the fields behind the first 128 bytes are there.
        let extra = if bytes.len() > 128 { usize::from(fields.u16(0x80)) } else { 0 };
        let end = (128 + extra).min(bytes.len());
        let is_directory = mode & 0o170_000 == 0o040_000;
        let high = if is_directory && !self.superblock.has_large_directories() {
            0
        } else {
            fields.u32(0x6C)
        };
        // Two bits extend the seconds, the others are nanoseconds (fs/ext4/ext4.h, i_mtime_extra).
        let time_extra = if end >= 0x8C { fields.u32(0x88) } else { 0 };
        let seconds = i64::from(fields.u32(0x10) as i32) + (i64::from(time_extra & 3) << 32);
        let mut block = [0; 60];
        block.copy_from_slice(&bytes[0x28..0x64]);
        DiskInode {
            mode,
            links: fields.u16(0x1A),
            size: u64::from(fields.u32(4)) | u64::from(high) << 32,
            flags: fields.u32(0x20),
            uid: wide(2, 0x78),
            gid: wide(0x18, 0x7A),
            mtime: Time { secs: seconds, nanos: (time_extra >> 2).min(999_999_999) },
            sectors: u64::from(fields.u32(0x1C)) | u64::from(fields.u16(0x74)) << 32,
            block,
            attribute_block: u64::from(fields.u32(0x68)) | u64::from(fields.u16(0x76)) << 32,
            tail: bytes[end.max(128)..].to_vec(),
        }
    }
}

impl DiskInode {
    pub(super) fn is_directory(&self) -> bool {
        self.mode & 0o170_000 == 0o040_000
    }

    pub(super) fn has(&self, flag: u32) -> bool {
        self.flags & flag != 0
    }

    pub(super) fn meta(&self) -> Meta {
        Meta {
            mode: self.mode & 0o7777,
            uid: self.uid,
            gid: self.gid,
            mtime: self.mtime,
            ..Meta::default()
        }
    }

    /// Whether a symbolic link's target is in the inode: no block is its own
    /// (`ext4_inode_is_fast_symlink`).
    pub(super) fn is_fast_symlink(&self, cluster_size: u64) -> bool {
        let attributes = if self.attribute_block == 0 { 0 } else { cluster_size / 512 };
        self.size < 60 && self.sectors <= attributes
    }

    /// A device's number: the old form in the first word, else the new one in the second
    /// (`old_decode_dev`, `new_decode_dev`).
    pub(super) fn device(&self) -> Device {
        let words = Bytes(&self.block);
        match words.u32(0) {
            0 => {
                let new = words.u32(4);
                Device { major: (new >> 8) & 0xFFF, minor: new & 0xFF | (new >> 12) & 0xF_FF00 }
            }
            old => Device { major: (old >> 8) & 0xFF, minor: old & 0xFF },
        }
    }
}
