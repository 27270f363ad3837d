//! What can be wrong with a key, and with a signature.

/// Why a text is no key that can be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// Of no form that is known.
    #[error("not a {expected} of minisign or OpenSSH")]
    Unknown {
        /// What was wanted: `public key` or `secret key`.
        expected: &'static str,
    },
    /// Damaged, or of a form that is not supported.
    #[error("the key cannot be read: {0}")]
    Malformed(String),
    /// Of another algorithm.
    #[error("a key for {0}, and only Ed25519 is supported: ssh-keygen -t ed25519 makes one")]
    Algorithm(String),
    /// It is encrypted, and nobody named a password.
    #[error("the key is encrypted, and there is no password")]
    Encrypted,
    /// The password does not open it.
    #[error("the password does not open the key")]
    Password,
    /// Where a public key was wanted.
    #[error("this is a secret key: keep it to yourself, and name the public one")]
    Secret,
    /// Where a secret key was wanted.
    #[error("this is a public key: the secret one signs")]
    Public,
    /// Making the signature failed.
    #[error("signing failed: {0}")]
    Signing(String),
}

impl KeyError {
    pub(crate) fn malformed(problem: impl std::fmt::Display) -> KeyError {
        KeyError::Malformed(problem.to_string())
    }
}

/// Why a signature shows nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignatureError {
    /// The text is no signature, or a damaged one.
    #[error("it is not a signature that can be read: {0}")]
    Malformed(String),
    /// Another key has made it, or says so.
    #[error("it is by the key {found}, and not by {wanted}")]
    OtherKey {
        /// The key that the signature names.
        found: String,
        /// The keys that were wanted.
        wanted: String,
    },
    /// The key did not sign these bytes.
    #[error("it is not a signature of this file by the key {key}: one of them was changed")]
    Wrong {
        /// The key.
        key: String,
    },
    /// The bytes are signed, but what the signature says besides is not.
    #[error("its trusted comment is not what the key {key} signed: it was changed")]
    Comment {
        /// The key.
        key: String,
    },
    /// Made for another purpose than signing files.
    #[error("it was made for {found:?}, and not for files (ssh-keygen -Y sign -n file)")]
    Namespace {
        /// What it is for.
        found: String,
    },
}
