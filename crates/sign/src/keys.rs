//! The public keys whose signature counts.

use std::fmt::Write;

use crate::Kind;
use crate::error::{KeyError, SignatureError};
use crate::minisign;
use crate::ssh;

/// One or more public keys, all of one kind; a signature by any of them counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keys(Inner);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Inner {
    Minisign(minisign::PublicKey),
    /// At least one.
    Ssh(Vec<ssh::PublicKey>),
}

/// Who has signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signer {
    /// With what.
    pub kind: Kind,
    /// The key: minisign's identifier, or the SHA-256 of the SSH key as `ssh-keygen -l` shows it.
    pub key: String,
    /// What the signer says besides, signed (minisign's trusted comment); who that is by the list of
    /// keys (the principals or the comment of an SSH key). Empty if there is nothing.
    pub comment: String,
}

impl Keys {
    /// Reads a public key: a `.pub` file of minisign or its second line alone, public keys of
    /// OpenSSH, or an `allowed_signers` file (ssh-keygen(1)).
    ///
    /// Of `allowed_signers`, lines for another purpose than files are passed over. Certificates and
    /// limits in time are not supported, and an error rather than ignored.
    ///
    /// # Errors
    /// If it is none of these, or not of Ed25519.
    pub fn read(text: &str) -> Result<Keys, KeyError> {
        let text = text.trim();
        if text.contains("PRIVATE KEY") || minisign::is_secret(text) {
            return Err(KeyError::Secret);
        }
        if minisign::is_public(text) {
            return minisign::PublicKey::read(text).map(|key| Keys(Inner::Minisign(key)));
        }
        let keys = ssh::read_public(text)?;
        if keys.is_empty() {
            Err(KeyError::Unknown { expected: "public key" })
        } else {
            Ok(Keys(Inner::Ssh(keys)))
        }
    }

    /// Whether a text is a key itself, where it could be the name of a file with one.
    pub fn is_literal(text: &str) -> bool {
        ssh::is_literal(text) || minisign::is_literal(text)
    }

    /// Of which kind they are.
    pub fn kind(&self) -> Kind {
        match &self.0 {
            Inner::Minisign(_) => Kind::Minisign,
            Inner::Ssh(_) => Kind::Ssh,
        }
    }

    /// The keys, for people: identifiers with commas.
    pub fn names(&self) -> String {
        match &self.0 {
            Inner::Minisign(key) => key.id(),
            Inner::Ssh(keys) => {
                keys.iter().enumerate().fold(String::new(), |mut text, (n, key)| {
                    // Writing to a String does not fail.
                    let _ = write!(text, "{}{}", if n > 0 { ", " } else { "" }, key.id());
                    text
                })
            }
        }
    }

    /// Checks that `signature`, the text of a signature file, is one of these keys' over `message`.
    ///
    /// # Errors
    /// If it is not; see [`SignatureError`].
    pub fn verify(&self, message: &[u8], signature: &str) -> Result<Signer, SignatureError> {
        let kind = Kind::of(signature)?;
        match &self.0 {
            Inner::Minisign(key) if kind == Kind::Minisign => key.verify(message, signature),
            Inner::Ssh(keys) if kind == Kind::Ssh => ssh::verify(keys, message, signature),
            _ => Err(SignatureError::OtherKey {
                found: format!("of another tool ({})", kind.name()),
                wanted: format!("{} ({})", self.names(), self.kind().name()),
            }),
        }
    }
}
