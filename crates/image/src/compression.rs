//! Compressed streams, told by their first bytes.

use std::io::{self, BufRead, BufReader, Read};

use flate2::bufread::GzDecoder;

/// Bytes that are decompressed at a time, and the least hole.
pub(crate) const CHUNK: usize = 128 << 10;
/// What an xz stream may need to be decompressed, in bytes: `xz -9` needs 65 MiB.
const XZ_MEMORY: u64 = 256 << 20;

/// A compression that osb reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// gzip (RFC 1952).
    Gzip,
    /// Zstandard (RFC 8878).
    Zstd,
    /// The .xz file format.
    Xz,
}

impl Compression {
    /// By the first bytes, of which six are enough; `None` for everything else.
    pub fn of(head: &[u8]) -> Option<Self> {
        match head {
            [0x1F, 0x8B, ..] => Some(Compression::Gzip),
            // A frame, or a skippable one, whose magic number ends in any half byte.
            [0x28, 0xB5, 0x2F, 0xFD, ..] | [0x50..=0x5F, 0x2A, 0x4D, 0x18, ..] => {
                Some(Compression::Zstd)
            }
            [0xFD, b'7', b'z', b'X', b'Z', 0, ..] => Some(Compression::Xz),
            _ => None,
        }
    }

    /// A reader over all members or frames of `file`, which it reads to its end: what is behind them
    /// is an error. An xz stream that needs more memory than anybody's is one, too.
    ///
    /// # Errors
    /// If there is no memory.
    pub fn decoder<'a>(self, file: impl Read + Send + 'a) -> io::Result<Box<dyn Read + Send + 'a>> {
        let file = BufReader::with_capacity(CHUNK, file);
        Ok(match self {
            Compression::Gzip => Box::new(Members(Some(GzDecoder::new(file)))),
            Compression::Zstd => Box::new(zstd::stream::read::Decoder::with_buffer(file)?),
            Compression::Xz => {
                let flags = liblzma::stream::CONCATENATED;
                let stream = liblzma::stream::Stream::new_stream_decoder(XZ_MEMORY, flags)?;
                Box::new(liblzma::bufread::XzDecoder::new_stream(file, stream))
            }
        })
    }
}

/// All members of a gzip file, and zeroes behind the last one, which tapes and disks leave there
/// and gzip takes for padding, too. `None` at the end.
struct Members<R>(Option<GzDecoder<R>>);

impl<R: BufRead> Read for Members<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(mut member) = self.0.take() {
            let len = member.read(buffer)?;
            if len > 0 || buffer.is_empty() {
                self.0 = Some(member);
                return Ok(len);
            }
            let mut rest = member.into_inner();
            if rest.fill_buf()?.first().is_some_and(|byte| *byte != 0) {
                self.0 = Some(GzDecoder::new(rest));
            } else {
                only_zeroes(rest)?;
            }
        }
        Ok(0)
    }
}

fn only_zeroes(mut rest: impl BufRead) -> io::Result<()> {
    loop {
        let part = rest.fill_buf()?;
        if part.is_empty() {
            return Ok(());
        }
        if part.iter().any(|byte| *byte != 0) {
            let problem = "there is something behind the last member and zeroes";
            return Err(io::Error::new(io::ErrorKind::InvalidData, problem));
        }
        let len = part.len();
        rest.consume(len);
    }
}
