//! Deterministic tar and parallel gzip.
//!
//! A [`Tree`] becomes a POSIX (pax) archive: `./` first, then `./path` in byte order, so parents
//! come before children. The bytes are a function of the tree alone, and with gzip of the tree
//! and the level: not of the number of threads, the clock or the machine.
//!
//! ```
//! use osb_tree::{Inode, Tree};
//! let mut tree = Tree::new();
//! tree.insert("hello", Inode::file(0o644, b"world\n".to_vec())).unwrap();
//! let options = osb_archive::TarOptions::default();
//! let bytes = osb_archive::tar_gz(&tree, Vec::new(), &options).unwrap();
//! assert_eq!(bytes[..2], [0x1f, 0x8b]);
//! ```
//!
//! Invariants: every entry is written or is an error, with one exception: sockets, which tar
//! does not know and which mean nothing without their process. Nothing is unpacked here. Memory
//! is bounded by the number of threads, not by the tree's content.

mod entry;
mod error;
mod gzip;
mod pax;

pub use error::ArchiveError;
use std::io::Write;

use osb_tree::Tree;

/// How an archive is compressed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TarOptions {
    /// Compression level of gzip, 0 (stored) to 9; higher values count as 9.
    pub gzip_level: u32,
    /// Threads that compress; 0 counts as 1. The bytes do not depend on it.
    pub jobs: usize,
}

impl Default for TarOptions {
    /// Level 6, one thread.
    fn default() -> Self {
        TarOptions { gzip_level: 6, jobs: 1 }
    }
}

/// Writes `tree` as a tar archive and gives the writer back.
///
/// # Errors
/// If an entry cannot be expressed or its content cannot be read (the error names it), or `out`
/// fails. What was written is then an archive without an end, to be thrown away.
pub fn tar<W: Write>(tree: &Tree, out: W) -> Result<W, ArchiveError> {
    let mut out = out;
    entry::write_tree(tree, &mut out)?;
    Ok(out)
}

/// Writes `tree` as a tar archive compressed with gzip and gives the writer back.
///
/// The stream consists of several gzip members, each of 1 MiB of the archive, as RFC 1952
/// section 2.2 allows. Readers that stop after the first member are broken; `gzip`, GNU tar,
/// bsdtar, Go, Python and the container tools read it.
///
/// # Errors
/// As [`tar()`].
pub fn tar_gz<W: Write>(tree: &Tree, out: W, options: &TarOptions) -> Result<W, ArchiveError> {
    let mut members =
        gzip::Members::new(out, options.gzip_level, options.jobs).map_err(ArchiveError::Write)?;
    entry::write_tree(tree, &mut members)?;
    members.finish().map_err(ArchiveError::Write)
}
