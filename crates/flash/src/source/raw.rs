//! An image that is not compressed.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};

use super::Source;

/// A file of which any part can be read.
#[derive(Debug)]
pub(super) struct Raw {
    file: File,
    size: u64,
    /// What the file was before it was compared with its map, if it was.
    compared: Option<Stamp>,
}

/// What changes with a file's content: its length, and when it and its inode were changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp([i64; 5]);

impl Stamp {
    pub(super) fn of(file: &Metadata) -> Stamp {
        let size = file.size().cast_signed();
        Stamp([size, file.mtime(), file.mtime_nsec(), file.ctime(), file.ctime_nsec()])
    }
}

impl Raw {
    pub(super) fn new(file: File, size: u64, compared: Option<Stamp>) -> Raw {
        // A hint, to be read further ahead; what does not take it reads no less.
        let _ = rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::Sequential);
        Raw { file, size, compared }
    }
}

impl Source for Raw {
    fn size(&self) -> Option<u64> {
        Some(self.size)
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.size.saturating_sub(offset)).unwrap_or(usize::MAX);
        let len = buffer.len().min(left);
        // A file that has become shorter is an error.
        self.file.read_exact_at(&mut buffer[..len], offset)?;
        Ok(len)
    }

    fn compared(&self) -> bool {
        self.compared.is_some()
    }

    fn finish(&mut self) -> io::Result<()> {
        let Some(compared) = self.compared else { return Ok(()) };
        if Stamp::of(&self.file.metadata()?) == compared {
            return Ok(());
        }
        let text = "the file was changed while it was being written to the disk";
        Err(io::Error::new(io::ErrorKind::InvalidData, text))
    }
}
