//! What lies at an offset: for images whose trees are equal and whose bytes are not.

use super::inode::DiskInode;
use super::superblock::Superblock;
use super::{Ext4, ROOT};
use crate::error::Fault;
use crate::limits::Budget;

impl Ext4 {
    /// Describes the byte at `offset`.
    pub(crate) fn locate(&self, offset: u64, budget: &mut Budget) -> Result<String, Fault> {
        let superblock = &self.superblock;
        if offset < 1024 {
            return Ok("the boot block".to_owned());
        }
        if offset < 2048 {
            return Ok(format!("the superblock, byte {:#x}", offset - 1024));
        }
        let block = offset / superblock.block_size;
        if block >= superblock.blocks {
            return Ok("behind the end of the file system".to_owned());
        }
        let group = (block - superblock.first_data_block.min(block)) / superblock.blocks_per_group;
        if superblock.has_copy(group) {
            let into = block - superblock.group_start(group).min(block);
            if into == 0 {
                return Ok(format!("the superblock's copy in group {group}"));
            }
            if into <= descriptor_blocks(superblock) {
                return Ok(format!("the group descriptors in group {group}"));
            }
        }
        let tables = self.in_tables(block, offset, budget)?;
        if let Some(text) = tables {
            return Ok(text);
        }
        let mut found = None;
        self.walk(budget, &mut |budget, path, number, inode| {
            if found.is_none() && self.holds(number, inode, block, budget)? {
                let what = if inode.is_directory() { "directory" } else { "file" };
                found = Some(format!("{what} {:?}", shown(path)));
            } else if found.is_none() && inode.attribute_block == block {
                found = Some(format!("attributes of {:?}", shown(path)));
            }
            Ok(())
        })?;
        if found.is_none() && superblock.journal != 0 {
            let journal = self.inode(superblock.journal, budget)?;
            if self.holds(superblock.journal, &journal, block, budget)? {
                found = Some("the journal".to_owned());
            }
        }
        Ok(found.unwrap_or_else(|| format!("block {block}, which is free or metadata")))
    }

    /// A bitmap or an inode table of any group: with flex_bg they lie in others.
    fn in_tables(
        &self,
        block: u64,
        offset: u64,
        budget: &mut Budget,
    ) -> Result<Option<String>, Fault> {
        let superblock = &self.superblock;
        let per_group = u64::from(superblock.inodes_per_group);
        let table_bytes = per_group * superblock.inode_size;
        for group in 0..superblock.groups() {
            let tables = self.group(group, budget)?;
            if block == tables.block_bitmap {
                return Ok(Some(format!("the block bitmap of group {group}")));
            }
            if block == tables.inode_bitmap {
                return Ok(Some(format!("the inode bitmap of group {group}")));
            }
            let start = tables.inode_table.saturating_mul(superblock.block_size);
            if (start..start.saturating_add(table_bytes)).contains(&offset) {
                let number = group * per_group + (offset - start) / superblock.inode_size + 1;
                let byte = (offset - start) % superblock.inode_size;
                let name = self.name_of(number, budget)?;
                return Ok(Some(format!("inode {number}{name}, byte {byte:#x}")));
            }
        }
        Ok(None)
    }

    fn name_of(&self, wanted: u64, budget: &mut Budget) -> Result<String, Fault> {
        let mut name = String::new();
        self.walk(budget, &mut |_, path, number, _| {
            if u64::from(number) == wanted && name.is_empty() {
                name = if number == ROOT {
                    " (/)".to_owned()
                } else {
                    format!(" ({:?})", shown(path))
                };
            }
            Ok(())
        })?;
        Ok(name)
    }

    fn holds(
        &self,
        number: u32,
        inode: &DiskInode,
        block: u64,
        budget: &mut Budget,
    ) -> Result<bool, Fault> {
        let kind = inode.mode & 0o170_000;
        let mapped = match kind {
            0o100_000 | 0o040_000 => !inode.has(super::inode::INLINE_DATA),
            0o120_000 => !inode.is_fast_symlink(self.superblock.block_size),
            _ => false,
        };
        if !mapped {
            return Ok(false);
        }
        let at = block * self.superblock.block_size;
        let pieces = self.map(number, inode, budget)?;
        Ok(pieces.iter().any(|piece| (piece.offset..piece.offset + piece.len).contains(&at)))
    }
}

fn shown(path: &[u8]) -> String {
    format!("/{}", String::from_utf8_lossy(path))
}

/// Blocks of group descriptors behind a superblock, at most.
fn descriptor_blocks(superblock: &Superblock) -> u64 {
    (superblock.groups() * superblock.descriptor_size).div_ceil(superblock.block_size)
}
