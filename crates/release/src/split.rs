//! Cutting a file into parts.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use osb_checksum::{Digest, Sha256Reader, Sha256Writer};

use crate::error::ReleaseError;
use crate::parts::{Manifest, Part, PartsError};

/// Bytes that are copied at a time.
const STEP: usize = 1 << 20;

/// Cuts the file `name` of `folder` into parts of at most `limit` bytes, and removes it. `expected` is
/// what `SHA256SUMS` says of it. Nothing is done, and `None` returned, if it is not larger.
///
/// Parts have temporary names until the digest fits, the manifest is written last, and the file
/// removed after that: there is the whole or all of its parts at any moment. Parts and a manifest that
/// lie there are never written over: they may be the only good copy. Those of an interrupted cut,
/// without a manifest, are.
///
/// # Errors
/// If it is in parts already, is not what it should be (nothing is left of the parts then), would have too many parts, or
/// cannot be read or written.
pub fn split(
    folder: &Path,
    name: &str,
    expected: Digest,
    limit: u64,
    stop: &AtomicBool,
) -> Result<Option<Manifest>, ReleaseError> {
    let path = folder.join(name);
    let file = File::open(&path).map_err(ReleaseError::io("opening", &path))?;
    let size = file.metadata().map_err(ReleaseError::io("looking at", &path))?.len();
    if size <= limit || limit == 0 {
        return Ok(None);
    }
    let place = folder.display().to_string();
    let target = folder.join(Manifest::file_name(name));
    if fs::symlink_metadata(&target).is_ok() {
        return Err(ReleaseError::InTheWay { path: target });
    }
    if size.div_ceil(limit) > Manifest::most() as u64 {
        let source = PartsError::TooMany { name: name.to_owned() };
        return Err(ReleaseError::Parts { place, source });
    }
    let manifest = write_parts(folder, name, file, limit, stop).and_then(|manifest| {
        if manifest.sha256 == expected {
            return Ok(manifest);
        }
        let link = format!("{name} is not what SHA256SUMS says");
        Err(ReleaseError::Contradiction { place, link })
    });
    let count = size.div_ceil(limit) as usize;
    let manifest = manifest.inspect_err(|_| remove_parts(folder, name, count))?;
    // Without a manifest parts are nobody's, and more than these would be of another cut.
    for number in 0..Manifest::most() {
        let path = folder.join(Manifest::part_name(name, number));
        let result = match number < manifest.parts.len() {
            true => fs::rename(partial(folder, name, number), &path),
            false if fs::symlink_metadata(&path).is_ok() => fs::remove_file(&path),
            false => Ok(()),
        };
        result.map_err(ReleaseError::io("renaming", &path))?;
    }
    write_whole(&target, manifest.to_json().as_bytes())?;
    fs::remove_file(&path).map_err(ReleaseError::io("removing", &path))?;
    Ok(Some(manifest))
}

fn write_parts(
    folder: &Path,
    name: &str,
    file: File,
    limit: u64,
    stop: &AtomicBool,
) -> Result<Manifest, ReleaseError> {
    let source = folder.join(name);
    let mut whole = Sha256Reader::new(file);
    let (mut parts, mut size) = (Vec::new(), 0);
    let mut buffer = vec![0; STEP];
    loop {
        let part_name = Manifest::part_name(name, parts.len());
        let path = partial(folder, name, parts.len());
        let fail = || ReleaseError::io("writing", &path);
        let mut out = None;
        let mut piece = (&mut whole).take(limit);
        loop {
            if stop.load(Ordering::Relaxed) {
                return Err(ReleaseError::Interrupted);
            }
            let len = piece.read(&mut buffer).map_err(ReleaseError::io("reading", &source))?;
            if len == 0 {
                break;
            }
            if out.is_none() {
                out = Some(Sha256Writer::new(File::create(&path).map_err(fail())?));
            }
            if let Some(out) = &mut out {
                out.write_all(&buffer[..len]).map_err(fail())?;
            }
        }
        // Without a byte the part before was the last.
        let Some(out) = out else { break };
        let (out, sha256, len) = out.finish();
        out.sync_all().map_err(fail())?;
        size += len;
        parts.push(Part { name: part_name, size: len, sha256 });
    }
    let (_, sha256, _) = whole.finish();
    Ok(Manifest { name: name.to_owned(), size, sha256, parts })
}

/// Where a part is written before it is one.
fn partial(folder: &Path, name: &str, number: usize) -> PathBuf {
    folder.join(format!(".{}.partial", Manifest::part_name(name, number)))
}

/// Takes away what was written before it failed.
fn remove_parts(folder: &Path, name: &str, count: usize) {
    for number in 0..count {
        // It may never have been there.
        drop(fs::remove_file(partial(folder, name, number)));
    }
}

/// Writes a small file that is there whole or not at all.
///
/// # Errors
/// If it cannot be written.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), ReleaseError> {
    let fail = || ReleaseError::io("writing", path);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let partial = path.with_file_name(format!(".{name}.partial"));
    let write = || -> io::Result<()> {
        let mut file = File::create(&partial)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&partial, path)
    };
    write().inspect_err(|_| drop(fs::remove_file(&partial))).map_err(fail())
}
