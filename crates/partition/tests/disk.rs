//! Whole disks: parsed by the `gpt` crate. `referees.rs` has other people's programs look at them.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

mod support;

use std::io::{self, Cursor};

use gpt::GptConfig;
use gpt::disk::LogicalBlockSize;
use gpt::mbr::ProtectiveMBR;
use osb_partition::{Format, Guid, Layout, PartitionError, PartitionType, SectorSize};
use osb_sink::{Counting, Sink, WriteSink};
use support::{MIB, fill, formatted, spec};

fn layout() -> Layout {
    formatted(Format::default())
}

fn disk(layout: &Layout) -> Vec<u8> {
    let mut sink = WriteSink::new(Vec::new());
    layout.write(&mut sink, &mut fill(layout)).unwrap();
    sink.into_inner()
}

#[test]
fn the_gpt_crate_reads_both_tables() {
    for (sector, foreign) in
        [(SectorSize::B512, LogicalBlockSize::Lb512), (SectorSize::B4096, LogicalBlockSize::Lb4096)]
    {
        let layout = formatted(Format { sector, ..Format::default() });
        let bytes = disk(&layout);
        assert_eq!(bytes.len() as u64, layout.disk_size());
        let config = GptConfig::new().only_valid_headers(true).logical_block_size(foreign);
        compare(&layout, &config.open_from_device(Cursor::new(bytes)).unwrap());
    }
}

/// What the crate read is what was laid out.
fn compare(layout: &Layout, disk: &gpt::GptDisk<Cursor<Vec<u8>>>) {
    assert_eq!(
        disk.primary_header().unwrap().crc32_parts,
        disk.backup_header().unwrap().crc32_parts
    );
    assert_eq!(disk.guid().to_string(), layout.disk_guid().partuuid());
    assert_eq!(
        disk.backup_header().unwrap().current_lba,
        layout.disk_size() / layout.sector_size() - 1
    );
    let parsed: Vec<_> = disk.partitions().iter().filter(|(_, part)| part.is_used()).collect();
    assert_eq!(parsed.len(), 3);
    for ((placed, (number, part)), expected) in layout.partitions().iter().zip(parsed).zip(1..) {
        assert_eq!(*number, expected);
        assert_eq!(part.name, placed.spec.name);
        assert_eq!(part.part_guid.to_string(), placed.spec.guid.partuuid());
        let kind = part.part_type_guid.guid.to_string();
        assert_eq!(kind.to_uppercase(), placed.spec.kind.guid().to_string());
        assert_eq!((part.first_lba, part.last_lba), (placed.first_lba, placed.last_lba));
        assert_eq!(part.flags, 0);
    }
}

#[test]
fn identifiers_stand_in_the_table_as_their_bytes() {
    let layout = layout();
    let bytes = disk(&layout);
    assert_eq!(bytes[512 + 56..][..16], layout.disk_guid().bytes());
    assert_eq!(bytes[1024 + 16..][..16], layout.partitions()[0].spec.guid.bytes());
    assert_eq!(bytes[1024..][..16], PartitionType::EfiSystem.guid().bytes());
}

#[test]
fn contents_lie_where_the_layout_says_and_zeroes_between_them() {
    let layout = layout();
    let bytes = disk(&layout);
    let mut position = 34 * 512;
    for (index, placed) in layout.partitions().iter().enumerate() {
        let start = placed.start_bytes as usize;
        let end = start + placed.spec.size as usize;
        assert!(bytes[position..start].iter().all(|byte| *byte == 0));
        assert!(bytes[start..end].iter().all(|byte| *byte == index as u8 + 1));
        position = end;
    }
    assert!(bytes[position..bytes.len() - 33 * 512].iter().all(|byte| *byte == 0));
}

#[test]
fn two_disks_from_one_layout_are_equal() {
    assert!(disk(&layout()) == disk(&layout()));
}

#[test]
fn a_partition_must_be_filled_exactly() {
    let layout = layout();
    let length = |extra: i64, tolerant: bool| {
        let mut sink = Counting::new(WriteSink::new(io::sink()));
        let result = layout.write(&mut sink, &mut |index, sink| {
            let size = layout.partitions()[index].spec.size;
            if index == 1 {
                let size = size.checked_add_signed(extra).unwrap();
                sink.data(&[7; 100])?;
                let rest = sink.zeros(size - 100);
                return if tolerant { Ok(()) } else { rest };
            }
            sink.zeros(size)
        });
        // Nothing ever gets into the next partition.
        assert!(result.is_ok() || sink.position() <= layout.partitions()[2].start_bytes);
        match result {
            Ok(()) => None,
            Err(PartitionError::Length { name, expected, written }) => {
                assert_eq!((name.as_str(), expected), ("Wurzel-Größe", 3 * MIB + 512));
                Some(written)
            }
            Err(other) => panic!("{other}"),
        }
    };
    assert_eq!(length(0, false), None);
    assert_eq!(length(-1, false), Some(3 * MIB + 511));
    assert_eq!(length(1, false), Some(3 * MIB + 513));
    // A filler that ignores the sink's refusal gets nowhere either.
    assert_eq!(length(512, true), Some(3 * MIB + 1024));
}

#[test]
fn an_error_of_the_content_names_its_partition() {
    let error = layout()
        .write(&mut WriteSink::new(io::sink()), &mut |_, _| Err(io::Error::other("no kernel")))
        .unwrap_err();
    assert_eq!(error.to_string(), "cannot write partition \"boot\": no kernel");
}

/// Keeps what came as data, with its place.
#[derive(Default)]
struct Pieces(Vec<(u64, Vec<u8>)>, u64);

impl Sink for Pieces {
    fn data(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.push((self.1, bytes.to_vec()));
        self.zeros(bytes.len() as u64)
    }
    fn zeros(&mut self, len: u64) -> io::Result<()> {
        self.1 += len;
        Ok(())
    }
}

#[test]
fn disks_beyond_32_bit_sectors_are_covered_as_far_as_the_mbr_can_say() {
    let size = 5 << 40;
    let huge = spec("huge", PartitionType::LinuxFilesystem, size);
    let layout = Layout::new(Guid::from_digest(b"huge"), vec![huge]).unwrap();
    let mut pieces = Pieces::default();
    layout.write(&mut pieces, &mut |_, sink| sink.zeros(size)).unwrap();
    let Pieces(pieces, position) = pieces;
    assert_eq!(position, layout.disk_size());
    assert_eq!(pieces.len(), 2);
    let mbr = ProtectiveMBR::from_bytes(&pieces[0].1[..512], gpt::disk::DEFAULT_SECTOR_SIZE);
    assert_eq!(mbr.unwrap().partition(0).unwrap().lb_size, u32::MAX);
    assert_eq!(pieces[1].0 + pieces[1].1.len() as u64, layout.disk_size());
    assert_eq!(&pieces[1].1[32 * 512..][..8], b"EFI PART");
}

#[test]
fn the_protective_mbr_covers_the_disk() {
    let bytes = disk(&layout());
    let mbr = ProtectiveMBR::from_bytes(&bytes[..512], gpt::disk::DEFAULT_SECTOR_SIZE).unwrap();
    let record = mbr.partition(0).unwrap();
    assert_eq!((record.os_type, record.lb_start), (0xEE, 1));
    assert_eq!(u64::from(record.lb_size), bytes.len() as u64 / 512 - 1);
}
