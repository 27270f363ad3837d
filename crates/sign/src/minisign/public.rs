//! The public half, and what it makes of a signature.

use blake2::{Blake2b512, Digest};
use ed25519_dalek::{Signature, VerifyingKey};

use super::signature::Signed;
use super::{HASHED, PUBLIC, decode, id, payload, take};
use crate::error::{KeyError, SignatureError};
use crate::{Kind, Signer};

/// A public key of minisign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PublicKey {
    id: [u8; 8],
    key: VerifyingKey,
}

impl PublicKey {
    /// Takes a file's text, or its second line.
    pub(crate) fn read(text: &str) -> Result<PublicKey, KeyError> {
        let bytes: [u8; PUBLIC] =
            decode(payload(text)).ok_or_else(|| KeyError::malformed("its base64 is damaged"))?;
        let mut rest = &bytes[2..];
        let id = take(&mut rest);
        let key = VerifyingKey::from_bytes(&take(&mut rest)).map_err(KeyError::malformed)?;
        Ok(PublicKey { id, key })
    }

    /// Its identifier, 16 hexadecimal digits.
    pub(crate) fn id(&self) -> String {
        id(self.id)
    }

    /// Checks both signatures of a signature file: that of the message, and that of the comment.
    pub(crate) fn verify(&self, message: &[u8], text: &str) -> Result<Signer, SignatureError> {
        let signed = Signed::read(text)?;
        if signed.id != self.id {
            return Err(SignatureError::OtherKey { found: id(signed.id), wanted: self.id() });
        }
        let signature = Signature::from_bytes(&signed.signature);
        let verified = match signed.algorithm {
            HASHED => self.key.verify_strict(&Blake2b512::digest(message), &signature),
            _ => self.key.verify_strict(message, &signature),
        };
        verified.map_err(|_| SignatureError::Wrong { key: self.id() })?;
        let global = Signature::from_bytes(&signed.global);
        let covered = [&signed.signature[..], signed.comment.as_bytes()].concat();
        self.key
            .verify_strict(&covered, &global)
            .map_err(|_| SignatureError::Comment { key: self.id() })?;
        Ok(Signer { kind: Kind::Minisign, key: self.id(), comment: signed.comment.to_owned() })
    }
}

/// A key file of these parts, as minisign writes it.
#[cfg(any(test, feature = "made"))]
pub(crate) fn file(id: [u8; 8], key: &ed25519_dalek::SigningKey) -> String {
    let fields = [&super::PLAIN[..], &id, key.verifying_key().as_bytes()].concat();
    format!("{}minisign public key {}\n{}\n", super::COMMENT, super::id(id), super::encode(&fields))
}
