//! Whole disks: what is on them afterwards, compared byte by byte with what should be.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

mod support;

use std::io::Cursor;

use gpt::GptConfig;
use gpt::disk::LogicalBlockSize;
use osb_flash::Options;
use osb_partition::SectorSize;
use support::disk::Disk;
use support::image::{Made, made, with_mbr};
use support::{MIB, flash_one};

const SECTORS: [(SectorSize, u32, LogicalBlockSize); 2] = [
    (SectorSize::B512, 512, LogicalBlockSize::Lb512),
    (SectorSize::B4096, 4096, LogicalBlockSize::Lb4096),
];

/// Ranges of a disk in which its table stands: at its beginning, at its end, and where the image
/// ended.
fn tables(made: &Made, disk: usize, sector: usize) -> [std::ops::Range<usize>; 3] {
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
            for range in tables(&made, size as usize, bytes as usize) {
                expected[range.clone()].fill(0);
                after[range].fill(0);
            }
            assert!(after == expected, "{sector:?} {mapped}");
        }
    }
}

#[test]
fn identifiers_that_are_kept_are_those_of_the_image() {
    for (sector, bytes, _) in SECTORS {
        let made = made(sector);
        // As long as the image: its own copy of the table is at the right place.
        let disk = Disk::used(made.bytes.len() as u64, bytes);
        let before = disk.bytes();
        let options = Options { keep_ids: true, ..Options::default() };
        let receipt = flash_one(made.image(), &disk, &options).unwrap();
        assert!(disk.bytes() == made.on(&before, true), "{sector:?}");
        let identity = receipt.identity.unwrap();
        assert_eq!(identity.disk.old, identity.disk.new);
        assert_eq!(identity.partitions.len(), 2);
    }
}

#[test]
fn identifiers_are_made_of_seed_name_and_number() {
    let made = made(SectorSize::B512);
    let id = |seed, before| {
        let disk = Disk::with(vec![before; 12 << 20], 512);
        let options = Options { seed: [seed; 32], ..Options::default() };
        flash_one(made.image(), &disk, &options).unwrap().identity.unwrap()
    };
    assert_eq!(id(1, 0), id(1, 1));
    assert_ne!(id(1, 0), id(2, 0));
}

#[test]
fn an_mbr_gets_another_signature_and_nothing_else() {
    let made = with_mbr();
    let disk = Disk::used(12 * MIB, 512);
    let before = disk.bytes();
    let receipt = flash_one(made.image(), &disk, &Options::default()).unwrap();
    let (mut after, mut expected) = (disk.bytes(), made.on(&before, true));
    let signature = u32::from_le_bytes(*after[440..].first_chunk().unwrap());
    let identity = receipt.identity.unwrap();
    assert_eq!(identity.disk.new, format!("{signature:08x}"));
    assert_eq!(identity.partitions[1].1.new, format!("{signature:08x}-02"));
    assert_eq!(identity.partitions[1].1.old, format!("{}-02", identity.disk.old));
    assert_ne!(identity.disk.new, identity.disk.old);
    after[440..444].fill(0);
    expected[440..444].fill(0);
    assert!(after == expected);
}
