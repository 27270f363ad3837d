//! A reader that is wrong at its end unless it was what it should be.

use std::io::{self, Read, Sink, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use osb_checksum::{Digest, Sha256Writer, to_hex};

/// Hands on the bytes of a file as it lies on a disk or a server, and compares size and digest at
/// its end; tells how long they were waited for.
pub(super) struct Checked<R> {
    inner: R,
    expected: Expected,
    size: u64,
    /// If there is a digest to compare with.
    hash: Option<Sha256Writer<Sink>>,
    ended: bool,
    waited: Arc<AtomicU64>,
}

/// What is known of a file before it is read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Expected {
    /// Its name, for errors.
    pub(super) name: String,
    /// Its length in bytes.
    pub(super) size: Option<u64>,
    /// Its SHA-256.
    pub(super) digest: Option<Digest>,
}

impl<R: Read> Checked<R> {
    /// `waited` counts nanoseconds.
    pub(super) fn new(inner: R, expected: Expected, waited: Arc<AtomicU64>) -> Self {
        let hash = expected.digest.map(|_| Sha256Writer::new(io::sink()));
        Checked { inner, expected, size: 0, hash, ended: false, waited }
    }

    fn end(&mut self) -> io::Result<()> {
        self.ended = true;
        let Expected { name, size, digest } = &self.expected;
        let problem = if let Some(size) = size.filter(|size| *size != self.size) {
            Some(format!("{name} has {} bytes, and {size} were expected", self.size))
        } else if let (Some(digest), Some(hash)) = (digest, self.hash.take()) {
            let (_, found, _) = hash.finish();
            let (expected, found_hex) = (to_hex(digest), to_hex(&found));
            let text = format!("{name} has SHA-256 {found_hex}, and {expected} was expected");
            (found != *digest).then_some(text)
        } else {
            None
        };
        problem.map_or(Ok(()), |text| Err(io::Error::new(io::ErrorKind::InvalidData, text)))
    }
}

impl<R: Read> Read for Checked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.ended {
            return Ok(0);
        }
        let begun = Instant::now();
        let len = self.inner.read(buffer)?;
        let took = u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.waited.fetch_add(took, Ordering::Relaxed);
        if len == 0 && !buffer.is_empty() {
            self.end()?;
        }
        self.size += len as u64;
        if let Some(hash) = &mut self.hash {
            hash.write_all(&buffer[..len])?;
        }
        Ok(len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8], size: Option<u64>, of: Option<&[u8]>) -> Result<Vec<u8>, String> {
        let digest = of.map(osb_checksum::sha256);
        let expected = Expected { name: "x".to_owned(), size, digest };
        let mut out = Vec::new();
        let mut reader = Checked::new(bytes, expected, Arc::default());
        reader.read_to_end(&mut out).map_err(|error| error.to_string())?;
        Ok(out)
    }

    #[test]
    fn the_end_tells() {
        assert_eq!(read(b"abc", Some(3), Some(b"abc")).unwrap(), b"abc");
        assert_eq!(read(b"abc", None, None).unwrap(), b"abc");
        assert!(read(b"abc", Some(4), None).unwrap_err().contains("3 bytes, and 4"));
        assert!(read(b"abc", None, Some(b"abd")).unwrap_err().contains("SHA-256"));
    }
}
