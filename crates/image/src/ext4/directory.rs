//! Directories. Hashed ones are read like plain ones: the index looks like deleted entries.

use super::inode::{DiskInode, ENCRYPTED, INLINE_DATA};
use super::{Ext4, FORMAT};
use crate::bytes::Bytes;
use crate::error::Fault;
use crate::limits::Budget;

/// A name in a directory.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) inode: u32,
    pub(super) name: Vec<u8>,
}

impl Ext4 {
    /// The entries of a directory, without `.` and `..`.
    pub(super) fn entries(
        &self,
        number: u32,
        inode: &DiskInode,
        budget: &mut Budget,
    ) -> Result<Vec<Entry>, Fault> {
        if inode.has(ENCRYPTED) {
            let feature = format!("an encrypted directory (inode {number})");
            return Err(Fault::unsupported(FORMAT, feature));
        }
        let mut found = Vec::new();
        if inode.has(INLINE_DATA) {
            // Four bytes are the parent's number, in place of the two first entries.
            self.block_entries(number, &inode.block[4..], &mut found, budget)?;
            let rest = self.attributes(number, inode, budget)?.inline.unwrap_or_default();
            self.block_entries(number, &rest, &mut found, budget)?;
            return Ok(found);
        }
        let size = self.superblock.block_size;
        let mut block = vec![0; size as usize];
        for piece in self.map(number, inode, budget)? {
            // A directory is as long as its blocks; what is behind its size is not looked at.
            let end = piece.len.min(inode.size.saturating_sub(piece.at));
            for into in (0..end).step_by(size as usize) {
                budget.work(size)?;
                self.window.read(&mut block, piece.offset + into)?;
                self.block_entries(number, &block, &mut found, budget)?;
            }
        }
        Ok(found)
    }

    /// The entries of a block, or of a part of an inode.
    fn block_entries(
        &self,
        number: u32,
        block: &[u8],
        found: &mut Vec<Entry>,
        budget: &mut Budget,
    ) -> Result<(), Fault> {
        let damaged =
            |problem: &str| Fault::damaged(FORMAT, format!("directory inode {number}: {problem}"));
        let mut at = 0;
        while at + 8 <= block.len() {
            let fields = Bytes(&block[at..]);
            // Blocks of 64 KiB do not fit into 16 bits (`ext4_rec_len_from_disk`).
            let length = match fields.u16(4) {
                0 | 0xFFFF if block.len() == 1 << 16 => block.len() - at,
                length => usize::from(length),
            };
            let name_length = if self.superblock.has_file_types() {
                usize::from(fields.u8(6))
            } else {
                usize::from(fields.u16(6))
            };
            if length < 8 || at + length > block.len() {
                return Err(damaged("an entry of a wrong length"));
            }
            let inode = fields.u32(0);
            if inode != 0 {
                if 8 + name_length > length || name_length == 0 {
                    return Err(damaged("a name that is longer than its entry, or none"));
                }
                let name = &block[at + 8..][..name_length];
                if name.iter().any(|byte| matches!(byte, 0 | b'/')) {
                    return Err(damaged("a name with a slash or NUL in it"));
                }
                if !matches!(name, b"." | b"..") {
                    budget.keep(size_of::<Entry>() + name.len())?;
                    found.push(Entry { inode, name: name.to_vec() });
                }
            }
            at += length;
        }
        Ok(())
    }
}
