//! What was reused and what was not.

use std::io;

use crate::codec::Piece;
use crate::work::Done;

/// Counts of pieces, and of their plain bytes. Zeroes count nowhere: they cost nothing.
#[derive(Debug, Default)]
pub struct Tally {
    /// Pieces that the store had.
    pub reused: u64,
    /// Their bytes.
    pub reused_bytes: u64,
    /// Pieces that were compressed.
    pub made: u64,
    /// Their bytes.
    pub made_bytes: u64,
    /// Pieces that the store had, damaged; they were made again.
    pub damaged: u64,
    /// Why the store could not keep a piece: the first such error.
    pub unsaved: Option<io::Error>,
}

impl Tally {
    pub(crate) fn count(&mut self, done: &mut Done) {
        self.damaged += u64::from(done.damaged);
        if self.unsaved.is_none() {
            self.unsaved = done.unsaved.take();
        }
        let Piece::Data(plain) = &done.piece else { return };
        let (pieces, bytes) = match done.reused {
            true => (&mut self.reused, &mut self.reused_bytes),
            false => (&mut self.made, &mut self.made_bytes),
        };
        *pieces += 1;
        *bytes += plain.len() as u64;
    }
}
