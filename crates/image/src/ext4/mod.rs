//! A reader of ext2, ext3 and ext4 file systems.
//!
//! After the kernel's documentation (Documentation/filesystems/ext4) and fs/ext4/ext4.h. Checksums
//! are not looked at: what matters here is what a kernel would show, and a wrong number shows as
//! a wrong tree. Every structure is bounded by [`crate::Limits`].

mod attributes;
mod directory;
mod inode;
mod locate;
mod map;
mod superblock;

use std::collections::{HashMap, HashSet};

use osb_tree::{Content, Inode, InodeId, Kind, Tree};

use crate::error::Fault;
use crate::limits::Budget;
use crate::window::Window;
use inode::DiskInode;
use superblock::Superblock;

pub(crate) const FORMAT: &str = "ext4 file system";

/// The root directory's inode.
const ROOT: u32 = 2;
/// Longest target of a symbolic link (`PATH_MAX`).
const MOST_TARGET: u64 = 4096;

/// What is called with every path, its inode's number, and its inode.
type Visit<'a> = dyn FnMut(&mut Budget, &[u8], u32, &DiskInode) -> Result<(), Fault> + 'a;

/// A file system, opened.
#[derive(Debug)]
pub(crate) struct Ext4 {
    window: Window,
    superblock: Superblock,
}

impl Ext4 {
    /// Whether a superblock may be there.
    pub(crate) fn is_at(window: &Window) -> Result<bool, Fault> {
        Ok(window.has(1024, 1024) && window.bytes(1024 + 0x38, 2)? == [0x53, 0xEF])
    }

    /// Reads the superblock.
    pub(crate) fn open(window: Window) -> Result<Ext4, Fault> {
        let superblock = Superblock::read(&window)?;
        Ok(Ext4 { window, superblock })
    }

    /// Identifier, as `blkid` shows it.
    pub(crate) fn uuid(&self) -> String {
        self.superblock.uuid()
    }

    /// Label.
    pub(crate) fn label(&self) -> String {
        self.superblock.label()
    }

    /// What its superblock says.
    pub(crate) fn space(&self) -> crate::Space {
        let Superblock { blocks, free_blocks, block_size, .. } = &self.superblock;
        // Both fit: the superblock was checked against the length of the image.
        crate::Space { total: blocks * block_size, free: free_blocks.min(blocks) * block_size }
    }

