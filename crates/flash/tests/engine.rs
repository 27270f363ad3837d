//! Whole disks: what is on them afterwards, compared byte by byte with what should be.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

mod support;

use std::io::Cursor;

use gpt::GptConfig;
use gpt::disk::LogicalBlockSize;
use osb_flash::{Cause, Image, Left, Mode, Options, Refused, Target, flash};
use osb_partition::SectorSize;
use support::disk::{Disk, Effect, Kind};
use support::image::{Bytes, Made, made};
use support::{MIB, flash_one};

const SECTORS: [(SectorSize, u32, LogicalBlockSize); 2] = [
    (SectorSize::B512, 512, LogicalBlockSize::Lb512),
    (SectorSize::B4096, 4096, LogicalBlockSize::Lb4096),
];

/// Ranges of a disk in which its table stands: at its beginning, at its end, and where the image
/// ended.
fn identity(made: &Made, disk: usize, sector: usize) -> [std::ops::Range<usize>; 3] {
    let (head, tail) = (2 * sector + 16384, 16384 + sector);
    [0..head, disk - tail..disk, made.bytes.len() - tail..made.bytes.len()]
}

#[test]
fn a_disk_has_every_byte_and_a_table_of_its_own() {
    for (sector, bytes, foreign) in SECTORS {
        for mapped in [true, false] {
            let made = made(sector);
            // An odd length, as disks have.
            let size = 17 * MIB + 5 * u64::from(bytes);
            let disk = Disk::used(size, bytes);
            let before = disk.bytes();
            let image = if mapped { made.image() } else { made.foreign() };
            let receipt = flash_one(image, &disk, &Options::default()).unwrap();
            let mut after = disk.bytes();
            let config = GptConfig::new().only_valid_headers(true).logical_block_size(foreign);
            let table = config.open_from_device(Cursor::new(after.clone())).unwrap();
            let (first, last) = (table.primary_header().unwrap(), table.backup_header().unwrap());
            assert_eq!(last.current_lba, size / u64::from(bytes) - 1);
            assert_eq!(first.crc32_parts, last.crc32_parts);
            assert_eq!((first.last_usable, first.backup_lba), (last.last_usable, last.current_lba));
            let identity = receipt.identity.unwrap();
            assert_eq!(table.guid().to_string(), identity.disk.new);
            assert_ne!(identity.disk.old, identity.disk.new);
            for (number, renamed) in &identity.partitions {
                assert_eq!(table.partitions()[number].part_guid.to_string(), renamed.new);
                assert_ne!(renamed.old, renamed.new);
            }
            let mut expected = made.on(&before, mapped);
            for range in super_ranges(&made, size, bytes) {
                expected[range.clone()].fill(0);
                after[range].fill(0);
            }
            assert!(after == expected, "{sector:?} {mapped}");
        }
    }
}

fn super_ranges(made: &Made, size: u64, sector: u32) -> [std::ops::Range<usize>; 3] {
    identity(made, size as usize, sector as usize)
}
