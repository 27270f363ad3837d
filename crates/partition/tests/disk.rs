//! Whole disks: parsed by the `gpt` crate, checked by sgdisk and sfdisk where they are installed.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

use std::fs;
use std::io::{self, Cursor, Write};
use std::path::Path;
use std::process::{Command, Output};

use gpt::GptConfig;
use gpt::mbr::ProtectiveMBR;
use osb_partition::{Guid, Layout, PartitionError, PartitionSpec, PartitionType};
use osb_sink::{Counting, Sink, SparseFile, WriteSink};

const MIB: u64 = 1 << 20;

fn spec(name: &str, kind: PartitionType, size: u64) -> PartitionSpec {
    let guid = Guid::from_digest(format!("{name:<16}").as_bytes());
    PartitionSpec { name: name.into(), kind, guid, size }
}

fn layout() -> Layout {
    let partitions = vec![
        spec("boot", PartitionType::EfiSystem, 4 * MIB),
        spec("Wurzel-Größe", PartitionType::LinuxRootArm64, 3 * MIB + 512),
        spec("data", PartitionType::LinuxFilesystem, 512),
    ];
    Layout::new(Guid::from_digest(b"identifier of the disk"), partitions).unwrap()
}

/// Fills a partition with its number plus one, in two parts.
fn fill(layout: &Layout) -> impl FnMut(usize, &mut dyn Sink) -> io::Result<()> {
    let sizes: Vec<u64> = layout.partitions().iter().map(|placed| placed.spec.size).collect();
    move |index, sink| {
        sink.data(&[index as u8 + 1; 500])?;
        sink.data(&vec![index as u8 + 1; sizes[index] as usize - 500])
    }
}

fn disk(layout: &Layout) -> Vec<u8> {
    let mut sink = WriteSink::new(Vec::new());
    layout.write(&mut sink, &mut fill(layout)).unwrap();
    sink.into_inner()
}

#[test]
fn the_gpt_crate_reads_both_tables() {
    let layout = layout();
    let bytes = disk(&layout);
    assert_eq!(bytes.len() as u64, layout.disk_size());
    let disk =
        GptConfig::new().only_valid_headers(true).open_from_device(Cursor::new(bytes)).unwrap();
    assert_eq!(
        disk.primary_header().unwrap().crc32_parts,
        disk.backup_header().unwrap().crc32_parts
    );
    assert_eq!(disk.guid().to_string(), layout.disk_guid().partuuid());
    assert_eq!(disk.backup_header().unwrap().current_lba, layout.disk_size() / 512 - 1);
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

/// Runs a referee; `None`, with a visible note, if there is none.
fn referee(program: &str, option: &str, path: &Path) -> Option<Output> {
    match Command::new(program).arg(option).arg(path).env("LC_ALL", "C").output() {
        Ok(output) => Some(output),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            // Past the test harness, which would swallow it.
            let note = format!("referee absent: {program} is not on PATH\n");
            io::stderr().write_all(note.as_bytes()).unwrap();
            None
        }
        Err(error) => panic!("{program}: {error}"),
    }
}

#[test]
fn sgdisk_and_sfdisk_find_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("disk.img");
    let layout = layout();
    let mut file = SparseFile::create(&path, layout.disk_size()).unwrap();
    layout.write(&mut file, &mut fill(&layout)).unwrap();
    file.finish().unwrap();
    assert_eq!(fs::metadata(&path).unwrap().len(), layout.disk_size());

    if let Some(output) = referee("sgdisk", "-v", &path) {
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && text.contains("No problems found"), "{text}");
        // It cautions about odd ends, which this layout has on purpose, but not about starts.
        assert!(!text.contains("begin on") && !text.contains("Warning"), "{text}");
    }
    if let Some(output) = referee("sfdisk", "--verify", &path) {
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && text.contains("No errors detected"), "{text}");
    }
    if let Some(output) = referee("sfdisk", "--dump", &path) {
        let text = String::from_utf8_lossy(&output.stdout);
        for placed in layout.partitions() {
            let guid = format!("uuid={}", placed.spec.guid);
            let start = format!("start= {:>11},", placed.first_lba);
            let line = text.lines().find(|line| line.contains(&guid));
            assert!(line.is_some_and(|line| line.contains(&start)), "{guid} {start}: {text}");
        }
    }
}
