//! Changes to a disk that was copied and verified.

use std::io;
use std::marker::PhantomData;

/// A disk that can be read and changed at any byte. Changes stay in memory until all have been
/// made; then they are written and read back.
pub struct Overlay<'a> {
    disk: PhantomData<&'a mut ()>,
}

impl Overlay<'_> {
    /// Fills `bytes` from byte `offset` of the disk on, with all changes.
    ///
    /// # Errors
    /// The device's; and if that is beyond the end of the disk.
    pub fn read_at(&mut self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        let _ = (&self.disk, bytes, offset);
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Changes the disk from byte `offset` on.
    ///
    /// # Errors
    /// The device's, since blocks are read that are changed in part; and if that is beyond the end
    /// of the disk.
    pub fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let _ = (bytes, offset);
        Err(io::ErrorKind::Unsupported.into())
    }
}
