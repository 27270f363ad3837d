//! The block map of the disk, as the document has it.

use osb_blockmap::{BLOCK, BlockMap, MapError, Range, State};
use osb_checksum::{parse_hex, to_hex};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What of the disk image must be written, range by range.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BlockMapInfo {
    /// Size of the disk image in bytes: that of `disk.img`, and of the content of `sd.img.zst`.
    pub size: u64,
    /// Ranges begin and end at multiples of so many bytes; the last one may end with the disk.
    pub block_size: u64,
    /// The ranges, in order, from the first byte to the last, without gaps. None with data crosses
    /// a multiple of 4 MiB.
    pub ranges: Vec<RangeInfo>,
}

/// A range of the disk image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RangeInfo {
    /// Where it begins, in bytes.
    pub offset: u64,
    /// Its length in bytes.
    pub length: u64,
    /// What it holds.
    pub state: RangeState,
    /// For data: SHA-256 of the range, in hexadecimal; otherwise null.
    pub sha256: Option<String>,
}

/// What a range holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RangeState {
    /// Bytes that must be written.
    Data,
    /// Zeroes that must be there.
    Zero,
    /// Nothing that anybody reads before writing it; zeroes in the image.
    Unused,
}

/// Why a block map cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BlockMapError {
    /// Ranges of another unit.
    #[error("its blocks have {found} bytes, and this osb knows {BLOCK} only")]
    BlockSize {
        /// The size that the document names.
        found: u64,
    },
    /// Data without a digest, or a digest of something else.
    #[error("range {index} has no SHA-256 where data needs one, or one that is not needed")]
    Digest {
        /// The range's number, from 0.
        index: usize,
    },
    /// The ranges are not those of a disk.
    #[error(transparent)]
    Ranges(#[from] MapError),
}

impl BlockMapInfo {
    /// The map.
    ///
    /// # Errors
    /// If the document says what cannot be. [`crate::from_json`] lets no such document through.
    pub fn to_map(&self) -> Result<BlockMap, BlockMapError> {
        if self.block_size != BLOCK {
            return Err(BlockMapError::BlockSize { found: self.block_size });
        }
        let ranges = self.ranges.iter().enumerate().map(|(index, info)| {
            let digest = info.sha256.as_deref().map(parse_hex);
            let state = match (info.state, digest) {
                (RangeState::Data, Some(Ok(digest))) => State::Data(digest),
                (RangeState::Zero, None) => State::Zero,
                (RangeState::Unused, None) => State::Unused,
                _ => return Err(BlockMapError::Digest { index }),
            };
            Ok(Range { offset: info.offset, len: info.length, state })
        });
        Ok(BlockMap::new(self.size, ranges.collect::<Result<_, _>>()?)?)
    }
}

impl From<&BlockMap> for BlockMapInfo {
    fn from(map: &BlockMap) -> Self {
        let range = |range: &Range| {
            let (state, sha256) = match range.state {
                State::Data(digest) => (RangeState::Data, Some(to_hex(&digest))),
                State::Zero => (RangeState::Zero, None),
                State::Unused => (RangeState::Unused, None),
            };
            RangeInfo { offset: range.offset, length: range.len, state, sha256 }
        };
        let ranges = map.ranges().iter().map(range).collect();
        BlockMapInfo { size: map.size(), block_size: BLOCK, ranges }
    }
}
