//! Changes to a disk that was copied and verified.

use std::collections::BTreeMap;
use std::io;

use crate::engine::{Cause, HEAD};

/// What is read and written at once: whole sectors of any disk.
const BLOCK: u64 = 4096;

/// What lies below changes.
pub(crate) trait Below {
    /// Its length in bytes.
    fn size(&self) -> u64;
    /// Fills `bytes`, which are whole sectors.
    fn read(&mut self, bytes: &mut [u8], offset: u64) -> Result<(), Cause>;
}

/// A disk that can be read and changed at any byte. Changes stay in memory until all have been
/// made; then they are written and read back.
pub struct Overlay<'a> {
    disk: &'a mut (dyn Below + 'a),
    /// The first MiB, which is not on the disk yet.
    head: Vec<u8>,
    /// Blocks that have been changed, by where they begin.
    blocks: BTreeMap<u64, Vec<u8>>,
    /// Why the disk could not be read.
    failed: Option<Cause>,
}

/// What has become of a disk.
pub(crate) struct Changes {
    pub(crate) head: Vec<u8>,
    pub(crate) blocks: BTreeMap<u64, Vec<u8>>,
    pub(crate) failed: Option<Cause>,
}

impl<'a> Overlay<'a> {
    pub(crate) fn new(disk: &'a mut (dyn Below + 'a), head: Vec<u8>) -> Overlay<'a> {
        Overlay { disk, head, blocks: BTreeMap::new(), failed: None }
    }

    /// Length of the disk in bytes.
    pub fn size(&self) -> u64 {
        self.disk.size()
    }

    /// Fills `bytes` from byte `offset` of the disk on, with all changes.
    ///
    /// # Errors
    /// The device's; and if that is beyond the end of the disk.
    pub fn read_at(&mut self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        self.inside(bytes.len(), offset)?;
        let mut done = 0;
        for (at, start, len) in parts(offset, bytes.len()) {
            let into = &mut bytes[done..][..len];
            if at < HEAD {
                into.copy_from_slice(&self.head[at as usize + start..][..len]);
            } else if let Some(block) = self.blocks.get(&at) {
                into.copy_from_slice(&block[start..][..len]);
            } else {
                into.copy_from_slice(&self.below(at)?[start..][..len]);
            }
            done += len;
        }
        Ok(())
    }

    /// Changes the disk from byte `offset` on.
    ///
    /// # Errors
    /// The device's, since blocks are read that are changed in part; and if that is beyond the end
    /// of the disk.
    pub fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.inside(bytes.len(), offset)?;
        let mut done = 0;
        for (at, start, len) in parts(offset, bytes.len()) {
            let from = &bytes[done..][..len];
            if at < HEAD {
                self.head[at as usize + start..][..len].copy_from_slice(from);
            } else {
                if !self.blocks.contains_key(&at) {
                    let block = self.below(at)?;
                    self.blocks.insert(at, block);
                }
                if let Some(block) = self.blocks.get_mut(&at) {
                    block[start..][..len].copy_from_slice(from);
                }
            }
            done += len;
        }
        Ok(())
    }

    pub(crate) fn finish(self) -> Changes {
        let Overlay { head, blocks, failed, .. } = self;
        Changes { head, blocks, failed }
    }

    fn inside(&self, len: usize, offset: u64) -> io::Result<()> {
        let inside = offset.checked_add(len as u64).is_some_and(|end| end <= self.size());
        let beyond = || io::Error::new(io::ErrorKind::InvalidInput, "beyond the end of the disk");
        inside.then_some(()).ok_or_else(beyond)
    }

    /// The block at `at` as it is on the disk. The last may be shorter.
    fn below(&mut self, at: u64) -> io::Result<Vec<u8>> {
        let mut block = vec![0; BLOCK.min(self.size() - at) as usize];
        self.disk.read(&mut block, at).map_err(|cause| {
            let text = io::Error::other(cause.to_string());
            self.failed.get_or_insert(cause);
            text
        })?;
        Ok(block)
    }
}

/// The parts that a range has in blocks: where the block begins, where the part begins in it, its
/// length.
fn parts(offset: u64, len: usize) -> impl Iterator<Item = (u64, usize, usize)> {
    let end = offset + len as u64;
    let mut next = offset;
    std::iter::from_fn(move || {
        let at = next - next % BLOCK;
        let part = (at + BLOCK).min(end) - next;
        let start = (next - at) as usize;
        next += part;
        (part > 0).then_some((at, start, part as usize))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Bytes(Vec<u8>);

    impl Below for Bytes {
        fn size(&self) -> u64 {
            self.0.len() as u64
        }

        fn read(&mut self, bytes: &mut [u8], offset: u64) -> Result<(), Cause> {
            assert!(offset.is_multiple_of(BLOCK) && bytes.len().is_multiple_of(512));
            bytes.copy_from_slice(&self.0[offset as usize..][..bytes.len()]);
            Ok(())
        }
    }

    #[test]
    fn it_reads_as_a_disk_on_which_all_was_written() {
        let len = HEAD as usize + 5 * BLOCK as usize + 512;
        let bytes: Vec<u8> = (0..len).map(|at| (at % 251) as u8).collect();
        let mut disk = Bytes(bytes.clone());
        let mut expected = bytes;
        let head = expected[..HEAD as usize].to_vec();
        let mut overlay = Overlay::new(&mut disk, head);
        let edge = HEAD as usize;
        for (at, part) in [(0, 3), (edge - 5, 10), (edge + 4000, 9000), (len - 7, 7), (edge, 4096)]
        {
            let change: Vec<u8> = (0..part).map(|at| 255 - (at % 13) as u8).collect();
            overlay.write_at(&change, at as u64).unwrap();
            expected[at..][..part].copy_from_slice(&change);
            let mut all = vec![0; len];
            overlay.read_at(&mut all, 0).unwrap();
            assert!(all == expected, "{at}");
        }
        assert!(overlay.write_at(&[0; 2], len as u64 - 1).is_err());
        assert!(overlay.read_at(&mut [0; 2], u64::MAX).is_err());
        let Changes { head, blocks, failed } = overlay.finish();
        assert!(head == expected[..edge] && failed.is_none());
        for (at, block) in blocks {
            assert!(expected[at as usize..][..block.len()] == block);
        }
    }
}
