//! What can be wrong with a package file.

use std::io;
use std::path::{Path, PathBuf};

/// A package file that could not be used: which one, and why.
#[derive(Debug, thiserror::Error)]
#[error("{}: {fault}", path.display())]
pub struct DebError {
    /// The package file.
    pub path: PathBuf,
    /// What is wrong.
    #[source]
    pub fault: DebFault,
}

/// Why a package file could not be used.
#[derive(Debug, thiserror::Error)]
pub enum DebFault {
    /// The operating system refused something, or a compressed stream is broken.
    #[error("{action}: {source}")]
    Io {
        /// What was being done, as "reading the control member".
        action: &'static str,
        /// The cause.
        source: io::Error,
    },
    /// The file is not a package in the format of deb(5).
    #[error("not a valid Debian package: {0}")]
    Malformed(String),
    /// The package contains a file that no honest package contains: refused whole.
    #[error("refused, because of its entry {entry:?}: {reason}")]
    Entry {
        /// The entry's name, as written in the archive.
        entry: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The package is larger than is sane.
    #[error("refused, because it is too large: {0}")]
    TooLarge(String),
    /// An entry could not be put into the root directory.
    #[error("unpacking {entry:?}: {action}: {source}")]
    Unpack {
        /// The entry's path below the root.
        entry: String,
        /// What was being done.
        action: &'static str,
        /// The cause.
        source: io::Error,
    },
}

impl DebFault {
    /// An I/O error during `action`; size limits that readers report as I/O errors become
    /// [`DebFault::TooLarge`] again.
    pub(crate) fn io(action: &'static str) -> impl FnOnce(io::Error) -> DebFault {
        move |source| match source.get_ref().and_then(|e| e.downcast_ref::<LimitReached>()) {
            Some(limit) => DebFault::TooLarge(limit.0.clone()),
            None if source.kind() == io::ErrorKind::UnexpectedEof => {
                DebFault::Malformed(format!("it ends too early ({action})"))
            }
            None => DebFault::Io { action, source },
        }
    }

    /// A refusal of the entry called `name`.
    pub(crate) fn entry(name: &[u8], reason: impl Into<String>) -> DebFault {
        DebFault::Entry { entry: String::from_utf8_lossy(name).into_owned(), reason: reason.into() }
    }

    /// Names the file.
    pub(crate) fn at(self, path: &Path) -> DebError {
        DebError { path: path.to_owned(), fault: self }
    }
}

/// The error inside an `io::Error` of a reader whose limit was reached.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct LimitReached(pub(crate) String);

impl LimitReached {
    /// As an `io::Error`, to pass through `Read`.
    pub(crate) fn into_io(self) -> io::Error {
        io::Error::other(self)
    }
}
