//! Why an image cannot be written, known before any disk is touched.

use std::io;
use std::path::{Path, PathBuf};

use osb_checksum::{Digest, SumsError, to_hex};
use osb_http::HttpError;
use osb_image::Fault;
use osb_metadata::MetadataError;
use osb_release::ChainError;

/// Why there is no image, or none that may be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// Something of a folder is not there.
    #[error(
        "{place} has no {missing}: name a folder that `osb build` has finished, or an image file"
    )]
    Missing {
        /// The folder or address.
        place: String,
        /// The names of what is missing, with commas.
        missing: String,
    },
    /// A file cannot be read.
    #[error("{action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The bytes at the beginning cannot be read or decompressed.
    #[error("reading the beginning of {place}: {source}")]
    Beginning {
        /// The image.
        place: String,
        /// What is wrong.
        source: io::Error,
    },
    /// Neither a regular file nor a folder.
    #[error("{}: neither a file nor a folder: name an image or the folder of one", path.display())]
    NoFile {
        /// What was named.
        path: PathBuf,
    },
    /// The image has no bytes.
    #[error("{place} is empty")]
    Empty {
        /// The image.
        place: String,
    },
    /// A link of the chain from `SHA256SUMS` to the bytes does not hold.
    #[error(
        "{link}: expected SHA-256 {}, found {}: it is damaged or not of the same build; copy it anew",
        to_hex(expected),
        to_hex(found)
    )]
    Digest {
        /// Which link, in words.
        link: String,
        /// What was promised.
        expected: Digest,
        /// What is there.
        found: Digest,
    },
    /// Files of one folder contradict each other, or the image its description.
    #[error("{link}: it is damaged or not of the same build; copy it anew")]
    Contradiction {
        /// What contradicts what.
        link: String,
    },
    /// `SHA256SUMS` is none.
    #[error("SHA256SUMS of {place}: {source}")]
    Sums {
        /// The folder or address.
        place: String,
        /// What is wrong.
        source: SumsError,
    },
    /// `metadata.json` is none.
    #[error("{place}: {source}")]
    Metadata {
        /// The folder or address.
        place: String,
        /// What is wrong.
        source: MetadataError,
    },
    /// The first link: a signature that is not there, or does not hold.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// Somebody should have signed, and nothing that is signed speaks of the image.
    #[error("{place}: no SHA256SUMS names {name}, so no signature is of it, and a key was named")]
    NotSigned {
        /// The folder or address.
        place: String,
        /// The image.
        name: String,
    },
    /// The parts of an image cannot be read, or are not what they should be.
    #[error("the parts of {place}: {source}")]
    Parts {
        /// The image.
        place: String,
        /// What is wrong.
        source: io::Error,
    },
    /// The partition table is damaged, or cannot be read.
    #[error("the partition table of {place}: {source}")]
    Table {
        /// The image.
        place: String,
        /// What is wrong.
        source: Fault,
    },
    /// The network.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// Anybody between here and the server could have changed the image.
    #[error(
        "{url} comes over http, and nothing tells what it should be: use https, put SHA256SUMS \
         beside it, or name its SHA-256"
    )]
    Unprotected {
        /// The address.
        url: String,
    },
    /// The user has interrupted the work.
    #[error("interrupted")]
    Interrupted,
}

/// What kind of failure it is, for exit codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceFailure {
    /// The machine or the network has failed.
    Io,
    /// There is no such image, or it is none.
    Input,
    /// It could be read, and was refused for safety.
    Refused,
    /// It is not what it should be.
    Verification,
    /// The user has stopped it.
    Interrupted,
}

impl SourceError {
    /// What kind of failure it is.
    pub fn kind(&self) -> SourceFailure {
        match self {
            SourceError::Io { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                SourceFailure::Input
            }
            SourceError::Http(HttpError::Cancelled) | SourceError::Interrupted => {
                SourceFailure::Interrupted
            }
            SourceError::Http(HttpError::NotFound { .. } | HttpError::BadUrl { .. }) => {
                SourceFailure::Input
            }
            SourceError::Io { .. } | SourceError::Http(_) => SourceFailure::Io,
            SourceError::Beginning { source, .. } if is_damage(source) => {
                SourceFailure::Verification
            }
            SourceError::Parts { source, .. } if is_damage(source) => SourceFailure::Verification,
            SourceError::Beginning { .. } | SourceError::Parts { .. } => SourceFailure::Io,
            SourceError::Missing { .. }
            | SourceError::NoFile { .. }
            | SourceError::Empty { .. }
            | SourceError::Sums { .. }
            | SourceError::Metadata { .. }
            | SourceError::Table { .. } => SourceFailure::Input,
            SourceError::Unprotected { .. } => SourceFailure::Refused,
            SourceError::Digest { .. }
            | SourceError::Contradiction { .. }
            | SourceError::Chain(_)
            | SourceError::NotSigned { .. } => SourceFailure::Verification,
        }
    }

    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> SourceError {
        move |source| SourceError::Io { action, path: path.to_owned(), source }
    }
}

/// Whether an error of a reader is about the bytes, not about getting them.
fn is_damage(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof)
}
