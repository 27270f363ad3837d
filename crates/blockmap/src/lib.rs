//! What of a disk must be written: data, zeroes, or nothing.
//!
//! A [`BlockMap`] divides a disk into ranges of three states. [`Recorder`] is a sink that makes one
//! while the disk is written; nothing is read again. Who writes a disk with its map writes less,
//! knows after each range that it is right, and can go on where it was interrupted;
//! [`BlockMap::to_bmap`] gives bmaptool the same.
//!
//! ```
//! use osb_blockmap::{Recorder, State};
//! use osb_sink::Sink;
//! let mut recorder = Recorder::new();
//! recorder.data(b"boot sector").unwrap();
//! recorder.unused((1 << 20) - 11).unwrap();
//! let map = recorder.finish();
//! assert_eq!(map.size(), 1 << 20);
//! assert_eq!(map.ranges()[0].len, 4096);
//! assert_eq!(map.ranges()[1].state, State::Unused);
//! ```
//!
//! Invariants: the ranges of a map follow each other without a gap, from the first byte of the disk
//! to its last, at multiples of [`BLOCK`]. None with data crosses a multiple of [`PIECE`]. What was
//! said to be zero is never unused.

mod blocks;
mod bmap;
mod map;
mod recorder;
mod zeros;

pub use map::{BLOCK, BlockMap, MapError, PIECE, Range, State};
pub use recorder::{Recorder, SHORT_GAP};
