//! Hashing and counting what passes through a reader or a writer.

use std::io::{self, Read, Write};

use sha2::{Digest as _, Sha256};

use crate::digest::Digest;

/// Bytes asked for at a time when a whole stream is read only for its digest.
const STEP: usize = 256 * 1024;

/// Passes bytes on to a writer, hashes and counts them.
///
/// Only what the inner writer accepted is hashed.
#[derive(Debug)]
pub struct Sha256Writer<W> {
    inner: W,
    hash: Sha256,
    len: u64,
}

impl<W: Write> Sha256Writer<W> {
    /// Starts with nothing written.
    pub fn new(inner: W) -> Self {
        Sha256Writer { inner, hash: Sha256::new(), len: 0 }
    }

    /// The writer, the digest and the number of bytes. The writer is not flushed.
    pub fn finish(self) -> (W, Digest, u64) {
        (self.inner, self.hash.finalize().into(), self.len)
    }
}

impl<W: Write> Write for Sha256Writer<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = self.inner.write(bytes)?;
        self.hash.update(&bytes[..taken]);
        self.len += taken as u64;
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Hands on bytes from a reader, hashes and counts them.
#[derive(Debug)]
pub struct Sha256Reader<R> {
    inner: R,
    hash: Sha256,
    len: u64,
}

impl<R: Read> Sha256Reader<R> {
    /// Starts with nothing read.
    pub fn new(inner: R) -> Self {
        Sha256Reader { inner, hash: Sha256::new(), len: 0 }
    }

    /// Reads to the end, only to hash and count; returns the number of bytes read so.
    pub fn drain(&mut self) -> io::Result<u64> {
        let before = self.len;
        let mut buffer = vec![0; STEP];
        loop {
            match self.read(&mut buffer) {
                Ok(0) => return Ok(self.len - before),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// The reader, the digest and the number of bytes read so far, which is the whole stream
    /// only if it was read to its end.
    pub fn finish(self) -> (R, Digest, u64) {
        (self.inner, self.hash.finalize().into(), self.len)
    }
}

impl<R: Read> Read for Sha256Reader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let got = self.inner.read(buffer)?;
        self.hash.update(&buffer[..got]);
        self.len += got as u64;
        Ok(got)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sha256;

    /// Accepts at most three bytes a call, as a pipe may.
    struct Short(Vec<u8>);

    impl Write for Short {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let taken = bytes.len().min(3);
            self.0.extend_from_slice(&bytes[..taken]);
            Ok(taken)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn short_writes_are_hashed_once() {
        let mut writer = Sha256Writer::new(Short(Vec::new()));
        writer.write_all(b"hello, world").unwrap();
        let (inner, digest, len) = writer.finish();
        assert_eq!(inner.0, b"hello, world");
        assert_eq!((digest, len), (sha256(b"hello, world"), 12));
    }

    #[test]
    fn a_reader_hashes_what_was_read_and_no_more() {
        let mut reader = Sha256Reader::new(&b"hello, world"[..]);
        let mut head = [0; 5];
        reader.read_exact(&mut head).unwrap();
        assert_eq!(reader.drain().unwrap(), 7);
        let (rest, digest, len) = reader.finish();
        assert!(rest.is_empty());
        assert_eq!((digest, len), (sha256(b"hello, world"), 12));
    }
}