    /// What is noteworthy for whoever reads the tree.
    pub(crate) fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.superblock.needs_recovery() {
            problems
                .push("its journal was not played back: it may lack the last changes".to_owned());
        }
        problems
    }

    /// Everything in it.
    pub(crate) fn tree(&self, budget: &mut Budget) -> Result<Tree, Fault> {
        let mut tree = Tree::new();
        let mut known: HashMap<u32, InodeId> = HashMap::new();
        let mut shares = self.window.shares();
        self.walk(budget, &mut |budget, path, number, disk| {
            if let Some(id) = known.get(&number) {
                return tree.link(path, *id).map_err(Fault::tree(FORMAT));
            }
            let inode = self.value(number, disk, budget)?;
            shares.take(&inode, FORMAT)?;
            let shared = !inode.is_directory() && disk.links > 1;
            let id = tree.insert(path, inode).map_err(Fault::tree(FORMAT))?;
            if shared {
                known.insert(number, id);
            }
            Ok(())
        })?;
        Ok(tree)
    }

    /// Calls `visit` with every path, parents first.
    fn walk(&self, budget: &mut Budget, visit: &mut Visit) -> Result<(), Fault> {
        let root = self.inode(ROOT, budget)?;
        if !root.is_directory() {
            return Err(Fault::damaged(FORMAT, "inode 2, the root, is no directory"));
        }
        visit(budget, b"", ROOT, &root)?;
        let mut seen = HashSet::from([ROOT]);
        // Numbers, and no inodes: each may be 64 KiB, and there may be many that wait.
        let mut open = vec![(Vec::new(), ROOT)];
        while let Some((path, number)) = open.pop() {
            let directory = self.inode(number, budget)?;
            let mut names = HashSet::new();
            for entry in self.entries(number, &directory, budget)? {
                let mut child = path.clone();
                if !child.is_empty() {
                    child.push(b'/');
                }
                child.extend_from_slice(&entry.name);
                budget.entry(&child)?;
                let shown = || String::from_utf8_lossy(&child).into_owned();
                let inode = self.inode(entry.inode, budget)?;
                visit(budget, &child, entry.inode, &inode)?;
                if inode.is_directory() {
                    if !seen.insert(entry.inode) {
                        let problem = format!("directory {:?} has a second name", shown());
                        return Err(Fault::damaged(FORMAT, problem));
                    }
                    open.push((child.clone(), entry.inode));
                }
                if !names.insert(entry.name) {
                    return Err(Fault::damaged(FORMAT, format!("{:?} is there twice", shown())));
                }
            }
        }
        Ok(())
    }

    /// An inode as a value.
    fn value(&self, number: u32, disk: &DiskInode, budget: &mut Budget) -> Result<Inode, Fault> {
        let attributes = self.attributes(number, disk, budget)?;
        let inline = attributes.inline;
        let mut inode = Inode::new(0, Kind::Directory);
        inode.meta = disk.meta();
        inode.meta.xattrs = attributes.values;
        inode.kind = match disk.mode & 0o170_000 {
            0o040_000 => Kind::Directory,
            0o100_000 => Kind::File(self.content(number, disk, inline, budget)?),
            0o120_000 => Kind::Symlink(self.target(number, disk, inline, budget)?),
            0o020_000 => Kind::CharDevice(disk.device()),
            0o060_000 => Kind::BlockDevice(disk.device()),
            0o010_000 => Kind::Fifo,
            0o140_000 => Kind::Socket,
            _ => {
                let problem = format!("inode {number} has mode {:o}", disk.mode);
                return Err(Fault::damaged(FORMAT, problem));
            }
        };
        Ok(inode)
    }

    fn content(
        &self,
        number: u32,
        disk: &DiskInode,
        inline: Option<Vec<u8>>,
        budget: &mut Budget,
    ) -> Result<Content, Fault> {
        if disk.size == 0 {
            return Ok(Content::from(Vec::new()));
        }
        if disk.has(inode::INLINE_DATA) {
            return Ok(Content::from(self.inline(number, disk, inline)?));
        }
        if disk.has(inode::ENCRYPTED) {
            return Err(Fault::unsupported(FORMAT, format!("an encrypted file (inode {number})")));
        }
        let pieces = self.map(number, disk, budget)?;
        Ok(Content::Extents(self.window.content(pieces, disk.size)))
    }

    /// A small content in the inode itself: 60 bytes, and the attribute `system.data`.
    fn inline(
        &self,
        number: u32,
        disk: &DiskInode,
        rest: Option<Vec<u8>>,
    ) -> Result<Vec<u8>, Fault> {
        let mut bytes = disk.block.to_vec();
        bytes.extend(rest.unwrap_or_default());
        if disk.size > bytes.len() as u64 {
            let problem =
                format!("inode {number} has {} bytes inline, not {}", bytes.len(), disk.size);
            return Err(Fault::damaged(FORMAT, problem));
        }
        bytes.truncate(disk.size as usize);
        Ok(bytes)
    }

    fn target(
        &self,
        number: u32,
        disk: &DiskInode,
        inline: Option<Vec<u8>>,
        budget: &mut Budget,
    ) -> Result<Vec<u8>, Fault> {
        if disk.size > MOST_TARGET {
            let problem = format!("symlink of {} bytes (inode {number})", disk.size);
            return Err(Fault::damaged(FORMAT, problem));
        }
        let size = disk.size as usize;
        budget.keep(size)?;
        if disk.has(inode::ENCRYPTED) {
            return Err(Fault::unsupported(FORMAT, format!("an encrypted link (inode {number})")));
        }
        if disk.has(inode::INLINE_DATA) {
            return self.inline(number, disk, inline);
        }
        if disk.is_fast_symlink(self.superblock.cluster_size) {
            return Ok(disk.block[..size].to_vec());
        }
        let pieces = self.map(number, disk, budget)?;
        let content = Content::Extents(self.window.content(pieces, disk.size));
        content.read().map_err(Fault::io("reading a symbolic link"))
    }
}
