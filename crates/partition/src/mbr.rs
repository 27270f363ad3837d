//! MBR: a signature and four records of 16 bytes in the first 512 bytes of the disk (UEFI
//! specification 2.10, section 5.2). Starts and lengths are in sectors of the disk, which may be
//! longer than that.

use crate::layout::Layout;

/// Bytes that the table takes, whatever a sector has.
const LENGTH: usize = 512;

/// Where the disk's signature is, and the first record.
const SIGNATURE: usize = 440;
const RECORDS: usize = 446;
const RECORD: usize = 16;

/// The type of the one partition that tells old programs that the disk is taken.
const PROTECTIVE: u8 = 0xEE;

/// The cylinder, head and sector that are written where the true ones have no room.
const BEYOND: [u8; 3] = [0xFE, 0xFF, 0xFF];

/// The first bytes of the disk.
pub(crate) fn head(layout: &Layout) -> Vec<u8> {
    let mut bytes = vec![0; LENGTH];
    bytes[SIGNATURE..][..4].copy_from_slice(&layout.guid.signature().to_le_bytes());
    for (index, placed) in layout.partitions.iter().enumerate() {
        // The layout has checked that both ends have room.
        let (first, last) = (placed.first_lba as u32, placed.last_lba as u32);
        let record = Record {
            kind: placed.spec.kind.mbr(),
            ends: [address(first), address(last)],
            first,
            sectors: last - first + 1,
        };
        record.put(&mut bytes, index);
    }
    mark(&mut bytes);
    bytes
}

/// Makes the beginning of a GPT disk, which ends with sector `last_lba`, look taken: one partition
/// over all of it, as far as 32 bits can say (UEFI specification, "Protective MBR").
pub(crate) fn protect(head: &mut [u8], last_lba: u64) {
    let sectors = u32::try_from(last_lba).unwrap_or(u32::MAX);
    let ends = [[0x00, 0x02, 0x00], [0xFF; 3]];
    Record { kind: PROTECTIVE, ends, first: 1, sectors }.put(head, 0);
    mark(head);
}

fn mark(bytes: &mut [u8]) {
    bytes[LENGTH - 2..LENGTH].copy_from_slice(&[0x55, 0xAA]);
}

struct Record {
    kind: u8,
    /// Addresses of the first and the last sector.
    ends: [[u8; 3]; 2],
    first: u32,
    sectors: u32,
}

impl Record {
    fn put(&self, bytes: &mut [u8], index: usize) {
        let record = &mut bytes[RECORDS + index * RECORD..][..RECORD];
        record[1..4].copy_from_slice(&self.ends[0]);
        record[4] = self.kind;
        record[5..8].copy_from_slice(&self.ends[1]);
        record[8..12].copy_from_slice(&self.first.to_le_bytes());
        record[12..].copy_from_slice(&self.sectors.to_le_bytes());
    }
}

/// Head, sector and cylinder of a disk of 255 heads and 63 sectors. Nobody counts so any more;
/// this is what sfdisk writes.
fn address(lba: u32) -> [u8; 3] {
    let (cylinder, head, sector) = (lba / (255 * 63), lba / 63 % 255, lba % 63 + 1);
    match cylinder {
        // The two high bits of the cylinder stand above the sector.
        0..=1023 => [head as u8, (sector | cylinder >> 8 << 6) as u8, cylinder as u8],
        _ => BEYOND,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_those_that_sfdisk_writes() {
        for (lba, bytes) in [
            (2048, [0x20, 0x21, 0x00]),
            (67_583, [0x34, 0x30, 0x04]),
            (16_450_559, [0xFE, 0xFF, 0xFF]),
            (16_450_560, BEYOND),
            (u32::MAX, BEYOND),
        ] {
            assert_eq!(address(lba), bytes, "{lba}");
        }
    }
}
