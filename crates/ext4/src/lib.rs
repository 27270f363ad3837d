//! Writes a file tree as an ext4 file system, deterministically, in one pass.
//!
//! [`Image::plan`] lays the whole file system out (every inode, directory block and data extent),
//! [`Image::write`] then emits it from the first byte to the last. File contents are streamed
//! from where the tree says they lie, so memory does not grow with the data.
//!
//! ```
//! use osb_tree::{Inode, Tree};
//! # struct Bytes(Vec<u8>);
//! # impl osb_sink::Sink for Bytes {
//! #     fn data(&mut self, bytes: &[u8]) -> std::io::Result<()> { self.0.extend(bytes); Ok(()) }
//! #     fn zeros(&mut self, len: u64) -> std::io::Result<()> {
//! #         self.0.resize(self.0.len() + len as usize, 0); Ok(())
//! #     }
//! # }
//! let mut tree = Tree::new();
//! tree.insert("hello", Inode::file(0o644, b"world\n".to_vec())).unwrap();
//! let options = osb_ext4::Options {
//!     size: osb_ext4::estimate_size(&tree, 1 << 20),
//!     uuid: [1; 16],
//!     hash_seed: [2; 16],
//!     label: "demo".into(),
//!     timestamp: 1_700_000_000,
//! };
//! let mut out = Bytes(Vec::new());
//! osb_ext4::Image::plan(&tree, &options).unwrap().write(&mut out).unwrap();
//! assert_eq!(out.0.len() as u64, options.size);
//! ```
//!
//! What is made is what `mke2fs -t ext4` of Debian trixie makes by default, but for `orphan_file`:
//! a journal, indexed directories, checksums on all metadata, 64-bit block numbers, and room to
//! grow to 1024 times the size while mounted.
//!
//! Invariants: the bytes are a function of tree and options (no clock, no random number, no
//! environment); `lost+found` always exists; every time stamp of an inode is the tree's mtime;
//! names and link targets are bytes; free blocks come as [`Sink::unused`], and everything that
//! anybody reads before writing it comes as data or zeroes.

mod acl;
mod allocate;
mod bytes;
mod checksum;
mod content;
mod descriptors;
mod directory;
mod emit;
mod error;
mod extents;
mod geometry;
mod hash;
mod inode;
mod journal;
mod layout;
mod need;
mod number;
mod out;
mod own;
mod resize;
mod superblock;
mod xattr;

pub use error::Ext4Error;
use geometry::{BLOCK, Geometry};
use layout::Layout;
use need::Need;
use osb_sink::Sink;
use osb_tree::Tree;

/// What a file system is besides its tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Size in bytes, a multiple of 4096; 16 MiB at least. See [`estimate_size`].
    pub size: u64,
    /// Identifier of the file system, as `blkid` shows it; bytes in the order of its text form.
    pub uuid: [u8; 16],
    /// Seed of the directory hash; any value does, but it must not be drawn at random.
    pub hash_seed: [u8; 16],
    /// Volume label, 16 bytes at most; may be empty.
    pub label: String,
    /// Time in the superblock, and of `lost+found` and the journal: seconds since 1970, UTC.
    pub timestamp: i64,
}

/// The smallest size in bytes, a multiple of 4 MiB, of a file system that holds `tree` and
/// leaves `free` bytes to unprivileged users, as `df` shows them once it is mounted (what root
/// and the kernel keep for themselves comes on top).
///
/// Entries that [`Image::plan`] would refuse are counted as if they were valid.
pub fn estimate_size(tree: &Tree, free: u64) -> u64 {
    Need::of(tree).smallest_size(free)
}

/// A file system that is laid out and can be written.
#[derive(Debug)]
pub struct Image<'tree> {
    layout: Layout<'tree>,
    options: Options,
}

impl<'tree> Image<'tree> {
    /// Lays `tree` out.
    ///
    /// # Errors
    /// If an entry cannot be stored in ext4 (the error names it), or the tree does not fit
    /// into `options.size`.
    pub fn plan(tree: &'tree Tree, options: &Options) -> Result<Self, Ext4Error> {
        if !options.size.is_multiple_of(BLOCK) {
            return Err(Ext4Error::Size(options.size));
        }
        if options.label.len() > 16 {
            return Err(Ext4Error::Label(options.label.clone()));
        }
        if options.size / BLOCK > geometry::MAX_BLOCKS {
            return Err(Ext4Error::TooLarge(options.size));
        }
        let need = Need::of(tree);
        let too_small =
            || Ext4Error::TooSmall { size: options.size, needed: need.smallest_size(0) };
        let geometry = Geometry::new(options.size, &need)
            .filter(|geometry| geometry.inodes() >= need.inodes)
            .ok_or_else(too_small)?;
        let layout = layout::layout(tree, options, geometry)?.ok_or_else(too_small)?;
        Ok(Image { layout, options: options.clone() })
    }

    /// Emits the file system, `options.size` bytes, in order.
    ///
    /// # Errors
    /// If a file's content cannot be read or has become shorter, or the sink fails.
    pub fn write(self, sink: &mut dyn Sink) -> Result<(), Ext4Error> {
        emit::write(&self.layout, &self.options, sink)
    }
}
