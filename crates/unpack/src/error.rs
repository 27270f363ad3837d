//! Why packages could not be unpacked.

use std::io;
use std::path::{Path, PathBuf};

/// Any failure of this crate.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// A .deb that is not one, or is hostile.
    #[error(transparent)]
    Deb(#[from] osb_apt::deb::DebError),
    /// A package that dpkg would refuse, or that has something no package of an image should have.
    #[error("package {package}: {reason}")]
    Package {
        /// Its name.
        package: String,
        /// What is wrong.
        reason: String,
    },
    /// dpkg's database is not as expected.
    #[error("{}: {reason}", path.display())]
    Database {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A file of the building machine.
    #[error("{action} {}: {source}", path.display())]
    Io {
        /// What was tried, as a gerund.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl UnpackError {
    pub(crate) fn io<P: AsRef<Path>>(
        action: &'static str,
        path: P,
    ) -> impl FnOnce(io::Error) -> Self {
        move |source| UnpackError::Io { action, path: path.as_ref().to_owned(), source }
    }

    pub(crate) fn package(package: &str, reason: impl Into<String>) -> Self {
        UnpackError::Package { package: package.to_owned(), reason: reason.into() }
    }
}
