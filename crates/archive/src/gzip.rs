//! Gzip on several threads, the same bytes on any number of them.
//!
//! The input is cut into pieces of 1 MiB, each piece becomes a gzip member of its own
//! (RFC 1952, section 2.2), and the members are written in order. Losing the window at each
//! cut costs about half a percent of size.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use flate2::{Compression, GzBuilder};

/// Bytes of input in a member.
const MEMBER: usize = 1 << 20;
/// The header's field OS: unknown, whatever this machine is.
const OS_UNKNOWN: u8 = 255;

/// A piece to be compressed and where the member goes.
struct Job {
    piece: Vec<u8>,
    reply: Sender<io::Result<Vec<u8>>>,
}

/// Compresses what is written to it.
pub(crate) struct Members<W: Write> {
    out: W,
    piece: Vec<u8>,
    jobs: Option<Sender<Job>>,
    /// Members under way, oldest first.
    pending: VecDeque<Receiver<io::Result<Vec<u8>>>>,
    most_pending: usize,
    threads: Vec<JoinHandle<()>>,
    members: u64,
}

impl<W: Write> Members<W> {
    pub(crate) fn new(out: W, level: u32, jobs: usize) -> io::Result<Self> {
        let level = Compression::new(level.min(9));
        let count = jobs.max(1);
        let (sender, receiver) = channel::<Job>();
        let receiver = Arc::new(Mutex::new(receiver));
        let mut threads = Vec::with_capacity(count);
        for number in 0..count {
            let receiver = Arc::clone(&receiver);
            let name = format!("gzip-{number}");
            threads.push(thread::Builder::new().name(name).spawn(move || work(&receiver, level))?);
        }
        Ok(Members {
            out,
            piece: Vec::with_capacity(MEMBER),
            jobs: Some(sender),
            pending: VecDeque::new(),
            // Enough that no thread waits while the oldest member is slow; with the pieces
            // that belong to them, this bounds memory.
            most_pending: 2 * count + 1,
            threads,
            members: 0,
        })
    }

    /// Writes what is left and gives the writer back.
    pub(crate) fn finish(mut self) -> io::Result<W> {
        // Not even an empty input is an empty file: gzip needs a member.
        if !self.piece.is_empty() || self.members == 0 {
            self.submit()?;
        }
        self.jobs = None;
        while !self.pending.is_empty() {
            self.write_oldest()?;
        }
        for thread in self.threads.drain(..) {
            thread.join().map_err(|_| io::Error::other("a compressing thread panicked"))?;
        }
        Ok(self.out)
    }

    fn submit(&mut self) -> io::Result<()> {
        let piece = std::mem::replace(&mut self.piece, Vec::with_capacity(MEMBER));
        let (reply, receiver) = channel();
        let sent = self.jobs.as_ref().and_then(|jobs| jobs.send(Job { piece, reply }).ok());
        sent.ok_or_else(|| io::Error::other("the compressing threads have ended"))?;
        self.pending.push_back(receiver);
        self.members += 1;
        while self.pending.len() > self.most_pending {
            self.write_oldest()?;
        }
        Ok(())
    }

    fn write_oldest(&mut self) -> io::Result<()> {
        let Some(receiver) = self.pending.pop_front() else { return Ok(()) };
        let member =
            receiver.recv().map_err(|_| io::Error::other("a compressing thread panicked"))??;
        self.out.write_all(&member)
    }
}

impl<W: Write> Write for Members<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let len = bytes.len().min(MEMBER - self.piece.len());
        self.piece.extend_from_slice(&bytes[..len]);
        if self.piece.len() == MEMBER {
            self.submit()?;
        }
        Ok(len)
    }

    /// Does nothing: a member ends where the input's size says, not where somebody flushes.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A thread: takes jobs until there will be no more. Dropping [`Members`] ends it too.
fn work(receiver: &Mutex<Receiver<Job>>, level: Compression) {
    loop {
        let job = match receiver.lock() {
            Ok(receiver) => receiver.recv(),
            Err(_) => return,
        };
        let Ok(Job { piece, reply }) = job else { return };
        // Whoever does not wait any more has failed elsewhere.
        let _ = reply.send(member(&piece, level));
    }
}

fn member(piece: &[u8], level: Compression) -> io::Result<Vec<u8>> {
    let mut encoder = GzBuilder::new()
        .mtime(0)
        .operating_system(OS_UNKNOWN)
        .write(Vec::with_capacity(piece.len() / 2 + 64), level);
    encoder.write_all(piece)?;
    encoder.finish()
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn compress(input: &[u8], step: usize, jobs: usize) -> Vec<u8> {
        let mut members = Members::new(Vec::new(), 6, jobs).unwrap();
        for part in input.chunks(step) {
            members.write_all(part).unwrap();
        }
        members.finish().unwrap()
    }

    fn input(len: usize) -> Vec<u8> {
        (0..len as u32).map(|at| (at.wrapping_mul(at) >> 7) as u8 & 0x3F).collect()
    }

    #[test]
    fn bytes_depend_neither_on_threads_nor_on_the_writer_s_steps() {
        let input = input(5 * MEMBER + 17);
        let first = compress(&input, 4096, 1);
        for (step, jobs) in [(4096, 2), (1 << 30, 7), (333, 3), (MEMBER, 0)] {
            assert!(compress(&input, step, jobs) == first, "{step} {jobs}");
        }
        assert_eq!(first[4..8], [0; 4], "mtime");
        assert_eq!(first[9], 255, "OS");
    }

    #[test]
    fn members_give_the_input_back() {
        for len in [0, 1, MEMBER - 1, MEMBER, MEMBER + 1, 3 * MEMBER] {
            let input = input(len);
            let mut output = Vec::new();
            let compressed = compress(&input, 5000, 2);
            flate2::read::MultiGzDecoder::new(&compressed[..]).read_to_end(&mut output).unwrap();
            assert!(output == input, "{len}");
        }
    }

    #[test]
    fn a_failing_writer_is_reported() {
        struct Full;
        impl Write for Full {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::StorageFull.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut members = Members::new(Full, 6, 2).unwrap();
        let result = members.write_all(&input(20 * MEMBER)).and_then(|()| members.finish());
        assert_eq!(result.map(|_| ()).unwrap_err().kind(), io::ErrorKind::StorageFull);
    }
}
