//! An image that is not compressed.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use super::Source;

/// A file of which any part can be read.
#[derive(Debug)]
pub(super) struct Raw {
    file: File,
    size: u64,
}

impl Raw {
    pub(super) fn new(file: File, size: u64) -> Raw {
        // A hint, to be read further ahead; what does not take it reads no less.
        let _ = rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::Sequential);
        Raw { file, size }
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
}
