//! Disks and images that fail, each in one way: either the disk is right in every byte and that is
//! said, or an error of the right kind is told and nothing boots from the disk.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

mod support;

use std::sync::Mutex;
use std::time::Duration;

use osb_flash::{Cause, EngineError, Image, Left, Options};
use osb_partition::SectorSize;
use rustix::io::Errno;
use support::disk::{Disk, Effect, Kind, Op};
use support::image::{Made, made};
use support::{K, MIB, flash_one, looks_bootable};

const SIZE: u64 = 16 * MIB;
/// Bytes of the disk that get data early and late, and one that must be zero.
const EARLY: u64 = 3 * MIB + 100 * K;
const LATE: u64 = 3 * MIB + 3700 * K;
const ZERO: u64 = 3 * MIB + 1600 * K;
/// In the table's copy, which is wiped first and written late.
const COPY: u64 = SIZE - 100;
/// In the first MiB, behind what is written last of all; and in that.
const HEAD: u64 = 16 * K;
const FIRST: u64 = 512;

/// What is to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    Done,
    Device,
    Verification,
    Hung,
}
use Told::{Device, Done, Hung, Verification};

type Fault = Box<dyn FnMut(&Op) -> Effect + Send>;

fn fault(rule: impl FnMut(&Op) -> Effect + Send + 'static) -> Fault {
    Box::new(rule)
}

/// The effect on requests of a kind that touch this byte, but for the first `pass` of them.
fn at(kind: Kind, byte: u64, pass: usize, effect: impl Fn() -> Effect + Send + 'static) -> Fault {
    let mut seen = 0;
    fault(move |op| {
        let hit = op.hits(kind, byte);
        seen += usize::from(hit);
        if hit && seen > pass { effect() } else { Effect::Do }
    })
}

/// The effect on the request of this number, among all of its kind, once.
fn nth(kind: Kind, number: usize, effect: impl Fn() -> Effect + Send + 'static) -> Fault {
    fault(move |op| if op.kind == kind && op.number == number { effect() } else { Effect::Do })
}

fn eio() -> Effect {
    Effect::Fail(Errno::IO)
}

/// How many bytes a disk has that says that it has more.
fn wraps(capacity: u64) -> Fault {
    fault(move |op| match op.kind {
        Kind::Write | Kind::Read if op.offset >= capacity => Effect::Redirect(op.offset % capacity),
        Kind::Punch if op.offset >= capacity => Effect::Drop,
        _ => Effect::Do,
    })
}

/// The disk goes away.
fn gone_after(requests: usize) -> Fault {
    fault(move |op| match op.index {
        index if index >= requests => Effect::Fail(Errno::NODEV),
        _ => Effect::Do,
    })
}

