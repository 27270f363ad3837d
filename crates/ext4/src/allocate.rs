//! Blocks given out from the first to the last, around what is fixed.
//!
//! What is fixed lies at the beginning of groups, so what is in use of a group is always its first
//! blocks: that is all there is to a bitmap.

use crate::geometry::{GROUP, Geometry, Group};

/// Gives out blocks.
#[derive(Debug)]
pub(crate) struct Allocator<'a> {
    geometry: &'a Geometry,
    next: u64,
}

impl<'a> Allocator<'a> {
    pub(crate) fn new(geometry: &'a Geometry) -> Self {
        Allocator { geometry, next: 0 }
    }

    /// The next pieces with `len` blocks together, as first block and length: each within a group.
    /// `None` if there are not so many.
    pub(crate) fn take(&mut self, mut len: u64) -> Option<Vec<(u64, u64)>> {
        let mut pieces = Vec::new();
        while len > 0 {
            if self.next >= self.geometry.blocks {
                return None;
            }
            let group = self.geometry.group(self.next / GROUP);
            let start = self.next.max(group.free);
            let part = len.min(group.end - start);
            if part > 0 {
                pieces.push((start, part));
            }
            self.next = start + part;
            len -= part;
        }
        Some(pieces)
    }

    /// The first block that was not given out.
    pub(crate) fn end(&self) -> u64 {
        self.next
    }
}

/// How many blocks of `group` are in use, when blocks were given out up to `end`.
pub(crate) fn used(group: &Group, end: u64) -> u64 {
    end.clamp(group.free, group.end) - group.first
}

/// A bitmap block in which the first `used` bits are set, and those behind the last of `len`.
pub(crate) fn bitmap(used: u64, len: u64) -> Vec<u8> {
    (0..GROUP / 8)
        .map(|byte| {
            let bits = |from: u64, to: u64| {
                let shift = |at: u64| at.saturating_sub(8 * byte).min(8);
                (1_u16 << shift(to)) - (1_u16 << shift(from))
            };
            (bits(0, used) | bits(len, GROUP)) as u8
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::need::Need;

    #[test]
    fn pieces_lie_around_what_is_fixed() {
        let geometry = Geometry::new(1 << 30, &Need { blocks: 0, inodes: 11 }).unwrap();
        let mut allocator = Allocator::new(&geometry);
        let free = geometry.group(0).free;
        assert_eq!(allocator.take(10).unwrap(), [(free, 10)]);
        let rest = 32768 - free - 10;
        // Group 1 begins with a copy of the superblock, 1 + 1 + 127 blocks.
        assert_eq!(allocator.take(rest + 5).unwrap(), [(free + 10, rest), (32768 + 129, 5)]);
        assert_eq!(used(&geometry.group(0), allocator.end()), 32768);
        assert_eq!(used(&geometry.group(1), allocator.end()), 134);
        assert_eq!(used(&geometry.group(3), allocator.end()), 129);
        assert_eq!(used(&geometry.group(4), allocator.end()), 0);
        assert!(allocator.take(1 << 20).is_none());
    }

    #[test]
    fn bits_are_set_at_both_ends() {
        for (used, len) in [(0, 32768), (1, 32768), (7, 9), (8, 16), (13, 32000), (32768, 32768)] {
            let bitmap = bitmap(used, len);
            for bit in 0..GROUP {
                let set = bitmap[bit as usize / 8] >> (bit % 8) & 1 == 1;
                assert_eq!(set, bit < used || bit >= len, "{used} {len} {bit}");
            }
        }
    }
}
