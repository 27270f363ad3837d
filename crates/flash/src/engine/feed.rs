//! Reads the image once, for all disks, and has it hashed.
//!
//! Every disk gets every piece through a short queue of its own. A disk that is slow fills its
//! queue, then the buffers run out, and the reader waits: a slow disk slows the others. That is
//! meant; the other way would be to decompress the image for each. A disk that has failed has
//! closed its queue, and is sent nothing more.

mod foreign;
mod mapped;

use std::io;
use std::ops::Range as Span;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::SyncSender;
use std::time::Instant;

use osb_blockmap::BlockMap;
use osb_checksum::Digest;

use crate::Source;
use crate::engine::SourceFault;
use crate::engine::buffers::{Buffer, Buffers};
use crate::engine::hashers::Hashers;
use crate::engine::meter::ReadTime;
use crate::engine::plan::Check;

use foreign::foreign;
use mapped::mapped;

/// Pieces that wait for a disk.
pub(crate) const DEPTH: usize = 3;

/// What a disk is to do next.
#[derive(Clone)]
pub(crate) enum Work {
    /// These bytes go to `offset`. Behind them is room for a whole sector, zeroed.
    Data { buffer: Arc<Buffer>, span: Span<usize>, offset: u64 },
    /// This becomes zero.
    Zero { offset: u64, len: u64 },
    /// This is there already, on every disk.
    There { offset: u64, len: u64 },
    /// That was all.
    End(Result<Arc<Written>, SourceFault>),
}

/// What was read.
pub(crate) struct Written {
    /// Bytes of the image.
    pub(crate) size: u64,
    /// Its SHA-256, if all of it was read.
    pub(crate) digest: Option<Digest>,
    /// What must be on the disk now; the first MiB counts as if it were.
    pub(crate) checks: Vec<Check>,
}

/// Why there is nothing more.
pub(crate) enum Ended {
    Fault(SourceFault),
    /// Nobody listens any more, or it is to stop.
    Idle,
}

impl From<SourceFault> for Ended {
    fn from(fault: SourceFault) -> Ended {
        Ended::Fault(fault)
    }
}

/// The reader.
pub(crate) struct Feed<'a> {
    pub(crate) source: &'a mut dyn Source,
    /// The image's first bytes, which were read to look at them: sources do not go back.
    pub(crate) first: &'a [u8],
    pub(crate) buffers: &'a Buffers,
    pub(crate) hashers: &'a Hashers,
    pub(crate) time: &'a ReadTime,
    pub(crate) stop: &'a AtomicBool,
    /// Empty if a disk has failed.
    pub(crate) queues: Vec<Option<SyncSender<Work>>>,
    /// What no disk needs before this byte, but for the first MiB.
    pub(crate) start: u64,
}

impl Feed<'_> {
    /// Sends all of the image, and how that ended.
    pub(crate) fn run(mut self, map: Option<&BlockMap>, size: Option<u64>, digest: Option<Digest>) {
        let ended = match map {
            Some(map) => mapped(&mut self, map),
            None => foreign(&mut self, size, digest),
        };
        let end = match ended {
            Ok(written) => Ok(Arc::new(written)),
            // A source that was stopped says that it failed.
            Err(_) if self.stop.load(Ordering::Relaxed) => return,
            Err(Ended::Fault(fault)) => Err(fault),
            // Whoever listens sees that it is to stop.
            Err(Ended::Idle) => return,
        };
        let _ = self.send(&Work::End(end));
    }

    /// Fills `buffer` from `offset` on; less only at the image's end.
    pub(crate) fn read(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize, SourceFault> {
        let begun = Instant::now();
        let known = usize::try_from(offset).ok().and_then(|at| self.first.get(at..));
        let known = known.unwrap_or_default();
        let (head, rest) = buffer.split_at_mut(known.len().min(buffer.len()));
        head.copy_from_slice(&known[..head.len()]);
        let read = fill(self.source, offset + head.len() as u64, rest)?;
        self.time.add(begun.elapsed(), self.source.waited());
        Ok(head.len() + read)
    }

    fn buffer(&self) -> Result<Buffer, Ended> {
        let stop = || self.stop.load(Ordering::Relaxed);
        self.buffers.take(&stop).filter(|_| !stop()).ok_or(Ended::Idle)
    }

    /// Sends work to all disks that are left.
    fn send(&mut self, work: &Work) -> Result<(), Ended> {
        for queue in &mut self.queues {
            if queue.as_ref().is_some_and(|queue| queue.send(work.clone()).is_err()) {
                *queue = None;
            }
        }
        let idle = self.stop.load(Ordering::Relaxed) || self.queues.iter().all(Option::is_none);
        if idle { Err(Ended::Idle) } else { Ok(()) }
    }
}

/// Reads until the buffer is full or the image ends.
pub(crate) fn fill(
    source: &mut dyn Source,
    offset: u64,
    buffer: &mut [u8],
) -> Result<usize, SourceFault> {
    let mut done = 0;
    while done < buffer.len() {
        match source.read_at(offset + done as u64, &mut buffer[done..]) {
            Ok(0) => break,
            Ok(len) => done += len,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                let offset = offset + done as u64;
                return Err(SourceFault::Read { offset, error: Arc::new(error) });
            }
        }
    }
    Ok(done)
}
