//! What can go wrong, and with what.

use std::io;
use std::path::{Path, PathBuf};

/// Why a disk could not be found or looked at.
#[derive(Debug, thiserror::Error)]
pub enum FlashError {
    /// The kernel's tables cannot be read.
    #[error("reading {path}: {source}")]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

impl FlashError {
    pub(crate) fn read(path: &Path) -> impl FnOnce(io::Error) -> FlashError {
        move |source| FlashError::Read { path: path.to_owned(), source }
    }
}
