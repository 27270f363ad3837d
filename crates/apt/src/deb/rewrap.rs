//! The same package without compression.
//!
//! Decompressing is most of the cost of unpacking a package. A package whose `data.tar` is stored
//! plainly is unpacked by any dpkg at the speed of a copy, so each package is re-wrapped once,
//! checked on the way, and kept.

use std::fs::Permissions;
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::ar::{HEADER, MAGIC, write_header};
use super::fault::{DebError, DebFault};
use super::package::{CHUNK, Deb, Limits, walk};

/// What a package contains.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Bytes of all regular files; hard links count once.
    pub installed_bytes: u64,
    /// Files, directories and links.
    pub entries: u64,
}

/// Writes `deb` again to `out` with an uncompressed `data.tar`; every other byte of content stays.
/// The output is a function of the input's content, and appears under its name only when complete.
///
/// # Errors
/// The package is damaged, hostile or larger than `limits`, or `out` cannot be written.
pub fn rewrap_plain(deb: &Path, out: &Path, limits: &Limits) -> Result<Summary, DebError> {
    let package = Deb::open(deb)?;
    rewrap(&package, out, limits).map_err(|fault| fault.at(deb))
}

fn rewrap(package: &Deb, out: &Path, limits: &Limits) -> Result<Summary, DebFault> {
    let writing = |e| DebFault::io("writing the re-wrapped package")(e);
    let layout = package.layout();
    // The control archive is copied as it is, but what dpkg will read from it is checked, too.
    package.control().map_err(|e| e.fault)?;

    let directory = out.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new()
        .prefix(".rewrap-")
        .permissions(Permissions::from_mode(0o644))
        .tempfile_in(directory)
        .map_err(writing)?;
    file.write_all(MAGIC).map_err(writing)?;
    write_header(&mut file, "debian-binary", layout.format.len() as u64).map_err(writing)?;
    file.write_all(&layout.format).map_err(writing)?;
    pad(&mut file, layout.format.len() as u64).map_err(writing)?;

    let control = &layout.control;
    write_header(&mut file, &control.name, control.span.size).map_err(writing)?;
    let mut raw = package.raw_member(control)?;
    if io::copy(&mut raw, &mut file).map_err(writing)? != control.span.size {
        return Err(DebFault::Malformed("it became shorter while being read".into()));
    }
    pad(&mut file, control.span.size).map_err(writing)?;

    // The size of the data is known only afterwards.
    let header_at = file.stream_position().map_err(writing)?;
    file.seek(SeekFrom::Current(HEADER as i64)).map_err(writing)?;
    let mut summary = Summary::default();
    let mut copied = 0;
    let input = package.decompressed(&layout.data, limits.data_bytes)?;
    let input = Tee { input, out: file.as_file_mut(), copied: &mut copied };
    let input = BufReader::with_capacity(CHUNK, input);
    walk(input, limits.entries, &mut |entry, _| {
        summary.entries += 1;
        summary.installed_bytes += entry.size;
        Ok(())
    })?;
    pad(&mut file, copied).map_err(writing)?;
    file.seek(SeekFrom::Start(header_at)).map_err(writing)?;
    write_header(&mut file, "data.tar", copied).map_err(writing)?;
    // The name promises that the contents were checked; they must be on disk before it is.
    file.as_file().sync_all().map_err(writing)?;
    file.persist(out).map_err(|e| writing(e.error))?;
    Ok(summary)
}

/// `ar` members begin at even offsets.
fn pad(out: &mut impl Write, size: u64) -> io::Result<()> {
    if size % 2 == 1 { out.write_all(b"\n") } else { Ok(()) }
}

/// Writes everything that is read through it.
struct Tee<'a, R, W> {
    input: R,
    out: W,
    copied: &'a mut u64,
}

impl<R: Read, W: Write> Read for Tee<'_, R, W> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.input.read(buffer)?;
        self.out.write_all(&buffer[..length])?;
        *self.copied += length as u64;
        Ok(length)
    }
}
