//! Images that are not what they should be, and changes to those that are.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

mod support;

use std::io;

use osb_flash::{
    Cause, EngineError, Identity, Image, Left, Options, Overlay, Phase, Source, SourceFault,
};
use osb_image::Table;
use osb_partition::SectorSize;
use support::disk::{Disk, Effect, Kind};
use support::image::{Bytes, Made, made};
use support::{K, MIB, flash_one, looks_bootable};

const SIZE: u64 = 16 * MIB;

/// Bytes up to here, then an error.
struct Torn(Bytes, u64);

impl Source for Torn {
    fn size(&self) -> Option<u64> {
        self.0.size()
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        match self.1.checked_sub(offset) {
            None | Some(0) => Err(io::Error::other("the line is dead")),
            Some(rest) => {
                let len = (buffer.len() as u64).min(rest) as usize;
                self.0.read_at(offset, &mut buffer[..len])
            }
        }
    }
}

fn bytes(bytes: Vec<u8>) -> Bytes {
    Bytes { bytes, size: true, last: 0 }
}

fn with(image: Image, source: impl Source + 'static) -> Image {
    Image { source: Box::new(source), ..image }
}

fn fails(image: Image, left: Left) -> SourceFault {
    let disk = Disk::used(SIZE, 512);
    let error = flash_one(image, &disk, &Options::default()).unwrap_err();
    assert!(!looks_bootable(&disk.bytes()[..MIB as usize]), "{error}");
    assert_eq!(error.left, left, "{error}");
    match error.cause {
        Cause::Source(fault) => fault,
        cause => panic!("{cause}"),
    }
}

#[test]
fn an_image_that_is_damaged_is_found_out() {
    let made = made(SectorSize::B512);
    let flipped = |at: u64| {
        let mut changed = made.bytes.clone();
        changed[at as usize] ^= 1;
        bytes(changed)
    };
    for at in [100, MIB + 5, 3 * MIB + 5, 11 * MIB - 100] {
        let fault = fails(with(made.image(), flipped(at)), Left::Unbootable);
        let SourceFault::Range { offset, len } = fault else { panic!("{fault}") };
        assert!((offset..offset + len).contains(&at), "{at}: {offset} {len}");
        let digest = Some(osb_checksum::sha256(&made.bytes));
        let foreign = Image { digest, ..with(made.foreign(), flipped(at)) };
        let fault = fails(foreign, Left::Unbootable);
        assert!(matches!(fault, SourceFault::Whole { .. }), "{fault}");
    }
    // What must be zero is not read at all, so it does not matter what the image has there.
    let disk = Disk::used(SIZE, 512);
    let image = with(made.image(), flipped(3 * MIB + 1600 * K));
    flash_one(image, &disk, &Options::default()).unwrap();
    assert!(disk.bytes()[(3 * MIB + 1600 * K) as usize] == 0);
}

#[test]
fn an_image_of_another_length_is_found_out() {
    let made = made(SectorSize::B512);
    let long = || [made.bytes.as_slice(), &[1; 4096]].concat();
    let short = || made.bytes[..9 * MIB as usize].to_vec();
    for other in [long(), short()] {
        let fault = fails(with(made.image(), bytes(other)), Left::Untouched);
        assert!(matches!(fault, SourceFault::Length { .. }), "{fault}");
    }
    // A stream that does not tell its length ends before its time.
    let stream = Bytes { size: false, ..bytes(short()) };
    let fault = fails(with(made.image(), stream), Left::Unbootable);
    assert!(matches!(fault, SourceFault::Length { .. }), "{fault}");
    let torn = |to| Torn(bytes(made.bytes.clone()), to);
    for image in [made.image(), made.foreign()] {
        let fault = fails(with(image, torn(4 * MIB + 5 * K)), Left::Unbootable);
        assert!(matches!(fault, SourceFault::Read { .. }), "{fault}");
    }
    let fault = fails(with(made.image(), torn(5 * K)), Left::Untouched);
    assert!(matches!(fault, SourceFault::Read { offset: 5120, .. }), "{fault}");
}

/// A file in the boot partition, and another text in the first MiB.
fn change(overlay: &mut Overlay, identity: &Identity, table: &Table) -> io::Result<()> {
    let (boot, _) = table.place(&table.partitions[0]).unwrap();
    let mut before = [0; 3];
    overlay.read_at(&mut before, boot)?;
    assert_eq!(before, [0xEB, 0x58, 0x90]);
    overlay.write_at(identity.partitions[1].1.new.as_bytes(), boot + 100_001)?;
    overlay.write_at(b"first", 600_000)
}

#[test]
fn changes_are_written_and_read_back() {
    let made = made(SectorSize::B512);
    let plain = Disk::used(SIZE, 512);
    let identity = flash_one(made.image(), &plain, &Options::default()).unwrap().identity.unwrap();
    let customise = |_: usize, overlay: &mut Overlay, identity: &Identity, table: &Table| {
        Ok(change(overlay, identity, table)?)
    };
    let options = Options { customise: Some(&customise), ..Options::default() };
    let disk = Disk::used(SIZE, 512);
    flash_one(made.image(), &disk, &options).unwrap();
    let mut expected = plain.bytes();
    let id = identity.partitions[1].1.new.as_bytes();
    expected[MIB as usize + 100_001..][..id.len()].copy_from_slice(id);
    expected[600_000..][..5].copy_from_slice(b"first");
    assert!(disk.bytes() == expected);
    // The change gets lost on the disk.
    let mut seen = 0;
    let disk = Disk::used(SIZE, 512).failing(move |op| {
        let hit = op.hits(Kind::Write, MIB + 100_001);
        seen += usize::from(hit);
        if hit && seen == 2 { Effect::Drop } else { Effect::Do }
    });
    let error = flash_one(made.image(), &disk, &options).unwrap_err();
    assert!(matches!(error.cause, Cause::Verification { .. }), "{error}");
    assert_eq!((error.phase, error.left), (Phase::Adapt, Left::Unbootable));
}

fn adapted(made: &Made, disk: &Disk, offset: u64) -> EngineError {
    let customise = |_: usize, overlay: &mut Overlay, _: &Identity, _: &Table| {
        Ok(overlay.read_at(&mut [0; 100], offset)?)
    };
    let options = Options { customise: Some(&customise), ..Options::default() };
    flash_one(made.image(), disk, &options).unwrap_err()
}

#[test]
fn a_change_that_fails_is_told_by_its_reason() {
    let made = made(SectorSize::B512);
    let disk = Disk::used(SIZE, 512);
    let error = adapted(&made, &disk, SIZE);
    assert!(matches!(error.cause, Cause::Customise(_)), "{error}");
    assert_eq!((error.phase, error.left), (Phase::Adapt, Left::Unbootable));
    assert!(!looks_bootable(&disk.bytes()[..MIB as usize]));
    // The first time that this unused place is read.
    let disk = disk.failing(|op| match op.hits(Kind::Read, 12 * MIB) {
        true => Effect::Fail(rustix::io::Errno::IO),
        false => Effect::Do,
    });
    let error = adapted(&made, &disk, 12 * MIB);
    assert!(matches!(error.cause, Cause::Device(_)), "{error}");
}
