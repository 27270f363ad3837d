//! What is written in which order, and what must be on the disk in the end.

use std::ops::Range as Span;

use osb_blockmap::{BlockMap, PIECE, Range, State};
use osb_checksum::{Digest, sha256};

use crate::engine::HEAD;

/// A gap that is shorter is written with what lies around it: passing over it would take a disk
/// longer, and so would a request of its own to zero it.
pub(crate) const SHORT_GAP: u64 = 64 << 10;

/// What happens next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Data, and short gaps in it, which become zero. No multiple of [`PIECE`] lies within.
    Data {
        /// Where it begins.
        offset: u64,
        /// Its length.
        len: u64,
        /// The ranges with data.
        ranges: Vec<Range>,
    },
    /// A long range of zeroes.
    Zero {
        /// Where it begins.
        offset: u64,
        /// Its length.
        len: u64,
    },
}

/// What a range of the finished disk has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Check {
    pub(crate) offset: u64,
    pub(crate) len: u64,
    /// `None`: zeroes.
    pub(crate) digest: Option<Digest>,
}

impl Check {
    pub(crate) fn end(&self) -> u64 {
        self.offset + self.len
    }

    /// Whether these are the bytes.
    pub(crate) fn holds(&self, bytes: &[u8]) -> bool {
        match self.digest {
            Some(digest) => sha256(bytes) == digest,
            None => is_zero(bytes),
        }
    }
}

/// Whether all bytes are zero; as fast as memory.
pub(crate) fn is_zero(bytes: &[u8]) -> bool {
    let (words, rest) = bytes.as_chunks::<64>();
    words.iter().all(|word| word.iter().fold(0, |sum, byte| sum | byte) == 0)
        && rest.iter().all(|byte| *byte == 0)
}

/// The order of the work for an image with a map.
pub(crate) fn steps(map: &BlockMap) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for range in map.ranges() {
        match (range.state, steps.last_mut()) {
            (State::Data(_), Some(Step::Data { offset, len, ranges }))
                if range.offset - (*offset + *len) < SHORT_GAP
                    && *offset / PIECE == (range.end() - 1) / PIECE =>
            {
                *len = range.end() - *offset;
                ranges.push(*range);
            }
            (State::Data(_), _) => {
                let Range { offset, len, .. } = *range;
                steps.push(Step::Data { offset, len, ranges: vec![*range] });
            }
            (State::Zero, Some(Step::Data { offset, len, .. }))
                if range.len < SHORT_GAP
                    && *offset + *len == range.offset
                    && *offset / PIECE == (range.end() - 1) / PIECE =>
            {
                *len += range.len;
            }
            (State::Zero, _) => steps.push(Step::Zero { offset: range.offset, len: range.len }),
            (State::Unused, _) => {}
        }
    }
    steps
}

/// What must be on the disk in the end, cut at multiples of [`PIECE`].
pub(crate) fn checks(map: &BlockMap) -> Vec<Check> {
    let ranges = map.ranges().iter().filter(|range| range.state != State::Unused);
    ranges
        .flat_map(|range| match range.state {
            State::Data(digest) => {
                vec![Check { offset: range.offset, len: range.len, digest: Some(digest) }]
            }
            _ => zeros(range.offset, range.len).collect(),
        })
        .collect()
}

/// A range of zeroes, cut at multiples of [`PIECE`].
pub(crate) fn zeros(mut offset: u64, len: u64) -> impl Iterator<Item = Check> {
    let end = offset + len;
    std::iter::from_fn(move || {
        let len = (PIECE - offset % PIECE).min(end - offset);
        let check = Check { offset, len, digest: None };
        offset += len;
        (len > 0).then_some(check)
    })
}

/// Checks that one read serves: at most [`PIECE`] bytes, with short gaps.
pub(crate) fn groups(checks: &[Check]) -> Vec<Span<usize>> {
    let mut groups: Vec<Span<usize>> = Vec::new();
    for (index, check) in checks.iter().enumerate() {
        match groups.last_mut() {
            Some(group)
                if checks[group.start].offset / PIECE == check.offset / PIECE
                    && check.offset - checks[group.end - 1].end() < SHORT_GAP =>
            {
                group.end = index + 1;
            }
            _ => groups.push(index..index + 1),
        }
    }
    groups
}

