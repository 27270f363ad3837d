//! Where a file's blocks are: a tree of extents, or the lists of block numbers of ext2.

use osb_tree::Extent;

use super::inode::{DiskInode, EXTENTS};
use super::{Ext4, FORMAT};
use crate::bytes::Bytes;
use crate::error::Fault;
use crate::limits::Budget;

/// Deepest tree of extents (`EXT4_MAX_EXTENT_DEPTH`).
const DEEPEST: u16 = 5;
/// Lengths above this mean blocks that are reserved and read as zeroes.
const MOST_WRITTEN: u32 = 32768;
/// Block numbers in the inode itself, before those of blocks of block numbers.
const DIRECT: usize = 12;

/// Pieces as they are found: numbers of blocks, merged where they follow each other.
struct Pieces<'a> {
    fs: &'a Ext4,
    number: u32,
    found: Vec<Extent>,
    /// The next logical block that may be mapped: pieces come in order.
    next: u64,
}

impl Ext4 {
    /// The pieces of an inode's content, in bytes of this file system.
    pub(super) fn map(
        &self,
        number: u32,
        inode: &DiskInode,
        budget: &mut Budget,
    ) -> Result<Vec<Extent>, Fault> {
        let mut pieces = Pieces { fs: self, number, found: Vec::new(), next: 0 };
        if inode.has(EXTENTS) {
            pieces.node(&inode.block, None, 0..u64::from(u32::MAX) + 1, budget)?;
        } else {
            pieces.lists(inode, budget)?;
        }
        Ok(pieces.found)
    }
}

impl Pieces<'_> {
    fn damaged(&self, problem: &str) -> Fault {
        Fault::damaged(FORMAT, format!("inode {}: {problem}", self.number))
    }

    /// A node of the tree of extents; `depth` is what the node above says it must be, `range` the
    /// logical blocks that it may map.
    fn node(
        &mut self,
        node: &[u8],
        depth: Option<u16>,
        range: std::ops::Range<u64>,
        budget: &mut Budget,
    ) -> Result<(), Fault> {
        let fields = Bytes(node);
        let (entries, own) = (usize::from(fields.u16(2)), fields.u16(6));
        if fields.u16(0) != 0xF30A || 12 + 12 * entries > node.len() {
            return Err(self.damaged("no valid node of extents"));
        }
        // An empty node below the root could be named over and over.
        if own > DEEPEST || depth.is_some_and(|depth| depth != own || entries == 0) {
            return Err(self.damaged("a tree of extents of a wrong depth"));
        }
        let first = |index: usize| u64::from(fields.u32(12 + 12 * index));
        for index in 0..entries {
            let at = 12 + 12 * index;
            let start = first(index);
            let end = if index + 1 < entries { first(index + 1) } else { range.end };
            if start < range.start || start >= end || end > range.end {
                return Err(self.damaged("extents out of order"));
            }
            if own == 0 {
                let len = u32::from(fields.u16(at + 4));
                let block = u64::from(fields.u32(at + 8)) | u64::from(fields.u16(at + 6)) << 32;
                if len <= MOST_WRITTEN {
                    self.add(start, u64::from(len), block, budget)?;
                }
            } else {
                let block = u64::from(fields.u32(at + 4)) | u64::from(fields.u16(at + 8)) << 32;
                let below = self.block(block, budget)?;
                self.node(&below, Some(own - 1), start..end, budget)?;
            }
        }
        Ok(())
    }

    /// The lists of block numbers of ext2: direct ones, and trees of one to three levels.
    fn lists(&mut self, inode: &DiskInode, budget: &mut Budget) -> Result<(), Fault> {
        let words = Bytes(&inode.block);
        let per_block = self.fs.superblock.block_size / 4;
        let end = inode.size.div_ceil(self.fs.superblock.block_size);
        let mut logical = 0;
        for index in 0..DIRECT + 3 {
            let level = (index + 1).saturating_sub(DIRECT) as u32;
            let covers = per_block.saturating_pow(level);
            self.list(words.u32(4 * index), level, logical, end, budget)?;
            logical = logical.saturating_add(covers);
        }
        Ok(())
    }

    /// One block number that stands for a block, or for a block of block numbers.
    fn list(
        &mut self,
        block: u32,
        level: u32,
        logical: u64,
        end: u64,
        budget: &mut Budget,
    ) -> Result<(), Fault> {
        if block == 0 || logical >= end {
            return Ok(());
        }
        if level == 0 {
            return self.add(logical, 1, u64::from(block), budget);
        }
        let bytes = self.block(u64::from(block), budget)?;
        let words = Bytes(&bytes);
        let covers = (bytes.len() as u64 / 4).saturating_pow(level - 1);
        for index in 0..bytes.len() / 4 {
            let at = logical.saturating_add(covers.saturating_mul(index as u64));
            self.list(words.u32(4 * index), level - 1, at, end, budget)?;
        }
        Ok(())
    }

    fn block(&self, block: u64, budget: &mut Budget) -> Result<Vec<u8>, Fault> {
        let superblock = &self.fs.superblock;
        if block >= superblock.blocks {
            return Err(self.damaged("a block behind the end"));
        }
        budget.work(superblock.block_size)?;
        self.fs.window.bytes(block * superblock.block_size, superblock.block_size as usize)
    }

    /// Adds blocks, to the last piece if they follow it.
    fn add(
        &mut self,
        logical: u64,
        len: u64,
        block: u64,
        budget: &mut Budget,
    ) -> Result<(), Fault> {
        let superblock = &self.fs.superblock;
        let inside = block.checked_add(len).is_some_and(|end| end <= superblock.blocks);
        if logical < self.next || !inside {
            return Err(self.damaged("blocks that overlap or are behind the end"));
        }
        self.next = logical + len;
        let size = superblock.block_size;
        let extent = Extent { at: logical * size, len: len * size, offset: block * size };
        match self.found.last_mut() {
            Some(last)
                if last.at + last.len == extent.at && last.offset + last.len == extent.offset =>
            {
                last.len += extent.len;
            }
            _ => {
                budget.keep(size_of::<Extent>())?;
                self.found.push(extent);
            }
        }
        Ok(())
    }
}
