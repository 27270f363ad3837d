//! An image with a map: data alone is read, and has the digests that the map says.

use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};

use osb_blockmap::{BlockMap, Range};
use osb_sink::ALIGN;

use super::{Ended, Feed, Work, Written};
use crate::engine::buffers::Buffer;
use crate::engine::plan::{self, Check, Step};
use crate::engine::{HEAD, SourceFault};

/// Sends all of the image that a disk may need.
pub(super) fn mapped(feed: &mut Feed, map: &BlockMap) -> Result<Written, Ended> {
    let (faults, found) = channel();
    for step in plan::steps(map) {
        if let Ok(fault) = found.try_recv() {
            return Err(Ended::Fault(fault));
        }
        match step {
            Step::Zero { offset, len } => feed.send(&Work::Zero { offset, len })?,
            Step::Data { offset, len, .. } if offset >= HEAD && offset + len <= feed.start => {
                feed.send(&Work::There { offset, len })?;
            }
            Step::Data { offset, len, ranges } => {
                let mut buffer = feed.buffer()?;
                read(feed, map, offset, len, &ranges, &mut buffer)?;
                let buffer = Arc::new(buffer);
                if !feed.source.compared() {
                    hash(feed, &buffer, offset, ranges, faults.clone());
                }
                feed.send(&Work::Data { buffer, span: 0..len as usize, offset })?;
            }
        }
    }
    if feed.start == 0 || feed.source.compared() {
        // Who has read all of a file knows whether it was the one that was promised.
        let error = |error| SourceFault::Read { offset: map.size(), error: Arc::new(error) };
        feed.source.finish().map_err(error)?;
    }
    drop(faults);
    if let Some(fault) = found.into_iter().next() {
        return Err(Ended::Fault(fault));
    }
    Ok(Written { size: map.size(), digest: None, checks: plan::checks(map) })
}

/// Reads the ranges, and zeroes what lies between them and behind the last.
fn read(
    feed: &mut Feed,
    map: &BlockMap,
    offset: u64,
    len: u64,
    ranges: &[Range],
    buffer: &mut Buffer,
) -> Result<(), SourceFault> {
    let mut filled = 0;
    for range in ranges {
        let at = (range.offset - offset) as usize;
        let end = at + range.len as usize;
        buffer[filled..at].fill(0);
        let read = feed.read(range.offset, &mut buffer[at..end])?;
        if read < end - at {
            let found = range.offset + read as u64;
            return Err(SourceFault::Length { expected: map.size(), found });
        }
        filled = end;
    }
    buffer[filled..(len as usize).next_multiple_of(ALIGN)].fill(0);
    Ok(())
}

/// Compares the digests, while the disks already write: their first MiB is still empty, and stays
/// so if one is wrong.
fn hash(
    feed: &Feed,
    buffer: &Arc<Buffer>,
    offset: u64,
    ranges: Vec<Range>,
    faults: Sender<SourceFault>,
) {
    let buffer = Arc::clone(buffer);
    feed.hashers.run(move || {
        for Range { offset: start, len, state } in ranges {
            let osb_blockmap::State::Data(digest) = state else { continue };
            let bytes = &buffer[(start - offset) as usize..][..len as usize];
            if !(Check { offset: start, len, digest: Some(digest) }).holds(bytes) {
                // The reader may have gone, because of another one.
                let _ = faults.send(SourceFault::Range { offset: start, len });
            }
        }
    });
}
