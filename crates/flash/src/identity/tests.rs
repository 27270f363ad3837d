//! Tables that are adapted in memory: sound ones, odd ones, hostile ones. Whole disks are compared
//! in `tests/engine.rs`.

use osb_partition::{Format, Guid, Layout, PartitionSpec, PartitionType, SectorSize};
use osb_sink::WriteSink;
use proptest::prelude::*;

use super::*;
use crate::engine::HEAD;
use crate::overlay::Changes;
use crate::overlay::tests::Bytes;

const SECTOR: usize = 512;

/// A disk with a GPT and one partition.
fn disk(sector: SectorSize) -> Vec<u8> {
    let root = PartitionSpec {
        name: "root".to_owned(),
        kind: PartitionType::LinuxRootArm64,
        guid: Guid::from_digest(&[1; 16]),
        size: 1 << 20,
    };
    let format = Format { sector, ..Format::default() };
    let layout = Layout::with_format(format, Guid::from_digest(&[2; 16]), vec![root]).unwrap();
    let mut bytes = WriteSink::new(Vec::new());
    let size = 1 << 20;
    layout.write(&mut bytes, &mut |_, sink| sink.zeros(size)).unwrap();
    bytes.into_inner()
}

/// The table, and whether anything was changed; on a disk that is longer by some sectors.
fn adapted(mut bytes: Vec<u8>, more: usize) -> (Option<(Identity, Table)>, bool) {
    bytes.resize(bytes.len() + more * SECTOR, 0);
    let head = bytes[..HEAD as usize].to_vec();
    let mut disk = Bytes(bytes);
    let mut overlay = Overlay::new(&mut disk, head.clone());
    let adapted = adapt(&mut overlay, SECTOR as u32, Some([7; 32])).unwrap();
    let Changes { head: after, blocks, .. } = overlay.finish();
    (adapted, after != head || !blocks.is_empty())
}

/// Makes the sums right again.
fn seal(bytes: &mut [u8]) {
    let array = osb_partition::crc32(&bytes[2 * SECTOR..][..128 * 128]);
    bytes[SECTOR + 88..][..4].copy_from_slice(&array.to_le_bytes());
    bytes[SECTOR + 16..][..4].fill(0);
    let header = osb_partition::crc32(&bytes[SECTOR..][..92]);
    bytes[SECTOR + 16..][..4].copy_from_slice(&header.to_le_bytes());
}

#[test]
fn a_table_tells_its_sectors_and_its_length() {
    for (sector, bytes, tail) in [(SectorSize::B512, 512, 33), (SectorSize::B4096, 4096, 5)] {
        let disk = disk(sector);
        assert_eq!(sector_size(&disk), Some(bytes));
        assert_eq!(needed(&disk, bytes), Some((2 << 20) + tail * u64::from(bytes)));
        assert!(has_table(&disk, bytes));
        assert!(!has_table(&disk, 4608 - bytes));
    }
    assert_eq!(sector_size(&[0; 100]), None);
}

#[test]
fn a_table_with_a_wrong_sum_stays_as_it_is() {
    for at in [SECTOR + 60, 2 * SECTOR + 20] {
        let mut bytes = disk(SectorSize::B512);
        bytes[at] ^= 1;
        assert_eq!(adapted(bytes, 8), (None, false), "{at}");
    }
}

#[test]
fn what_is_not_known_stays_as_it_is() {
    let mut bytes = disk(SectorSize::B512);
    // Attributes of the partition, and a second record in the MBR: a "hybrid".
    bytes[2 * SECTOR + 48..][..8].copy_from_slice(&[4, 0, 0, 0, 0, 0, 0, 0x80]);
    bytes[462..478].copy_from_slice(&[0, 0, 0, 0, 0x0C, 0, 0, 0, 0, 8, 0, 0, 0, 8, 0, 0]);
    seal(&mut bytes);
    let head = bytes.clone();
    bytes.resize(bytes.len() + 100 * SECTOR, 0);
    let mut disk = Bytes(bytes.clone());
    let mut overlay = Overlay::new(&mut disk, bytes[..HEAD as usize].to_vec());
    let (_, table) = adapt(&mut overlay, 512, Some([7; 32])).unwrap().unwrap();
    assert_eq!(table.partitions[0].flags, 0x8000_0000_0000_0004);
    assert_eq!(table.partitions[0].name, "root");
    let after = overlay.finish().head;
    assert!(after[..SECTOR] == head[..SECTOR], "the MBR has partitions of its own");
}

/// An MBR with these types of partitions.
fn mbr(kinds: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; 2 << 20];
    for (kind, at) in kinds.iter().zip((446..).step_by(16)) {
        bytes[at..][..16].copy_from_slice(&[0, 0, 0, 0, *kind, 0, 0, 0, 0, 8, 0, 0, 0, 4, 0, 0]);
    }
    bytes[440..444].copy_from_slice(&[1, 2, 3, 4]);
    bytes[510..512].copy_from_slice(&[0x55, 0xAA]);
    bytes
}

#[test]
fn an_mbr_has_one_identifier_for_all() {
    let (found, changed) = adapted(mbr(&[0x0C, 0x83]), 0);
    let (identity, table) = found.unwrap();
    assert!(changed && table.partitions.len() == 2);
    assert_eq!(identity.disk.old, "04030201");
    assert_ne!(identity.disk.new, identity.disk.old);
    assert_eq!(identity.partitions[1].1.new, format!("{}-02", identity.disk.new));
}

#[test]
fn an_mbr_with_logical_partitions_keeps_its_identifier() {
    let (found, _) = adapted(mbr(&[0x0C, 0x05]), 0);
    let (identity, _) = found.unwrap();
    assert_eq!(identity.disk.new, identity.disk.old);
}

#[test]
fn other_boot_sectors_are_no_tables() {
    let mut fat = mbr(&[]);
    assert_eq!(adapted(fat.clone(), 0), (None, false), "no partitions");
    fat[446..510].fill(0x33);
    assert_eq!(adapted(fat, 0), (None, false), "code");
    assert_eq!(adapted(mbr(&[0xEE]), 0), (None, false), "a GPT that is gone");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn hostile_tables_do_no_harm(
        changes in proptest::collection::vec((0..92usize, any::<u8>()), 0..6),
        entries in proptest::collection::vec((0..256usize, any::<u8>()), 0..6),
        more in 0..100usize,
    ) {
        let mut bytes = disk(SectorSize::B512);
        for (at, byte) in changes {
            bytes[SECTOR + at] = byte;
        }
        for (at, byte) in entries {
            bytes[2 * SECTOR + at] = byte;
        }
        seal(&mut bytes);
        let _ = needed(&bytes, 512);
        let _ = adapted(bytes, more);
    }
}
