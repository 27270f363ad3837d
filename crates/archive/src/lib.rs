//! Deterministic tar.
//!
//! A [`Tree`] becomes a POSIX (pax) archive: `./` first, then `./path` in byte order, so parents
//! come before children. The bytes are a function of the tree alone, not of the clock or the
//! machine.
//!
//! ```
//! use osb_tree::{Inode, Tree};
//! let mut tree = Tree::new();
//! tree.insert("hello", Inode::file(0o644, b"world\n".to_vec())).unwrap();
//! let bytes = osb_archive::tar(&tree, Vec::new()).unwrap();
//! assert!(bytes.len().is_multiple_of(osb_archive::BLOCK));
//! ```
//!
//! Invariants: every entry is written or is an error, with one exception: sockets, which tar
//! does not know and which mean nothing without their process. Nothing is unpacked here. Memory
//! is bounded by the tree, not by its content.

mod entry;
mod error;
mod pax;

pub use entry::BLOCK;
pub use error::ArchiveError;
use std::io::Write;

use osb_tree::Tree;

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