fn faults() -> Vec<(&'static str, Told, Fault)> {
    use Kind::{Punch, Read, Reread, Sync, Write};
    vec![
        ("nothing", Done, fault(|_| Effect::Do)),
        // Writes that fail.
        ("write error: old end of the disk", Device, at(Write, COPY, 0, eio)),
        ("write error: old beginning", Device, at(Write, FIRST, 0, eio)),
        ("write error: data, once", Device, nth(Write, 3, eio)),
        ("write error: data, always", Device, at(Write, EARLY, 0, eio)),
        ("write error: later data", Device, at(Write, LATE, 0, eio)),
        ("write error: copy of the table", Device, at(Write, COPY, 1, eio)),
        ("write error: first MiB", Device, at(Write, HEAD, 1, eio)),
        ("write error: first sectors", Device, at(Write, FIRST, 1, eio)),
        (
            "write protection",
            Device,
            fault(|op| match op.kind {
                Write | Punch => Effect::Fail(Errno::ROFS),
                _ => Effect::Do,
            }),
        ),
        (
            "full before its end",
            Device,
            fault(|op| match op.kind {
                Write if op.offset >= 5 * MIB => Effect::Fail(Errno::NOSPC),
                _ => Effect::Do,
            }),
        ),
        (
            "a short write, then full",
            Device,
            fault({
                let mut full = false;
                move |op| match op.kind {
                    Write if full => Effect::Fail(Errno::NOSPC),
                    Write if op.hits(Write, LATE) => {
                        full = true;
                        Effect::Short(65536)
                    }
                    _ => Effect::Do,
                }
            }),
        ),
        // Writes that do less, or nothing.
        (
            "short writes",
            Done,
            fault(|op| match op.kind {
                Write if op.len > 65536 => Effect::Short(65536),
                _ => Effect::Do,
            }),
        ),
        (
            "short reads",
            Done,
            fault(|op| match op.kind {
                Read if op.len > 4096 => Effect::Short(op.len as usize / 2 / 512 * 512),
                _ => Effect::Do,
            }),
        ),
        ("a write of half a sector", Device, at(Write, EARLY, 0, || Effect::Short(700))),
        ("a write of nothing", Device, at(Write, EARLY, 0, || Effect::Short(0))),
        ("a read of nothing", Device, at(Read, EARLY, 0, || Effect::Short(0))),
        (
            "interrupted calls",
            Done,
            fault(|op| match op.kind {
                Write | Read if op.number % 2 == 0 => Effect::Fail(Errno::INTR),
                _ => Effect::Do,
            }),
        ),
        ("dropped: the wiping of the end", Verification, at(Write, COPY, 0, || Effect::Drop)),
        ("dropped: the wiping of the beginning", Verification, at(Write, HEAD, 0, || Effect::Drop)),
        ("dropped: data", Verification, at(Write, EARLY, 0, || Effect::Drop)),
        ("dropped: later data", Verification, at(Write, LATE, 0, || Effect::Drop)),
        ("dropped: the table's copy", Verification, at(Write, COPY, 1, || Effect::Drop)),
        ("dropped: the first MiB", Verification, at(Write, HEAD, 1, || Effect::Drop)),
        ("dropped: the first sectors", Verification, at(Write, FIRST, 1, || Effect::Drop)),
        (
            "dropped: everything",
            Verification,
            fault(|op| match op.kind {
                Write | Punch => Effect::Drop,
                _ => Effect::Do,
            }),
        ),
        (
            "dropped: everything after a while",
            Verification,
            fault(|op| match op.kind {
                Write | Punch if op.index > 12 => Effect::Drop,
                _ => Effect::Do,
            }),
        ),
        // Wrong bits and wrong places.
        ("a wrong bit: data", Verification, at(Write, EARLY, 0, || Effect::Flip(EARLY))),
        ("a wrong bit: table's copy", Verification, at(Write, COPY, 1, || Effect::Flip(COPY))),
        ("a wrong bit: first MiB", Verification, at(Write, HEAD, 1, || Effect::Flip(HEAD))),
        ("a wrong bit: first sectors", Verification, at(Write, FIRST, 1, || Effect::Flip(FIRST))),
        ("a wrong bit, read: wiped end", Verification, at(Read, COPY, 0, || Effect::Flip(COPY))),
        ("a wrong bit, read: data", Verification, at(Read, EARLY, 0, || Effect::Flip(EARLY))),
        ("a wrong bit, read: zeroes", Verification, at(Read, ZERO, 0, || Effect::Flip(ZERO))),
        ("a wrong bit, read: first MiB", Verification, at(Read, HEAD, 1, || Effect::Flip(HEAD))),
        ("a write elsewhere", Verification, at(Write, LATE, 0, || Effect::Redirect(12 * MIB))),
        (
            "a write to what was written",
            Verification,
            at(Write, LATE, 0, || Effect::Redirect(2 * MIB)),
        ),
        ("a write to the beginning", Verification, at(Write, MIB, 0, || Effect::Redirect(0))),
        ("half the capacity", Verification, wraps(8 * MIB)),
        ("a quarter of the capacity", Verification, wraps(4 * MIB)),
        // The image fits; what comes to lie in the middle of it is written after it was read back.
        ("only its end wraps", Verification, wraps(SIZE - 3 * MIB - 200 * K)),
        ("capacity of the boot partition's place", Verification, wraps(MIB)),
        // Reads, flushes, zeroing.
        ("read error: wiped end", Device, at(Read, COPY, 0, eio)),
        ("read error: wiped beginning", Device, at(Read, HEAD, 0, eio)),
        ("read error: data", Device, at(Read, EARLY, 0, eio)),
        ("read error: zeroes", Device, at(Read, ZERO, 0, eio)),
        ("read error: table's copy", Device, at(Read, COPY, 1, eio)),
        ("read error: first MiB", Device, at(Read, HEAD, 1, eio)),
        ("flush error: wiped", Device, nth(Sync, 0, eio)),
        ("flush error: data", Device, nth(Sync, 1, eio)),
        ("flush error: adapted", Device, nth(Sync, 2, eio)),
        ("flush error: first MiB", Device, nth(Sync, 3, eio)),
        ("flush error: first sectors", Device, nth(Sync, 4, eio)),
        (
            "zeroing is not supported",
            Done,
            fault(|op| match op.kind {
                Punch => Effect::Fail(Errno::OPNOTSUPP),
                _ => Effect::Do,
            }),
        ),
        ("zeroing fails", Device, at(Punch, ZERO, 0, eio)),
        ("zeroing does nothing", Verification, at(Punch, ZERO, 0, || Effect::Drop)),
        ("the table is not read again", Done, nth(Reread, 0, || Effect::Fail(Errno::BUSY))),
        // Disks that go away.
        ("gone at once", Device, gone_after(0)),
        ("gone while it is wiped", Device, gone_after(3)),
        ("gone while data is written", Device, gone_after(8)),
        ("gone while it is read back", Device, gone_after(16)),
        ("a write hangs", Hung, at(Write, EARLY, 0, || Effect::Hang)),
        ("a read hangs", Hung, at(Read, EARLY, 0, || Effect::Hang)),
        ("zeroing hangs", Hung, at(Punch, ZERO, 0, || Effect::Hang)),
        ("a flush hangs", Hung, nth(Sync, 1, || Effect::Hang)),
        ("the last write hangs", Hung, at(Write, FIRST, 1, || Effect::Hang)),
    ]
}

