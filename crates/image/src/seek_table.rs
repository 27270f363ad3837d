//! The seek table of a zstd file: where each of its frames lies.
//!
//! The format is "Zstandard Seekable Format" 0.1.0, in zstd's `contrib/seekable_format`; `osb build`
//! writes it (`crates/frames`).

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use crate::bytes::Bytes;

/// `Skippable_Magic_Number` and `Seekable_Magic_Number`.
const SKIPPABLE: u32 = 0x184D_2A5E;
const SEEKABLE: u32 = 0x8F92_EAB1;
/// Bytes of a skippable frame's header, and of the table's footer.
const HEADER: u64 = 8;
const FOOTER: u64 = 9;
/// Most frames: what 64 GiB have if each is 64 KiB.
const MOST_FRAMES: u32 = 1 << 20;
/// Largest frame, in bytes: `osb build` makes holes of 64 MiB.
const MOST_FRAME: u32 = 64 << 20;

/// Where the frames of a file lie. They follow each other, in the file and in the content; what the
/// frames themselves say is another matter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeekTable {
    /// Where frames begin: in the content, and in the file; one more entry for their ends.
    starts: Vec<(u64, u64)>,
}

impl SeekTable {
    /// Reads the table of `file`, which has `len` bytes; `None` if it has none, one that does not
    /// fit the file, or one of larger frames than anybody makes: such a file can be decompressed
    /// from its beginning.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn read(file: &File, len: u64) -> io::Result<Option<SeekTable>> {
        let Some(footer_at) = len.checked_sub(FOOTER) else { return Ok(None) };
        let mut footer = [0; FOOTER as usize];
        file.read_exact_at(&mut footer, footer_at)?;
        let (count, descriptor) = (Bytes(&footer).u32(0), footer[4]);
        // Bit 7 tells of checksums; 2 to 6 are reserved.
        let entry = if descriptor & 0x80 == 0 { 8 } else { 12 };
        let entries = u64::from(count) * entry;
        let table_at = footer_at.checked_sub(entries + HEADER);
        let known = Bytes(&footer).u32(5) == SEEKABLE && descriptor & 0x7C == 0;
        let Some(table_at) = table_at.filter(|_| known && count <= MOST_FRAMES) else {
            return Ok(None);
        };
        let mut table = vec![0; (HEADER + entries) as usize];
        file.read_exact_at(&mut table, table_at)?;
        let header = Bytes(&table);
        if header.u32(0) != SKIPPABLE || u64::from(header.u32(4)) != entries + FOOTER {
            return Ok(None);
        }
        let mut starts = vec![(0, 0)];
        let (mut plain, mut packed) = (0_u64, 0_u64);
        for entry in table[HEADER as usize..].chunks_exact(entry as usize) {
            let fields = Bytes(entry);
            if fields.u32(4) > MOST_FRAME {
                return Ok(None);
            }
            packed += u64::from(fields.u32(0));
            plain += u64::from(fields.u32(4));
            starts.push((plain, packed));
        }
        Ok((packed == table_at).then_some(SeekTable { starts }))
    }

    /// Number of frames.
    pub fn frames(&self) -> usize {
        self.starts.len() - 1
    }

    /// Length of the content in bytes.
    pub fn content_len(&self) -> u64 {
        self.starts.last().map_or(0, |last| last.0)
    }

    /// Where the content of the frame `index` lies in the whole content; empty behind the last one.
    pub fn content(&self, index: usize) -> Range<u64> {
        self.range(index, |start| start.0)
    }

    /// Where the frame `index` lies in the file; empty behind the last one.
    pub fn packed(&self, index: usize) -> Range<u64> {
        self.range(index, |start| start.1)
    }

    /// The frame that has the byte `offset` of the content; the number of frames behind its end.
    pub fn frame_at(&self, offset: u64) -> usize {
        // The last frame that begins here or before: frames of no length come before others.
        self.starts.partition_point(|start| start.0 <= offset) - 1
    }

    fn range(&self, index: usize, part: impl Fn(&(u64, u64)) -> u64) -> Range<u64> {
        let at = |index: usize| self.starts.get(index).or(self.starts.last()).map_or(0, &part);
        at(index)..at(index.saturating_add(1))
    }
}
