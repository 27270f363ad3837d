//! Power that is lost after any request, with anything that was not flushed written or not, in any
//! order, in part: nothing boots until everything is there, and another run finishes the work.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test that cannot go on shall stop, and say why"
)]

mod support;

use std::error::Error;

use osb_flash::{Cause, Identity, Mode, Options, Overlay, Refused};
use osb_image::Table;
use osb_partition::SectorSize;
use support::disk::{Disk, Event};
use support::image::{Made, made};
use support::{MIB, flash_one, looks_bootable};

const SIZE: u64 = 16 * MIB;
/// Written last of all, at once.
const FIRST: usize = 8192;

fn options(mode: Mode) -> Options<'static> {
    Options { mode, note_every: MIB, customise: Some(&change), ..Options::default() }
}

/// A file in the boot partition.
fn change(
    _: usize,
    disk: &mut Overlay<'_>,
    identity: &Identity,
    table: &Table,
) -> Result<(), Box<dyn Error + Send + Sync>> {
    let (boot, _) = table.place(&table.partitions[0]).unwrap();
    Ok(disk.write_at(identity.disk.new.as_bytes(), boot + 100_001)?)
}

/// Numbers that look random, the same every time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.0 >> 33) as usize % most
    }
}

/// The disk after the first `count` events, all of which were done.
fn done(log: &[Event], sector: u32) -> Vec<u8> {
    let disk = Disk::used(SIZE, sector);
    let mut bytes = disk.bytes();
    log.iter().for_each(|event| apply(event, usize::MAX, &mut bytes));
    bytes
}

/// The same, but of what came after the last flush some is lost, some is written in part, and all
/// of it in another order.
fn some(log: &[Event], sector: u32, dice: &mut Dice) -> Vec<u8> {
    let flushed = log.iter().rposition(|event| matches!(event, Event::Sync)).map_or(0, |at| at + 1);
    let mut bytes = done(&log[..flushed], sector);
    let mut rest: Vec<&Event> = log[flushed..].iter().collect();
    while !rest.is_empty() {
        let event = rest.remove(dice.below(rest.len()));
        let Event::Write(_, written) = event else { continue };
        let sectors = written.len() / sector as usize;
        let part = match dice.below(3) {
            0 => 0,
            1 => dice.below(sectors + 1) * sector as usize,
            _ => usize::MAX,
        };
        apply(event, part, &mut bytes);
    }
    bytes
}

fn apply(event: &Event, most: usize, disk: &mut [u8]) {
    if let Event::Write(offset, bytes) = event {
        let part = &bytes[..bytes.len().min(most)];
        disk[*offset as usize..][..part.len()].copy_from_slice(part);
    }
}

/// Finishes what was begun. Returns the disk, and the bytes that were not written again; `None` if
/// there was nothing to go on from.
fn resume(made: &Made, bytes: Vec<u8>, sector: u32) -> (Vec<u8>, Option<u64>) {
    let disk = Disk::with(bytes, sector);
    let resumed = match flash_one(made.image(), &disk, &options(Mode::Resume)) {
        Ok(receipt) => Some(receipt.bytes.resumed + receipt.bytes.unchanged),
        Err(error) => {
            assert!(matches!(error.cause, Cause::Refused(Refused::NoRecord)), "{error}");
            flash_one(made.image(), &disk, &options(Mode::Whole)).unwrap();
            None
        }
    };
    (disk.bytes(), resumed)
}

fn lose_power_everywhere(sector: SectorSize) {
    let (made, bytes) = (made(sector), sector.bytes() as u32);
    let disk = Disk::used(SIZE, bytes);
    flash_one(made.image(), &disk, &options(Mode::Whole)).unwrap();
    let (right, log) = (disk.bytes(), disk.log());
    let is_flush = |event: &Event| matches!(event, Event::Sync);
    let wiped = log.iter().position(is_flush).unwrap();
    let begins = |event: &Event| matches!(event, Event::Write(at, _) if *at == FIRST as u64);
    let last = log.iter().rposition(begins).unwrap();
    let (mut dice, mut saved, mut states) = (Dice(7), 0, 0);
    for count in 0..=log.len() {
        let log = &log[..count];
        let mut disks = vec![done(log, bytes)];
        disks.extend((0..3).map(|_| some(log, bytes, &mut dice)));
        for disk in disks {
            states += 1;
            if looks_bootable(&disk[..MIB as usize]) {
                assert!(disk[FIRST..] == right[FIRST..], "{count}: it boots, and is not whole");
            }
            let (after, resumed) = resume(&made, disk, bytes);
            assert!(after == right, "{count}: not right after it was resumed");
            if count > wiped && count <= last {
                assert!(resumed.is_some(), "{count}: it had to begin again");
            }
            saved += resumed.unwrap_or(0);
        }
    }
    assert!(saved > 0, "nothing was ever saved");
    println!("{} requests, {states} losses of power, {saved} bytes not written again", log.len());
}

#[test]
fn power_may_be_lost_at_any_time_with_short_sectors() {
    lose_power_everywhere(SectorSize::B512);
}

#[test]
fn power_may_be_lost_at_any_time_with_long_sectors() {
    lose_power_everywhere(SectorSize::B4096);
}
