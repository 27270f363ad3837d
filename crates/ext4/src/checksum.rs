//! CRC-32C as ext4 uses it: without the inversions at both ends, and begun with what says whose
//! block it is, so that one written to a wrong place does not pass.

/// A checksum that goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sum(u32);

impl Sum {
    /// What the superblock's own begins with.
    pub(crate) const START: Sum = Sum(u32::MAX);

    /// What every other one begins with. It is stored in the superblock (`metadata_csum_seed`), so
    /// that a file system can be given another identifier without any other block being written.
    pub(crate) fn seed(uuid: &[u8; 16]) -> Sum {
        Sum::START.and(uuid)
    }

    /// What those of an inode and of its blocks begin with; the generation is always 0.
    pub(crate) fn inode(self, number: u32) -> Sum {
        self.and(&number.to_le_bytes()).and(&[0; 4])
    }

    /// Goes on over `bytes`.
    pub(crate) fn and(self, bytes: &[u8]) -> Sum {
        Sum(!crc32c::crc32c_append(!self.0, bytes))
    }

    /// The number.
    pub(crate) fn value(self) -> u32 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seed_is_what_mke2fs_makes_of_the_same_identifier() {
        // mke2fs -O metadata_csum_seed -U 12345678-9abc-4def-8001-020304050607; dumpe2fs
        let uuid = b"\x12\x34\x56\x78\x9a\xbc\x4d\xef\x80\x01\x02\x03\x04\x05\x06\x07";
        assert_eq!(Sum::seed(uuid).value(), 0x90ef_9212);
    }

    #[test]
    fn parts_give_what_the_whole_gives() {
        assert_eq!(Sum::START.and(b"ab").and(b"c"), Sum::START.and(b"abc"));
    }
}
