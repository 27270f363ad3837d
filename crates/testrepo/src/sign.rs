//! Signs Release files, inline and detached.

use std::io::Write;

use pgp::armor::{self, BlockType};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{
    PacketTrait, Signature, SignatureConfig, SignatureType, Subpacket, SubpacketData,
};
use pgp::ser::Serialize;
use pgp::types::{Duration, KeyDetails, Password};

use crate::NOW;
use crate::key::{Key, issued};

/// The hash of a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hash {
    /// Too weak; nobody should accept it. For RSA keys: Ed25519 ones refuse to make it.
    Sha1,
    /// The usual one.
    Sha256,
    /// Another good one.
    Sha512,
}

/// Who signs, and how.
#[derive(Clone, Debug)]
pub struct Signer {
    /// The key; its subkey signs if it has one.
    pub key: Key,
    /// When, in seconds since 1970.
    pub created: i64,
    /// The signature expires so many seconds later.
    pub expires_after: Option<u32>,
    /// The hash.
    pub hash: Hash,
}

impl Signer {
    /// Signs with SHA-256, a day before [`NOW`].
    pub fn new(key: &Key) -> Signer {
        Signer { key: key.clone(), created: NOW - 86_400, expires_after: None, hash: Hash::Sha256 }
    }

    fn sign(&self, kind: SignatureType, data: &[u8]) -> Signature {
        let hash = match self.hash {
            Hash::Sha1 => HashAlgorithm::Sha1,
            Hash::Sha256 => HashAlgorithm::Sha256,
            Hash::Sha512 => HashAlgorithm::Sha512,
        };
        let prepare =
            |key: &dyn Fn() -> (Vec<Subpacket>, pgp::crypto::public_key::PublicKeyAlgorithm)| {
                let (mut subpackets, algorithm) = key();
                subpackets.extend(self.expires_after.map(|s| {
                    let after = Duration::from_secs(s);
                    Subpacket::regular(SubpacketData::SignatureExpirationTime(after)).unwrap()
                }));
                let mut config = SignatureConfig::v4(kind, algorithm, hash);
                config.hashed_subpackets = subpackets;
                config
            };
        let password = Password::empty();
        match &self.key.subkey {
            Some(key) => {
                prepare(&|| (issued(self.created, key), key.algorithm())).sign(key, &password, data)
            }
            None => {
                let key = &self.key.primary;
                prepare(&|| (issued(self.created, key), key.algorithm())).sign(key, &password, data)
            }
        }
        .unwrap()
    }
}

/// A cleartext-signed message (`InRelease`), as `gpg --clearsign` makes it.
pub fn sign_inline(text: &str, signers: &[Signer]) -> String {
    let lines: Vec<&str> = text.lines().map(|l| l.trim_end_matches([' ', '\t', '\r'])).collect();
    let hashed = lines.join("\r\n");
    let mut out = b"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n".to_vec();
    for line in text.lines() {
        let escape = if line.starts_with('-') { "- " } else { "" };
        writeln!(out, "{escape}{line}").unwrap();
    }
    let raw = signatures(SignatureType::Text, hashed.as_bytes(), signers);
    armor::write(&raw, BlockType::Signature, &mut out, None, true).unwrap();
    String::from_utf8(out).unwrap()
}

/// A detached signature (`Release.gpg`), armoured.
pub fn sign_detached(text: &[u8], signers: &[Signer]) -> String {
    let mut out = Vec::new();
    let raw = signatures(SignatureType::Binary, text, signers);
    armor::write(&raw, BlockType::Signature, &mut out, None, true).unwrap();
    String::from_utf8(out).unwrap()
}

fn signatures(kind: SignatureType, data: &[u8], signers: &[Signer]) -> Raw {
    let mut packets = Vec::new();
    for signer in signers {
        signer.sign(kind, data).to_writer_with_header(&mut packets).unwrap();
    }
    Raw(packets)
}

/// Finished packets, for the armour writer.
pub(crate) struct Raw(pub(crate) Vec<u8>);

impl Serialize for Raw {
    fn to_writer<W: Write>(&self, writer: &mut W) -> pgp::errors::Result<()> {
        Ok(writer.write_all(&self.0)?)
    }

    fn write_len(&self) -> usize {
        self.0.len()
    }
}
