//! Disks with either table and either length of sectors come back.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::io;

use common::{MIB, boot, ext4, open_path, root};
use osb_image::TableKind;
use osb_partition::{Format, Guid, Layout, PartitionSpec, PartitionType, SectorSize, Table};
use osb_sink::SparseFile;

#[test]
fn every_table_with_every_sector_size_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("disk.img");
    let root = ext4(&root());
    for table in Table::ALL {
        for sector in SectorSize::ALL {
            let bytes = sector.bytes();
            let size = if bytes == 512 { 34 * MIB } else { 257 * MIB };
            let spec = |name: &str, kind, size| PartitionSpec {
                name: name.to_owned(),
                kind,
                guid: Guid::from_digest(format!("{name:<16}").as_bytes()),
                size,
            };
            let specs = vec![
                spec("boot", PartitionType::RaspberryPiBoot, size),
                spec("root", PartitionType::LinuxRootArm64, root.len() as u64),
            ];
            let format = Format { table, sector, ..Format::default() };
            let disk = Guid::from_digest(b"the disk, and more");
            let layout = Layout::with_format(format, disk, specs).unwrap();
            let options = osb_fat::Options {
                size,
                sector_size: bytes as u32,
                label: "BOOT".into(),
                volume_id: 1,
                timestamp: 1,
                hidden_sectors: 0,
            };
            let fat = osb_fat::Plan::new(&boot(), &options).unwrap();
            let mut sink = SparseFile::create(&path, layout.disk_size()).unwrap();
            layout
                .write(&mut sink, &mut |index, sink| match index {
                    0 => fat.write(sink).map_err(io::Error::other),
                    _ => sink.data(&root),
                })
                .unwrap();
            sink.finish().unwrap();

            let image = open_path(&path);
            let read = image.table.unwrap();
            let kind = match table {
                Table::Gpt => TableKind::Gpt,
                Table::Mbr => TableKind::Mbr,
            };
            assert_eq!((read.kind, u64::from(read.sector_size)), (kind, bytes));
            assert_eq!(read.id, table.disk_id(disk));
            assert_eq!(read.problems, [""; 0]);
            for ((read, placed), number) in read.partitions.iter().zip(layout.partitions()).zip(1..)
            {
                assert_eq!(read.id, table.partition_id(disk, placed.spec.guid, number));
                assert_eq!(read.kind, table.type_id(placed.spec.kind));
                assert_eq!((read.first_lba, read.last_lba), (placed.first_lba, placed.last_lba));
            }
            let labels: Vec<&str> = image.volumes.iter().map(|each| each.label.as_str()).collect();
            assert_eq!(labels, ["BOOT", "osb-root"]);
            assert!(image.volumes[0].tree.len() == boot().len());
            assert_eq!(osb_image::table(&path).unwrap().unwrap().sector_size as u64, bytes);
        }
    }
}
