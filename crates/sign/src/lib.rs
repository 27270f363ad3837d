//! Signatures as minisign and `ssh-keygen -Y sign` make them, and their keys.
//!
//! Both are Ed25519 over a file, in a text file of their own beside it; the tools of either can check
//! what is signed here, and the other way round.
//!
//! ```no_run
//! use osb_sign::{Keys, SecretKey};
//! # let (secret, public) = ("", "");
//! let key = SecretKey::read(secret, None)?;
//! let text = key.sign(b"what is signed", "timestamp:0")?;
//! let keys = Keys::read(public)?;
//! assert!(keys.verify(b"what is signed", &text).is_ok());
//! assert!(keys.verify(b"something else", &text).is_err());
//! # Ok::<(), osb_sign::KeyError>(())
//! ```
//!
//! Invariants: no file is read here, no key is looked for, no secret printed. Of what a signature
//! file says only what its signature covers is handed on.

mod error;
mod keys;
#[cfg(any(test, feature = "made"))]
pub mod made;
mod minisign;
mod pattern;
mod secret;
mod ssh;

pub use error::{KeyError, SignatureError};
pub use keys::{Keys, Signer};
pub use secret::SecretKey;

/// Who else makes and checks signatures of a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// minisign: <https://jedisct1.github.io/minisign/>.
    Minisign,
    /// OpenSSH's `ssh-keygen -Y`: PROTOCOL.sshsig of its source.
    Ssh,
}

impl Kind {
    /// Both.
    pub const ALL: [Kind; 2] = [Kind::Minisign, Kind::Ssh];

    /// What both tools append to the name of a file for that of its signature.
    pub fn extension(self) -> &'static str {
        match self {
            Kind::Minisign => "minisig",
            Kind::Ssh => "sig",
        }
    }

    /// Its name, for people.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Minisign => "minisign",
            Kind::Ssh => "SSH",
        }
    }

    /// Of which kind a signature's text is.
    ///
    /// # Errors
    /// If it is of neither.
    pub fn of(signature: &str) -> Result<Kind, SignatureError> {
        if signature.starts_with(minisign::COMMENT) {
            Ok(Kind::Minisign)
        } else if signature.starts_with(ssh::BEGIN) {
            Ok(Kind::Ssh)
        } else {
            Err(SignatureError::Malformed("neither one of minisign nor one of ssh-keygen".into()))
        }
    }
}
