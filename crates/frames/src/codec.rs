//! A piece, compressed: a gzip member or a zstd frame, the same bytes on every machine.
//!
//! Gzip is made by libdeflate, which takes a whole piece at once: of the default image's archive its
//! level 6 makes 2 % less than zlib-rs' in two thirds of the time.

use std::io::{self, Write};

use libdeflater::{CompressionLvl, Compressor as Deflate};
use osb_checksum::{Digest, Fingerprint};
use zstd::bulk::Compressor;
use zstd::stream::write::Encoder;
use zstd::zstd_safe::{self, CParameter};

/// What makes gzip members. The libraries do not tell their versions, and each may compress in its
/// own way: a test compares this with Cargo.lock.
const GZIP_LIBRARY: &str = "libdeflater 1.26.1, libdeflate-sys 1.26.1";
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
        /// 0 (stored) to 12, as libdeflate has them; higher values count as 12.
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
                // No level up to 12 is refused.
                let level = CompressionLvl::new(level.min(12) as i32).unwrap_or_default();
                let mut deflate = Deflate::new(level);
                match piece {
                    Piece::Data(bytes) => append_member(&mut deflate, bytes, out),
                    Piece::Zeros(len) => append_zeros(&mut deflate, *len, out),
                }
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

/// Appends a gzip member. Its header has neither a time nor an operating system.
fn append_member(deflate: &mut Deflate, bytes: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
    let start = out.len();
    out.resize(start + deflate.gzip_compress_bound(bytes.len()), 0);
    let len = deflate.gzip_compress(bytes, &mut out[start..]).map_err(io::Error::other)?;
    out.truncate(start + len);
    Ok(())
}

/// Appends members of zeroes. libdeflate wants all that it compresses at once; instead of so many
/// zeroes it gets some, and what comes of them is repeated.
fn append_zeros(deflate: &mut Deflate, len: u64, out: &mut Vec<u8>) -> io::Result<()> {
    let size = ZEROS.len() as u64;
    if len >= size {
        let start = out.len();
        append_member(deflate, &ZEROS, out)?;
        let end = out.len();
        (1..len / size).for_each(|_| out.extend_from_within(start..end));
    }
    match len % size {
        0 if len > 0 => Ok(()),
        rest => append_member(deflate, &ZEROS[..rest as usize], out),
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
        let used =
            ["libdeflater", "libdeflate-sys"].map(|name| format!("{name} {}", version(name)));
        assert_eq!(GZIP_LIBRARY, used.join(", "), "the constant must follow Cargo.lock");
    }
}
