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
//! The on-disk work is done by the crate `mkext4`; this crate is the facade that keeps it
//! replaceable and closes its gaps: bytes in order, sizes and inode counts chosen, POSIX ACLs
//! converted, limits checked with the path named.
//!
//! Invariants: the bytes are a function of tree and options (no clock, no random number, no
//! environment); `lost+found` always exists; every time stamp of an inode is the tree's mtime.
//! Features are those of a stock `mke2fs -t ext4` without `64bit` and `resize_inode`.

mod acl;
mod declare;
mod error;
mod geometry;
mod need;
mod stream;
mod xattr;

pub use error::Ext4Error;
use geometry::{BLOCK, Geometry, RESERVED_PERCENT};
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
    let need = need::Need::of(tree);
    geometry::smallest_size(&need, free)
}

/// A file system that is laid out and can be written.
#[derive(Debug)]
pub struct Image<'tree> {
    layout: mkext4::Layout,
    files: stream::Files<'tree>,
    size: u64,
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
        let need = need::Need::of(tree);
        let geometry = Geometry::new(options.size, &need)
            .filter(|geometry| geometry.inodes() >= need.inodes)
            .ok_or_else(|| too_small(&need, options))?;

        let mut builder_options =
            mkext4::Options::new(geometry.blocks * BLOCK, options.uuid, options.timestamp);
        builder_options.hash_seed = seed_words(&options.hash_seed);
        builder_options.inodes = mkext4::InodeCount::Exact(geometry.inodes() as u32);
        builder_options.label = Some(options.label.clone());
        builder_options.reserved_percent = RESERVED_PERCENT;
        builder_options.journal_blocks = Some(geometry.journal_blocks as u32);
        let builder = mkext4::FsBuilder::new(builder_options)
            .map_err(|error| Ext4Error::Layout(error.to_string()))?;

        let declared = declare::declare(tree, builder)?;
        let layout = declared.builder.seal().map_err(|error| {
            // mkext4 has no error kind of its own for a full file system.
            if geometry.available(&need).is_none() {
                too_small(&need, options)
            } else {
                Ext4Error::Layout(error.to_string())
            }
        })?;
        let files = stream::Files::new(&layout, declared.files);
        Ok(Image { layout, files, size: options.size })
    }

    /// Emits the file system, `options.size` bytes, in order.
    ///
    /// # Errors
    /// If a file's content cannot be read or has become shorter, or the sink fails.
    pub fn write(self, sink: &mut dyn Sink) -> Result<(), Ext4Error> {
        stream::write(&self.layout, self.files, self.size, sink)
    }
}

fn too_small(need: &need::Need, options: &Options) -> Ext4Error {
    Ext4Error::TooSmall { size: options.size, needed: geometry::smallest_size(need, 0) }
}

/// `s_hash_seed` is an array of little-endian words.
fn seed_words(seed: &[u8; 16]) -> [u32; 4] {
    let word = |at: usize| u32::from_le_bytes([seed[at], seed[at + 1], seed[at + 2], seed[at + 3]]);
    [word(0), word(4), word(8), word(12)]
}
