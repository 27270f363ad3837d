//! The inodes that are the file system's own (fs/ext4/ext4.h, `EXT4_*_INO`).

/// The root directory.
pub(crate) const ROOT: u32 = 2;
/// Which blocks are kept for further group descriptors: see [`crate::resize`].
pub(crate) const RESIZE: u32 = 7;
/// The journal.
pub(crate) const JOURNAL: u32 = 8;
/// The first that is not reserved, by custom that of `lost+found`.
pub(crate) const LOST_FOUND: u32 = 11;
/// The first of the tree's, but for the root.
pub(crate) const FIRST_INODE: u32 = 12;

/// Blocks of `lost+found`: when e2fsck puts something there, it must not have to allocate.
pub(crate) const LOST_FOUND_BLOCKS: u64 = 4;