fn told(result: &Result<osb_flash::Receipt, EngineError>) -> Option<Told> {
    match result {
        Ok(_) => Some(Done),
        Err(EngineError { cause: Cause::Device(_), .. }) => Some(Device),
        Err(EngineError { cause: Cause::Verification { .. }, .. }) => Some(Verification),
        Err(EngineError { cause: Cause::Hung(_), .. }) => Some(Hung),
        Err(_) => None,
    }
}

fn options<'a>() -> Options<'a> {
    // Short enough to be met often; long enough for a machine that is busy.
    Options {
        patience: Duration::from_millis(1500),
        note_every: 2 * MIB,
        note_after: Duration::ZERO,
        ..Options::default()
    }
}

/// The disk that all must have who say that they are done: identifiers are made of the seed.
fn right(made: &Made, sector: u32, mapped: bool) -> Vec<u8> {
    let disk = Disk::used(SIZE, sector);
    let image = if mapped { made.image() } else { made.foreign() };
    flash_one(image, &disk, &options()).unwrap();
    disk.bytes()
}

#[test]
fn no_fault_is_called_done_and_none_leaves_a_disk_that_boots() {
    let made = made(SectorSize::B512);
    let wrong = Mutex::new(Vec::new());
    let right = [false, true].map(|mapped| right(&made, 512, mapped));
    let cases = [false, true].into_iter().flat_map(|mapped| {
        faults().into_iter().map(move |(name, told, fault)| (name, told, fault, mapped))
    });
    let (count, cases) = (faults().len() - 1, Mutex::new(cases));
    // Some of them do nothing but wait.
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some((name, told, fault, mapped)) = next(&cases) {
                    let image = if mapped { made.image() } else { made.foreign() };
                    let problem = try_one(image, fault, told, &right[usize::from(mapped)]);
                    let problem = problem.map(|problem| format!("{name}, {mapped}: {problem}"));
                    wrong.lock().unwrap().extend(problem);
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    println!("{count} faults, each with a map and without");
    assert!(count >= 30);
}

/// What a disk answers before it was flushed may come from its cache.
#[test]
fn it_is_flushed_before_it_is_read_back() {
    let made = made(SectorSize::B512);
    // The first flush is that of the wiped ends.
    let fault = nth(Kind::Sync, 1, || Effect::Flip(EARLY));
    let disk = Disk::used(SIZE, 512).failing(fault);
    let result = flash_one(made.image(), &disk, &Options::default());
    assert_eq!(told(&result), Some(Verification));
}

fn next<T>(cases: &Mutex<impl Iterator<Item = T>>) -> Option<T> {
    cases.lock().unwrap().next()
}

/// What was wrong with how a fault was met.
fn try_one(image: Image, fault: Fault, expected: Told, right: &[u8]) -> Option<String> {
    let disk = Disk::used(SIZE, 512).failing(fault);
    let result = flash_one(image, &disk, &options());
    if told(&result) != Some(expected) {
        return Some(format!("not {expected:?} but {:?}", result.err()));
    }
    let honest = match result {
        Ok(_) => disk.bytes() == right,
        Err(error) => is_honest(&error, &disk.bytes()),
    };
    (!honest).then(|| "what is told is not true".to_owned())
}

/// Whether nothing boots, and the disk is as it is told.
fn is_honest(error: &EngineError, disk: &[u8]) -> bool {
    let left = match error.left {
        Left::Untouched => disk.iter().all(|byte| *byte == 0xA5),
        Left::Unbootable => disk[..4096].iter().all(|byte| *byte == 0),
        Left::Unknown => true,
    };
    left && !looks_bootable(&disk[..MIB as usize])
}
