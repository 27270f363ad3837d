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

/// Granularity, in bytes, of what an error suggests.
pub(crate) const STEP: u64 = 4 << 20;

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

    /// The smallest multiple of `step`, `from` bytes at least, in which all fits with `free` bytes
    /// left to users.
    ///
    /// A larger file system can have less room: its journal grows in steps, and its last group
    /// takes room for its tables. So an answer must not be rounded up; `step` says what it shall
    /// be a multiple of.
    ///
    /// What is asked for beyond 16 TiB cannot be made: the answer is then just some size that is
    /// too large, which the plan refuses.
    pub(crate) fn smallest_size(&self, free: u64, step: u64, from: u64) -> u64 {
        let step = step.max(1).checked_next_multiple_of(BLOCK).unwrap_or(u64::MAX / BLOCK * BLOCK);
        let round = |size: u64| size.checked_next_multiple_of(step).unwrap_or(u64::MAX);
        let free = free.div_ceil(BLOCK);
        let least = self.blocks.saturating_add(free).max(MIN_BLOCKS).saturating_mul(BLOCK);
        let mut size = round(least.max(from));
        while size / BLOCK <= MAX_BLOCKS {
            let next = match Geometry::new(size, self) {
                Some(geometry) => match geometry.missing(self, free) {
                    Some(missing) => geometry.blocks + geometry.not_below(missing),
                    None => return size,
                },
                None => 0,
            };
            size = round(next.saturating_mul(BLOCK).max(size.saturating_add(1)));
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
    use proptest::prelude::*;

    use super::*;

    const NOTHING: Need = Need { blocks: 5, inodes: 11 };

    #[test]
    fn an_empty_tree_takes_the_smallest_file_system() {
        assert_eq!(NOTHING.smallest_size(0, STEP, 0), 16 << 20);
    }

    /// Whether `need` fits into so many bytes with `free` left.
    fn enough(need: &Need, size: u64, free: u64) -> bool {
        Geometry::new(size, need)
            .is_some_and(|geometry| geometry.missing(need, free.div_ceil(BLOCK)).is_none())
    }

    proptest! {
        #[test]
        fn the_smallest_size_is_the_smallest_of_its_steps(
            blocks in prop_oneof![0..140_000_u64, 0..400_000_u64],
            inodes in prop_oneof![1..40_u64, 1..400_000_u64],
            free in prop_oneof![0..1_u64 << 20, 0..3_u64 << 30],
            step in prop_oneof![Just(1_u64), Just(4), Just(8), Just(16), Just(256), 1..1025_u64],
        ) {
            let (need, step) = (Need { blocks, inodes: 11 + inodes }, step << 20);
            let size = need.smallest_size(free, step, 0);
            prop_assert!(size.is_multiple_of(step) && enough(&need, size, free), "{size}");
            let smaller = (1..size / step).map(|count| count * step);
            let found = smaller.rev().find(|size| enough(&need, *size, free));
            prop_assert_eq!(found, None);
        }
    }

    #[test]
    fn what_an_error_suggests_is_larger_than_what_was_refused() {
        // From 128 MiB on a journal has 16 MiB, below 4.
        let need = Need { blocks: 29_000, inodes: 11 };
        let fits = |size: u64| enough(&need, size << 20, 0);
        let small = (16..512).find(|size| fits(*size)).unwrap();
        let refused: Vec<u64> = (small..1024).filter(|size| !fits(*size)).collect();
        assert!(!refused.is_empty());
        for size in refused {
            assert!(need.smallest_size(0, STEP, size << 20) > size << 20, "{size}");
        }
    }

    #[test]
    fn a_big_file_system_may_do_where_one_before_it_does_not() {
        // From 4 TiB on there are half as many inodes, so that 4 TiB less some have less room.
        let free = ((4 << 40) / BLOCK - (80 << 30) / BLOCK) * BLOCK;
        let size = NOTHING.smallest_size(free, 1 << 30, 0);
        assert!(enough(&NOTHING, size, free) && !enough(&NOTHING, size - (1 << 30), free));
    }

    #[test]
    fn many_tiny_inodes_are_given_groups() {
        let need = Need { blocks: 10_000, inodes: 1_000_000 };
        let size = need.smallest_size(0, STEP, 0);
        assert!(Geometry::new(size, &need).unwrap().inodes() >= 1_000_000);
    }

    #[test]
    fn absurd_wishes_end() {
        for step in [0, 1, STEP, 3 << 20, u64::MAX] {
            assert!(NOTHING.smallest_size(u64::MAX, step, 0) / BLOCK > MAX_BLOCKS);
        }
    }
}
