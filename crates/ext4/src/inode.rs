//! The 256 bytes of an inode (`struct ext4_inode` in fs/ext4/ext4.h).

use osb_tree::{Device, Time};

use crate::bytes::Record;
use crate::checksum::Sum;
use crate::xattr::IN_INODE;

/// Size in bytes.
pub(crate) const INODE: usize = 256;
/// Bytes of the fields that came with ext4, behind the 128 of ext2; attributes follow.
pub(crate) const EXTRA: u16 = 32;
/// Longest target that is stored in the inode itself.
pub(crate) const INLINE_TARGET: usize = 59;
/// Most links; a directory with more has 1 (`dir_nlink`).
pub(crate) const MOST_LINKS: u32 = 65_000;

/// `EXT4_EXTENTS_FL`: the 60 bytes are the root of a tree of extents.
pub(crate) const EXTENTS: u32 = 0x8_0000;
/// `EXT4_INDEX_FL`: the directory has a hash index.
pub(crate) const INDEX: u32 = 0x1000;

/// `S_IFMT` and its values.
pub(crate) const DIRECTORY: u16 = 0o040_000;
pub(crate) const REGULAR: u16 = 0o100_000;
pub(crate) const SYMLINK: u16 = 0o120_000;
pub(crate) const CHARACTER: u16 = 0o020_000;
pub(crate) const BLOCK_DEVICE: u16 = 0o060_000;
pub(crate) const FIFO: u16 = 0o010_000;
pub(crate) const SOCKET: u16 = 0o140_000;

/// What an inode says.
#[derive(Debug, Clone)]
pub(crate) struct DiskInode {
    /// Type and permissions; 0 for an inode that is not in use.
    pub(crate) mode: u16,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// All four times.
    pub(crate) time: Time,
    pub(crate) links: u16,
    /// Length in bytes.
    pub(crate) size: u64,
    /// Blocks that belong to it, those of attributes and extents included.
    pub(crate) blocks: u64,
    pub(crate) flags: u32,
    /// Extents, device number or short link target.
    pub(crate) body: [u8; 60],
    /// The block with attributes; 0 for none.
    pub(crate) attribute_block: u64,
    /// The attributes behind the fields, with their magic number; empty for none.
    pub(crate) attributes: Box<[u8]>,
}

impl DiskInode {
    /// One of which only the type and the permissions are said.
    pub(crate) fn new(mode: u16, time: Time) -> DiskInode {
        DiskInode {
            mode,
            uid: 0,
            gid: 0,
            time,
            links: 1,
            size: 0,
            blocks: 0,
            flags: 0,
            body: [0; 60],
            attribute_block: 0,
            attributes: Box::default(),
        }
    }

    pub(crate) fn is_directory(&self) -> bool {
        self.mode & 0o170_000 == DIRECTORY
    }

    /// The bytes on the disk; `sum` is the inode's own.
    pub(crate) fn encode(&self, sum: Sum) -> [u8; INODE] {
        let mut bytes = [0; INODE];
        let mut record = Record(&mut bytes);
        let (seconds, extra) = time(self.time);
        record.u16(0x00, self.mode);
        record.split_u16(0x02, 0x78, self.uid);
        record.split_u32(0x04, 0x6C, self.size);
        // Access, change, modification; deletion stays 0.
        for at in [0x08, 0x0C, 0x10] {
            record.u32(at, seconds);
        }
        record.split_u16(0x18, 0x7A, self.gid);
        record.u16(0x1A, self.links);
        let sectors = self.blocks * 8;
        record.u32(0x1C, sectors as u32);
        record.u16(0x74, (sectors >> 32) as u16);
        record.u32(0x20, self.flags);
        record.bytes(0x28, &self.body);
        record.u32(0x68, self.attribute_block as u32);
        record.u16(0x76, (self.attribute_block >> 32) as u16);
        record.u16(0x80, EXTRA);
        // The same three, then creation with its seconds.
        for at in [0x84, 0x88, 0x8C, 0x94] {
            record.u32(at, extra);
        }
        record.u32(0x90, seconds);
        debug_assert!(self.attributes.len() <= IN_INODE);
        record.bytes(128 + usize::from(EXTRA), &self.attributes);
        let value = sum.and(&bytes).value();
        Record(&mut bytes).split_u16(0x7C, 0x82, value);
        bytes
    }
}

/// An inode that is reserved and not used: zeroes, and the half of the checksum that belongs to
/// the fields of ext2.
pub(crate) fn reserved(sum: Sum) -> [u8; INODE] {
    let mut bytes = [0; INODE];
    let value = sum.and(&bytes).value();
    Record(&mut bytes).u16(0x7C, value as u16);
    bytes
}

/// ext4's time stamps: a signed 32-bit number of seconds, and two more bits of it beside the
/// nanoseconds, which count from 0 to 3 epochs of 2^32 seconds.
fn time(time: Time) -> (u32, u32) {
    let low = time.secs as i32;
    let epoch = ((time.secs - i64::from(low)) >> 32) as u32 & 3;
    (low.cast_unsigned(), time.nanos.min(999_999_999) << 2 | epoch)
}

/// The times that can be stored, in seconds.
pub(crate) const TIMES: std::ops::Range<i64> = -(1 << 31)..(3 << 32) + (1 << 31);

/// A device number in the inode's 60 bytes: the old form for small numbers, else the new one;
/// `None` beyond the kernel's 12 and 20 bits.
pub(crate) fn device(device: Device) -> Option<[u8; 60]> {
    let Device { major, minor } = device;
    let mut body = [0; 60];
    let mut record = Record(&mut body);
    if major < 1 << 8 && minor < 1 << 8 {
        record.u32(0, major << 8 | minor);
    } else if major < 1 << 12 && minor < 1 << 20 {
        record.u32(4, minor & 0xFF | major << 8 | (minor & !0xFF) << 12);
    } else {
        return None;
    }
    Some(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reserved_inode_has_mke2fss_checksum() {
        // debugfs -R "stat <3>" on what mke2fs made with this identifier.
        let uuid = b"\x12\x34\x56\x78\x9a\xbc\x4d\xef\x80\x01\x02\x03\x04\x05\x06\x07";
        let bytes = reserved(Sum::seed(uuid).inode(3));
        assert_eq!(bytes[0x7C..0x7E], [0x4f, 0xb8]);
    }

    #[test]
    fn times_have_34_bits_of_seconds() {
        for (secs, nanos, expected) in [
            (0, 0, (0, 0)),
            (-1, 5, (u32::MAX, 20)),
            (i64::from(i32::MIN), 0, (1 << 31, 0)),
            (1 << 31, 1, (1 << 31, 5)),
            (5_000_000_000, 0, (705_032_704, 1)),
            (TIMES.end - 1, 999_999_999, ((1 << 31) - 1, 999_999_999 << 2 | 3)),
        ] {
            assert_eq!(time(Time { secs, nanos }), expected, "{secs}");
        }
    }

    #[test]
    fn large_device_numbers_take_the_new_form() {
        let words = |major, minor| {
            device(Device { major, minor }).map(|body| {
                [0, 4].map(|at| u32::from_le_bytes(body[at..at + 4].try_into().unwrap()))
            })
        };
        assert_eq!(words(8, 1), Some([0x801, 0]));
        assert_eq!(words(259, 300), Some([0, 300 & 0xFF | 259 << 8 | 0x100 << 12]));
        assert_eq!(words(4095, (1 << 20) - 1), Some([0, u32::MAX]));
        assert_eq!((words(4096, 0), words(0, 1 << 20)), (None, None));
    }
}
