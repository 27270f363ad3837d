//! Why a folder is not what somebody has released, or cannot be looked at.

use std::fmt::Write;
use std::io;
use std::path::{Path, PathBuf};

use osb_checksum::SumsError;
use osb_http::HttpError;
use osb_metadata::{MetadataError, ProvenanceError};
use osb_sign::{KeyError, SignatureError};

use crate::parts::PartsError;
use crate::verify::Problem;

/// What a signature does not show.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    /// There is none by a tool of this kind.
    #[error(
        "{file} of {place} is not signed: there is no {signature} beside it, and a key was named"
    )]
    Unsigned {
        /// The folder or address.
        place: String,
        /// What should be signed.
        file: String,
        /// The signature's file name.
        signature: String,
    },
    /// It does not hold.
    #[error("{signature} of {place}: {source}")]
    Signature {
        /// The folder or address.
        place: String,
        /// The signature's file name.
        signature: String,
        /// What is wrong.
        source: SignatureError,
    },
}

/// Why a release is not in order, or nobody can tell.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReleaseError {
    /// A file cannot be read or written.
    #[error("{action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The network.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// Reading a file of a server, once it had begun.
    #[error("reading {name} of {place}: {source}")]
    Read {
        /// The folder or address.
        place: String,
        /// The file.
        name: String,
        /// What happened.
        source: io::Error,
    },
    /// No list, so no release.
    #[error(
        "{place} has no SHA256SUMS: name a folder that `osb build` has finished, or its address"
    )]
    NoSums {
        /// The folder or address.
        place: String,
    },
    /// The list is none.
    #[error("SHA256SUMS of {place}: {source}")]
    Sums {
        /// The folder or address.
        place: String,
        /// What is wrong.
        source: SumsError,
    },
    /// The first link.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The files.
    #[error("{place}: {} of {checked} files are not what SHA256SUMS says{}", problems.len(), listing(problems))]
    Files {
        /// The folder or address.
        place: String,
        /// How many were looked at.
        checked: usize,
        /// Names, and what is wrong.
        problems: Vec<(String, Problem)>,
    },
    /// `metadata.json` is none.
    #[error("{place}: {source}")]
    Metadata {
        /// The folder or address.
        place: String,
        /// What is wrong.
        source: MetadataError,
    },
    /// `provenance.json` is none.
    #[error("{place}: {source}")]
    Provenance {
        /// The folder or address.
        place: String,
        /// What is wrong.
        source: ProvenanceError,
    },
    /// Two files contradict each other.
    #[error("{place}: {link}: they are not of the same build")]
    Contradiction {
        /// The folder or address.
        place: String,
        /// What contradicts what.
        link: String,
    },
    /// Parts that cannot be put together, or a file that cannot be cut.
    #[error("{place}: {source}")]
    Parts {
        /// The folder or address.
        place: String,
        /// What is wrong.
        source: PartsError,
    },
    /// Making the signature failed.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The user has interrupted the work.
    #[error("interrupted")]
    Interrupted,
}

impl ReleaseError {
    /// Whether something is not what it should be, rather than missing or unreadable.
    pub fn is_verification(&self) -> bool {
        match self {
            ReleaseError::Chain(_)
            | ReleaseError::Files { .. }
            | ReleaseError::Sums { .. }
            | ReleaseError::Metadata { .. }
            | ReleaseError::Provenance { .. }
            | ReleaseError::Contradiction { .. }
            | ReleaseError::Parts { .. } => true,
            ReleaseError::Read { source, .. } => source.kind() == io::ErrorKind::InvalidData,
            _ => false,
        }
    }

    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> ReleaseError {
        move |source| ReleaseError::Io { action, path: path.to_owned(), source }
    }
}

fn listing(problems: &[(String, Problem)]) -> String {
    problems.iter().fold(String::new(), |mut text, (name, problem)| {
        // Writing to a String does not fail,
        // and a terminal takes nothing in a name for something else.
        let _ = write!(text, "\n  {}: {problem}", name.escape_debug());
        text
    })
}
