//! The map itself, and what must hold of one that comes from elsewhere.

use osb_checksum::Digest;

/// Ranges begin and end at multiples of so many bytes; the last may end with the disk.
pub const BLOCK: u64 = 4096;

/// A range with data ends at a multiple of so many bytes of the disk at the latest: what has to be
/// written again, if one is wrong or a writer was interrupted.
pub const PIECE: u64 = 4 << 20;

/// What a range of the disk holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Bytes of this SHA-256.
    Data(Digest),
    /// Zeroes that somebody relies on.
    Zero,
    /// Nothing that anybody reads before writing it: it may stay as it is.
    Unused,
}

/// A part of the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// Where it begins, in bytes.
    pub offset: u64,
    /// Its length in bytes.
    pub len: u64,
    /// What is there.
    pub state: State,
}

impl Range {
    /// The byte behind the last one.
    pub fn end(&self) -> u64 {
        self.offset.saturating_add(self.len)
    }
}

/// Why ranges are no map of a disk.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MapError {
    /// There is a gap or an overlap, or the order is wrong.
    #[error("range {index} begins at byte {offset}, and the one before it ends at {expected}")]
    Order {
        /// The range's number, from 0.
        index: usize,
        /// Where it says that it begins.
        offset: u64,
        /// Where it must begin.
        expected: u64,
    },
    /// A range without bytes, or with more than can be counted.
    #[error("range {index} has {len} bytes")]
    Length {
        /// The range's number, from 0.
        index: usize,
        /// Its length in bytes.
        len: u64,
    },
    /// A range ends within a block.
    #[error("range {index} ends at byte {end}, which is no multiple of {BLOCK}")]
    Unaligned {
        /// The range's number, from 0.
        index: usize,
        /// Where it ends.
        end: u64,
    },
    /// A range with data is too long.
    #[error("range {index} has data on both sides of byte {at}, a multiple of {PIECE}")]
    Long {
        /// The range's number, from 0.
        index: usize,
        /// Where it should have ended.
        at: u64,
    },
    /// The ranges are those of another disk.
    #[error("the ranges have {sum} bytes, and the disk has {size}")]
    Size {
        /// Bytes of all ranges.
        sum: u64,
        /// Bytes of the disk.
        size: u64,
    },
}

/// Every byte of a disk, in ranges.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockMap(Vec<Range>);

impl BlockMap {
    /// Takes ranges from anywhere for a disk of `size` bytes.
    ///
    /// # Errors
    /// If the invariants of this crate do not hold; the first that does not.
    pub fn new(size: u64, ranges: Vec<Range>) -> Result<BlockMap, MapError> {
        let mut end = 0u64;
        for (index, range) in ranges.iter().enumerate() {
            let Range { offset, len, state } = *range;
            if offset != end {
                return Err(MapError::Order { index, offset, expected: end });
            }
            end = match offset.checked_add(len) {
                Some(end) if len > 0 => end,
                _ => return Err(MapError::Length { index, len }),
            };
            if !end.is_multiple_of(BLOCK) && index + 1 < ranges.len() {
                return Err(MapError::Unaligned { index, end });
            }
            let at = (offset / PIECE + 1).saturating_mul(PIECE);
            if matches!(state, State::Data(_)) && end > at {
                return Err(MapError::Long { index, at });
            }
        }
        if end != size {
            return Err(MapError::Size { sum: end, size });
        }
        Ok(BlockMap(ranges))
    }

    /// Takes ranges of which all that holds, because they were recorded.
    pub(crate) fn recorded(ranges: Vec<Range>) -> BlockMap {
        BlockMap(ranges)
    }

    /// The ranges, in order.
    pub fn ranges(&self) -> &[Range] {
        &self.0
    }

    /// Length of the disk in bytes.
    pub fn size(&self) -> u64 {
        self.0.last().map_or(0, Range::end)
    }

    /// Bytes of data, of zeroes, and that are unused.
    pub fn totals(&self) -> (u64, u64, u64) {
        let mut totals = (0, 0, 0);
        for range in &self.0 {
            *match range.state {
                State::Data(_) => &mut totals.0,
                State::Zero => &mut totals.1,
                State::Unused => &mut totals.2,
            } += range.len;
        }
        totals
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATA: State = State::Data([7; 32]);

    fn map(size: u64, ranges: &[(u64, u64, State)]) -> Result<BlockMap, MapError> {
        let range = |&(offset, len, state): &(u64, u64, State)| Range { offset, len, state };
        BlockMap::new(size, ranges.iter().map(range).collect())
    }

    #[test]
    fn ranges_that_tile_the_disk_are_a_map() {
        let ranges =
            [(0, PIECE, DATA), (PIECE, 8192, State::Zero), (PIECE + 8192, 100, State::Unused)];
        let map = map(PIECE + 8292, &ranges).unwrap();
        assert_eq!(map.totals(), (PIECE, 8192, 100));
        assert_eq!(map.size(), PIECE + 8292);
        assert_eq!(BlockMap::new(0, Vec::new()).unwrap().size(), 0);
    }

    #[test]
    fn everything_else_is_refused() {
        let zero = State::Zero;
        for (size, ranges, error) in [
            (8192, vec![(4096, 4096, zero)], "range 0 begins at byte 4096"),
            (8192, vec![(0, 8192, zero), (4096, 4096, zero)], "the one before it ends at 8192"),
            (8192, vec![(0, 4096, zero), (8192, 4096, zero)], "the one before it ends at 4096"),
            (4096, vec![(0, 0, zero), (0, 4096, zero)], "range 0 has 0 bytes"),
            (4096, vec![(0, 4096, zero), (4096, u64::MAX, zero)], "range 1 has 1844674407370955"),
            (4096, vec![(0, 100, zero), (100, 3996, zero)], "ends at byte 100, which is no"),
            (PIECE + 1, vec![(0, PIECE + 1, DATA)], "on both sides of byte 4194304"),
            (4096, vec![(0, 8192, zero)], "have 8192 bytes, and the disk has 4096"),
            (4096, vec![], "have 0 bytes, and the disk has 4096"),
        ] {
            let text = map(size, &ranges).unwrap_err().to_string();
            assert!(text.contains(error), "{text}");
        }
        // The last piece of the largest disk.
        let last = u64::MAX - u64::MAX % PIECE;
        assert!(map(u64::MAX, &[(0, last, zero), (last, PIECE - 1, DATA)]).is_ok());
    }
}
