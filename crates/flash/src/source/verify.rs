//! Files of this machine, compared with what is said of them, by several threads.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread;

use osb_blockmap::{BlockMap, Range, State};
use osb_checksum::{Digest, sha256};
use rustix::fs::{SeekFrom, seek};
use rustix::io::Errno;

use super::error::SourceError;
use super::open::Options;
use super::promise::METADATA;

/// Bytes that are read at a time.
const STEP: usize = 1 << 20;

/// Compares a file, all of it, with its digest.
pub(super) fn whole(
    path: &Path,
    file: &File,
    size: u64,
    expected: Digest,
    link: &str,
    options: &Options,
) -> Result<(), SourceError> {
    let mut hash = osb_checksum::Sha256Writer::new(io::sink());
    let mut buffer = vec![0; STEP];
    let mut at = 0;
    while at < size {
        check_stop(options.stop)?;
        let len = STEP.min(usize::try_from(size - at).unwrap_or(STEP));
        file.read_exact_at(&mut buffer[..len], at).map_err(SourceError::io("reading", path))?;
        io::Write::write_all(&mut hash, &buffer[..len])
            .map_err(SourceError::io("reading", path))?;
        at += len as u64;
        (options.progress)(at, size);
    }
    super::promise::same(expected, hash.finish().1, || link.to_owned())
}

/// Compares the content of a disk image with its map: data by its digests, all else with zeroes,
/// of which holes are not read.
pub(super) fn ranges(
    path: &Path,
    file: &File,
    map: &BlockMap,
    options: &Options,
) -> Result<(), SourceError> {
    let (next, done) = (AtomicUsize::new(0), AtomicU64::new(0));
    let failed = AtomicBool::new(false);
    let total = map.totals().0;
    let check = || {
        let mut buffer = Vec::new();
        while !failed.load(Ordering::Relaxed) {
            let Some(range) = map.ranges().get(next.fetch_add(1, Ordering::Relaxed)) else { break };
            check_stop(options.stop)?;
            let result = range_is(path, file, range, &mut buffer);
            failed.fetch_or(result.is_err(), Ordering::Relaxed);
            result?;
            if matches!(range.state, State::Data(_)) {
                let done = done.fetch_add(range.len, Ordering::Relaxed) + range.len;
                (options.progress)(done, total);
            }
        }
        Ok(())
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (1..options.threads.max(1)).map(|_| scope.spawn(check)).collect();
        let own = check();
        let others = threads.into_iter().map(|thread| {
            let died = |_| Err(io::Error::other("a thread died"));
            thread.join().or_else(|panic| died(panic).map_err(SourceError::io("reading", path)))?
        });
        // All are joined, and the first failure is told.
        others.fold(own, |result, other| result.and(other))
    })
}

fn range_is(
    path: &Path,
    file: &File,
    range: &Range,
    buffer: &mut Vec<u8>,
) -> Result<(), SourceError> {
    let Range { offset, len, state } = *range;
    let State::Data(expected) = state else { return zeroes(path, file, range, buffer) };
    // A map has no data ranges of more than PIECE.
    buffer.resize(usize::try_from(len).unwrap_or(usize::MAX), 0);
    file.read_exact_at(buffer, offset).map_err(SourceError::io("reading", path))?;
    super::promise::same(expected, sha256(buffer), || {
        format!("{}: the {len} bytes from {offset} on are not what {METADATA} says", path.display())
    })
}

/// Wants zeroes, and looks at what is no hole only.
fn zeroes(
    path: &Path,
    file: &File,
    range: &Range,
    buffer: &mut Vec<u8>,
) -> Result<(), SourceError> {
    let mut at = range.offset;
    while at < range.end() {
        // ENXIO: there is nothing but holes up to the end (lseek(2)).
        at = match seek(file, SeekFrom::Data(at)) {
            Ok(data) => data,
            Err(Errno::NXIO) => return Ok(()),
            // Of file systems that do not tell: all may be data.
            Err(Errno::INVAL) => at,
            Err(error) => return Err(SourceError::io("reading", path)(error.into())),
        };
        if at >= range.end() {
            return Ok(());
        }
        buffer.resize(STEP.min(usize::try_from(range.end() - at).unwrap_or(STEP)), 0);
        file.read_exact_at(buffer, at).map_err(SourceError::io("reading", path))?;
        if let Some(place) = buffer.iter().position(|byte| *byte != 0) {
            let place = at + place as u64;
            let link = format!(
                "{}: byte {place} is not zero, as {METADATA} says that it is",
                path.display()
            );
            return Err(SourceError::Contradiction { link });
        }
        at += buffer.len() as u64;
    }
    Ok(())
}

pub(super) fn check_stop(stop: &AtomicBool) -> Result<(), SourceError> {
    if stop.load(Ordering::Relaxed) { Err(SourceError::Interrupted) } else { Ok(()) }
}
