//! How many blocks and inodes a tree takes, before it is laid out.
//!
//! The numbers are exact but for two upper bounds: a directory with an index is packed in the
//! order of hashes that are not computed here, and large files may need a block more for
//! their extents.

use std::collections::{BTreeSet, HashMap};

use osb_tree::{Kind, Tree};

use crate::declare;
use crate::geometry::BLOCK;
use crate::xattr;

/// Inodes 1 to 11: reserved ones (root is number 2), journal, `lost+found`.
const OWN_INODES: u64 = 11;
/// Blocks of `lost+found`.
const LOST_FOUND_BLOCKS: u64 = 4;
/// Longest target that is stored in the inode itself.
const INLINE_TARGET: usize = 59;
/// Most blocks of one extent.
const EXTENT: u64 = 32768;
/// Extents, or index entries, in one block of an extent tree.
const PER_TREE_BLOCK: u64 = 340;

/// What a tree takes of a file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Need {
    /// Blocks of content, directories, long links, attributes and extent trees.
    pub(crate) blocks: u64,
    /// Inodes, the file system's own included.
    pub(crate) inodes: u64,
}

impl Need {
    /// Counts `tree`.
    pub(crate) fn of(tree: &Tree) -> Need {
        let mut directories: HashMap<&[u8], Directory> = HashMap::new();
        let mut linked = BTreeSet::new();
        let mut need = Need { blocks: LOST_FOUND_BLOCKS, inodes: OWN_INODES - 1 };
        for (path, id, inode) in tree.iter() {
            if declare::is_lost_found(path) {
                continue;
            }
            if !path.is_empty() {
                let (parent, name) = declare::split(path);
                directories.entry(parent).or_default().add(name.len());
            }
            if tree.links(id) > 1 && !linked.insert(id) {
                continue;
            }
            need.inodes += 1;
            need.blocks += xattr::blocks(&inode.meta);
            match &inode.kind {
                Kind::Directory => {
                    directories.entry(path).or_default();
                }
                Kind::File(content) => {
                    let blocks = content.size().div_ceil(BLOCK);
                    need.blocks += blocks + tree_blocks(blocks);
                }
                Kind::Symlink(target) => need.blocks += u64::from(target.len() > INLINE_TARGET),
                Kind::CharDevice(_) | Kind::BlockDevice(_) | Kind::Fifo | Kind::Socket => {}
            }
        }
        directories.entry(b"").or_default().add("lost+found".len());
        for directory in directories.values() {
            let blocks = directory.blocks();
            need.blocks += blocks + tree_blocks(blocks);
        }
        need
    }
}

/// Most blocks that the extent tree of `blocks` blocks can take outside the inode, which has
/// room for four extents.
///
/// An extent ends after 32,768 blocks or where fixed metadata interrupts it, at most about
/// once a group; up to 32,768 blocks that gives four at most.
pub(crate) fn tree_blocks(blocks: u64) -> u64 {
    if blocks <= EXTENT {
        return 0;
    }
    let leaves = (2 * (blocks / EXTENT) + 6).div_ceil(PER_TREE_BLOCK);
    leaves + if leaves > 4 { leaves.div_ceil(PER_TREE_BLOCK) } else { 0 }
}

/// Sizes of a directory's entries, `.` and `..` not counted.
#[derive(Debug, Default)]
struct Directory {
    bytes: u64,
    longest: u64,
}

impl Directory {
    fn add(&mut self, name_len: usize) {
        let bytes = (8 + name_len as u64).next_multiple_of(4);
        self.bytes += bytes;
        self.longest = self.longest.max(bytes);
    }

    fn blocks(&self) -> u64 {
        /// `.` and `..`.
        const DOTS: u64 = 24;
        /// A block less its checksum record.
        const USABLE: u64 = BLOCK - 12;
        /// Index entries in the root and in an inner block of the hash tree.
        const ROOT_ENTRIES: u64 = 507;
        const NODE_ENTRIES: u64 = 510;
        if self.bytes < BLOCK - 24 {
            return if self.bytes + DOTS <= USABLE { 1 } else { 2 };
        }
        // A leaf is closed by an entry that does not fit, so it is filled at least so far.
        let filled = USABLE + 4 - self.longest;
        let leaves = self.bytes / filled + 1;
        let nodes = if leaves > ROOT_ENTRIES { leaves.div_ceil(NODE_ENTRIES) } else { 0 };
        1 + leaves + nodes
    }
}
