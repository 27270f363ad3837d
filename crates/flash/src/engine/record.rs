//! What stands on a disk while it is not finished: which image it will have, and how far it is.
//!
//! It is text, for whoever finds such a disk, in blocks of the first MiB where no firmware, boot
//! loader or file system looks for anything. There are two, written in turn: if power is lost
//! while one is written, the other holds. It takes part in nothing: what it says is only where to
//! go on, and all of the disk is verified at the end as always.

use osb_checksum::{Digest, parse_hex, sha256, to_hex};

use crate::engine::HEAD;

/// Where the blocks begin in the first MiB.
const AT: usize = 768 << 10;
/// Bytes of a block: whole sectors of any disk.
const BLOCK: usize = 4096;

const TITLE: &str = "This disk is not finished: osb flash was writing an image to it.";

/// How far a disk is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Record {
    /// What the image is known by: [`crate::engine::plan::name`].
    pub(crate) image: Digest,
    /// Everything before this byte is on the disk.
    pub(crate) position: u64,
    /// All of it was, and is being changed in some places.
    pub(crate) adapting: bool,
    /// The number of the record; the higher one counts.
    pub(crate) number: u64,
}

impl Record {
    /// The newest in the first MiB.
    pub(crate) fn find(head: &[u8]) -> Option<Record> {
        let blocks = [0, 1].map(|index| head.get(AT + index * BLOCK..)?.get(..BLOCK));
        blocks.into_iter().flatten().filter_map(Record::parse).max_by_key(|record| record.number)
    }

    /// Whether the first MiB has nothing else.
    pub(crate) fn is_alone(head: &[u8]) -> bool {
        let (before, after) = (&head[..AT], &head[AT + 2 * BLOCK..]);
        [before, after].iter().all(|part| part.iter().all(|byte| *byte == 0))
    }

    /// Where its block goes on the disk, and the block.
    pub(crate) fn block(&self) -> (u64, [u8; BLOCK]) {
        let text = self.text();
        let mut block = [0; BLOCK];
        block[..text.len()].copy_from_slice(text.as_bytes());
        ((AT + (self.number % 2) as usize * BLOCK) as u64, block)
    }

    /// The first MiB with nothing else.
    pub(crate) fn head(&self) -> Vec<u8> {
        let mut head = vec![0; HEAD as usize];
        let (at, block) = self.block();
        head[at as usize..][..BLOCK].copy_from_slice(&block);
        head
    }

    fn text(&self) -> String {
        let Record { image, position, adapting, number } = self;
        let image = to_hex(image);
        let body = format!(
            "{TITLE}\nimage {image}\nposition {position}\nadapting {adapting}\nnumber {number}\n"
        );
        format!("{body}sum {}\n", to_hex(&sha256(body.as_bytes())))
    }

    fn parse(block: &[u8]) -> Option<Record> {
        let text = block.split(|byte| *byte == 0).next()?;
        let mut lines = std::str::from_utf8(text).ok()?.lines();
        (lines.next()? == TITLE).then_some(())?;
        let mut value = |name: &str| lines.next()?.strip_prefix(name)?.strip_prefix(' ');
        let record = Record {
            image: parse_hex(value("image")?).ok()?,
            position: value("position")?.parse().ok()?,
            adapting: value("adapting")?.parse().ok()?,
            number: value("number")?.parse().ok()?,
        };
        (record.text().as_bytes() == text).then_some(record)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_whole_record_is_found() {
        let record = |number| Record {
            image: [7; 32],
            position: number * 10,
            adapting: number == 5,
            number,
        };
        let mut head = record(4).head();
        assert_eq!(Record::find(&head), Some(record(4)));
        assert!(Record::is_alone(&head));
        let (at, block) = record(5).block();
        head[at as usize..][..BLOCK].copy_from_slice(&block);
        assert_eq!(Record::find(&head), Some(record(5)));
        assert!(Record::is_alone(&head));
        head[at as usize + 100] ^= 1;
        assert_eq!(Record::find(&head), Some(record(4)), "a damaged one does not count");
        head[510] = 0x55;
        assert!(!Record::is_alone(&head));
        assert_eq!(Record::find(&[0; HEAD as usize]), None);
        assert_eq!(Record::find(&[0xA5; 100]), None);
    }
}
