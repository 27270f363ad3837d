//! Decompression into a file that has no name and is sparse where the content is zeroes.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use crate::compression::{CHUNK, Compression};
use crate::error::Fault;

/// Decompresses `file`, at most `limit` bytes, into a new file in the folder `scratch`; the file
/// and its length.
pub(crate) fn decompress(
    file: impl Read + Send,
    compression: Compression,
    scratch: &Path,
    limit: u64,
) -> Result<(File, u64), Fault> {
    let mut out = tempfile::tempfile_in(scratch).map_err(Fault::io("making a temporary file"))?;
    let mut decoder = compression.decoder(file).map_err(Fault::io("decompressing"))?;
    let mut buffer = vec![0; CHUNK];
    let mut len = 0;
    loop {
        let filled = fill(&mut decoder, &mut buffer).map_err(Fault::io("decompressing"))?;
        let part = &buffer[..filled];
        len += filled as u64;
        if len > limit {
            let text = format!("it decompresses to more than {} MiB", limit >> 20);
            return Err(Fault::Limit(text));
        }
        if part.iter().all(|byte| *byte == 0) {
            out.seek(SeekFrom::Start(len)).map(drop)
        } else {
            out.write_all(part)
        }
        .map_err(Fault::io("writing a temporary file"))?;
        if filled < CHUNK {
            break;
        }
    }
    // A hole at the end has not made the file longer.
    out.set_len(len).map_err(Fault::io("writing a temporary file"))?;
    Ok((out, len))
}

/// Fills the buffer, unless the end comes before.
fn fill(reader: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match reader.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(len) => filled += len,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content() -> Vec<u8> {
        let mut content = vec![7; CHUNK + 5];
        content.resize(10 * CHUNK + 3, 0);
        content
    }

    fn back(bytes: &[u8]) -> Vec<u8> {
        let folder = tempfile::tempdir().unwrap();
        let compression = Compression::of(bytes).unwrap();
        let (mut file, len) = decompress(bytes, compression, folder.path(), u64::MAX).unwrap();
        let mut out = Vec::new();
        file.seek(SeekFrom::Start(0)).unwrap();
        file.read_to_end(&mut out).unwrap();
        assert_eq!(out.len() as u64, len);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        out
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn zstd(bytes: &[u8]) -> Vec<u8> {
        ::zstd::encode_all(bytes, 1).unwrap()
    }

    #[test]
    fn several_members_and_frames_are_one_content() {
        let content = content();
        let (one, other) = content.split_at(1000);
        assert!(back(&[gzip(one), gzip(other)].concat()) == content);
        assert!(back(&[gzip(one), gzip(other), vec![0; 300_000]].concat()) == content);
        // A seek table is a skippable frame; others may stand before the first frame.
        let skip = [&[0x5E, 0x2A, 0x4D, 0x18, 3, 0, 0, 0][..], b"abc"].concat();
        assert!(back(&[&skip[..], &zstd(one), &zstd(other), &skip].concat()) == content);
        let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 1);
        xz.write_all(&content).unwrap();
        assert!(back(&xz.finish().unwrap()) == content);
    }

    #[test]
    fn the_limit_holds_and_damage_is_an_error() {
        let bytes = zstd(&content());
        let folder = tempfile::tempdir().unwrap();
        let limited = decompress(&bytes[..], Compression::Zstd, folder.path(), 1 << 20);
        assert!(matches!(limited, Err(Fault::Limit(_))), "{limited:?}");
        let other = [gzip(b"a"), vec![0; 10], vec![1]].concat();
        let result = decompress(&other[..], Compression::Gzip, folder.path(), u64::MAX);
        assert!(result.unwrap_err().to_string().contains("behind the last member"));
        for bytes in [bytes, gzip(&content())] {
            let cut = &bytes[..bytes.len() - 3];
            let compression = Compression::of(cut).unwrap();
            let result = decompress(cut, compression, folder.path(), u64::MAX);
            assert!(matches!(result, Err(Fault::Io { .. })), "{compression:?}: {result:?}");
        }
    }
}
