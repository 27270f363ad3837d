//! Where compressed pieces are remembered.

use std::io;

use osb_checksum::{Digest, Fingerprint};

/// Keeps entries by key. What it gives is checked, so it may lose and damage them: a stream has
/// the same bytes with any store.
pub trait Store: Send + Sync {
    /// Appends the entry to `out` and returns true, or false if there is none.
    ///
    /// # Errors
    /// If it is there and cannot be read; it counts as damaged.
    fn get(&self, key: &Digest, out: &mut Vec<u8>) -> io::Result<bool>;

    /// Keeps an entry, in place of one that may be there.
    ///
    /// # Errors
    /// If it cannot be kept; the stream goes on.
    fn put(&self, key: &Digest, entry: &[u8]) -> io::Result<()>;
}

/// Remembers nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoStore;

impl Store for NoStore {
    fn get(&self, _: &Digest, _: &mut Vec<u8>) -> io::Result<bool> {
        Ok(false)
    }

    fn put(&self, _: &Digest, _: &[u8]) -> io::Result<()> {
        Ok(())
    }
}

/// Makes an entry of a compressed piece: behind it a fingerprint of both, key and piece. An entry
/// under a wrong key is as wrong as one with a flipped bit.
pub(crate) fn seal(key: &Digest, piece: &mut Vec<u8>) {
    let seal = fingerprint(key, piece);
    piece.extend_from_slice(&seal);
}

/// Takes the piece out of an entry, and returns true; or false if that is damaged.
pub(crate) fn open(key: &Digest, entry: &mut Vec<u8>) -> bool {
    let Some((piece, seal)) = entry.split_last_chunk::<32>() else { return false };
    let length = piece.len();
    let whole = fingerprint(key, piece) == *seal;
    entry.truncate(length);
    whole
}

fn fingerprint(key: &Digest, piece: &[u8]) -> Digest {
    let mut fingerprint = Fingerprint::new();
    fingerprint.update(key);
    fingerprint.update(piece);
    fingerprint.finish()
}
