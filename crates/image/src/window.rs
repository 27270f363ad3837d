//! A part of an image: a partition, or all of it.

use std::sync::Arc;

use osb_tree::{Content, Extent, Extents, Inode, ReadAt};

use crate::error::Fault;

/// `len` bytes of a source, from `start` on. Nothing outside of them is ever read through it.
#[derive(Debug, Clone)]
pub(crate) struct Window {
    source: Arc<dyn ReadAt>,
    pub(crate) start: u64,
    pub(crate) len: u64,
}

impl Window {
    /// All `len` bytes of `source`.
    pub(crate) fn new(source: Arc<dyn ReadAt>, len: u64) -> Self {
        Window { source, start: 0, len }
    }

    /// A part of this one; `None` if it reaches beyond its end.
    pub(crate) fn part(&self, start: u64, len: u64) -> Option<Window> {
        let end = start.checked_add(len)?;
        (end <= self.len).then(|| Window {
            source: Arc::clone(&self.source),
            start: self.start + start,
            len,
        })
    }

    /// Fills `buffer` from `at` on.
    pub(crate) fn read(&self, buffer: &mut [u8], at: u64) -> Result<(), Fault> {
        let inside = at.checked_add(buffer.len() as u64).is_some_and(|end| end <= self.len);
        if !inside {
            return Err(Fault::damaged(
                "image",
                format!("it points to byte {at} of {}, or shortly before the end", self.len),
            ));
        }
        let read = self.source.read_exact_at(buffer, self.start + at);
        read.map_err(Fault::io("reading"))
    }

    /// `len` bytes from `at` on. The caller bounds `len`.
    pub(crate) fn bytes(&self, at: u64, len: usize) -> Result<Vec<u8>, Fault> {
        let mut buffer = vec![0; len];
        self.read(&mut buffer, at)?;
        Ok(buffer)
    }

    /// Whether `len` bytes from `at` on are there.
    pub(crate) fn has(&self, at: u64, len: u64) -> bool {
        at.checked_add(len).is_some_and(|end| end <= self.len)
    }

    /// Counts what files take of it.
    pub(crate) fn shares(&self) -> Shares {
        Shares { left: self.len }
    }

    /// A content of `size` bytes in pieces whose offsets count from this window's start.
    pub(crate) fn content(&self, mut pieces: Vec<Extent>, size: u64) -> Extents {
        for piece in &mut pieces {
            piece.offset += self.start;
        }
        Extents::new(Arc::clone(&self.source), pieces, size)
    }
}

/// What is left for files. If they take more than there is, they share bytes, which no file system
/// here allows: a few blocks could be terabytes of files.
pub(crate) struct Shares {
    left: u64,
}

impl Shares {
    /// Takes what `inode` has.
    pub(crate) fn take(&mut self, inode: &Inode, format: &'static str) -> Result<(), Fault> {
        let Some(Content::Extents(extents)) = inode.content() else { return Ok(()) };
        for piece in extents.pieces() {
            let left = self.left.checked_sub(piece.len);
            self.left =
                left.ok_or_else(|| Fault::damaged(format, "files take more bytes than there are"))?;
        }
        Ok(())
    }
}
