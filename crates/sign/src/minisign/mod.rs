//! minisign's files, as its `minisign.h` has them: a line of comment, then base64 of fixed fields.
//!
//! Numbers are little-endian. `Ed` signs a file itself, `ED` its BLAKE2b-512; minisign makes the
//! latter since 2015, and osb only that.

mod public;
mod secret;
mod signature;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

pub(crate) use public::PublicKey;
#[cfg(any(test, feature = "made"))]
pub(crate) use public::file as public_file;
pub(crate) use secret::SecretKey;
#[cfg(any(test, feature = "made"))]
pub(crate) use secret::file as secret_file;

/// How the first line of all its files begins.
pub(crate) const COMMENT: &str = "untrusted comment: ";
/// How the third line of a signature begins.
const TRUSTED: &str = "trusted comment: ";

/// The algorithm of keys, and of signatures of files themselves.
const PLAIN: [u8; 2] = *b"Ed";
/// The algorithm of signatures of a file's digest.
const HASHED: [u8; 2] = *b"ED";

/// Bytes of a public key's fields: algorithm, identifier, key.
const PUBLIC: usize = 2 + 8 + 32;
/// Bytes of a secret key's fields: three algorithms, salt, two limits, the sealed part.
const SECRET: usize = 3 * 2 + 32 + 2 * 8 + SEALED;
/// Bytes of what is sealed: identifier, secret and public key, checksum.
const SEALED: usize = 8 + 64 + 32;

/// The line behind the comment, or the only one.
fn payload(text: &str) -> &str {
    match text.strip_prefix(COMMENT) {
        Some(rest) => rest.lines().nth(1).unwrap_or_default().trim(),
        None => text.trim(),
    }
}

fn decode<const N: usize>(line: &str) -> Option<[u8; N]> {
    // Longer lines are not looked at: base64 has four characters for three bytes.
    if line.len() > 4 * (N / 3 + 1) {
        return None;
    }
    STANDARD.decode(line).ok()?.try_into().ok()
}

fn encode(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// An identifier as minisign prints it.
fn id(id: [u8; 8]) -> String {
    format!("{:016X}", u64::from_le_bytes(id))
}

/// Splits `N` bytes off, which the caller has counted.
fn take<const N: usize>(bytes: &mut &[u8]) -> [u8; N] {
    let Some((head, rest)) = bytes.split_first_chunk::<N>() else { return [0; N] };
    *bytes = rest;
    *head
}

/// Whether it is a public key, at first sight.
pub(crate) fn is_public(text: &str) -> bool {
    is_literal(payload(text))
}

/// Whether it is a line with a public key.
pub(crate) fn is_literal(line: &str) -> bool {
    decode::<PUBLIC>(line).is_some_and(|bytes| bytes.starts_with(&PLAIN))
}

/// Whether it is a secret key, at first sight.
pub(crate) fn is_secret(text: &str) -> bool {
    decode::<SECRET>(payload(text)).is_some_and(|bytes| bytes.starts_with(&PLAIN))
}
