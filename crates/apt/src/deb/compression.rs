//! The compressions of packages (deb(5)) and indices that occur today, in bounded memory.

use std::io::{self, BufRead, Read};

use liblzma::stream::{CONCATENATED, Stream};

/// Memory an xz stream may ask for. `xz -9` needs 65 MiB.
const XZ_MEMORY: u64 = 256 << 20;

/// How a tar member is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    None,
    /// `.gz`
    Gzip,
    /// `.xz`
    Xz,
    /// `.zst`
    Zstd,
}

impl Compression {
    /// What a file's name ends with.
    pub(crate) fn ending(self) -> &'static str {
        match self {
            Compression::None => "",
            Compression::Gzip => ".gz",
            Compression::Xz => ".xz",
            Compression::Zstd => ".zst",
        }
    }

    /// From what follows `.tar` in a member's name.
    pub(crate) fn from_ending(ending: &str) -> Option<Compression> {
        match ending {
            "" => Some(Compression::None),
            ".gz" => Some(Compression::Gzip),
            ".xz" => Some(Compression::Xz),
            ".zst" => Some(Compression::Zstd),
            _ => None,
        }
    }

    /// Decompresses `input`, in bounded memory: zstd windows above 128 MiB (its default) and xz
    /// streams that need more than 256 MiB are errors.
    pub(crate) fn decode<'a, R: BufRead + 'a>(self, input: R) -> io::Result<Box<dyn Read + 'a>> {
        Ok(match self {
            Compression::None => Box::new(input),
            Compression::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(input)),
            Compression::Xz => {
                let stream = Stream::new_stream_decoder(XZ_MEMORY, CONCATENATED)?;
                Box::new(liblzma::bufread::XzDecoder::new_stream(input, stream))
            }
            Compression::Zstd => Box::new(zstd::stream::read::Decoder::with_buffer(input)?),
        })
    }
}
