//! The superblock, and where block groups have their tables.

use super::{Ext4, FORMAT};
use crate::bytes::Bytes;
use crate::error::Fault;
use crate::limits::Budget;
use crate::window::Window;

/// Features that a reader must know (`EXT4_FEATURE_INCOMPAT_*`).
const FILETYPE: u32 = 0x2;
const RECOVER: u32 = 0x4;
const META_BG: u32 = 0x10;
const EXTENTS: u32 = 0x40;
const SIXTY_FOUR: u32 = 0x80;
const MMP: u32 = 0x100;
const FLEX_BG: u32 = 0x200;
const EA_INODE: u32 = 0x400;
const CSUM_SEED: u32 = 0x2000;
const LARGEDIR: u32 = 0x4000;
const INLINE_DATA: u32 = 0x8000;
const ENCRYPT: u32 = 0x1_0000;
const CASEFOLD: u32 = 0x2_0000;
const KNOWN: u32 = FILETYPE
    | RECOVER
    | META_BG
    | EXTENTS
    | SIXTY_FOUR
    | MMP
    | FLEX_BG
    | EA_INODE
    | CSUM_SEED
    | LARGEDIR
    | INLINE_DATA
    | ENCRYPT
    | CASEFOLD;
/// Some groups have no copy of the superblock (`EXT4_FEATURE_RO_COMPAT_SPARSE_SUPER`).
const SPARSE_SUPER: u32 = 0x1;
/// Blocks are given out in clusters (`EXT4_FEATURE_RO_COMPAT_BIGALLOC`).
const BIGALLOC: u32 = 0x200;
/// Two groups have one at most (`EXT4_FEATURE_COMPAT_SPARSE_SUPER2`).
const SPARSE_SUPER2: u32 = 0x200;

/// What of the superblock a reader needs.
#[derive(Debug, Clone)]
pub(super) struct Superblock {
    pub(super) inodes: u32,
    pub(super) blocks: u64,
    pub(super) free_blocks: u64,
    pub(super) block_size: u64,
    /// Blocks are given out in clusters of so many bytes.
    pub(super) cluster_size: u64,
    pub(super) first_data_block: u64,
    pub(super) blocks_per_group: u64,
    pub(super) inodes_per_group: u32,
    pub(super) inode_size: u64,
    pub(super) descriptor_size: u64,
    pub(super) journal: u32,
    first_meta_group: u64,
    incompatible: u32,
    read_only: u32,
    compatible: u32,
    copies: [u32; 2],
    uuid: [u8; 16],
    label: [u8; 16],
}

/// Where a group has its tables, as block numbers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Group {
    pub(super) block_bitmap: u64,
    pub(super) inode_bitmap: u64,
    pub(super) inode_table: u64,
}

impl Superblock {
    pub(super) fn read(window: &Window) -> Result<Superblock, Fault> {
        let bytes = window.bytes(1024, 1024)?;
        let fields = Bytes(&bytes);
        if fields.u16(0x38) != 0xEF53 {
            return Err(Fault::damaged(FORMAT, "no magic number in its superblock"));
        }
        let shift = fields.u32(0x18);
        if shift > 6 {
            return Err(Fault::damaged(
                FORMAT,
                format!("blocks of 2^{} bytes", u64::from(shift) + 10),
            ));
        }
        let read_only = fields.u32(0x64);
        // The kernel's limit is 2^30 bytes (`EXT4_MAX_CLUSTER_LOG_SIZE`).
        let cluster = fields.u32(0x1C).min(20);
        let dynamic = fields.u32(0x4C) >= 1;
        let incompatible = fields.u32(0x60);
        let large = incompatible & SIXTY_FOUR != 0;
        let unknown = incompatible & !KNOWN;
        if unknown != 0 {
            return Err(Fault::unsupported(FORMAT, format!("features {unknown:#x}")));
        }
        let high = if large { u64::from(fields.u32(0x150)) << 32 } else { 0 };
        let free_high = if large { u64::from(fields.u32(0x158)) << 32 } else { 0 };
        let superblock = Superblock {
            inodes: fields.u32(0),
            blocks: u64::from(fields.u32(4)) | high,
            free_blocks: u64::from(fields.u32(0xC)) | free_high,
            block_size: 1024 << shift,
            cluster_size: if read_only & BIGALLOC != 0 { 1024 << cluster } else { 1024 << shift },
            first_data_block: u64::from(fields.u32(0x14)),
            blocks_per_group: u64::from(fields.u32(0x20)),
            inodes_per_group: fields.u32(0x28),
            inode_size: if dynamic { u64::from(fields.u16(0x58)) } else { 128 },
            descriptor_size: if large { u64::from(fields.u16(0xFE)) } else { 32 },
            journal: fields.u32(0xE0),
            first_meta_group: u64::from(fields.u32(0x104)),
            incompatible,
            read_only,
            compatible: fields.u32(0x5C),
            copies: [fields.u32(0x24C), fields.u32(0x250)],
            uuid: fields.uuid(0x68),
            label: fields.uuid(0x78),
        };
        superblock.check(window)?;
        Ok(superblock)
    }

