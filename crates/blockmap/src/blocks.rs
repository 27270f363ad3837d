//! A stream of bytes into one of whole blocks.
//!
//! A block that holds several states has the strongest of them: a byte of data makes it data, a
//! byte that must be zero makes it zero.

use crate::map::BLOCK;

/// What a block holds, the strongest last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Unused,
    Zero,
    Data,
}

/// Where blocks go.
pub(crate) trait Receive {
    /// The next blocks; only the last of the disk may be a part of one.
    fn data(&mut self, bytes: &[u8]);
    /// So many bytes of blocks without data, `must_be_zero` or unused.
    fn gap(&mut self, must_be_zero: bool, len: u64);
}

/// Gathers blocks.
#[derive(Debug)]
pub(crate) struct Blocks {
    /// The beginning of a block, and what it is so far.
    part: Vec<u8>,
    kind: Kind,
}

impl Blocks {
    pub(crate) fn new() -> Blocks {
        Blocks { part: Vec::with_capacity(BLOCK as usize), kind: Kind::Unused }
    }

    /// The next bytes.
    pub(crate) fn data(&mut self, bytes: &[u8], to: &mut impl Receive) {
        let (head, rest) = bytes.split_at(bytes.len().min(self.room()));
        if !head.is_empty() {
            self.part.extend_from_slice(head);
            self.grow(Kind::Data, to);
        }
        let (whole, rest) = rest.split_at(rest.len() - rest.len() % BLOCK as usize);
        if !whole.is_empty() {
            to.data(whole);
        }
        if !rest.is_empty() {
            self.part.extend_from_slice(rest);
            self.grow(Kind::Data, to);
        }
    }

    /// The next bytes, without any data.
    pub(crate) fn gap(&mut self, kind: Kind, len: u64, to: &mut impl Receive) {
        let head = len.min(self.room() as u64);
        self.pad(kind, head, to);
        let whole = (len - head) / BLOCK * BLOCK;
        if whole > 0 {
            to.gap(kind == Kind::Zero, whole);
        }
        self.pad(kind, len - head - whole, to);
    }

    /// Sends the last block, which may be a part of one.
    pub(crate) fn finish(&mut self, to: &mut impl Receive) {
        if self.part.is_empty() {
            return;
        }
        match self.kind {
            Kind::Data => to.data(&self.part),
            kind => to.gap(kind == Kind::Zero, self.part.len() as u64),
        }
        self.part.clear();
        self.kind = Kind::Unused;
    }

    /// Bytes that are missing in a block that has been begun.
    fn room(&self) -> usize {
        match self.part.len() {
            0 => 0,
            len => BLOCK as usize - len,
        }
    }

    fn pad(&mut self, kind: Kind, len: u64, to: &mut impl Receive) {
        if len > 0 {
            self.part.resize(self.part.len() + len as usize, 0);
            self.grow(kind, to);
        }
    }

    /// The block has got bytes of this kind, and goes if it is whole.
    fn grow(&mut self, kind: Kind, to: &mut impl Receive) {
        self.kind = self.kind.max(kind);
        if self.part.len() as u64 == BLOCK {
            self.finish(to);
        }
    }
}
