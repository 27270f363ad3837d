//! One frame, decompressed.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use osb_image::SeekTable;

use super::len;

/// Compressed frames of more bytes get memory of their own each time.
const LARGE: usize = 4 << 20;

/// A decompressor, and memory for what it reads.
#[derive(Default)]
pub(super) struct Decoder {
    context: Option<zstd::bulk::Decompressor<'static>>,
    packed: Vec<u8>,
}

impl Decoder {
    /// Reads a frame.
    pub(super) fn read(&mut self, file: &File, table: &SeekTable, index: usize) -> io::Result<()> {
        let (plain, packed) = (len(table.content(index)), len(table.packed(index)));
        // More than a frame takes that cannot be compressed, and some more.
        if packed > 2 * zstd::zstd_safe::compress_bound(plain) {
            return Err(damaged(index, &format!("{packed} bytes for a content of {plain}")));
        }
        self.packed.resize(packed, 0);
        file.read_exact_at(&mut self.packed, table.packed(index).start)
    }

    /// Puts the content of the frame that was read into `content`, which has room for it: exactly as
    /// many bytes as the table says.
    pub(super) fn decompress(
        &mut self,
        table: &SeekTable,
        index: usize,
        content: &mut Vec<u8>,
    ) -> io::Result<()> {
        let mut context = match self.context.take() {
            Some(context) => context,
            None => zstd::bulk::Decompressor::new()?,
        };
        let done = context.decompress_to_buffer(&self.packed, content);
        self.context = Some(context);
        if self.packed.len() > LARGE {
            self.packed = Vec::new();
        }
        let found = done.map_err(|error| damaged(index, &error.to_string()))?;
        match len(table.content(index)) {
            expected if found == expected => Ok(()),
            expected => {
                let text = format!("it has {found} bytes, and the seek table says {expected}");
                Err(damaged(index, &text))
            }
        }
    }
}

fn damaged(index: usize, problem: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("frame {index}: {problem}"))
}
