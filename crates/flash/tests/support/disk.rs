//! A disk in memory that does what the kernel's block devices do, and what broken ones do.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use osb_flash::Target;
use rustix::io::Errno;

/// What it is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Write,
    Read,
    Punch,
    Sync,
    Reread,
}

/// One request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Op {
    pub(crate) kind: Kind,
    pub(crate) offset: u64,
    pub(crate) len: u64,
    /// How many of its kind came before it.
    pub(crate) number: usize,
    /// How many of any kind came before it.
    pub(crate) index: usize,
}

impl Op {
    /// Whether it is of this kind and this byte is a part of it.
    pub(crate) fn hits(&self, kind: Kind, byte: u64) -> bool {
        self.kind == kind && (self.offset..self.offset + self.len).contains(&byte)
    }
}

/// What becomes of a request.
pub(crate) enum Effect {
    /// What should.
    Do,
    Fail(Errno),
    /// At most so many bytes of it.
    Short(usize),
    /// It is said to be done, and is not.
    Drop,
    /// It is done, with a wrong bit in this byte of the disk: written, or on its way from it.
    Flip(u64),
    /// It is done somewhere else.
    Redirect(u64),
    /// It never returns.
    Hang,
}

/// What reached the disk, for losses of power.
#[derive(Debug, Clone)]
pub(crate) enum Event {
    Write(u64, Vec<u8>),
    Sync,
}

type Rule = Box<dyn FnMut(&Op) -> Effect + Send>;

struct State {
    bytes: Vec<u8>,
    sector: u32,
    rule: Rule,
    log: Vec<Event>,
    counts: [usize; 5],
}

/// A disk. Clones are the same disk.
#[derive(Clone)]
pub(crate) struct Disk(Arc<Mutex<State>>);

impl Disk {
    /// One that has been in use: every byte is 0xA5.
    pub(crate) fn used(size: u64, sector: u32) -> Disk {
        Disk::with(vec![0xA5; size as usize], sector)
    }

    pub(crate) fn with(bytes: Vec<u8>, sector: u32) -> Disk {
        assert!(bytes.len().is_multiple_of(sector as usize));
        let rule = Box::new(|_: &Op| Effect::Do);
        let state = State { bytes, sector, rule, log: Vec::new(), counts: [0; 5] };
        Disk(Arc::new(Mutex::new(state)))
    }

    /// The same disk, with a fault from now on.
    pub(crate) fn failing(self, rule: impl FnMut(&Op) -> Effect + Send + 'static) -> Disk {
        let mut state = self.state();
        (state.rule, state.counts) = (Box::new(rule), [0; 5]);
        drop(state);
        self
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.state().bytes.clone()
    }

    pub(crate) fn log(&self) -> Vec<Event> {
        self.state().log.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// Counts the request, and asks what becomes of it.
    fn ask(&self, kind: Kind, offset: u64, len: u64) -> (MutexGuard<'_, State>, Effect) {
        let mut state = self.state();
        let (size, sector) = (state.bytes.len() as u64, u64::from(state.sector));
        assert!(offset.is_multiple_of(sector) && len.is_multiple_of(sector), "{offset} {len}");
        assert!(kind == Kind::Write || offset + len <= size, "{kind:?} beyond the end");
        let index = state.counts.iter().sum();
        let count = &mut state.counts[kind as usize];
        let op = Op { kind, offset, len, number: *count, index };
        *count += 1;
        let effect = (state.rule)(&op);
        if let Effect::Hang = effect {
            drop(state);
            loop {
                std::thread::sleep(Duration::from_secs(3600));
            }
        }
        (state, effect)
    }
}

impl Target for Disk {
    fn size(&self) -> u64 {
        self.state().bytes.len() as u64
    }

    fn sector_size(&self) -> u32 {
        self.state().sector
    }

    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        assert!(bytes.as_ptr().addr().is_multiple_of(self.sector_size() as usize));
        let (mut state, effect) = self.ask(Kind::Write, offset, bytes.len() as u64);
        let mut bytes = bytes.to_vec();
        let mut to = offset;
        match effect {
            Effect::Fail(errno) => return Err(errno.into()),
            Effect::Drop => return Ok(bytes.len()),
            Effect::Short(len) => bytes.truncate(len),
            Effect::Flip(byte) => bytes[(byte - offset) as usize] ^= 0x10,
            Effect::Redirect(offset) => to = offset,
            Effect::Do | Effect::Hang => {}
        }
        // As at the end of a device: what fits, then an error.
        let room = (state.bytes.len() as u64).saturating_sub(to) as usize;
        if room == 0 && !bytes.is_empty() {
            return Err(Errno::NOSPC.into());
        }
        bytes.truncate(room);
        state.bytes[to as usize..][..bytes.len()].copy_from_slice(&bytes);
        let len = bytes.len();
        state.log.push(Event::Write(to, bytes));
        Ok(len)
    }

    fn read_at(&mut self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        let (state, effect) = self.ask(Kind::Read, offset, bytes.len() as u64);
        let mut from = offset;
        let mut len = bytes.len();
        match effect {
            Effect::Fail(errno) => return Err(errno.into()),
            Effect::Short(most) => len = len.min(most),
            Effect::Redirect(offset) => from = offset,
            _ => {}
        }
        bytes[..len].copy_from_slice(&state.bytes[from as usize..][..len]);
        if let Effect::Flip(byte) = effect {
            bytes[(byte - offset) as usize] ^= 0x10;
        }
        Ok(len)
    }

    fn punch(&mut self, offset: u64, len: u64) -> io::Result<()> {
        let (mut state, effect) = self.ask(Kind::Punch, offset, len);
        match effect {
            Effect::Fail(Errno::OPNOTSUPP) => return Err(io::ErrorKind::Unsupported.into()),
            Effect::Fail(errno) => return Err(errno.into()),
            Effect::Drop => return Ok(()),
            _ => {}
        }
        state.bytes[offset as usize..][..len as usize].fill(0);
        state.log.push(Event::Write(offset, vec![0; len as usize]));
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        let (mut state, effect) = self.ask(Kind::Sync, 0, 0);
        match effect {
            Effect::Fail(errno) => Err(errno.into()),
            _ => {
                state.log.push(Event::Sync);
                Ok(())
            }
        }
    }

    fn reread_table(&mut self) -> io::Result<()> {
        match self.ask(Kind::Reread, 0, 0).1 {
            Effect::Fail(errno) => Err(errno.into()),
            _ => Ok(()),
        }
    }
}
