//! What is not written again, what is refused, and what is stopped.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

mod support;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use osb_flash::{
    Cause, EngineError, Left, Mode, Observer, Options, Phase, Progress, Receipt, Refused, Target,
    flash,
};
use osb_partition::SectorSize;
use support::disk::{Disk, Effect, Event, Kind};
use support::image::{Bytes, Made, any, made};
use support::{K, MIB, flash_one, looks_bootable};

const SIZE: u64 = 16 * MIB;

fn options(mode: Mode) -> Options<'static> {
    Options { mode, note_every: MIB, ..Options::default() }
}

fn written(disk: &Disk) -> u64 {
    let log = disk.log();
    log.iter()
        .map(|event| if let Event::Write(_, bytes) = event { bytes.len() as u64 } else { 0 })
        .sum()
}

#[test]
fn what_is_there_is_not_written_again() {
    let made = made(SectorSize::B512);
    for mapped in [true, false] {
        let image = || if mapped { made.image() } else { made.foreign() };
        let disk = Disk::used(SIZE, 512);
        let first = flash_one(image(), &disk, &options(Mode::Whole)).unwrap();
        assert!(first.bytes.written > 5 * MIB);
        let right = disk.bytes();
        // A byte of data, and one of those that must be zero, become others.
        let mut damaged = right.clone();
        damaged[3 * MIB as usize + 5] ^= 1;
        damaged[(3 * MIB + 1600 * K) as usize] ^= 1;
        let disk = Disk::with(damaged, 512);
        let receipt = flash_one(image(), &disk, &options(Mode::ChangedOnly)).unwrap();
        assert!(disk.bytes() == right);
        assert!(receipt.bytes.written < 5 * MIB, "{}", receipt.bytes.written);
        assert!(receipt.bytes.unchanged > 2 * MIB);
        assert!(written(&disk) < 6 * MIB, "{}", written(&disk));
        assert_eq!(receipt.mode, "changed-only");
    }
}

/// Sets `stop` when a phase has come so far.
struct StopAt<'a>(&'a AtomicBool, Phase, u64);

impl Observer for StopAt<'_> {
    fn progress(&self, _: usize, progress: &Progress) {
        if progress.phase == self.1 && progress.done >= self.2 {
            self.0.store(true, Ordering::Relaxed);
        }
    }
}

fn stopped(made: &Made, disk: &Disk, phase: Phase, done: u64) -> EngineError {
    let stop = AtomicBool::new(false);
    let target: Box<dyn Target> = Box::new(disk.clone());
    let targets = vec![("disk".to_owned(), target)];
    let observer = StopAt(&stop, phase, done);
    flash(made.image(), targets, &options(Mode::Whole), &observer, &stop).remove(0).unwrap_err()
}

#[test]
fn it_stops_in_order_and_goes_on_where_it_was() {
    let made = made(SectorSize::B512);
    let disk = Disk::used(SIZE, 512);
    flash_one(made.image(), &disk, &options(Mode::Whole)).unwrap();
    let right = disk.bytes();
    for (phase, done) in [
        (Phase::Wipe, 0),
        (Phase::Copy, 0),
        (Phase::Copy, 3 * MIB),
        (Phase::Sync, 0),
        (Phase::Verify, MIB),
        (Phase::Adapt, 0),
        (Phase::Finish, 0),
    ] {
        let disk = Disk::used(SIZE, 512);
        let error = stopped(&made, &disk, phase, done);
        assert!(matches!(error.cause, Cause::Interrupted), "{error}");
        assert_eq!((error.phase, error.left), (phase, Left::Unbootable), "{error}");
        assert!(!looks_bootable(&disk.bytes()[..MIB as usize]));
        let receipt = flash_one(made.image(), &disk, &options(Mode::Resume)).unwrap();
        assert!(disk.bytes() == right, "{phase}");
        if (phase, done) == (Phase::Verify, MIB) {
            assert!(receipt.bytes.resumed > 4 * MIB, "{:?}", receipt.bytes);
        }
        let saved = receipt.bytes.resumed + receipt.bytes.unchanged;
        assert_eq!(saved > 0, (phase, done) > (Phase::Copy, 0), "{phase}");
    }
}

fn refused(result: Result<Receipt, EngineError>) -> Refused {
    let error = result.unwrap_err();
    assert_eq!((error.phase, error.left), (error.phase.min(Phase::Wipe), Left::Untouched));
    match error.cause {
        Cause::Refused(refused) => refused,
        cause => panic!("{cause}"),
    }
}

#[test]
fn nothing_is_resumed_that_was_not_begun() {
    let (made, other) = (made(SectorSize::B512), any(&[(2 * MIB, 'd')]));
    let disk = Disk::used(SIZE, 512);
    let before = disk.bytes();
    let resume = options(Mode::Resume);
    assert_eq!(refused(flash_one(made.image(), &disk, &resume)), Refused::NoRecord);
    assert_eq!(refused(flash_one(made.foreign(), &disk, &resume)), Refused::Anonymous);
    assert!(disk.bytes() == before);
    stopped(&made, &disk, Phase::Copy, 3 * MIB);
    let before = disk.bytes();
    assert_eq!(refused(flash_one(other.image(), &disk, &resume)), Refused::OtherImage);
    assert!(disk.bytes() == before);
}