    fn check(&self, window: &Window) -> Result<(), Fault> {
        let refuse = |problem: String| Err(Fault::damaged(FORMAT, problem));
        if !self.inode_size.is_power_of_two() || !(128..=self.block_size).contains(&self.inode_size)
        {
            return refuse(format!("inodes of {} bytes", self.inode_size));
        }
        let size = self.descriptor_size;
        if !size.is_power_of_two() || !(32..=1024).contains(&size) {
            return refuse(format!("group descriptors of {size} bytes"));
        }
        if self.blocks_per_group == 0 || self.inodes_per_group == 0 || self.first_data_block > 1 {
            return refuse("groups without blocks or inodes".to_owned());
        }
        let bytes = self.blocks.checked_mul(self.block_size);
        if bytes.is_none_or(|bytes| bytes > window.len) {
            return refuse(format!(
                "it says that it has {} blocks of {} bytes, and there are {} bytes",
                self.blocks, self.block_size, window.len
            ));
        }
        Ok(())
    }

    pub(super) fn uuid(&self) -> String {
        let hex: String = self.uuid.iter().map(|byte| format!("{byte:02x}")).collect();
        [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
    }

    pub(super) fn label(&self) -> String {
        let end = self.label.iter().position(|byte| *byte == 0).unwrap_or(self.label.len());
        String::from_utf8_lossy(&self.label[..end]).into_owned()
    }

    pub(super) fn needs_recovery(&self) -> bool {
        self.incompatible & RECOVER != 0
    }

    /// Directory entries have a byte for the type, not a second one for the name's length.
    pub(super) fn has_file_types(&self) -> bool {
        self.incompatible & FILETYPE != 0
    }

    /// Directories may be longer than 2 GiB.
    pub(super) fn has_large_directories(&self) -> bool {
        self.incompatible & LARGEDIR != 0
    }

    /// Number of groups.
    pub(super) fn groups(&self) -> u64 {
        (self.blocks - self.first_data_block.min(self.blocks)).div_ceil(self.blocks_per_group)
    }

    /// Whether a group begins with a copy of the superblock.
    pub(super) fn has_copy(&self, group: u64) -> bool {
        if group == 0 {
            return true;
        }
        if self.compatible & SPARSE_SUPER2 != 0 {
            return self.copies.iter().any(|copy| u64::from(*copy) == group);
        }
        if self.read_only & SPARSE_SUPER == 0 || group == 1 {
            return true;
        }
        [3, 5, 7].into_iter().any(|base| {
            let mut power = base;
            while power < group {
                power *= base;
            }
            power == group
        })
    }

    /// First block of a group, which may be behind the end.
    pub(super) fn group_start(&self, group: u64) -> u64 {
        self.first_data_block.saturating_add(group.saturating_mul(self.blocks_per_group))
    }

    /// Where the descriptor of a group is, in bytes.
    pub(super) fn descriptor_at(&self, group: u64) -> u64 {
        let in_block = self.block_size / self.descriptor_size;
        let (table, index) = (group / in_block, group % in_block);
        let block = if self.incompatible & META_BG == 0 || table < self.first_meta_group {
            // Behind the superblock, which is in block 1 if blocks are that small.
            1024 / self.block_size + 1 + table
        } else {
            let first = table * in_block;
            let skip = u64::from(self.has_copy(first));
            // The first data block is block 0 with clusters of such blocks, too.
            let boot = table == 0 && self.block_size == 1024 && self.first_data_block == 0;
            self.group_start(first).saturating_add(skip + u64::from(boot))
        };
        block.saturating_mul(self.block_size).saturating_add(index * self.descriptor_size)
    }
}

impl Ext4 {
    /// The descriptor of a group.
    pub(super) fn group(&self, group: u64, budget: &mut Budget) -> Result<Group, Fault> {
        let superblock = &self.superblock;
        budget.work(superblock.descriptor_size)?;
        let at = superblock.descriptor_at(group);
        let bytes = self.window.bytes(at, superblock.descriptor_size as usize)?;
        let fields = Bytes(&bytes);
        // Descriptors of 32 bytes have no high halves.
        let number = |low: usize, high: usize| {
            u64::from(fields.u32(low)) | u64::from(fields.u32(high)) << 32
        };
        Ok(Group {
            block_bitmap: number(0, 0x20),
            inode_bitmap: number(4, 0x24),
            inode_table: number(8, 0x28),
        })
    }
}
