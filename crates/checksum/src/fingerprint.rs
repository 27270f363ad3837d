//! Names for what lies in the cache.
//!
//! A digest that others are to check is SHA-256. What osb alone compares, inside its cache, is named
//! by BLAKE3: as hard to forge, and several times as fast, which is what an unchanged gigabyte costs
//! in a build that changes one file.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use crate::Digest;

/// Bytes read at a time.
const BUFFER: usize = 256 << 10;

/// BLAKE3 of what it is shown. Never leaves the cache: no artifact and no lock holds one.
#[derive(Debug, Clone, Default)]
pub struct Fingerprint(blake3::Hasher);

impl Fingerprint {
    /// Of nothing yet.
    pub fn new() -> Self {
        Fingerprint::default()
    }

    /// Of `bytes` behind what was shown before.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest of everything shown.
    pub fn finish(&self) -> Digest {
        self.0.finalize().into()
    }
}

/// The fingerprint of `bytes`.
pub fn fingerprint(bytes: &[u8]) -> Digest {
    blake3::hash(bytes).into()
}

/// The fingerprint of a whole file.
///
/// # Errors
/// If it cannot be read.
pub fn fingerprint_file(path: &Path) -> io::Result<Digest> {
    let mut file = File::open(path)?;
    let mut fingerprint = Fingerprint::new();
    let mut buffer = vec![0; BUFFER];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(fingerprint.finish()),
            Ok(length) => fingerprint.update(&buffer[..length]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::to_hex;

    #[test]
    fn parts_bytes_and_files_agree_with_the_published_vector() {
        // BLAKE3's test vector for the input 0, 1, 2 (test_vectors.json of its reference).
        let expected = "e1be4d7a8ab5560aa4199eea339849ba8e293d55ca0a81006726d184519e647f";
        assert_eq!(to_hex(&fingerprint(&[0, 1, 2])), expected);
        let mut parts = Fingerprint::new();
        parts.update(&[0]);
        parts.update(&[1, 2]);
        assert_eq!(to_hex(&parts.finish()), expected);
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        std::fs::write(&path, [0, 1, 2]).unwrap();
        assert_eq!(to_hex(&fingerprint_file(&path).unwrap()), expected);
    }
}
