//! Writes an image to disks, and proves that it is there.
//!
//! For each disk, in this order: both ends are wiped, which takes away what was there before; all
//! but the first MiB is written; the disk is flushed; everything is read back and compared with
//! digests; identifiers and files are adapted, written and read back; the first MiB is written and
//! read back. So a disk from which something can boot has all of the image, and whatever happens
//! on the way leaves one from which nothing boots: [`Left`].
//!
//! One thread reads the image ([`feed`]), and each disk has one that leads ([`run`]) and one that
//! talks to the device ([`disk`]), with their own fates. Some more hash.

mod buffers;
mod copy;
mod disk;
mod error;
mod feed;
mod finish;
mod hashers;
mod meter;
mod options;
mod plan;
mod progress;
mod receipt;
mod record;
mod run;
mod verify;
mod wipe;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{channel, sync_channel};
use std::thread::{self, ScopedJoinHandle};

use osb_blockmap::PIECE;

use crate::{Image, Target};
use buffers::Buffers;
use disk::Disk;
use feed::{DEPTH, Feed};
use hashers::Hashers;
use meter::{Meter, ReadTime};
use run::{Common, ImageFacts, Run};

pub use error::{Cause, EngineError, Left, Refused, SourceFault};
pub use options::{Customise, Mode, Options};
pub use progress::{Bottleneck, Observer, Phase, Progress, Waits};
pub use receipt::{ByteCounts, ImageReceipt, Receipt};

/// Bytes at the beginning of a disk that are written last.
pub(crate) const HEAD: u64 = 1 << 20;
/// Bytes at the end of a disk that are wiped first.
const TAIL: u64 = 1 << 20;
/// Buffers of [`PIECE`] bytes, beside one for each disk: one is read into, some are hashed, some
/// wait. With all else it makes less than 64 MiB for one disk.
const BUFFERS: usize = 8;
/// Most buffers, however many disks there are: memory has a bound, and a slow disk slows the others.
const MOST_BUFFERS: usize = 12;

/// Writes an image to disks, all at once. Each result is that of the target in its place.
///
/// The image is read once, and a slow disk slows the others. `stop` ends it soon, and in order; it
/// may be set by a signal.
pub fn flash(
    mut image: Image,
    targets: Vec<(String, Box<dyn Target>)>,
    options: &Options<'_>,
    observer: &dyn Observer,
    stop: &AtomicBool,
) -> Vec<Result<Receipt, EngineError>> {
    let (names, targets): (Vec<String>, Vec<Box<dyn Target>>) = targets.into_iter().unzip();
    let none = |cause: &dyn Fn() -> Cause| names.iter().map(|_| Err(early(cause()))).collect();
    let (first, facts) = match look(&mut image) {
        Ok(found) => found,
        // A source that was stopped says that it failed.
        Err(_) if stop.load(Ordering::Relaxed) => return none(&|| Cause::Interrupted),
        Err(fault) => return none(&|| fault.clone().into()),
    };
    let hashers = match Hashers::new().map_err(Arc::new) {
        Ok(hashers) => hashers,
        Err(error) => return none(&|| Cause::Threads(Arc::clone(&error))),
    };
    let buffers = Buffers::new((BUFFERS + names.len()).min(MOST_BUFFERS));
    let common = Common { options, image: facts, buffers, hashers };
    let time = ReadTime::default();
    let (starts, begun) = channel();
    thread::scope(|scope| {
        let (mut queues, mut runs) = (Vec::new(), Vec::new());
        for (index, (name, target)) in names.iter().zip(targets).enumerate() {
            let (queue, works) = sync_channel(DEPTH);
            let meter = Meter::new(index, observer, &time);
            let (starts, common) = (starts.clone(), &common);
            let lead = move || match Disk::new(target, meter, stop, options.patience) {
                Ok(disk) => Run::new(disk, common, index, name).run(starts, works),
                Err(error) => Err(early(Cause::Threads(Arc::new(error)))),
            };
            runs.push(thread::Builder::new().name("flash".to_owned()).spawn_scoped(scope, lead));
            queues.push(Some(queue));
        }
        drop(starts);
        // They say where they begin when they are wiped; those that have failed say nothing.
        let start = begun.into_iter().min();
        let feed = Feed {
            source: &mut *image.source,
            first: &first,
            buffers: &common.buffers,
            hashers: &common.hashers,
            time: &time,
            stop,
            queues,
            start: start.unwrap_or(0),
        };
        match start {
            Some(_) => feed.run(image.map.as_ref(), common.image.size, image.digest),
            None => drop(feed),
        }
        runs.into_iter().map(result).collect()
    })
}

/// What became of a disk.
fn result(
    run: io::Result<ScopedJoinHandle<'_, Result<Receipt, EngineError>>>,
) -> Result<Receipt, EngineError> {
    let run = run.map_err(|error| early(Cause::Threads(Arc::new(error))))?;
    run.join().unwrap_or_else(|_| {
        let cause = Cause::Threads(Arc::new(io::Error::other("the thread of this disk panicked")));
        Err(EngineError { left: Left::Unknown, ..early(cause) })
    })
}

/// An error before anything was written.
fn early(cause: Cause) -> EngineError {
    EngineError { cause, phase: Phase::Check, offset: 0, left: Left::Untouched }
}

/// Reads the beginning, and learns from it what must be known before a disk is touched.
fn look(image: &mut Image) -> Result<(Vec<u8>, ImageFacts), SourceFault> {
    let known = image.source.size();
    let size = image.map.as_ref().map(|map| map.size()).or(known);
    if let (Some(expected), Some(found)) = (size, known.filter(|known| Some(*known) != size)) {
        return Err(SourceFault::Length { expected, found });
    }
    let mut first = vec![0; PIECE as usize];
    let len = feed::fill(&mut *image.source, 0, &mut first)?;
    first.truncate(len);
    if let Some(expected) = size.filter(|size| first.len() as u64 != PIECE.min(*size)) {
        return Err(SourceFault::Length { expected, found: first.len() as u64 });
    }
    let totals = image.map.as_ref().map(|map| map.totals());
    let facts = ImageFacts {
        name: image.name.clone(),
        digest: image.digest,
        id: plan::name(image.digest.as_ref(), image.map.as_ref()),
        sector_size: image.sector_size,
        head: plan::head(&first, image.map.as_ref()),
        size,
        work: totals.map_or(size, |(data, zero, _)| Some(data + zero)),
        unused: totals.map_or(0, |(_, _, unused)| unused),
    };
    Ok((first, facts))
}
