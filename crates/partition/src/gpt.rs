//! GPT (UEFI specification 2.10, section 5.3): a protective MBR, then a header and an array of
//! entries at both ends of the disk.

use crate::layout::{Layout, Placed};
use crate::{Guid, mbr};

/// Entries of the array, used or not, and the bytes of each.
const ENTRIES: u64 = 128;
const ENTRY: u64 = 128;

/// Bytes of a header that mean something, and that its own sum covers.
const HEADER: usize = 92;

/// Sectors of the array: 32 of 512 bytes, or 4 of 4096.
const fn array_sectors(sector: u64) -> u64 {
    (ENTRIES * ENTRY).div_ceil(sector)
}

/// Bytes at the start of the disk: protective MBR, header, array.
pub(crate) const fn head_size(sector: u64) -> u64 {
    (2 + array_sectors(sector)) * sector
}

/// The first and the last bytes of the disk, with all tables in them.
pub(crate) fn ends(layout: &Layout) -> (Vec<u8>, Vec<u8>) {
    let sector = layout.sector_size();
    let last_lba = layout.size / sector - 1;
    let entries = array(&layout.partitions);
    let sums = Sums { disk: layout.guid, entries: crc32(&entries), sector, last_lba };

    let mut head = vec![0; head_size(sector) as usize];
    mbr::protect(&mut head, last_lba);
    put(&mut head, sector, &sums.header(1, last_lba, 2));
    put(&mut head, 2 * sector, &entries);

    let array = array_sectors(sector);
    let mut tail = vec![0; ((array + 1) * sector) as usize];
    put(&mut tail, 0, &entries);
    put(&mut tail, array * sector, &sums.header(last_lba, 1, last_lba - array));
    (head, tail)
}

/// What both headers say.
struct Sums {
    disk: Guid,
    /// CRC-32 of the array.
    entries: u32,
    sector: u64,
    last_lba: u64,
}

impl Sums {
    /// A header that lies at sector `own`, the other one at `other`, its array at `array`.
    fn header(&self, own: u64, other: u64, array: u64) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        let sectors = array_sectors(self.sector);
        let (first, last) = (2 + sectors, self.last_lba - 1 - sectors);
        put(&mut bytes, 0, b"EFI PART");
        put(&mut bytes, 8, &0x0001_0000_u32.to_le_bytes()); // revision 1.0
        put(&mut bytes, 12, &(HEADER as u32).to_le_bytes());
        put(&mut bytes, 24, &own.to_le_bytes());
        put(&mut bytes, 32, &other.to_le_bytes());
        put(&mut bytes, 40, &first.to_le_bytes());
        put(&mut bytes, 48, &last.to_le_bytes());
        put(&mut bytes, 56, &self.disk.bytes());
        put(&mut bytes, 72, &array.to_le_bytes());
        put(&mut bytes, 80, &(ENTRIES as u32).to_le_bytes());
        put(&mut bytes, 84, &(ENTRY as u32).to_le_bytes());
        put(&mut bytes, 88, &self.entries.to_le_bytes());
        // Of the header with zero where the sum will be.
        let sum = crc32(&bytes);
        put(&mut bytes, 16, &sum.to_le_bytes());
        bytes
    }
}

fn array(partitions: &[Placed]) -> Vec<u8> {
    let mut bytes = vec![0; (ENTRIES * ENTRY) as usize];
    for (entry, placed) in bytes.chunks_exact_mut(ENTRY as usize).zip(partitions) {
        put(entry, 0, &placed.spec.kind.guid().bytes());
        put(entry, 16, &placed.spec.guid.bytes());
        put(entry, 32, &placed.first_lba.to_le_bytes());
        put(entry, 40, &placed.last_lba.to_le_bytes());
        // 36 units of room, as many as a name may have.
        for (at, unit) in (56..).step_by(2).zip(placed.spec.name.encode_utf16()) {
            put(entry, at, &unit.to_le_bytes());
        }
    }
    bytes
}

fn put(bytes: &mut [u8], at: u64, value: &[u8]) {
    bytes[at as usize..][..value.len()].copy_from_slice(value);
}

/// The sum of headers and arrays: CRC-32 as in Ethernet (UEFI: "CCITT32 ANSI"). Bit by bit: it is
/// used on 17 KiB for a disk.
pub fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| {
            (sum >> 1) ^ (0xEDB8_8320 & (sum & 1).wrapping_neg())
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_is_the_usual_one() {
        // The check value that catalogues of CRCs have.
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
    }

    #[test]
    fn heads_are_34_short_or_6_long_sectors() {
        assert_eq!(head_size(512), 34 * 512);
        assert_eq!(head_size(4096), 6 * 4096);
    }
}
