//! A target, reached through a thread of its own.
//!
//! A request that a broken device does not answer holds its thread in the kernel, where no signal
//! reaches it. So requests are made by a thread that can be left behind: whoever waits for the
//! answer also looks whether it is to stop, and gives up after a while.

use std::io;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use osb_sink::{ALIGN, Aligned};

use crate::Target;
use crate::engine::meter::Meter;
use crate::engine::{Cause, HEAD};

/// How often whoever waits looks around.
const TICK: Duration = Duration::from_millis(100);
/// How often it says that it is waiting.
const SECOND: Duration = Duration::from_secs(1);
/// How long the request under way may still take when it is to stop: an answer is on its way from
/// everything that works.
const GRACE: Duration = Duration::from_secs(10);
/// Zeroed by one request. Devices that cannot do it quickly have time-outs.
const PUNCH: u64 = 128 << 20;

type Request = Box<dyn FnOnce(&mut dyn Target) + Send>;

/// A disk that is being written.
pub(crate) struct Disk<'a> {
    /// There until it is dropped.
    requests: Option<Sender<Request>>,
    thread: Option<JoinHandle<()>>,
    pub(crate) size: u64,
    pub(crate) sector: u32,
    pub(crate) meter: Meter<'a>,
    pub(crate) stop: &'a AtomicBool,
    patience: Duration,
    /// Where it was last asked for something.
    pub(crate) at: u64,
    /// It does not answer any more.
    pub(crate) hung: bool,
    /// It is being left behind in order: that is not interrupted.
    pub(crate) leaving: bool,
    /// Whether it can zero without writing zeroes.
    punches: bool,
    /// Bytes on their way, for what is not a piece of the image.
    scratch: Option<Aligned>,
    zeros: Arc<Aligned>,
}

impl<'a> Disk<'a> {
    pub(crate) fn new(
        mut target: Box<dyn Target>,
        meter: Meter<'a>,
        stop: &'a AtomicBool,
        patience: Duration,
    ) -> io::Result<Disk<'a>> {
        let (requests, incoming) = channel::<Request>();
        let (size, sector) = (target.size(), target.sector_size());
        let serve = move || incoming.into_iter().for_each(|request| request(&mut *target));
        let thread = thread::Builder::new().name("disk".to_owned()).spawn(serve)?;
        Ok(Disk {
            requests: Some(requests),
            thread: Some(thread),
            size,
            sector,
            meter,
            stop,
            patience,
            at: 0,
            hung: false,
            leaving: false,
            punches: true,
            scratch: None,
            zeros: Arc::new(Aligned::new(HEAD as usize)),
        })
    }

    /// An error if it is to stop.
    pub(crate) fn go_on(&self) -> Result<(), Cause> {
        match self.stop.load(Ordering::Relaxed) && !self.leaving {
            true => Err(Cause::Interrupted),
            false => Ok(()),
        }
    }

    /// The length rounded up to whole sectors.
    pub(crate) fn whole(&self, len: usize) -> usize {
        len.next_multiple_of(self.sector as usize)
    }

    /// Writes `len` bytes of a buffer, from `start` on.
    pub(crate) fn write<B>(
        &mut self,
        buffer: &Arc<B>,
        start: usize,
        len: usize,
        offset: u64,
    ) -> Result<(), Cause>
    where
        B: Deref<Target = [u8]> + Send + Sync + 'static,
    {
        let (buffer, sector) = (Arc::clone(buffer), self.sector);
        self.at = offset;
        let write = move |target: &mut dyn Target| {
            write_all(target, &buffer[start..][..len], offset, sector)
        };
        self.placed(write)?;
        self.meter.counts.written += len as u64;
        Ok(())
    }

    /// Writes bytes that lie anywhere in memory.
    pub(crate) fn write_bytes(&mut self, bytes: &[u8], offset: u64) -> Result<(), Cause> {
        for (index, part) in bytes.chunks(HEAD as usize).enumerate() {
            let offset = offset + index as u64 * HEAD;
            let mut scratch = self.scratch();
            scratch[..part.len()].copy_from_slice(part);
            let (len, scratch) = (part.len(), Arc::new(scratch));
            let written = self.write(&scratch, 0, len, offset);
            self.scratch = Arc::into_inner(scratch);
            written?;
        }
        Ok(())
    }

    /// Reads into the part of the buffer, and gives it back.
    pub(crate) fn read<B>(
        &mut self,
        mut buffer: B,
        start: usize,
        len: usize,
        offset: u64,
    ) -> Result<B, Cause>
    where
        B: std::ops::DerefMut<Target = [u8]> + Send + 'static,
    {
        self.at = offset;
        let sector = self.sector;
        self.placed(move |target: &mut dyn Target| {
            read_exact(target, &mut buffer[start..][..len], offset, sector).map(|()| buffer)
        })
    }

    /// Reads at most 1 MiB, and shows it.
    pub(crate) fn look<R>(
        &mut self,
        len: usize,
        offset: u64,
        seen: impl FnOnce(&[u8]) -> R,
    ) -> Result<R, Cause> {
        let scratch = self.scratch();
        let scratch = self.read(scratch, 0, len, offset)?;
        let result = seen(&scratch[..len]);
        self.scratch = Some(scratch);
        Ok(result)
    }

    /// Makes a range zero, in the quickest way that the device has.
    pub(crate) fn zero(&mut self, offset: u64, len: u64) -> Result<(), Cause> {
        let (mut offset, end) = (offset, offset + len);
        while offset < end && self.punches {
            let len = (end - offset).min(PUNCH);
            self.at = offset;
            let punch = move |target: &mut dyn Target| match target.punch(offset, len) {
                Err(error) if error.kind() == io::ErrorKind::Unsupported => Ok(false),
                punched => punched.map(|()| true).map_err(|error| (offset, error)),
            };
            self.punches = self.placed(punch)?;
            if self.punches {
                self.meter.counts.punched += len;
                offset += len;
            }
        }
        while offset < end {
            let len = (end - offset).min(HEAD) as usize;
            self.write(&Arc::clone(&self.zeros), 0, len, offset)?;
            offset += len as u64;
        }
        Ok(())
    }

    pub(crate) fn sync(&mut self) -> Result<(), Cause> {
        self.call(|target| target.sync())?.map_err(Cause::Device)
    }

    /// What came of making the kernel read the table.
    pub(crate) fn reread_table(&mut self) -> Result<io::Result<()>, Cause> {
        self.call(|target| target.reread_table())
    }

    fn scratch(&mut self) -> Aligned {
        self.scratch.take().unwrap_or_else(|| Aligned::new(HEAD as usize))
    }

    /// Has a request done that tells where it failed.
    fn placed<R: Send + 'static>(
        &mut self,
        request: impl FnOnce(&mut dyn Target) -> Result<R, (u64, io::Error)> + Send + 'static,
    ) -> Result<R, Cause> {
        self.call(request)?.map_err(|(offset, error)| {
            self.at = offset;
            Cause::Device(error)
        })
    }

    /// Has a request done.
    fn call<R: Send + 'static>(
        &mut self,
        request: impl FnOnce(&mut dyn Target) -> R + Send + 'static,
    ) -> Result<R, Cause> {
        self.go_on()?;
        if self.hung {
            return Err(Cause::Hung(Duration::ZERO));
        }
        let (reply, answer) = channel();
        let begun = Instant::now();
        let mut told = begun;
        let mut stopped: Option<Instant> = None;
        let gone = || Cause::Device(io::Error::other("its thread is gone"));
        let request = Box::new(move |target: &mut dyn Target| drop(reply.send(request(target))));
        let requests = self.requests.as_ref().ok_or_else(gone)?;
        requests.send(request).map_err(|_| gone())?;
        loop {
            match answer.recv_timeout(TICK) {
                Ok(result) => {
                    self.meter.waited_for_device(begun.elapsed());
                    return Ok(result);
                }
                Err(RecvTimeoutError::Disconnected) => return Err(gone()),
                Err(RecvTimeoutError::Timeout) => {}
            }
            if told.elapsed() >= SECOND {
                told = Instant::now();
                self.meter.tell(begun.elapsed());
            }
            if self.stop.load(Ordering::Relaxed) && !self.leaving {
                stopped.get_or_insert_with(Instant::now);
            }
            let stuck = stopped.is_some_and(|since| since.elapsed() >= GRACE.min(self.patience));
            if stuck || begun.elapsed() >= self.patience {
                self.hung = true;
                return Err(Cause::Hung(begun.elapsed()));
            }
        }
    }
}

