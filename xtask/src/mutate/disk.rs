//! A mutant as a disk: the image with both file systems made anew in their partitions.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use osb_check::{Place, Subject};
use osb_sink::Sink;
use rustix::fs::{FallocateFlags, fallocate};

use super::tree;
use crate::steps::show;

/// Writes what `changed` has become of `subject`, which is `image`, to `disk`.
pub(super) fn write(image: &Path, disk: &Path, subject: &Subject, changed: &Subject) -> Result<()> {
    if disk.exists() {
        std::fs::remove_file(disk)?;
    }
    show(Command::new("cp").arg("--sparse=always").arg(image).arg(disk))?;
    let file = OpenOptions::new().write(true).open(disk)?;
    ensure!(changed.table == subject.table, "a changed table cannot be started");
    let (offset, size) = place(changed, &changed.boot_place)?;
    let options = osb_fat::Options {
        size,
        sector_size: sector(changed),
        label: changed.boot_place.label.clone(),
        volume_id: u32::from_str_radix(&changed.boot_place.uuid.replace('-', ""), 16)?,
        timestamp: 0,
        hidden_sectors: u32::try_from(offset / u64::from(sector(changed)))?,
    };
    let plan = osb_fat::Plan::new(tree(&changed.boot, "boot partition")?, &options)?;
    plan.write(&mut Window { file: &file, at: offset })?;
    let (offset, size) = place(changed, &changed.root_place)?;
    let uuid = u128::from_str_radix(&changed.root_place.uuid.replace('-', ""), 16)?;
    let options = osb_ext4::Options {
        size,
        uuid: uuid.to_be_bytes(),
        hash_seed: uuid.to_le_bytes(),
        label: changed.root_place.label.clone(),
        timestamp: 0,
    };
    let plan = osb_ext4::Image::plan(tree(&changed.root, "root")?, &options)?;
    plan.write(&mut Window { file: &file, at: offset })?;
    Ok(())
}

fn sector(subject: &Subject) -> u32 {
    subject.table.as_ref().map_or(512, |table| table.sector_size)
}

/// Offset and length of a partition, in bytes.
fn place(subject: &Subject, wanted: &Place) -> Result<(u64, u64)> {
    let table = subject.table.as_ref().context("the image has no partition table")?;
    let number = wanted.partition.context("a file system in no partition")?;
    let partition = table.partitions.iter().find(|each| each.number == number);
    table.place(partition.context("a partition that is not in the table")?).context("its place")
}

/// A part of a file.
struct Window<'a> {
    file: &'a File,
    at: u64,
}

impl Sink for Window<'_> {
    fn data(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(bytes, self.at)?;
        self.at += bytes.len() as u64;
        Ok(())
    }

    fn zeros(&mut self, len: u64) -> io::Result<()> {
        let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        // A hole of no length is an error.
        if len > 0 {
            fallocate(self.file, flags, self.at, len)?;
        }
        self.at += len;
        Ok(())
    }
}
