//! A secret key, ready to sign.

use crate::error::KeyError;
use crate::{Kind, minisign, ssh};

/// A secret key of minisign or OpenSSH. What it prints as has no secret.
#[derive(Debug)]
pub struct SecretKey(Inner);

#[derive(Debug)]
enum Inner {
    Minisign(Box<minisign::SecretKey>),
    Ssh(Box<ssh::SecretKey>),
}

impl SecretKey {
    /// Whether the text of a key file needs a password.
    ///
    /// # Errors
    /// If it is no secret key.
    pub fn is_encrypted(text: &str) -> Result<bool, KeyError> {
        match SecretKey::read(text, None) {
            Ok(_) => Ok(false),
            Err(KeyError::Encrypted) => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// Reads the text of a key file: minisign's, or an OpenSSH private key for Ed25519. Opening one
    /// of minisign that is encrypted takes seconds and, by its author's choice, 1 GiB of memory.
    ///
    /// # Errors
    /// If it is none, or encrypted and the password is missing or wrong.
    pub fn read(text: &str, password: Option<&[u8]>) -> Result<SecretKey, KeyError> {
        let text = text.trim();
        if minisign::is_secret(text) {
            let key = minisign::SecretKey::read(text, password)?;
            return Ok(SecretKey(Inner::Minisign(Box::new(key))));
        }
        if text.starts_with("-----BEGIN ") {
            let key = ssh::SecretKey::read(text, password)?;
            return Ok(SecretKey(Inner::Ssh(Box::new(key))));
        }
        match minisign::is_public(text) || ssh::is_public(text) {
            true => Err(KeyError::Public),
            false => Err(KeyError::Unknown { expected: "secret key" }),
        }
    }

    /// Of which kind its signatures are.
    pub fn kind(&self) -> Kind {
        match self.0 {
            Inner::Minisign(_) => Kind::Minisign,
            Inner::Ssh(_) => Kind::Ssh,
        }
    }

    /// The public half, for people: minisign's identifier, or the SHA-256 of the SSH key.
    pub fn id(&self) -> String {
        match &self.0 {
            Inner::Minisign(key) => key.id(),
            Inner::Ssh(key) => key.id(),
        }
    }

    /// The text of a signature file over `message`. `comment` is a line that minisign's signatures
    /// carry, signed; SSH's have no place for one.
    ///
    /// # Errors
    /// If the key cannot sign.
    pub fn sign(&self, message: &[u8], comment: &str) -> Result<String, KeyError> {
        match &self.0 {
            Inner::Minisign(key) => Ok(key.sign(message, comment)),
            Inner::Ssh(key) => key.sign(message),
        }
    }
}
