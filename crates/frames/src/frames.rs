//! The compressed stream: pieces go out to threads and come back in order.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::Arc;

use osb_sink::Sink;

use crate::codec::{Codec, Piece};
use crate::cut::Cuts;
use crate::split::{Receive, Splitter};
use crate::store::Store;
use crate::tally::Tally;
use crate::work::{Done, Pending, Workers};

/// Plain bytes that are under way at most, beside the piece that is being gathered; one piece is
/// let through whatever its size.
const UNDER_WAY: u64 = 48 << 20;

/// Compresses what it is given into a writer.
///
/// It is a [`Sink`] and a [`Write`], and the bytes that come out depend on the bytes that go in,
/// the codec and the cuts only: not on the number of threads, nor on how the bytes are divided
/// into calls, nor on what the store remembers.
pub struct Frames<W: Write> {
    splitter: Splitter,
    line: Line<W>,
}

impl<W: Write> Frames<W> {
    /// Starts `jobs` threads; 0 counts as 1.
    ///
    /// # Errors
    /// If a thread cannot be started.
    pub fn new(
        out: W,
        codec: Codec,
        cuts: Cuts,
        jobs: usize,
        store: Arc<dyn Store>,
    ) -> io::Result<Self> {
        let line = Line {
            out,
            codec,
            workers: Workers::start(codec, jobs, store)?,
            pending: VecDeque::new(),
            under_way: 0,
            longest: cuts.longest(),
            plain: Vec::new(),
            compressed: Vec::new(),
            sizes: Vec::new(),
            tally: Tally::default(),
        };
        Ok(Frames { splitter: Splitter::new(cuts), line })
    }

    /// Writes what is left, and gives the writer back, not flushed, and what was reused.
    ///
    /// # Errors
    /// If the writer fails, or a thread panicked.
    pub fn finish(self) -> io::Result<(W, Tally)> {
        let Frames { splitter, mut line } = self;
        splitter.finish(&mut line)?;
        if line.pending.is_empty() && line.sizes.is_empty() {
            // Not even nothing is an empty file: both formats need a piece.
            line.submit(Piece::Data(Vec::new()))?;
        }
        while !line.pending.is_empty() {
            line.write_oldest()?;
        }
        line.workers.finish()?;
        line.out.write_all(&line.codec.trailer(&line.sizes)?)?;
        Ok((line.out, line.tally))
    }
}

impl<W: Write> Sink for Frames<W> {
    fn data(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.splitter.data(bytes, &mut self.line)
    }

    fn zeros(&mut self, len: u64) -> io::Result<()> {
        self.splitter.zeros(len, &mut self.line)
    }
}

impl<W: Write> Write for Frames<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.data(bytes)?;
        Ok(bytes.len())
    }

    /// Does nothing: a piece ends where the content says, not where somebody flushes.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Pieces under way, in order.
struct Line<W> {
    out: W,
    codec: Codec,
    workers: Workers,
    /// With the length of each, oldest first.
    pending: VecDeque<(u64, Pending)>,
    /// Plain bytes of all that are pending.
    under_way: u64,
    /// Bytes of the longest piece.
    longest: usize,
    /// Buffers to be used again, of plain and of compressed pieces: a gigabyte of fresh memory
    /// costs more than its fingerprint.
    plain: Vec<Vec<u8>>,
    compressed: Vec<Vec<u8>>,
    /// Compressed and plain size of every piece written.
    sizes: Vec<(u64, u64)>,
    tally: Tally,
}

impl<W: Write> Line<W> {
    fn submit(&mut self, piece: Piece) -> io::Result<()> {
        let memory = match &piece {
            Piece::Data(bytes) => bytes.len() as u64,
            Piece::Zeros(_) => 0,
        };
        // Enough that no thread waits while the oldest piece is slow.
        let most = 2 * self.workers.count() + 1;
        while !self.pending.is_empty()
            && (self.under_way + memory > UNDER_WAY || self.pending.len() >= most)
        {
            self.write_oldest()?;
        }
        let out = self.compressed.pop().unwrap_or_default();
        self.pending.push_back((memory, self.workers.submit(piece, out)?));
        self.under_way += memory;
        Ok(())
    }

    fn write_oldest(&mut self) -> io::Result<()> {
        let Some((memory, pending)) = self.pending.pop_front() else { return Ok(()) };
        self.under_way -= memory;
        let mut done = pending.wait()?;
        self.out.write_all(&done.compressed)?;
        self.sizes.push((done.compressed.len() as u64, done.piece.len()));
        self.tally.count(&mut done);
        let Done { piece, mut compressed, .. } = done;
        compressed.clear();
        self.compressed.push(compressed);
        if let Piece::Data(mut plain) = piece {
            plain.clear();
            self.plain.push(plain);
        }
        Ok(())
    }
}

impl<W: Write> Receive for Line<W> {
    fn data(&mut self, piece: Vec<u8>) -> io::Result<Vec<u8>> {
        self.submit(Piece::Data(piece))?;
        Ok(self.plain.pop().unwrap_or_else(|| Vec::with_capacity(self.longest)))
    }

    fn zeros(&mut self, len: u64) -> io::Result<()> {
        self.submit(Piece::Zeros(len))
    }
}
