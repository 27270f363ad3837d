//! Bytes of a zstd file that has a seek table, decompressed where they are asked for.
//!
//! A file without a table, or with one of larger frames than anybody makes, is decompressed from its
//! beginning instead.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex, PoisonError};

use osb_tree::ReadAt;

use crate::error::Fault;
use crate::seek_table::SeekTable;

/// Decompressed frames that are kept, in bytes; the last one in any case.
const KEPT: usize = 48 << 20;
/// Bytes that are decompressed at a time.
const CHUNK: usize = 128 << 10;

/// A file of frames, and where each lies.
#[derive(Debug)]
pub(crate) struct Seekable {
    file: File,
    table: SeekTable,
    kept: Mutex<Vec<(usize, Arc<Frame>)>>,
}

/// The content of a frame, without the zeroes at its end.
#[derive(Debug)]
struct Frame(Vec<u8>);

impl Seekable {
    /// Opens `file` of `len` bytes; `None` if it has no table that this reader takes.
    pub(crate) fn open(file: File, len: u64, limit: u64) -> Result<Option<Seekable>, Fault> {
        let table = SeekTable::read(&file, len).map_err(Fault::io("reading the seek table"))?;
        let Some(table) = table else { return Ok(None) };
        if table.content_len() > limit {
            let text = format!("it decompresses to more than {} MiB", limit >> 20);
            return Err(Fault::Limit(text));
        }
        Ok(Some(Seekable { file, table, kept: Mutex::default() }))
    }

    /// Length of the content in bytes.
    pub(crate) fn len(&self) -> u64 {
        self.table.content_len()
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
        let (content, packed) = (self.table.content(index), self.table.packed(index));
        let packed = Part { file: &self.file, at: packed.start, left: packed.end - packed.start };
        let mut decoder = zstd::stream::read::Decoder::with_buffer(BufReader::new(packed))?;
        let (mut left, mut data, mut zeroes) =
            ((content.end - content.start) as usize, Vec::new(), 0);
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
            let index = self.table.frame_at(offset);
            let content = self.table.content(index);
            let into = (offset - content.start) as usize;
            let left = (content.end - offset) as usize;
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
        assert!(file.table.frames() > 8, "{} frames", file.table.frames());
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
        let table = good.len() - 9 - 8 * file.table.frames();
        lies[table + 4] ^= 1;
        let mut buffer = [0; 10];
        let error = open(&lies, u64::MAX).unwrap().unwrap().read_exact_at(&mut buffer, 0);
        assert!(error.unwrap_err().to_string().contains("seek table"));
    }
}
