//! How many blocks and inodes a tree takes, and which size is enough for that.
//!
//! The numbers are exact but for two upper bounds: a directory with an index is packed in the
//! order of hashes that are not computed here, and large files may need a block more for
//! their extents.

use std::collections::{BTreeSet, HashMap};

use osb_tree::{Kind, Tree};

use crate::content::runs;
use crate::directory;
use crate::extents::most_nodes;
use crate::geometry::{BLOCK, Geometry, MAX_BLOCKS, MIN_BLOCKS};
use crate::inode::INLINE_TARGET;
use crate::number::{is_lost_found, split};
use crate::own::{FIRST_INODE, LOST_FOUND_BLOCKS};
use crate::xattr;

/// Granularity of [`smallest_size`] in bytes.
const STEP: u64 = 4 << 20;

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
        let mut directories: HashMap<&[u8], Sizes> = HashMap::new();
        let mut linked = BTreeSet::new();
        // `lost+found`, and the resize inode's list. The root is among the entries.
        let mut need = Need { blocks: LOST_FOUND_BLOCKS + 1, inodes: u64::from(FIRST_INODE) - 1 };
        for (path, id, inode) in tree.iter() {
            if is_lost_found(path) {
                continue;
            }
            if !path.is_empty() {
                let (parent, name) = split(path);
                directories.entry(parent).or_default().add(name);
            }
            if tree.links(id) > 1 && !linked.insert(id) {
                continue;
            }
            need.inodes += 1;
            need.blocks += u64::from(xattr::needs_block(&inode.meta));
            match &inode.kind {
                Kind::Directory => {
                    directories.entry(path).or_default();
                }
                Kind::File(content) => {
                    let runs = runs(content);
                    let blocks = runs.iter().map(|run| run.len).sum();
                    need.blocks += blocks + most_nodes(blocks, runs.len() as u64);
                }
                Kind::Symlink(target) => need.blocks += u64::from(target.len() > INLINE_TARGET),
                Kind::CharDevice(_) | Kind::BlockDevice(_) | Kind::Fifo | Kind::Socket => {}
            }
        }
        directories.entry(b"").or_default().add(b"lost+found");
        for sizes in directories.values() {
            let blocks = directory::most_blocks(sizes.bytes, sizes.longest);
            need.blocks += blocks + most_nodes(blocks, 1);
        }
        need
    }

    /// The smallest multiple of 4 MiB in which all fits with `free` bytes left to users.
    ///
    /// What is asked for beyond 16 TiB cannot be made: the answer is then just some size that is
    /// too large, which the plan refuses.
    pub(crate) fn smallest_size(&self, free: u64) -> u64 {
        let free = free.div_ceil(BLOCK);
        let mut size = self
            .blocks
            .saturating_add(free)
            .max(MIN_BLOCKS)
            .saturating_mul(BLOCK)
            .checked_next_multiple_of(STEP)
            .unwrap_or(u64::MAX / STEP * STEP);
        while size / BLOCK <= MAX_BLOCKS {
            // Overhead never shrinks when a file system grows, so no size below `size + missing`
            // can do either: the jump does not skip a smaller answer.
            let missing = match Geometry::new(size, self) {
                Some(geometry) => match geometry.missing(self, free) {
                    Some(missing) => missing,
                    None => return size,
                },
                None => 0,
            };
            size += (missing * BLOCK / STEP * STEP).max(STEP);
        }
        size
    }
}

/// Sizes of a directory's entries, `.` and `..` not counted.
#[derive(Debug, Default)]
struct Sizes {
    bytes: u64,
    longest: u64,
}

impl Sizes {
    fn add(&mut self, name: &[u8]) {
        let bytes = directory::entry_bytes(name) as u64;
        self.bytes += bytes;
        self.longest = self.longest.max(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING: Need = Need { blocks: 5, inodes: 11 };

    #[test]
    fn an_empty_tree_takes_the_smallest_file_system() {
        assert_eq!(NOTHING.smallest_size(0), 16 << 20);
    }

    #[test]
    fn the_smallest_size_is_the_smallest() {
        for blocks in (0..2_000_000).step_by(77_777) {
            for free in [0, 1 << 20, 3 << 30] {
                let need = Need { blocks, inodes: 11 + blocks / 3 };
                let size = need.smallest_size(free);
                let enough = |size: u64| {
                    Geometry::new(size, &need).is_some_and(|geometry| {
                        geometry.missing(&need, free.div_ceil(BLOCK)).is_none()
                    })
                };
                assert!(enough(size), "{blocks} blocks, {free} free: {size}");
                assert!(size == 16 << 20 || !enough(size - STEP), "{blocks} {free}: {size}");
            }
        }
    }

    #[test]
    fn many_tiny_inodes_are_given_groups() {
        let need = Need { blocks: 10_000, inodes: 1_000_000 };
        let size = need.smallest_size(0);
        assert!(Geometry::new(size, &need).unwrap().inodes() >= 1_000_000);
    }

    #[test]
    fn absurd_wishes_end() {
        assert!(NOTHING.smallest_size(u64::MAX) / BLOCK > MAX_BLOCKS);
    }
}
