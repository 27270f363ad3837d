//! What can be wrong with an image.

use std::io;
use std::path::PathBuf;

use osb_tree::{ScanError, TreeError};

/// Why an image cannot be read, with its path.
#[derive(Debug, thiserror::Error)]
#[error("{}: {fault}", path.display())]
pub struct ImageError {
    /// The image.
    pub path: PathBuf,
    /// What is wrong with it.
    pub fault: Fault,
}

/// What is wrong.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The system cannot read it, or has no room for what it decompresses to.
    #[error("{doing}: {source}")]
    Io {
        /// What was tried.
        doing: &'static str,
        /// What was said.
        source: io::Error,
    },
    /// The bytes break a rule of their format.
    #[error("the {format} is damaged: {problem}")]
    Damaged {
        /// Name of the format.
        format: &'static str,
        /// The rule, with the place.
        problem: String,
    },
    /// The format allows it, and osb does not read it.
    #[error("the {format} uses {feature}, which osb does not read")]
    Unsupported {
        /// Name of the format.
        format: &'static str,
        /// What it is.
        feature: String,
    },
    /// More than [`crate::Limits`] allow.
    #[error("{0}: no honest image needs so much")]
    Limit(String),
    /// None of the forms that osb knows.
    #[error(
        "neither a disk, a file system, an archive (tar, also with gzip, zstd or xz), nor a folder"
    )]
    Unknown,
    /// A folder cannot be read.
    #[error(transparent)]
    Scan(#[from] ScanError),
}

impl Fault {
    pub(crate) fn damaged(format: &'static str, problem: impl Into<String>) -> Fault {
        Fault::Damaged { format, problem: problem.into() }
    }

    pub(crate) fn unsupported(format: &'static str, feature: impl Into<String>) -> Fault {
        Fault::Unsupported { format, feature: feature.into() }
    }

    pub(crate) fn io(doing: &'static str) -> impl Fn(io::Error) -> Fault {
        move |source| Fault::Io { doing, source }
    }

    /// A path of an image that cannot be one of a tree.
    pub(crate) fn tree(format: &'static str) -> impl Fn(TreeError) -> Fault {
        move |error| Fault::Damaged { format, problem: error.to_string() }
    }
}
