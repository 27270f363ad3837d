//! Which blocks of a file hold data.
//!
//! A content in pieces ([`Content::Extents`], a file of an image that was read back) says where it
//! has holes, and blocks wholly within one are not written. Whether a file of the building machine
//! has holes is not asked: that depends on who wrote it there and on that machine's file system,
//! and equal trees must give equal bytes on every machine.

use osb_tree::Content;

use crate::geometry::BLOCK;

/// Blocks of a file that follow each other and hold data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Run {
    /// The first one's number in the file.
    pub(crate) logical: u64,
    /// How many.
    pub(crate) len: u64,
}

/// The runs of a content, in order and apart.
pub(crate) fn runs(content: &Content) -> Vec<Run> {
    let Content::Extents(extents) = content else {
        let len = content.size().div_ceil(BLOCK);
        return if len == 0 { Vec::new() } else { vec![Run { logical: 0, len }] };
    };
    let mut runs: Vec<Run> = Vec::new();
    for piece in extents.pieces() {
        let (first, end) = (piece.at / BLOCK, (piece.at + piece.len).div_ceil(BLOCK));
        match runs.last_mut() {
            Some(last) if first <= last.logical + last.len => last.len = end - last.logical,
            _ => runs.push(Run { logical: first, len: end - first }),
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use osb_tree::{Extent, Extents};

    use super::*;

    #[test]
    fn whole_blocks_of_a_hole_are_left_out() {
        let source = Arc::new(vec![1; 20_000]);
        let piece = |at, len| Extent { at, len, offset: 0 };
        // A byte at 5000, two pieces that share a block, and one at the end.
        let pieces =
            vec![piece(5000, 1), piece(12_288, 100), piece(12_500, 8000), piece(81_919, 1)];
        let content = Content::Extents(Extents::new(source, pieces, 100_000));
        let found: Vec<_> = runs(&content).iter().map(|run| (run.logical, run.len)).collect();
        assert_eq!(found, [(1, 1), (3, 3), (19, 1)]);
        assert_eq!(runs(&Content::from(Vec::new())), []);
        assert_eq!(runs(&Content::from(vec![0; 4097])), [Run { logical: 0, len: 2 }]);
    }
}
