//! A stream of data and zeroes into pieces, however its writer divides its calls.

use std::io;

use crate::cut::Cuts;

/// The longest grain.
pub(crate) const MAX_GRAIN: usize = 64 << 10;

/// What grains are compared with: a comparison of memory ends at the first byte that differs.
static ZEROS: [u8; MAX_GRAIN] = [0; MAX_GRAIN];

/// Where pieces go.
pub(crate) trait Receive {
    /// The next piece, of data; gives an empty buffer for the one after it.
    fn data(&mut self, piece: Vec<u8>) -> io::Result<Vec<u8>>;
    /// The next piece, of so many zeroes.
    fn zeros(&mut self, len: u64) -> io::Result<()>;
}

/// Cuts a stream. What comes out is a function of its bytes: zeroes may be told or written, and
/// calls may end anywhere.
pub(crate) struct Splitter {
    cuts: Cuts,
    /// The beginning of a grain.
    grain: Vec<u8>,
    /// The piece, as far as it is known; whole grains.
    piece: Vec<u8>,
    /// Zeroes behind it, whole grains: of the piece, unless too many follow each other.
    run: u64,
    /// They are too many: the piece before has gone, and they are pieces of their own.
    in_zeros: bool,
}

impl Splitter {
    pub(crate) fn new(cuts: Cuts) -> Splitter {
        let grain = Vec::with_capacity(cuts.grain);
        Splitter { cuts, grain, piece: Vec::new(), run: 0, in_zeros: false }
    }

    /// The next bytes.
    pub(crate) fn data(&mut self, mut bytes: &[u8], to: &mut impl Receive) -> io::Result<()> {
        if !self.grain.is_empty() {
            let (head, rest) = bytes.split_at(bytes.len().min(self.cuts.grain - self.grain.len()));
            self.grain.extend_from_slice(head);
            bytes = rest;
            self.whole_grain(to)?;
        }
        let (whole, rest) = bytes.split_at(bytes.len() - bytes.len() % self.cuts.grain);
        self.grains(whole, to)?;
        self.grain.extend_from_slice(rest);
        Ok(())
    }

    /// The next bytes, all of them zero.
    pub(crate) fn zeros(&mut self, mut len: u64, to: &mut impl Receive) -> io::Result<()> {
        let grain = self.cuts.grain as u64;
        if !self.grain.is_empty() {
            let head = len.min(grain - self.grain.len() as u64);
            self.grain.resize(self.grain.len() + head as usize, 0);
            len -= head;
            self.whole_grain(to)?;
        }
        self.zero_grains(len - len % grain, to)?;
        self.grain.resize(self.grain.len() + (len % grain) as usize, 0);
        Ok(())
    }

    /// Sends what is left. The last grain may be a part of one.
    pub(crate) fn finish(mut self, to: &mut impl Receive) -> io::Result<()> {
        let last = std::mem::take(&mut self.grain);
        if last.iter().all(|byte| *byte == 0) {
            self.zero_grains(last.len() as u64, to)?;
        } else {
            self.one_grain(&last, to)?;
        }
        if self.in_zeros {
            self.end_zeros(to)
        } else {
            self.piece.resize(self.piece.len() + self.run as usize, 0);
            self.end_piece(to)
        }
    }

    /// Takes the grain that was gathered, if it is whole.
    fn whole_grain(&mut self, to: &mut impl Receive) -> io::Result<()> {
        if self.grain.len() == self.cuts.grain {
            let mut grain = std::mem::take(&mut self.grain);
            self.grains(&grain, to)?;
            grain.clear();
            self.grain = grain;
        }
        Ok(())
    }

    /// Takes whole grains. What belongs to one piece is copied at once.
    fn grains(&mut self, bytes: &[u8], to: &mut impl Receive) -> io::Result<()> {
        let size = self.cuts.grain;
        // Bytes from here on belong to the piece, and are not copied yet.
        let mut from = 0;
        for (index, grain) in bytes.chunks_exact(size).enumerate() {
            let at = index * size;
            if *grain == ZEROS[..size] {
                self.piece.extend_from_slice(&bytes[from..at]);
                from = at + size;
                self.zero_grains(size as u64, to)?;
                continue;
            }
            if self.run > 0 || self.in_zeros {
                self.end_run(to)?;
            }
            if self.piece.len() + (at - from) >= self.cuts.min && self.cuts.begins(grain) {
                self.piece.extend_from_slice(&bytes[from..at]);
                from = at;
                self.end_piece(to)?;
            }
            if self.piece.len() + (at + size - from) >= self.cuts.max {
                self.piece.extend_from_slice(&bytes[from..at + size]);
                from = at + size;
                self.end_piece(to)?;
            }
        }
        self.piece.extend_from_slice(&bytes[from..]);
        Ok(())
    }

    /// Takes the last grain of a stream, which is not all zeroes and may be a short one.
    fn one_grain(&mut self, grain: &[u8], to: &mut impl Receive) -> io::Result<()> {
        self.end_run(to)?;
        if self.piece.len() >= self.cuts.min && self.cuts.begins(grain) {
            self.end_piece(to)?;
        }
        self.piece.extend_from_slice(grain);
        Ok(())
    }

    /// Takes whole grains of zeroes.
    fn zero_grains(&mut self, len: u64, to: &mut impl Receive) -> io::Result<()> {
        self.run += len;
        if !self.in_zeros && self.run >= self.cuts.zero_run as u64 {
            self.end_piece(to)?;
            self.in_zeros = true;
        }
        while self.in_zeros && self.run >= self.cuts.zero_piece {
            to.zeros(self.cuts.zero_piece)?;
            self.run -= self.cuts.zero_piece;
        }
        Ok(())
    }

    /// Something follows the zeroes.
    fn end_run(&mut self, to: &mut impl Receive) -> io::Result<()> {
        if self.in_zeros {
            return self.end_zeros(to);
        }
        self.piece.resize(self.piece.len() + self.run as usize, 0);
        self.run = 0;
        Ok(())
    }

    fn end_zeros(&mut self, to: &mut impl Receive) -> io::Result<()> {
        if self.run > 0 {
            to.zeros(self.run)?;
        }
        self.run = 0;
        self.in_zeros = false;
        Ok(())
    }

    fn end_piece(&mut self, to: &mut impl Receive) -> io::Result<()> {
        if !self.piece.is_empty() {
            self.piece = to.data(std::mem::take(&mut self.piece))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