/// The first MiB of the disk, by the first bytes of the image: what is not data is zero.
pub(crate) fn head(first: &[u8], map: Option<&BlockMap>) -> Vec<u8> {
    let mut head = vec![0; HEAD as usize];
    let all = Range { offset: 0, len: first.len() as u64, state: State::Data(Digest::default()) };
    for range in map.map_or(&[all][..], BlockMap::ranges) {
        let end = range.end().min(HEAD).min(first.len() as u64) as usize;
        let start = range.offset as usize;
        if start < end && matches!(range.state, State::Data(_)) {
            head[start..end].copy_from_slice(&first[start..end]);
        }
    }
    head
}

/// What an image is known by on a disk that is not finished: its digest and its map. `None` if it
/// has neither.
pub(crate) fn name(digest: Option<&Digest>, map: Option<&BlockMap>) -> Option<Digest> {
    if digest.is_none() && map.is_none() {
        return None;
    }
    let mut bytes = digest.map_or(Vec::new(), |digest| digest.to_vec());
    for range in map.into_iter().flat_map(BlockMap::ranges) {
        bytes.extend(range.offset.to_le_bytes());
        bytes.extend(range.len.to_le_bytes());
        match range.state {
            State::Data(digest) => bytes.extend(digest),
            State::Zero => bytes.push(0),
            State::Unused => bytes.push(1),
        }
    }
    Some(sha256(&bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATA: State = State::Data([7; 32]);
    const K: u64 = 1 << 10;

    fn map(parts: &[(u64, State)]) -> BlockMap {
        let mut offset = 0;
        let mut ranges = Vec::new();
        for &(len, state) in parts {
            ranges.push(Range { offset, len, state });
            offset += len;
        }
        BlockMap::new(offset, ranges).unwrap()
    }

    fn spans(map: &BlockMap) -> Vec<(char, u64, u64)> {
        let span = |step: &Step| match step {
            Step::Data { offset, len, .. } => ('d', offset / K, len / K),
            Step::Zero { offset, len } => ('z', offset / K, len / K),
        };
        steps(map).iter().map(span).collect()
    }

    #[test]
    fn short_gaps_are_written_and_long_ones_are_not() {
        let map = map(&[
            (8 * K, DATA),
            (60 * K, State::Unused),
            (4 * K, DATA),
            (64 * K, State::Unused),
            (4 * K, DATA),
            (8 * K, State::Zero),
            (4 * K, DATA),
            (100 * K, State::Zero),
            (4 * K, DATA),
        ]);
        let expected = [('d', 0, 72), ('d', 136, 16), ('z', 152, 100), ('d', 252, 4)];
        assert_eq!(spans(&map), expected);
    }

    #[test]
    fn no_step_and_no_check_crosses_a_piece() {
        let rest = PIECE - 8 * K;
        let map = map(&[
            (rest, DATA),
            (12 * K, State::Zero),
            (rest - 4 * K, DATA),
            (4 * K, DATA),
            (3 * PIECE, State::Zero),
        ]);
        let p = PIECE / K;
        let expected = [
            ('d', 0, p - 8),
            ('z', p - 8, 12),
            ('d', p + 4, p - 12),
            ('d', 2 * p - 8, 4),
            ('z', 2 * p - 4, 3 * p),
        ];
        // The second and the third lie in one piece, one behind the other.
        assert_eq!(spans(&map)[..2], expected[..2]);
        assert_eq!(spans(&map)[2], ('d', p + 4, p - 8));
        assert_eq!(spans(&map)[3], expected[4]);
        let checks = checks(&map);
        for group in groups(&checks) {
            let (first, last) = (checks[group.start], checks[group.end - 1]);
            assert_eq!(first.offset / PIECE, (last.end() - 1) / PIECE);
        }
        assert_eq!(checks.iter().map(|check| check.len).sum::<u64>(), map.size());
    }

    #[test]
    fn an_image_is_known_by_digest_and_map() {
        let (one, other) = (map(&[(4 * K, DATA)]), map(&[(4 * K, State::Zero)]));
        assert_eq!(name(None, None), None);
        let names = [
            name(None, Some(&one)),
            name(None, Some(&other)),
            name(Some(&[1; 32]), None),
            name(Some(&[1; 32]), Some(&one)),
        ];
        for (index, name) in names.iter().enumerate() {
            assert!(name.is_some() && !names[..index].contains(name));
        }
    }

    #[test]
    fn zeroes_are_told_from_all_else() {
        let mut bytes = vec![0; 1000];
        assert!(is_zero(&bytes) && is_zero(&[]));
        for at in [0, 63, 64, 959, 960, 999] {
            bytes[at] = 1;
            assert!(!is_zero(&bytes), "{at}");
            bytes[at] = 0;
        }
    }
}
