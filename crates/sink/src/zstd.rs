//! A zstd frame whose bytes do not depend on the machine.

use std::io::{self, Write};

use ::zstd::stream::write::Encoder;

use crate::Sink;
use crate::zero::write_zeros;

/// Compresses into a writer as one zstd frame, on several threads.
///
/// The frame's header holds the length of the content, its end a checksum, so a reader knows the
/// size of the disk before it writes and `zstd -t` finds damage.
pub struct ZstdSink<W: Write>(Encoder<'static, W>);

impl<W: Write> ZstdSink<W> {
    /// Starts a frame of exactly `content_size` bytes at the given level.
    ///
    /// The library's multi-threaded mode is used for any number of `threads` (0 counts as 1): it
    /// cuts the input into jobs by level and size only, so 1, 2 and 64 threads give the same
    /// bytes, while its single-threaded mode gives others.
    pub fn create(out: W, level: i32, threads: u32, content_size: u64) -> io::Result<Self> {
        let mut encoder = Encoder::new(out, level)?;
        encoder.include_checksum(true)?;
        encoder.include_contentsize(true)?;
        encoder.set_pledged_src_size(Some(content_size))?;
        encoder.multithread(threads.max(1))?;
        Ok(ZstdSink(encoder))
    }

    /// Ends the frame and returns the writer, not flushed.
    ///
    /// # Errors
    /// If the sink did not see exactly the announced number of bytes, or writing fails.
    pub fn finish(self) -> io::Result<W> {
        self.0.finish()
    }
}

impl<W: Write> Sink for ZstdSink<W> {
    fn data(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes)
    }

    fn zeros(&mut self, len: u64) -> io::Result<()> {
        write_zeros(&mut self.0, len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Five mebibytes, half of them compressible, with a zero region in the middle.
    fn feed(sink: &mut dyn Sink, step: usize) -> u64 {
        let mut state = 1u32;
        let noise: Vec<u8> = (0..2 << 20)
            .map(|index: u32| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                if index.is_multiple_of(2) { 0 } else { (state >> 24) as u8 }
            })
            .collect();
        for part in noise.chunks(step) {
            sink.data(part).unwrap();
        }
        sink.zeros(1 << 20).unwrap();
        for part in noise.chunks(step) {
            sink.data(part).unwrap();
        }
        5 << 20
    }

    fn frame(threads: u32, step: usize) -> Vec<u8> {
        let mut sink = ZstdSink::create(Vec::new(), 3, threads, 5 << 20).unwrap();
        feed(&mut sink, step);
        sink.finish().unwrap()
    }

    #[test]
    fn it_comes_back_the_same() {
        let mut plain = crate::WriteSink::new(Vec::new());
        feed(&mut plain, 1000);
        let back = ::zstd::decode_all(&frame(2, 4096)[..]).unwrap();
        assert!(back == plain.into_inner());
    }

    #[test]
    fn bytes_depend_neither_on_threads_nor_on_write_sizes() {
        let one = frame(1, 1 << 20);
        assert!(frame(0, 1 << 20) == one);
        assert!(frame(2, 4096) == one);
        assert!(frame(4, 777) == one);
    }

    #[test]
    fn the_header_holds_size_and_checksum_flag() {
        let bytes = frame(1, 1 << 20);
        let size = ::zstd::zstd_safe::get_frame_content_size(&bytes).unwrap();
        assert_eq!(size, Some(5 << 20));
        // Frame_Header_Descriptor, bit 2: Content_Checksum_flag (RFC 8878, 3.1.1.1.1).
        assert_eq!(bytes[4] & 4, 4);
    }

    #[test]
    fn a_wrong_length_is_an_error() {
        let mut sink = ZstdSink::create(Vec::new(), 3, 1, 10).unwrap();
        sink.zeros(9).unwrap();
        assert!(sink.finish().is_err());
        let mut sink = ZstdSink::create(Vec::new(), 3, 1, 10).unwrap();
        assert!(sink.zeros(11).and_then(|()| sink.finish().map(drop)).is_err());
    }
}
