//! An image without a map: all of it is read, what is zero must be zero, and digests of the rest
//! are made on the way.

use std::io;
use std::ops::Range as Span;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread;

use osb_blockmap::PIECE;
use osb_checksum::{Digest, Sha256Writer, sha256};
use osb_sink::ALIGN;

use super::{Ended, Feed, Work, Written};
use crate::engine::SourceFault;
use crate::engine::buffers::Buffer;
use crate::engine::plan::{self, Check, SHORT_GAP, is_zero};

/// Sends all of the image.
pub(crate) fn foreign(
    feed: &mut Feed,
    size: Option<u64>,
    digest: Option<Digest>,
) -> Result<Written, Ended> {
    let failed = |error| SourceFault::Read { offset: 0, error: Arc::new(error) };
    let (whole, result) = whole().map_err(failed)?;
    let (made, digests) = channel();
    let mut zeros = Zeros::default();
    let mut offset = 0;
    loop {
        let mut buffer = feed.buffer()?;
        let len = feed.read(offset, &mut buffer)?;
        buffer[len..len.next_multiple_of(ALIGN)].fill(0);
        let buffer = Arc::new(buffer);
        // Its thread ends when `whole` is dropped.
        let _ = whole.send((Arc::clone(&buffer), len));
        for (span, zero) in runs(&buffer[..len], zeros.len > 0) {
            let at = offset + span.start as u64;
            if zero {
                zeros.add(at, span.len() as u64);
                continue;
            }
            zeros.send(feed)?;
            hash(feed, &buffer, span.clone(), at, made.clone());
            feed.send(&Work::Data { buffer: Arc::clone(&buffer), span, offset: at })?;
        }
        offset += len as u64;
        if (len as u64) < PIECE {
            break;
        }
    }
    zeros.send(feed)?;
    drop((whole, made));
    if let Some(expected) = size.filter(|size| *size != offset) {
        return Err(SourceFault::Length { expected, found: offset }.into());
    }
    let ended = || failed(io::Error::other("the thread that hashes is gone"));
    let found = result.recv().map_err(|_| ended())?;
    if let Some(expected) = digest.filter(|digest| *digest != found) {
        return Err(SourceFault::Whole { expected, found }.into());
    }
    let mut checks: Vec<Check> = digests.into_iter().chain(zeros.sent).collect();
    checks.sort_by_key(|check| check.offset);
    Ok(Written { size: offset, digest: Some(found), checks })
}

/// Zeroes that were not sent yet, and those that were.
#[derive(Default)]
struct Zeros {
    offset: u64,
    len: u64,
    sent: Vec<Check>,
}

impl Zeros {
    fn add(&mut self, offset: u64, len: u64) {
        if self.len == 0 {
            self.offset = offset;
        }
        self.len += len;
    }

    fn send(&mut self, feed: &mut Feed) -> Result<(), Ended> {
        let (offset, len) = (self.offset, std::mem::take(&mut self.len));
        if len > 0 {
            self.sent.extend(plan::zeros(offset, len));
            feed.send(&Work::Zero { offset, len })?;
        }
        Ok(())
    }
}

/// The bytes in runs of data and of zeroes (`true`), whole blocks of [`ALIGN`] bytes but for the
/// last. Few zeroes within data count as data; at the ends they do not if they may be a part of
/// more: `goes_on` says that the bytes before these were zero.
fn runs(bytes: &[u8], goes_on: bool) -> Vec<(Span<usize>, bool)> {
    let mut runs: Vec<(Span<usize>, bool)> = Vec::new();
    for (index, block) in bytes.chunks(ALIGN).enumerate() {
        let (start, zero) = (index * ALIGN, is_zero(block));
        match runs.last_mut() {
            Some((span, last)) if *last == zero => span.end = start + block.len(),
            _ => runs.push((start..start + block.len(), zero)),
        }
    }
    let mut merged: Vec<(Span<usize>, bool)> = Vec::new();
    for (span, zero) in runs {
        let edge = (span.start == 0 && goes_on) || span.end == bytes.len();
        let zero = zero && (edge || span.len() as u64 >= SHORT_GAP);
        match merged.last_mut() {
            Some((before, last)) if *last == zero => before.end = span.end,
            _ => merged.push((span, zero)),
        }
    }
    merged
}

fn hash(feed: &Feed, buffer: &Arc<Buffer>, span: Span<usize>, offset: u64, made: Sender<Check>) {
    let buffer = Arc::clone(buffer);
    feed.hashers.run(move || {
        let len = span.len() as u64;
        // The reader may have gone.
        let _ = made.send(Check { offset, len, digest: Some(sha256(&buffer[span])) });
    });
}

type Pieces = Sender<(Arc<Buffer>, usize)>;

/// A thread that makes the digest of everything that is sent to it.
fn whole() -> io::Result<(Pieces, std::sync::mpsc::Receiver<Digest>)> {
    let (pieces, incoming) = channel::<(Arc<Buffer>, usize)>();
    let (result, digest) = channel();
    let work = move || {
        let mut hash = Sha256Writer::new(io::sink());
        for (buffer, len) in incoming {
            // Writing to a sink cannot fail.
            let _ = io::Write::write_all(&mut hash, &buffer[..len]);
        }
        let _ = result.send(hash.finish().1);
    };
    thread::Builder::new().name("digest".to_owned()).spawn(work)?;
    Ok((pieces, digest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_zeroes_within_data_are_data() {
        let short = SHORT_GAP as usize - ALIGN;
        let mut bytes = vec![0; 4 * ALIGN];
        bytes.extend([1; ALIGN]);
        bytes.resize(bytes.len() + short, 0);
        bytes.push(1);
        let end = bytes.len().next_multiple_of(ALIGN);
        bytes.resize(end + SHORT_GAP as usize, 0);
        bytes.extend([1; 10]);
        let (first, last) = (4 * ALIGN, bytes.len() - 10);
        let expected =
            [(0..first, true), (first..end, false), (end..last, true), (last..bytes.len(), false)];
        assert_eq!(runs(&bytes, true), expected);
        assert_eq!(runs(&bytes, false)[0], (0..end, false));
        assert_eq!(runs(&bytes[..2 * ALIGN], false), [(0..2 * ALIGN, true)]);
        assert!(runs(&[], true).is_empty());
    }
}