impl Drop for Disk<'_> {
    /// Closes the device, unless it does not answer.
    fn drop(&mut self) {
        self.requests = None;
        if let Some(thread) = self.thread.take().filter(|_| !self.hung) {
            // One that has panicked has closed it, too.
            let _ = thread.join();
        }
    }
}

/// Writes all of it: at the end of a device, one request does less.
fn write_all(
    target: &mut dyn Target,
    mut bytes: &[u8],
    mut offset: u64,
    sector: u32,
) -> Result<(), (u64, io::Error)> {
    debug_assert!(bytes.as_ptr().addr().is_multiple_of(ALIGN.min(sector as usize)));
    while !bytes.is_empty() {
        let len = whole(target.write_at(bytes, offset), bytes.len(), sector);
        let len = match len {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            len => len.map_err(|error| (offset, error))?,
        };
        (bytes, offset) = (&bytes[len..], offset + len as u64);
    }
    Ok(())
}

fn read_exact(
    target: &mut dyn Target,
    mut bytes: &mut [u8],
    mut offset: u64,
    sector: u32,
) -> Result<(), (u64, io::Error)> {
    while !bytes.is_empty() {
        let len = whole(target.read_at(bytes, offset), bytes.len(), sector);
        let len = match len {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            len => len.map_err(|error| (offset, error))?,
        };
        (bytes, offset) = (&mut bytes[len..], offset + len as u64);
    }
    Ok(())
}

/// The number of bytes, if one can go on from there.
fn whole(len: io::Result<usize>, most: usize, sector: u32) -> io::Result<usize> {
    let len = len?;
    match len {
        0 => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it ends here")),
        _ if len > most || !len.is_multiple_of(sector as usize) => {
            Err(io::Error::other(format!("{len} of {most} bytes were done")))
        }
        _ => Ok(len),
    }
}
