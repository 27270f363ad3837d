//! The digest of an image, without storing it.

use std::io;

use osb_checksum::{Digest, Sha256Writer};

use crate::Sink;
use crate::write::WriteSink;

/// Hashes and counts; zero regions are hashed as the zeroes they stand for, so the digest is that
/// of the finished file.
#[derive(Debug)]
pub struct HashSink(WriteSink<Sha256Writer<io::Sink>>);

impl HashSink {
    /// Starts with nothing hashed.
    pub fn new() -> Self {
        HashSink(WriteSink::new(Sha256Writer::new(io::sink())))
    }

    /// Length in bytes and SHA-256 of everything seen.
    pub fn finish(self) -> (u64, Digest) {
        let (_, digest, len) = self.0.into_inner().finish();
        (len, digest)
    }
}

impl Default for HashSink {
    fn default() -> Self {
        HashSink::new()
    }
}

impl Sink for HashSink {
    fn data(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.data(bytes)
    }

    fn zeros(&mut self, len: u64) -> io::Result<()> {
        self.0.zeros(len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_regions_and_written_zeroes_hash_alike() {
        let mut sink = HashSink::new();
        sink.data(b"x").unwrap();
        sink.zeros(300_000).unwrap();
        let mut plain = vec![0; 300_001];
        plain[0] = b'x';
        assert_eq!(sink.finish(), (300_001, osb_checksum::sha256(&plain)));
    }
}
