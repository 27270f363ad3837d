//! How far everybody is, and the memory that they share.

use std::collections::BTreeMap;
use std::io;

/// Bytes of the memory for frames: those being decompressed, done, or being read.
pub(super) const AHEAD: usize = 32 << 20;

/// How far everybody is.
#[derive(Debug, Default)]
pub(super) struct Line {
    /// The reader needs nothing before this frame.
    pub(super) reader: usize,
    /// The next frame to be decompressed.
    pub(super) next: usize,
    /// Frames that are done.
    pub(super) done: BTreeMap<usize, io::Result<Vec<u8>>>,
    /// Buffers to be used again: fresh memory costs more than a copy.
    free: Vec<Vec<u8>>,
    /// Bytes of all buffers: free, in use by threads, done, and the reader's.
    pub(super) held: usize,
    /// Frames that are done, under way, or being read.
    pub(super) busy: usize,
    pub(super) stop: bool,
}

impl Line {
    /// A buffer with room for `len` bytes, if there is memory for one.
    pub(super) fn take(&mut self, len: usize) -> Option<Vec<u8>> {
        let mut buffer = self.free.pop().unwrap_or_default();
        let more = len.saturating_sub(buffer.capacity());
        while self.held + more > AHEAD && !self.free.is_empty() {
            self.held -= self.free.pop().map_or(0, |other| other.capacity());
        }
        if self.busy > 0 && self.held + more > AHEAD {
            self.free.push(buffer);
            return None;
        }
        buffer.clear();
        let before = buffer.capacity();
        buffer.reserve_exact(len);
        self.held += buffer.capacity() - before;
        self.busy += 1;
        Some(buffer)
    }

    /// Takes back what came of a frame that nobody needs any more.
    pub(super) fn give_back(&mut self, buffer: Vec<u8>) {
        self.busy -= 1;
        self.free.push(buffer);
    }
}
