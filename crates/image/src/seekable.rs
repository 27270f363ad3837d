//! Bytes of a zstd file that has a seek table, decompressed where they are asked for.
//!
//! The format is "Zstandard Seekable Format" 0.1.0, in zstd's `contrib/seekable_format`; `osb build`
//! writes it (`crates/frames`). A file without a table, or with one of larger frames than anybody
//! makes, is decompressed from its beginning instead.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex, PoisonError};

use osb_tree::ReadAt;

use crate::bytes::Bytes;
use crate::error::Fault;

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
/// Decompressed frames that are kept, in bytes; the last one in any case.
const KEPT: usize = 48 << 20;
/// Bytes that are decompressed at a time.
const CHUNK: usize = 128 << 10;

/// A file of frames, and where each lies.
#[derive(Debug)]
pub(crate) struct Seekable {
    file: File,
    /// Where frames begin: in the content, and in the file; one more entry for their ends.
    starts: Vec<(u64, u64)>,
    kept: Mutex<Vec<(usize, Arc<Frame>)>>,
}

/// The content of a frame, without the zeroes at its end.
#[derive(Debug)]
struct Frame(Vec<u8>);

impl Seekable {
    /// Opens `file` of `len` bytes; `None` if it has no table that this reader takes.
    pub(crate) fn open(file: File, len: u64, limit: u64) -> Result<Option<Seekable>, Fault> {
        let reading = Fault::io("reading the seek table");
        let Some(footer_at) = len.checked_sub(FOOTER) else { return Ok(None) };
        let mut footer = [0; FOOTER as usize];
        FileExt::read_exact_at(&file, &mut footer, footer_at).map_err(&reading)?;
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
        FileExt::read_exact_at(&file, &mut table, table_at).map_err(&reading)?;
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
        if packed != table_at {
            return Ok(None);
        }
        if plain > limit {
            let text = format!("it decompresses to more than {} MiB", limit >> 20);
            return Err(Fault::Limit(text));
        }
        Ok(Some(Seekable { file, starts, kept: Mutex::default() }))
    }

    /// Length of the content in bytes.
    pub(crate) fn len(&self) -> u64 {
        self.starts.last().map_or(0, |last| last.0)
    }

    /// The frame `index`, from memory or decompressed.
    fn frame(&self, index: usize) -> io::Result<Arc<Frame>> {
        let lock = || self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        {
            let mut kept = lock();
            if let Some(at) = kept.iter().position(|(number, _)| *number == index) {
                let found = kept.remove(at);
                let frame = Arc::clone(&found.1);
                kept.push(found);
                return Ok(frame);
            }
        }
        // Not under the lock: several readers decompress side by side.
        let frame = Arc::new(Frame(self.decompress(index)?));
        let mut kept = lock();
        kept.push((index, Arc::clone(&frame)));
        let mut size: usize = kept.iter().map(|(_, frame)| frame.0.len()).sum();
        // Holes take nothing; what they take in the list is bounded, too.
        while kept.len() > 1 && (size > KEPT || kept.len() > 256) {
            size -= kept.remove(0).1.0.len();
        }
        Ok(frame)
    }

    fn decompress(&self, index: usize) -> io::Result<Vec<u8>> {
        let (begin, end) = (self.starts[index], self.starts[index + 1]);
        let packed = Part { file: &self.file, at: begin.1, left: end.1 - begin.1 };
        let mut decoder = zstd::stream::read::Decoder::with_buffer(BufReader::new(packed))?;
        let (mut left, mut data, mut zeroes) = ((end.0 - begin.0) as usize, Vec::new(), 0);
        let mut buffer = vec![0; CHUNK];
        while left > 0 {
            let length = decoder.read(&mut buffer[..CHUNK.min(left)])?;
            if length == 0 {
                break;
            }
            left -= length;
            let part = &buffer[..length];
            if part.iter().all(|byte| *byte == 0) {
                zeroes += length;
            } else {
                data.resize(data.len() + zeroes, 0);
                data.extend_from_slice(part);
                zeroes = 0;
            }
        }
        if left > 0 || decoder.read(&mut buffer[..1])? > 0 {
            let problem = format!("frame {index} is not as long as the seek table says");
            return Err(io::Error::new(io::ErrorKind::InvalidData, problem));
        }
        Ok(data)
    }
}

