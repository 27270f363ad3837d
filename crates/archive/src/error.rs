//! What can go wrong, with the path that caused it.

use std::io;

/// Why an archive cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// An entry that tar cannot express.
    #[error("{path:?}: {reason}")]
    Entry {
        /// Path in the tree.
        path: String,
        /// What tar cannot express.
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
    /// The output failed.
    #[error("writing the archive: {0}")]
    Write(#[source] io::Error),
}

/// A path of the tree for a message.
pub(crate) fn show(path: &[u8]) -> String {
    format!("/{}", String::from_utf8_lossy(path))
}
