//! What is written to: a disk, or what stands for one in tests.

use std::io;

/// A disk.
///
/// Offsets, lengths and the place of memory are multiples of [`Target::sector_size`]. Bytes do not
/// pass through the page cache: what is read is what the device has.
pub trait Target: Send {
    /// Its length in bytes, a multiple of the sector size.
    fn size(&self) -> u64;

    /// Bytes of a logical sector: 512 or 4096.
    fn sector_size(&self) -> u32;

    /// Writes the beginning of `bytes`, and says how much of it, as write(2) does: at the end of
    /// a device less than all, then an error.
    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<usize>;

    /// Fills the beginning of `bytes`, and says how much of it.
    fn read_at(&mut self, bytes: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Makes a range zero without sending zeroes. A kind of `Unsupported` says that this device
    /// cannot, and nothing else.
    fn punch(&mut self, offset: u64, len: u64) -> io::Result<()>;

    /// Returns when all that was written will outlive a loss of power.
    fn sync(&mut self) -> io::Result<()>;

    /// Makes the kernel read the partition table anew.
    fn reread_table(&mut self) -> io::Result<()>;
}
