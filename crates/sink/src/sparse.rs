//! A file with holes where the image is zero.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::Sink;

/// Bytes gathered before they are written with one call.
const BUFFER: usize = 1 << 20;

/// A zero region that short, right after data, is written out with it: a system call costs more
/// than the copy, and file systems allocate by pages, so it would hardly save anything.
const SHORT: u64 = 16 * 1024;

/// Writes an image to a regular file, each byte at its place, and leaves zero regions as holes.
///
/// The file is made fresh (an old one is truncated first), so what is not written reads as zero.
/// It has its length, and is on the disk, only after [`SparseFile::finish`]; a dropped
/// `SparseFile` leaves an unfinished file behind.
#[derive(Debug)]
pub struct SparseFile {
    file: File,
    len: u64,
    /// Data not yet written, to go to `offset`.
    buffer: Vec<u8>,
    offset: u64,
}

impl SparseFile {
    /// Makes the file, for an image of exactly `len` bytes.
    ///
    /// # Errors
    /// If it cannot be made, or `path` is something else than a regular file: on a device, what is
    /// not written would keep its old content.
    pub fn create(path: &Path, len: u64) -> io::Result<SparseFile> {
        let file = File::create(path)?;
        if !file.metadata()?.is_file() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("{} is not a regular file", path.display()),
            ));
        }
        Ok(SparseFile { file, len, buffer: Vec::with_capacity(BUFFER), offset: 0 })
    }

    /// Writes the rest, sets the length and waits until all is on the disk.
    ///
    /// # Errors
    /// If fewer bytes came than announced, or the disk fails.
    pub fn finish(mut self) -> io::Result<()> {
        let position = self.position();
        if position != self.len {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                format!("the image ended after {position} of {} bytes", self.len),
            ));
        }
        self.flush()?;
        self.file.set_len(self.len)?;
        self.file.sync_all()
    }

    fn position(&self) -> u64 {
        self.offset + self.buffer.len() as u64
    }

    fn admit(&self, more: u64) -> io::Result<()> {
        if more > self.len - self.position() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!(
                    "the image is longer than the announced {} bytes: {more} more at {}",
                    self.len,
                    self.position()
                ),
            ));
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.write_all_at(&self.buffer, self.offset)?;
        self.offset = self.position();
        self.buffer.clear();
        Ok(())
    }
}

impl Sink for SparseFile {
    fn data(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        self.admit(bytes.len() as u64)?;
        if self.buffer.len() + bytes.len() > BUFFER {
            if self.buffer.is_empty() {
                // As much as makes whole buffers goes straight to the file.
                let direct = bytes.len() - bytes.len() % BUFFER;
                self.file.write_all_at(&bytes[..direct], self.offset)?;
                self.offset += direct as u64;
                bytes = &bytes[direct..];
            } else {
                let (head, rest) = bytes.split_at(BUFFER - self.buffer.len());
                self.buffer.extend_from_slice(head);
                self.flush()?;
                return self.data(rest);
            }
        }
        self.buffer.extend_from_slice(bytes);
        Ok(())
    }

    fn zeros(&mut self, len: u64) -> io::Result<()> {
        self.admit(len)?;
        let room = (BUFFER - self.buffer.len()) as u64;
        if !self.buffer.is_empty() && len <= SHORT.min(room) {
            self.buffer.resize(self.buffer.len() + len as usize, 0);
            return Ok(());
        }
        self.flush()?;
        self.offset += len;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use proptest::prelude::*;

    use super::*;
    use crate::WriteSink;

    #[test]
    fn holes_stay_holes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("image");
        let len = 64 << 20;
        let mut sink = SparseFile::create(&path, len).unwrap();
        sink.data(&[7; 4096]).unwrap();
        sink.zeros(len - 8192).unwrap();
        sink.data(&[9; 4096]).unwrap();
        sink.finish().unwrap();
        let meta = std::fs::metadata(&path).unwrap();
        assert_eq!(meta.len(), len);
        // Blocks of 512 bytes; some file systems count a little of their own.
        assert!(meta.blocks() * 512 < 1 << 20, "{} blocks", meta.blocks());
    }

    #[test]
    fn old_content_never_shines_through() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("image");
        std::fs::write(&path, vec![0xA5; 3 << 20]).unwrap();
        let mut sink = SparseFile::create(&path, 2 << 20).unwrap();
        sink.zeros(2 << 20).unwrap();
        sink.finish().unwrap();
        assert!(std::fs::read(&path).unwrap() == vec![0; 2 << 20]);
    }

    #[test]
    fn both_wrong_lengths_are_errors() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("image");
        let mut sink = SparseFile::create(&path, 10).unwrap();
        sink.data(&[1; 9]).unwrap();
        assert!(sink.data(&[1; 2]).is_err());
        assert!(sink.zeros(2).is_err());
        assert!(sink.zeros(u64::MAX).is_err());
        let error = sink.finish().unwrap_err().to_string();
        assert_eq!(error, "the image ended after 9 of 10 bytes");
    }

    #[test]
    fn devices_are_refused() {
        assert!(SparseFile::create(Path::new("/dev/null"), 0).is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn the_file_is_what_a_plain_writer_gives(
            parts in prop::collection::vec((any::<bool>(), prop_oneof![
                0usize..20_000,
                (SHORT as usize - 2)..(SHORT as usize + 2),
                (BUFFER - 2)..(2 * BUFFER + 2),
            ]), 0..12)
        ) {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("image");
            let len: usize = parts.iter().map(|part| part.1).sum();
            let mut sparse = SparseFile::create(&path, len as u64).unwrap();
            let mut plain = WriteSink::new(Vec::with_capacity(len));
            for (index, (zero, size)) in parts.iter().enumerate() {
                let both: [&mut dyn Sink; 2] = [&mut sparse, &mut plain];
                for sink in both {
                    if *zero {
                        sink.zeros(*size as u64).unwrap();
                    } else {
                        sink.data(&vec![index as u8 + 1; *size]).unwrap();
                    }
                }
            }
            sparse.finish().unwrap();
            prop_assert!(std::fs::read(&path).unwrap() == plain.into_inner());
        }
    }
}
