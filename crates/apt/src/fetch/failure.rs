//! How an attempt to fetch something failed.

use std::io;

use osb_http::HttpError;

use crate::error::AptError;

/// How an attempt failed.
#[derive(Debug)]
pub(super) enum Failure {
    /// Trying again makes no sense.
    Final(AptError),
    /// Another attempt may succeed; the text says what happened.
    Transient(String),
}

impl From<AptError> for Failure {
    fn from(error: AptError) -> Failure {
        Failure::Final(error)
    }
}

impl From<osb_http::Failure> for Failure {
    fn from(failure: osb_http::Failure) -> Failure {
        match failure {
            osb_http::Failure::Final(error) => Failure::Final(error.into()),
            osb_http::Failure::Transient(reason) => Failure::Transient(reason),
        }
    }
}

/// Read errors in the middle of a body are the network's.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        Failure::Transient(error.to_string())
    }
}

impl From<HttpError> for AptError {
    fn from(error: HttpError) -> AptError {
        match error {
            HttpError::NotFound { url } => AptError::NotFound { url },
            HttpError::Network { url, attempts, reason } => {
                AptError::Network { url, attempts, reason }
            }
            HttpError::Forbidden { url } => {
                let reason = "the server answers 403 Forbidden".to_owned();
                AptError::Network { url, attempts: 1, reason }
            }
            HttpError::BadUrl { url, reason } => AptError::BadUrl { url, reason },
            HttpError::Io { action, path, error } => AptError::Io { action, path, error },
            HttpError::Page { url } => AptError::WebPage { url },
            HttpError::Cancelled => AptError::Cancelled,
            // Of streams, which nothing here uses.
            other => {
                AptError::Network { url: String::new(), attempts: 1, reason: other.to_string() }
            }
        }
    }
}
