//! What can go wrong, with the path that caused it.

use std::io;

/// Why a file system cannot be laid out or written.
#[derive(Debug, thiserror::Error)]
pub enum Ext4Error {
    /// The size is not a whole number of blocks.
    #[error("an ext4 size must be a multiple of 4096 bytes, and {0} is not")]
    Size(u64),
    /// The label is too long.
    #[error("ext4 label {0:?} is longer than 16 bytes")]
    Label(String),
    /// The tree does not fit.
    #[error(
        "an ext4 file system of {size} bytes is too small for this tree: make it {needed} bytes"
    )]
    TooSmall {
        /// The size that was asked for, in bytes.
        size: u64,
        /// A size that is enough, in bytes.
        needed: u64,
    },
    /// More blocks than 32 bits count.
    #[error("an ext4 file system of {0} bytes is too large: less than 16 TiB can be written")]
    TooLarge(u64),
    /// A name that this writer cannot store.
    #[error("{path:?}: {reason}")]
    Name {
        /// Path in the tree.
        path: String,
        /// What is wrong with the name or the link target.
        reason: &'static str,
    },
    /// A modification time outside ext4's range.
    #[error("{path:?}: the modification time {secs} s is outside ext4's range (1901 to 2446)")]
    Time {
        /// Path in the tree.
        path: String,
        /// Seconds since 1970.
        secs: i64,
    },
    /// An extended attribute that cannot be stored.
    #[error("{path:?}: extended attribute {name:?}: {reason}")]
    Xattr {
        /// Path in the tree.
        path: String,
        /// Full name of the attribute.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// `lost+found` belongs to the file system; a tree may have it only as an empty directory.
    #[error("{0:?}: lost+found is made by the file system and must be an empty directory")]
    LostFound(String),
    /// An entry that ext4 cannot store (too many links, a device number, a file too large).
    #[error("{path:?}: {reason}")]
    Entry {
        /// Path in the tree.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The content of a file could not be read.
    #[error("reading the content of {path:?}: {source}")]
    Content {
        /// Path in the tree.
        path: String,
        /// What the system says.
        source: io::Error,
    },
    /// The sink failed.
    #[error("writing the ext4 file system: {0}")]
    Write(#[source] io::Error),
}

/// A path of the tree for a message.
pub(crate) fn show(path: &[u8]) -> String {
    format!("/{}", String::from_utf8_lossy(path))
}