impl ReadAt for Seekable {
    fn read_exact_at(&self, mut buffer: &mut [u8], mut offset: u64) -> io::Result<()> {
        let end = offset.checked_add(buffer.len() as u64);
        if end.is_none_or(|end| end > self.len()) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        while !buffer.is_empty() {
            // The last frame that begins here or before; frames of no length come before others.
            let index = self.starts.partition_point(|start| start.0 <= offset) - 1;
            let into = (offset - self.starts[index].0) as usize;
            let left = (self.starts[index + 1].0 - offset) as usize;
            let length = buffer.len().min(left);
            let frame = self.frame(index)?;
            let data = frame.0.get(into..).unwrap_or_default();
            let data = &data[..data.len().min(length)];
            buffer[..data.len()].copy_from_slice(data);
            buffer[data.len()..length].fill(0);
            buffer = &mut buffer[length..];
            offset += length as u64;
        }
        Ok(())
    }
}

/// A part of a file, read from its beginning.
struct Part<'a> {
    file: &'a File,
    at: u64,
    left: u64,
}

impl Read for Part<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let length = self.file.read_at(&mut buffer[..wanted], self.at)?;
        self.at += length as u64;
        self.left -= length as u64;
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::Arc;

    use osb_frames::{Codec, Cuts, Frames, NoStore};

    use super::*;

    /// A megabyte of numbers, a hole of one, numbers again.
    fn content() -> Vec<u8> {
        let mut content: Vec<u8> = (0..300_000_u32).flat_map(u32::to_le_bytes).collect();
        content.resize(content.len() + (2 << 20), 0);
        content.extend((0..100_000_u32).rev().flat_map(u32::to_le_bytes));
        content
    }

    fn packed(content: &[u8]) -> Vec<u8> {
        let (codec, cuts) = (Codec::Zstd { level: 1 }, Cuts::new(512, 64 << 10, 1 << 20));
        let mut frames = Frames::new(Vec::new(), codec, cuts, 1, Arc::new(NoStore)).unwrap();
        frames.write_all(content).unwrap();
        frames.finish().unwrap().0
    }

    fn open(bytes: &[u8], limit: u64) -> Result<Option<Seekable>, Fault> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        Seekable::open(file, bytes.len() as u64, limit)
    }

    #[test]
    fn any_part_is_read_without_the_rest() {
        let content = content();
        let file = open(&packed(&content), u64::MAX).unwrap().unwrap();
        assert_eq!(file.len(), content.len() as u64);
        assert!(file.starts.len() > 8, "{} frames", file.starts.len());
        for at in (0..content.len()).step_by(77_777) {
            let end = content.len().min(at + 100_000);
            let mut buffer = vec![1; end - at];
            file.read_exact_at(&mut buffer, at as u64).unwrap();
            assert!(buffer == content[at..end], "from byte {at} on");
        }
        let mut buffer = [0; 2];
        assert!(file.read_exact_at(&mut buffer, file.len() - 1).is_err());
        assert!(file.read_exact_at(&mut buffer, u64::MAX).is_err());
    }

    #[test]
    fn tables_that_do_not_fit_are_not_used_and_lies_are_errors() {
        let content = content();
        let good = packed(&content);
        assert!(open(&good[..good.len() - 1], u64::MAX).unwrap().is_none());
        assert!(open(b"", u64::MAX).unwrap().is_none());
        assert!(open(&[&good[..100], &good[..]].concat(), u64::MAX).unwrap().is_none());
        assert!(matches!(open(&good, 1 << 20), Err(Fault::Limit(_))));
        // One byte is moved from the first frame to the second.
        let mut lies = good.clone();
        let file = open(&good, u64::MAX).unwrap().unwrap();
        let table = good.len() - 9 - 8 * (file.starts.len() - 1);
        lies[table + 4] ^= 1;
        let mut buffer = [0; 10];
        let error = open(&lies, u64::MAX).unwrap().unwrap().read_exact_at(&mut buffer, 0);
        assert!(error.unwrap_err().to_string().contains("seek table"));
    }
}
