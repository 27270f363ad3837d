//! Extended attributes: in the inode, in a block, in an inode of their own.

use std::collections::BTreeMap;

use super::inode::DiskInode;
use super::{Ext4, FORMAT};
use crate::bytes::Bytes;
use crate::error::Fault;
use crate::limits::Budget;

/// `EXT4_XATTR_MAGIC`.
const MAGIC: u32 = 0xEA02_0000;
/// Longest value (`XATTR_SIZE_MAX`).
const MOST_VALUE: u64 = 65536;
/// ACL_USER and ACL_GROUP, the entries of an ACL that name an id.
const WITH_ID: [u16; 2] = [0x02, 0x08];

/// The attributes of an inode.
#[derive(Debug, Default)]
pub(super) struct Attributes {
    /// By full name.
    pub(super) values: BTreeMap<Vec<u8>, Vec<u8>>,
    /// `system.data`, which holds what of an inline content the inode has no room for.
    pub(super) inline: Option<Vec<u8>>,
}

impl Ext4 {
    pub(super) fn attributes(
        &self,
        number: u32,
        inode: &DiskInode,
        budget: &mut Budget,
    ) -> Result<Attributes, Fault> {
        let mut found = Attributes::default();
        if Bytes(&inode.tail).u32(0) == MAGIC {
            // Values count from the first entry.
            let area = &inode.tail[4.min(inode.tail.len())..];
            self.list(number, area, 0, &mut found, budget)?;
        }
        if inode.attribute_block != 0 {
            let size = self.superblock.block_size;
            if inode.attribute_block >= self.superblock.blocks {
                return Err(damaged(number, "a block behind the end"));
            }
            budget.work(size)?;
            let block = self.window.bytes(inode.attribute_block * size, size as usize)?;
            if Bytes(&block).u32(0) != MAGIC {
                return Err(damaged(number, "a block without their magic number"));
            }
            // Values count from the beginning of the block.
            self.list(number, &block, 32, &mut found, budget)?;
        }
        Ok(found)
    }

    /// The entries of `area` from `at` on.
    fn list(
        &self,
        number: u32,
        area: &[u8],
        mut at: usize,
        found: &mut Attributes,
        budget: &mut Budget,
    ) -> Result<(), Fault> {
        while at + 16 <= area.len() && area[at..at + 4] != [0; 4] {
            let fields = Bytes(&area[at..]);
            let (length, index) = (usize::from(fields.u8(0)), fields.u8(1));
            let (offset, size) = (usize::from(fields.u16(2)), u64::from(fields.u32(8)));
            let Some(suffix) = area.get(at + 16..at + 16 + length) else {
                return Err(damaged(number, "a name behind the end"));
            };
            if size > MOST_VALUE {
                return Err(damaged(number, "a value of more than 64 KiB"));
            }
            budget.keep(size as usize + length + 128)?;
            let value = match fields.u32(4) {
                0 => area.get(offset..offset + size as usize).map(<[u8]>::to_vec),
                inode => Some(self.separate(inode, size, budget)?),
            };
            let Some(value) = value else {
                return Err(damaged(number, "a value behind the end"));
            };
            if (index, suffix) == (7, b"data") {
                found.inline = Some(value);
            } else if let Some((name, value)) = named(index, suffix, value) {
                found.values.insert(name, value);
            }
            at += 16 + length.next_multiple_of(4);
        }
        Ok(())
    }

    /// A value that is the content of the inode `number`.
    fn separate(&self, number: u32, size: u64, budget: &mut Budget) -> Result<Vec<u8>, Fault> {
        let inode = self.inode(number, budget)?;
        let pieces = self.map(number, &inode, budget)?;
        let content = self.window.content(pieces, size);
        budget.work(size)?;
        let content = osb_tree::Content::Extents(content);
        content.read().map_err(Fault::io("reading an extended attribute"))
    }
}

fn damaged(number: u32, problem: &str) -> Fault {
    Fault::damaged(FORMAT, format!("attributes of inode {number}: {problem}"))
}

/// Full name and value as system calls give them (fs/ext4/xattr.h); `None` for a kind that Linux
/// does not show.
fn named(index: u8, suffix: &[u8], value: Vec<u8>) -> Option<(Vec<u8>, Vec<u8>)> {
    let prefix: &[u8] = match index {
        1 => b"user.",
        2 | 3 => {
            let name: &[u8] =
                if index == 2 { b"system.posix_acl_access" } else { b"system.posix_acl_default" };
            // A list in an unknown form is shown as it is: it is a difference all the same.
            let value = acl(&value).unwrap_or(value);
            return Some((name.to_vec(), value));
        }
        4 => b"trusted.",
        6 => b"security.",
        7 => b"system.",
        _ => return None,
    };
    Some(([prefix, suffix].concat(), value))
}

/// An ACL in the system calls' form (version 2, every entry with an id) from the one on disk
/// (version 1).
fn acl(disk: &[u8]) -> Option<Vec<u8>> {
    let mut rest = disk.strip_prefix(&[1, 0, 0, 0])?;
    let mut out = vec![2, 0, 0, 0];
    while !rest.is_empty() {
        let tag = u16::from_le_bytes(*rest.first_chunk()?);
        let length = if WITH_ID.contains(&tag) { 8 } else { 4 };
        let entry = rest.get(..length)?;
        out.extend_from_slice(entry);
        if length == 4 {
            out.extend_from_slice(&[0xFF; 4]);
        }
        rest = &rest[length..];
    }
    Some(out)
}
