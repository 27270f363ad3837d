//! Writing what the reader sends.

use std::ops::Range as Span;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use crate::engine::buffers::Buffer;
use crate::engine::feed::{Work, Written};
use crate::engine::plan::is_zero;
use crate::engine::run::Run;
use crate::engine::{Cause, HEAD, Phase, Refused};

/// How often to look whether it is to stop.
const TICK: Duration = Duration::from_millis(100);

impl Run<'_> {
    /// Writes all but the first MiB.
    pub(crate) fn copy(&mut self, works: &Receiver<Work>) -> Result<Arc<Written>, Cause> {
        self.disk.meter.begin(Phase::Copy, self.common.image.work);
        loop {
            let (end, len) = match self.next(works)? {
                Work::Data { buffer, span, offset } => self.data(&buffer, span, offset)?,
                Work::Zero { offset, len } => self.zero(offset, len)?,
                Work::There { offset, len } => {
                    self.resumed += len;
                    (offset + len, len)
                }
                Work::End(written) => return Ok(written?),
            };
            self.position = self.position.max(end);
            self.note()?;
            self.disk.meter.advance(len);
        }
    }

    fn next(&mut self, works: &Receiver<Work>) -> Result<Work, Cause> {
        let begun = Instant::now();
        loop {
            self.disk.go_on()?;
            match works.recv_timeout(TICK) {
                Ok(work) => {
                    self.disk.meter.waited_for_source(begun.elapsed());
                    return Ok(work);
                }
                Err(RecvTimeoutError::Timeout) => self.disk.meter.tell(Duration::ZERO),
                // The reader stops without a word only if it is to stop.
                Err(RecvTimeoutError::Disconnected) => return Err(Cause::Interrupted),
            }
        }
    }

    /// Returns where the data ends, and its length.
    fn data(
        &mut self,
        buffer: &Arc<Buffer>,
        span: Span<usize>,
        offset: u64,
    ) -> Result<(u64, u64), Cause> {
        let (len, end) = (span.len() as u64, offset + span.len() as u64);
        self.fits(end)?;
        let Some(held) = self.held(offset, end) else { return Ok((end, len)) };
        let (start, offset) = (span.start + held as usize, offset + held);
        let (start, len) = (start, self.disk.whole(span.end - start));
        if self.compares {
            self.changed(buffer, start, len, offset)?;
        } else {
            self.disk.write(buffer, start, len, offset)?;
        }
        Ok((end, span.len() as u64))
    }

    /// Writes what differs.
    fn changed(
        &mut self,
        buffer: &Arc<Buffer>,
        start: usize,
        len: usize,
        offset: u64,
    ) -> Result<(), Cause> {
        for at in (0..len).step_by(HEAD as usize) {
            let (from, part, to) = (start + at, (len - at).min(HEAD as usize), offset + at as u64);
            if self.disk.look(part, to, |found| *found == buffer[from..][..part])? {
                self.disk.meter.counts.unchanged += part as u64;
            } else {
                self.disk.write(buffer, from, part, to)?;
            }
        }
        Ok(())
    }

    fn zero(&mut self, offset: u64, len: u64) -> Result<(u64, u64), Cause> {
        let end = offset + len;
        self.fits(end)?;
        let Some(held) = self.held(offset, end) else { return Ok((end, len)) };
        let (mut at, end_of_sector) =
            (offset + held, end.next_multiple_of(self.disk.sector.into()));
        if !self.compares {
            self.disk.zero(at, end_of_sector - at)?;
            return Ok((end, len));
        }
        // Neighbours that must be zeroed are zeroed at once.
        let mut dirty = at;
        while at < end_of_sector {
            let part = (end_of_sector - at).min(HEAD);
            if self.disk.look(part as usize, at, is_zero)? {
                self.disk.zero(dirty, at - dirty)?;
                self.disk.meter.counts.unchanged += part;
                dirty = at + part;
            }
            at += part;
        }
        self.disk.zero(dirty, end_of_sector - dirty)?;
        Ok((end, len))
    }

    /// How much of a range's beginning is not written now, since it is written last; `None` if
    /// that is all of it, or if it is there already.
    fn held(&mut self, offset: u64, end: u64) -> Option<u64> {
        let held = HEAD.saturating_sub(offset);
        if end <= self.start && end > HEAD {
            self.resumed += end - offset - held;
            return None;
        }
        (offset + held < end).then_some(held)
    }

    /// An error if the image turns out to be longer than the disk.
    fn fits(&mut self, needed: u64) -> Result<(), Cause> {
        match self.disk.size {
            size if needed > size => Err(Refused::TooSmall { size, needed }.into()),
            _ => Ok(()),
        }
    }
}
