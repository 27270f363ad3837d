//! What can go wrong with a transfer.

use std::io;
use std::path::PathBuf;

/// Why there is nothing to read at a URL.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HttpError {
    /// The server says that there is no such file.
    #[error("{url} does not exist")]
    NotFound {
        /// The URL.
        url: String,
    },
    /// The server refuses: some say so of what is not there, too (S3, where nobody may list).
    #[error("{url}: the server answers 403 Forbidden: it is not there, or not for everybody")]
    Forbidden {
        /// The URL.
        url: String,
    },
    /// The server, or the way to it, does not give the file.
    #[error("{url}: {reason} ({attempts} attempts)")]
    Network {
        /// The URL.
        url: String,
        /// How often it was tried.
        attempts: u32,
        /// What happened the last time.
        reason: String,
    },
    /// The server answers with a page for people.
    #[error("{url} gives a web page in place of the file")]
    Page {
        /// The URL.
        url: String,
    },
    /// Nothing that can be fetched.
    #[error("{url}: {reason}")]
    BadUrl {
        /// The URL as given.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The file of a `file:` URL cannot be opened.
    #[error("{action} {}: {error}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// There is more than the caller wants.
    #[error("{url} has more than {limit} bytes")]
    Large {
        /// The URL.
        url: String,
        /// Most bytes that are wanted.
        limit: u64,
    },
    /// The user has interrupted the work.
    #[error("interrupted")]
    Cancelled,
}

/// How a transfer failed.
#[derive(Debug)]
pub enum Failure {
    /// Trying again makes no sense.
    Final(HttpError),
    /// Another attempt may succeed; the text says what happened.
    Transient(String),
}

impl From<HttpError> for Failure {
    fn from(error: HttpError) -> Failure {
        Failure::Final(error)
    }
}

/// Read errors in the middle of a body are the network's.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        Failure::Transient(error.to_string())
    }
}