#[test]
fn an_image_that_does_not_fit_is_refused_before_anything_is_written() {
    let made = made(SectorSize::B512);
    let size = made.bytes.len() as u64;
    let disk = Disk::used(size - 512, 512);
    let result = flash_one(made.image(), &disk, &options(Mode::Whole));
    assert_eq!(refused(result), Refused::TooSmall { size: size - 512, needed: size });
    let disk = Disk::used(size, 4096);
    let result = flash_one(made.foreign(), &disk, &options(Mode::Whole));
    assert_eq!(refused(result), Refused::SectorSize { disk: 4096, image: 512 });
    let nothing = any(&[(2 * MIB, 'd')]);
    let customise = |_, _: &mut osb_flash::Overlay, _: &_, _: &_| Ok(());
    let options = Options { customise: Some(&customise), ..Options::default() };
    let result = flash_one(nothing.image(), &disk, &options);
    assert_eq!(refused(result), Refused::NoTable);
    // A foreign image that was cut off where its last partition ends needs room for the table.
    let mut cut = made.foreign();
    let bytes = made.bytes[..10 * MIB as usize].to_vec();
    cut.source = Box::new(Bytes { bytes, size: true, last: 0 });
    let disk = Disk::used(10 * MIB, 512);
    let needed = 10 * MIB + 33 * 512;
    let result = flash_one(cut, &disk, &Options::default());
    assert_eq!(refused(result), Refused::TooSmall { size: 10 * MIB, needed });
}

#[test]
fn a_stream_may_turn_out_to_be_too_long() {
    let made = any(&[(4 * MIB, 'd'), (4 * MIB, 'd')]);
    let disk = Disk::used(6 * MIB, 512);
    let mut image = made.foreign();
    image.source = Box::new(Bytes { bytes: made.bytes.clone(), size: false, last: 0 });
    let error = flash_one(image, &disk, &Options::default()).unwrap_err();
    assert!(matches!(error.cause, Cause::Refused(Refused::TooSmall { .. })), "{error}");
    assert_eq!(error.left, Left::Unbootable);
}

#[test]
fn one_disk_that_fails_does_not_stop_the_others() {
    let made = made(SectorSize::B512);
    let good: Vec<Disk> = (0..2).map(|_| Disk::used(SIZE, 512)).collect();
    let bad = Disk::used(SIZE, 512).failing(|op| match op.hits(Kind::Write, 4 * MIB) {
        true => Effect::Fail(rustix::io::Errno::IO),
        false => Effect::Do,
    });
    let small = Disk::used(3 * MIB, 512);
    let stuck = Disk::used(SIZE, 512).failing(|op| match op.hits(Kind::Write, 4 * MIB) {
        true => Effect::Hang,
        false => Effect::Do,
    });
    let disks = [&good[0], &bad, &small, &stuck, &good[1]];
    let target = |disk: &Disk| ("disk".to_owned(), Box::new(disk.clone()) as Box<dyn Target>);
    let targets = disks.map(target).into_iter().collect();
    let options = Options { patience: Duration::from_secs(2), ..Options::default() };
    let results = flash(made.image(), targets, &options, &(), &AtomicBool::new(false));
    let [Ok(one), Err(bad), Err(small), Err(stuck), Ok(other)] = &results[..] else {
        panic!("{results:?}")
    };
    assert!(matches!(bad.cause, Cause::Device(_)) && bad.offset == 4 * MIB, "{bad}");
    assert!(matches!(small.cause, Cause::Refused(_)));
    assert!(matches!(stuck.cause, Cause::Hung(_)));
    assert_ne!(one.identity, other.identity, "they would collide in one machine");
    let (one, other) = (good[0].bytes(), good[1].bytes());
    assert!(
        one[MIB as usize..11 * MIB as usize - 17408]
            == other[MIB as usize..11 * MIB as usize - 17408]
    );
}

#[test]
fn a_disk_that_hangs_does_not_hold_an_interruption_up() {
    let made = made(SectorSize::B512);
    let disk = Disk::used(SIZE, 512).failing(|op| match op.hits(Kind::Write, 4 * MIB) {
        true => Effect::Hang,
        false => Effect::Do,
    });
    let stop = AtomicBool::new(false);
    /// Stops when it hears that the disk does not answer.
    struct Listens<'a>(&'a AtomicBool);
    impl Observer for Listens<'_> {
        fn progress(&self, _: usize, progress: &Progress) {
            if !progress.pending.is_zero() {
                self.0.store(true, Ordering::Relaxed);
            }
        }
    }
    let targets: Vec<(String, Box<dyn Target>)> = vec![("disk".to_owned(), Box::new(disk))];
    let options = Options { patience: Duration::from_secs(100), ..Options::default() };
    let begun = Instant::now();
    let result = flash(made.image(), targets, &options, &Listens(&stop), &stop).remove(0);
    assert!(matches!(result.unwrap_err().cause, Cause::Hung(_)));
    assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
}
