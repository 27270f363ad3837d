//! A map, made while the disk is written.

use std::io;

use osb_sink::Sink;
use sha2::{Digest as _, Sha256};

use crate::blocks::{Blocks, Kind, Receive};
use crate::map::{BlockMap, PIECE, Range, State};
use crate::zeros::ZEROS;

/// A gap between data that is shorter is written with it: passing over it would take a disk longer
/// than writing it. An unused region that is shorter is zeroed with the zeroes beside it.
pub const SHORT_GAP: u64 = 64 << 10;

/// Notes what comes, and hashes data. It never fails.
///
/// The map depends on what comes, not on how that is divided into calls.
#[derive(Debug)]
pub struct Recorder {
    blocks: Blocks,
    line: Line,
}

impl Recorder {
    /// Starts at the first byte of the disk.
    pub fn new() -> Recorder {
        let line = Line { ranges: Vec::new(), position: 0, data: None, gap: Vec::new() };
        Recorder { blocks: Blocks::new(), line }
    }

    /// The map of everything that came.
    pub fn finish(self) -> BlockMap {
        let Recorder { mut blocks, mut line } = self;
        blocks.finish(&mut line);
        line.end_data();
        line.end_gap();
        BlockMap::recorded(line.ranges)
    }
}

impl Default for Recorder {
    fn default() -> Self {
        Recorder::new()
    }
}

impl Sink for Recorder {
    fn data(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.blocks.data(bytes, &mut self.line);
        Ok(())
    }

    fn zeros(&mut self, len: u64) -> io::Result<()> {
        self.blocks.gap(Kind::Zero, len, &mut self.line);
        Ok(())
    }

    fn unused(&mut self, len: u64) -> io::Result<()> {
        self.blocks.gap(Kind::Unused, len, &mut self.line);
        Ok(())
    }
}

/// Ranges so far.
#[derive(Debug)]
struct Line {
    /// Those that have ended; together they reach to the data under way, or to `position`.
    ranges: Vec<Range>,
    /// The end of everything but the gap.
    position: u64,
    /// Data under way: where it begins, and its hash.
    data: Option<(u64, Sha256)>,
    /// What has come behind the data, whether it must be zero, and its length: neighbours differ.
    gap: Vec<(bool, u64)>,
}

impl Receive for Line {
    fn data(&mut self, bytes: &[u8]) {
        let gap: u64 = self.gap.iter().map(|(_, len)| len).sum();
        if gap > 0 && gap < SHORT_GAP && self.is_behind_data() {
            self.gap.clear();
            self.hash(&ZEROS[..gap as usize]);
        } else if gap > 0 {
            self.end_data();
            self.end_gap();
        }
        self.hash(bytes);
    }

    fn gap(&mut self, must_be_zero: bool, len: u64) {
        match self.gap.last_mut() {
            Some((last, sum)) if *last == must_be_zero => *sum += len,
            _ => self.gap.push((must_be_zero, len)),
        }
    }
}

impl Line {
    fn is_behind_data(&self) -> bool {
        let data = |range: &Range| matches!(range.state, State::Data(_));
        self.data.is_some() || self.ranges.last().is_some_and(data)
    }

    /// Adds data, cut at multiples of [`PIECE`].
    fn hash(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let room = (PIECE - self.position % PIECE) as usize;
            let (head, rest) = bytes.split_at(bytes.len().min(room));
            let (_, hash) = self.data.get_or_insert_with(|| (self.position, Sha256::new()));
            hash.update(head);
            self.position += head.len() as u64;
            if self.position.is_multiple_of(PIECE) {
                self.end_data();
            }
            bytes = rest;
        }
    }

    fn end_data(&mut self) {
        if let Some((offset, hash)) = self.data.take() {
            let state = State::Data(hash.finalize().into());
            self.ranges.push(Range { offset, len: self.position - offset, state });
        }
    }

    /// The gap becomes ranges. A short unused part has zeroes on one side at least, if it is not
    /// all of the gap, and becomes zero with them.
    fn end_gap(&mut self) {
        let gap = std::mem::take(&mut self.gap);
        let alone = gap.len() == 1;
        for (must_be_zero, len) in gap {
            let zero = must_be_zero || (len < SHORT_GAP && !alone);
            let state = if zero { State::Zero } else { State::Unused };
            match self.ranges.last_mut() {
                Some(last) if last.state == state => last.len += len,
                _ => self.ranges.push(Range { offset: self.position, len, state }),
            }
            self.position += len;
        }
    }
}
