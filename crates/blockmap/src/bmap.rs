//! The map as bmaptool reads it: `disk.img.bmap`, version 2.0 of its format.
//!
//! bmaptool writes the ranges that are listed, and leaves the rest of the disk as it is. So ranges
//! that must be zero are listed too; unused ones are not. The format is described at the
//! beginning of `BmapCreate.py` and `BmapCopy.py` in bmaptool's source.

use std::collections::BTreeSet;
use std::fmt::Write;

use osb_checksum::{Digest, sha256, to_hex};

use crate::map::{BLOCK, BlockMap, PIECE, Range, State};
use crate::zeros;

/// What stands for the file's own digest while that is made.
const NO_DIGEST: Digest = [0; 32];

impl BlockMap {
    /// The text of a `.bmap` file. It takes a few milliseconds.
    pub fn to_bmap(&self) -> String {
        let zero_pieces = self.ranges().iter().filter(|range| range.state == State::Zero);
        let lengths: BTreeSet<u64> = zero_pieces.flat_map(pieces).map(|piece| piece.len).collect();
        let zeros = zeros::digests(&lengths);
        let (mut ranges, mut mapped) = (String::new(), 0);
        for piece in self.ranges().iter().flat_map(pieces) {
            let digest = match piece.state {
                State::Data(digest) => digest,
                State::Zero => zeros.get(&piece.len).copied().unwrap_or(NO_DIGEST),
                State::Unused => continue,
            };
            let (first, last) = (piece.offset / BLOCK, (piece.end() - 1) / BLOCK);
            mapped += last - first + 1;
            let blocks = if first == last { first.to_string() } else { format!("{first}-{last}") };
            // Writing to a String cannot fail.
            let _ = writeln!(
                ranges,
                "        <Range chksum=\"{}\"> {blocks} </Range>",
                to_hex(&digest)
            );
        }
        let text = |own: &Digest| document(self.size(), mapped, own, &ranges);
        text(&sha256(text(&NO_DIGEST).as_bytes()))
    }
}

fn document(size: u64, mapped: u64, own: &Digest, ranges: &str) -> String {
    let (blocks, own) = (size.div_ceil(BLOCK), to_hex(own));
    format!(
        "<?xml version=\"1.0\" ?>\n\
         <!-- For bmaptool: blocks that are not listed hold nothing and need not be written. -->\n\
         <bmap version=\"2.0\">\n    \
             <ImageSize> {size} </ImageSize>\n    \
             <BlockSize> {BLOCK} </BlockSize>\n    \
             <BlocksCount> {blocks} </BlocksCount>\n    \
             <MappedBlocksCount> {mapped} </MappedBlocksCount>\n    \
             <ChecksumType> sha256 </ChecksumType>\n    \
             <BmapFileChecksum> {own} </BmapFileChecksum>\n    \
             <BlockMap>\n{ranges}    </BlockMap>\n\
         </bmap>\n"
    )
}

/// A range, cut at multiples of [`PIECE`], so that zeroes have few different lengths.
fn pieces(range: &Range) -> impl Iterator<Item = Range> + use<> {
    let (mut offset, end, state) = (range.offset, range.end(), range.state);
    std::iter::from_fn(move || {
        if offset >= end {
            return None;
        }
        let len = (PIECE - offset % PIECE).min(end - offset);
        let piece = Range { offset, len, state };
        offset += len;
        Some(piece)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_what_bmaptool_expects() {
        let range = |offset, len, state| Range { offset, len, state };
        let map = BlockMap::new(
            3 * PIECE + 100,
            vec![
                range(0, 8192, State::Data([0xab; 32])),
                range(8192, PIECE, State::Unused),
                range(PIECE + 8192, 2 * PIECE - 8192, State::Zero),
                range(3 * PIECE, 100, State::Data([0xcd; 32])),
            ],
        )
        .unwrap();
        let text = map.to_bmap();
        let (short, long) = (PIECE - 8192, PIECE);
        let zeroes = |len: u64| to_hex(&sha256(&vec![0; len as usize]));
        let expected = [
            ("0-1", "ab".repeat(32)),
            ("1026-2047", zeroes(short)),
            ("2048-3071", zeroes(long)),
            ("3072", "cd".repeat(32)),
        ]
        .map(|(blocks, digest)| format!("        <Range chksum=\"{digest}\"> {blocks} </Range>\n"))
        .concat();
        assert!(text.contains(&format!("<BlockMap>\n{expected}    </BlockMap>")), "{text}");
        for line in [
            "<ImageSize> 12583012 <",
            "<BlocksCount> 3073 <",
            "<MappedBlocksCount> 2049 <",
            "<bmap version=\"2.0\">",
        ] {
            assert!(text.contains(line), "{line}:\n{text}");
        }
    }

    #[test]
    fn the_files_own_digest_is_over_zeroes_in_its_place() {
        let map = BlockMap::new(4096, vec![Range { offset: 0, len: 4096, state: State::Zero }]);
        let text = map.unwrap().to_bmap();
        let (_, rest) = text.split_once("<BmapFileChecksum> ").unwrap();
        let own = &rest[..64];
        assert_eq!(own, to_hex(&sha256(text.replace(own, &"0".repeat(64)).as_bytes())));
    }

    #[test]
    fn what_is_unused_is_not_mapped_at_all() {
        let map = BlockMap::new(4096, vec![Range { offset: 0, len: 4096, state: State::Unused }]);
        let text = map.unwrap().to_bmap();
        assert!(text.contains("<MappedBlocksCount> 0 <") && !text.contains("<Range"), "{text}");
    }
}
