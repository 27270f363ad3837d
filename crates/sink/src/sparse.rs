//! A file with holes where the image is zero.

use std::io::{self, Write};
use std::path::Path;

use crate::Sink;
use crate::direct::DirectFile;
use crate::zero::write_zeros;

/// A zero region that short is written out like data: a system call costs more than the copy, and
/// file systems allocate by pages, so it would hardly save anything.
const SHORT: u64 = 16 * 1024;

/// Writes an image to a regular file, each byte at its place, and leaves zero regions as holes.
///
/// The file is made fresh (an old one is truncated first), so what is not written reads as zero.
/// It has its length, and is on the disk, only after [`SparseFile::finish`]; a dropped
/// `SparseFile` leaves an unfinished file behind.
#[derive(Debug)]
pub struct SparseFile {
    file: DirectFile,
    len: u64,
}

impl SparseFile {
    /// Makes the file, for an image of exactly `len` bytes.
    ///
    /// # Errors
    /// As [`DirectFile::create`].
    pub fn create(path: &Path, len: u64) -> io::Result<SparseFile> {
        Ok(SparseFile { file: DirectFile::create(path)?, len })
    }

    /// Writes the rest, sets the length and waits until all is on the disk.
    ///
    /// # Errors
    /// If fewer bytes came than announced, or the disk fails.
    pub fn finish(self) -> io::Result<()> {
        let position = self.file.position();
        if position != self.len {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                format!("the image ended after {position} of {} bytes", self.len),
            ));
        }
        self.file.finish().map(drop)
    }

    fn admit(&self, more: u64) -> io::Result<()> {
        let position = self.file.position();
        if more > self.len - position {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!(
                    "the image is longer than the announced {} bytes: {more} more at {position}",
                    self.len
                ),
            ));
        }
        Ok(())
    }
}

impl Sink for SparseFile {
    fn data(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.admit(bytes.len() as u64)?;
        self.file.write_all(bytes)
    }

    fn zeros(&mut self, len: u64) -> io::Result<()> {
        self.admit(len)?;
        if len <= SHORT { write_zeros(&mut self.file, len) } else { self.file.skip(len) }
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
                ((1usize << 20) - 2)..((2 << 20) + 2),
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
