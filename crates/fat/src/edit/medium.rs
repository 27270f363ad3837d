//! Where a volume lies.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Bytes that can be read and written anywhere. Offsets are in bytes, from the volume's start.
pub trait Medium {
    /// Fills `bytes` from `offset` on.
    ///
    /// # Errors
    /// If they cannot be read, all of them.
    fn read_at(&mut self, bytes: &mut [u8], offset: u64) -> io::Result<()>;

    /// Writes all of `bytes` at `offset`.
    ///
    /// # Errors
    /// If they cannot be written, all of them.
    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()>;
}

impl Medium for File {
    fn read_at(&mut self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        self.read_exact_at(bytes, offset)
    }

    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.write_all_at(bytes, offset)
    }
}

/// A part of a medium: the partition of a disk that the volume lies in.
pub struct Part<'a> {
    medium: &'a mut dyn Medium,
    start: u64,
}

impl<'a> Part<'a> {
    /// What lies from byte `start` of `medium` on.
    pub fn new(medium: &'a mut dyn Medium, start: u64) -> Part<'a> {
        Part { medium, start }
    }
}

impl std::fmt::Debug for Part<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Part").field("start", &self.start).finish_non_exhaustive()
    }
}

impl Medium for Part<'_> {
    fn read_at(&mut self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        self.medium.read_at(bytes, self.start + offset)
    }

    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.medium.write_at(bytes, self.start + offset)
    }
}
