//! A piece, compressed: a gzip member or a zstd frame, the same bytes on every machine.

use std::io::{self, Write};

use flate2::{Compression, GzBuilder};
use osb_checksum::{Digest, Fingerprint};
use zstd::bulk::Compressor;
use zstd::stream::write::Encoder;
use zstd::zstd_safe::{self, CParameter};

/// The header's field OS: unknown, whatever this machine is (RFC 1952, section 2.3.1).
const OS_UNKNOWN: u8 = 255;

/// What makes gzip members. The libraries do not tell their versions, and each may compress in its
/// own way: a test compares this with Cargo.lock.
const GZIP_LIBRARY: &str = "flate2 1.1.10, zlib-rs 0.6.8";
/// Raised when the same piece would become other bytes because the library is used in another way.
/// The test `the_same_bytes_as_ever` fails then.
const GZIP_VERSION: u32 = 1;
/// As [`GZIP_VERSION`], for what the library's own version does not tell.
const ZSTD_VERSION: u32 = 1;

/// Zeroes that are handed to a compressor at a time.
static ZEROS: [u8; 256 << 10] = [0; 256 << 10];

/// How pieces are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Codec {
    /// Gzip members (RFC 1952, section 2.2), which any reader takes for one file.
    Gzip {
        /// 0 (stored) to 9; higher values count as 9.
        level: u32,
    },
    /// Zstandard frames (RFC 8878) with the size of their content and a checksum, and a seek table
    /// behind them.
    Zstd {
        /// 1 to 22.
        level: i32,
    },
}

/// What a piece holds.
pub(crate) enum Piece {
    Data(Vec<u8>),
    Zeros(u64),
}

impl Piece {
    /// Length in bytes.
    pub(crate) fn len(&self) -> u64 {
        match self {
            Piece::Data(bytes) => bytes.len() as u64,
            Piece::Zeros(len) => *len,
        }
    }
}

impl Codec {
    /// The name of what `piece` becomes: of its bytes, and of everything that turns them into
    /// others.
    pub(crate) fn key(self, piece: &Piece) -> Digest {
        let mut name = Fingerprint::new();
        match self {
            Codec::Gzip { level } => {
                name.update(format!("gzip {GZIP_LIBRARY} {GZIP_VERSION} {level}").as_bytes());
            }
            Codec::Zstd { level } => {
                let library = zstd_safe::version_string();
                name.update(format!("zstd {library} {ZSTD_VERSION} {level}").as_bytes());
            }
        }
        match piece {
            Piece::Data(bytes) => {
                name.update(b" data ");
                name.update(bytes);
            }
            Piece::Zeros(len) => name.update(format!(" zeros {len}").as_bytes()),
        }
        name.finish()
    }

    /// Appends the compressed piece to `out`.
    pub(crate) fn compress(self, piece: &Piece, out: &mut Vec<u8>) -> io::Result<()> {
        match self {
            Codec::Gzip { level } => {
                let mut encoder = GzBuilder::new()
                    .mtime(0)
                    .operating_system(OS_UNKNOWN)
                    .write(out, Compression::new(level.min(9)));
                match piece {
                    Piece::Data(bytes) => encoder.write_all(bytes)?,
                    Piece::Zeros(len) => write_zeros(&mut encoder, *len)?,
                }
                encoder.finish().map(drop)
            }
            Codec::Zstd { level } => match piece {
                // Both write the length into the frame's header, so that decoders know it before.
                Piece::Data(bytes) => {
                    // A new one each time: what it keeps of the piece before must not matter.
                    let mut compressor = Compressor::new(level)?;
                    compressor.set_parameter(CParameter::ChecksumFlag(true))?;
                    out.reserve(zstd_safe::compress_bound(bytes.len()));
                    compressor.compress_to_buffer(bytes, out).map(drop)
                }
                Piece::Zeros(len) => {
                    let mut encoder = Encoder::new(out, level)?;
                    encoder.include_checksum(true)?;
                    encoder.set_pledged_src_size(Some(*len))?;
                    write_zeros(&mut encoder, *len)?;
                    encoder.finish().map(drop)
                }
            },
        }
    }

    /// What follows all pieces, given the compressed and the plain size of each.
    pub(crate) fn trailer(self, sizes: &[(u64, u64)]) -> io::Result<Vec<u8>> {
        match self {
            Codec::Gzip { .. } => Ok(Vec::new()),
            Codec::Zstd { .. } => crate::seek::table(sizes),
        }
    }
}

fn write_zeros(out: &mut impl Write, mut len: u64) -> io::Result<()> {
    while len > 0 {
        let step = len.min(ZEROS.len() as u64);
        out.write_all(&ZEROS[..step as usize])?;
        len -= step;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Another version may make other bytes, and must not find those of the former one.
    #[test]
    fn the_key_names_the_libraries_that_are_used() {
        let lock = include_str!("../../../Cargo.lock");
        let version = |name: &str| {
            let package = format!("name = \"{name}\"\nversion = \"");
            let found: Vec<&str> = lock.split(&package).skip(1).collect();
            assert_eq!(found.len(), 1, "one version of {name}");
            found[0].split('"').next().unwrap().to_owned()
        };
        let used = ["flate2", "zlib-rs"].map(|name| format!("{name} {}", version(name)));
        assert_eq!(GZIP_LIBRARY, used.join(", "), "the constant must follow Cargo.lock");
    }
}
