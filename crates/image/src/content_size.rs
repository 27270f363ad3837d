//! How much a zstd file decompresses to, without decompressing it.
//!
//! Frames say so in their headers, if whoever made them knew, and their blocks say how long they are
//! (RFC 8878, section 3.1.1): the frames of a file are found by reading a few bytes of each block.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use crate::bytes::Bytes;

/// `Magic_Number` of a frame, and of skippable ones without the half byte that they may choose.
const FRAME: u32 = 0xFD2F_B528;
const SKIPPABLE: u32 = 0x184D_2A50;
/// Most bytes of a frame's header, and those of a block's.
const HEADER: usize = 18;
const BLOCK: usize = 3;
/// Most blocks that are looked at: 64 GiB have half of it if each is as long as blocks are.
const MOST_BLOCKS: u32 = 1 << 20;

/// Bytes that the frames of `file`, which has `len` bytes, say that they decompress to; `None` if one
/// does not say it, or something else than frames is there.
///
/// # Errors
/// If the file cannot be read.
pub fn zstd_content_size(file: &File, len: u64) -> io::Result<Option<u64>> {
    let mut walk = Walk { file, len, at: 0, blocks: 0 };
    let mut total = 0_u64;
    while walk.at < len {
        match walk.frame()?.and_then(|size| total.checked_add(size)) {
            Some(sum) => total = sum,
            None => return Ok(None),
        }
    }
    Ok(Some(total))
}

struct Walk<'a> {
    file: &'a File,
    len: u64,
    /// Where the next frame or block begins.
    at: u64,
    blocks: u32,
}

impl Walk<'_> {
    /// Passes over a frame; its content's size.
    fn frame(&mut self) -> io::Result<Option<u64>> {
        let header = self.peek::<HEADER>()?;
        let magic = Bytes(&header).u32(0);
        if magic & !15 == SKIPPABLE {
            let length = Bytes(&header).u32(4);
            return Ok(self.pass(8 + u64::from(length)).then_some(0));
        }
        let descriptor = header[4];
        // The fifth bit is reserved.
        if magic != FRAME || descriptor & 8 != 0 {
            return Ok(None);
        }
        let one_segment = descriptor & 0x20 != 0;
        let window = usize::from(!one_segment);
        let dictionary = [0, 1, 2, 4][usize::from(descriptor & 3)];
        let at = 5 + window + dictionary;
        let fields = Bytes(&header);
        let (size, length) = match descriptor >> 6 {
            0 if one_segment => (u64::from(fields.u8(at)), 1),
            0 => return Ok(None),
            1 => (u64::from(fields.u16(at)) + 256, 2),
            2 => (u64::from(fields.u32(at)), 4),
            _ => (fields.u64(at), 8),
        };
        if !self.pass((at + length) as u64) {
            return Ok(None);
        }
        while let Some((last, length)) = self.block()? {
            if !self.pass(length) {
                break;
            }
            if last {
                let checksum = if descriptor & 4 != 0 { 4 } else { 0 };
                return Ok(self.pass(checksum).then_some(size));
            }
        }
        Ok(None)
    }

    /// Whether the next block is a frame's last, and its length with its header.
    fn block(&mut self) -> io::Result<Option<(bool, u64)>> {
        self.blocks += 1;
        if self.blocks > MOST_BLOCKS {
            return Ok(None);
        }
        let [a, b, c] = self.peek::<BLOCK>()?;
        let header = u32::from_le_bytes([a, b, c, 0]);
        let length = match header >> 1 & 3 {
            // One byte that is repeated.
            1 => 1,
            3 => return Ok(None),
            _ => u64::from(header >> 3),
        };
        Ok(Some((header & 1 != 0, BLOCK as u64 + length)))
    }

    /// The next bytes; zeroes behind the end.
    fn peek<const N: usize>(&self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        let there = usize::try_from(self.len - self.at).unwrap_or(N).min(N);
        self.file.read_exact_at(&mut bytes[..there], self.at)?;
        Ok(bytes)
    }

    /// Goes on, unless the file ends before.
    fn pass(&mut self, length: u64) -> bool {
        let end = self.at.checked_add(length).filter(|end| *end <= self.len);
        self.at = end.unwrap_or(self.at);
        end.is_some()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn size(bytes: &[u8]) -> Option<u64> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        zstd_content_size(&file, bytes.len() as u64).unwrap()
    }

    fn told(bytes: &[u8]) -> Vec<u8> {
        zstd::bulk::compress(bytes, 1).unwrap()
    }

    #[test]
    fn frames_that_tell_are_added_up() {
        let noise: Vec<u8> = (0..600_000_u32).map(|n| (n.wrapping_mul(n) >> 7) as u8).collect();
        for content in [&noise[..0], &noise[..200], &noise[..300], &noise[..70_000], &noise] {
            assert_eq!(size(&told(content)), Some(content.len() as u64));
        }
        let zeroes = vec![0; 3 << 20];
        let skip = [&[0x5E, 0x2A, 0x4D, 0x18, 3, 0, 0, 0][..], b"abc"].concat();
        let frames = [skip.clone(), told(&zeroes), told(&noise), skip].concat();
        assert_eq!(size(&frames), Some((3 << 20) + 600_000));
        assert_eq!(size(b""), Some(0));
    }

    #[test]
    fn what_does_not_tell_is_not_known() {
        let frame = told(&[7; 100_000]);
        let streamed = zstd::encode_all(&[7; 100_000][..], 1).unwrap();
        assert_eq!(size(&streamed), None);
        assert_eq!(size(&[frame.clone(), streamed].concat()), None);
        assert_eq!(size(&frame[..frame.len() - 1]), None);
        assert_eq!(size(&[&frame[..], b"more"].concat()), None);
        assert_eq!(size(&frame[..4]), None);
    }
}
