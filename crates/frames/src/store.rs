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

/// The compressed piece in an entry, unless that is damaged or another key's.
pub fn open<'entry>(key: &Digest, entry: &'entry [u8]) -> Option<&'entry [u8]> {
    let (piece, seal) = entry.split_last_chunk::<32>()?;
    (fingerprint(key, piece) == *seal).then_some(piece)
}

fn fingerprint(key: &Digest, piece: &[u8]) -> Digest {
    let mut fingerprint = Fingerprint::new();
    fingerprint.update(key);
    fingerprint.update(piece);
    fingerprint.finish()
}
