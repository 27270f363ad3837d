//! Cache entries: checked on the way in, and again on every use.

use std::fs::{self, File};
use std::io::{Read, Seek, Write};
use std::path::Path;
use std::time::Instant;

use osb_checksum::{Digest, parse_hex, to_hex};
use osb_http::{Body, Pace, Resume};
use sha2::{Digest as _, Sha256};
use tempfile::NamedTempFile;

use super::failure::Failure;
use super::{FetchEvent, Fetcher};
use crate::error::{AptError, io};

/// Bytes that are read at once; the cancel flag is looked at in between.
const BLOCK: usize = 128 << 10;

/// A file that is to be in the cache.
pub(super) struct Entry {
    what: String,
    sha256: Digest,
    size: u64,
    url: String,
}

impl Entry {
    /// Checks the digest, which becomes a file name.
    pub(super) fn new(what: String, sha256: &str, size: u64, url: &str) -> Result<Entry, AptError> {
        let url = url.to_owned();
        match parse_hex(sha256) {
            Ok(sha256) => Ok(Entry { what, sha256, size, url }),
            Err(_) => Err(AptError::Digest {
                what,
                url,
                expected: sha256.to_owned(),
                actual: "not looked at: the expected one is not a SHA-256 digest".to_owned(),
            }),
        }
    }

    /// The digest in hexadecimal.
    pub(super) fn hex(&self) -> String {
        to_hex(&self.sha256)
    }

    /// Whether `path` holds exactly this file; if so, it is marked as used now. One that does not
    /// stays until it is replaced: another run may be about to do so.
    pub(super) fn is_good(&self, path: &Path, fetcher: &Fetcher) -> Result<bool, AptError> {
        let Ok(mut file) = File::open(path) else { return Ok(false) };
        let mut hash = Sha256::new();
        let mut length = 0;
        let mut block = vec![0; BLOCK];
        loop {
            fetcher.check_cancelled()?;
            let n = file.read(&mut block).map_err(io("reading", path))?;
            if n == 0 {
                break;
            }
            length += n as u64;
            if length > self.size {
                break;
            }
            hash.update(&block[..n]);
        }
        let good = length == self.size && <[u8; 32]>::from(hash.finalize()) == self.sha256;
        if good {
            let now = rustix::fs::Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_NOW };
            let times = rustix::fs::Timestamps { last_access: now, last_modification: now };
            // A cache that cannot be written serves all the same; its entries only seem older.
            let _ = rustix::fs::futimens(&file, &times);
        }
        Ok(good)
    }

    fn size_error(&self, actual: String) -> Failure {
        let (what, url) = (self.what.clone(), self.url.clone());
        AptError::Size { what, url, expected: self.size, actual }.into()
    }

    fn web_page(&self) -> Failure {
        AptError::WebPage { url: self.url.clone() }.into()
    }

    /// The failure of a body that is announced with another length than this file's.
    fn wrong_length(&self, body: &mut Body, length: u64) -> Failure {
        let mut start = [0; 64];
        match body.read(&mut start) {
            Ok(n) if osb_http::is_web_page(&start[..n]) => self.web_page(),
            _ => self.size_error(format!("{length} bytes")),
        }
    }
}

/// A file on its way in: what has arrived so far, and its running digest.
struct Partial {
    file: NamedTempFile,
    hash: Sha256,
    length: u64,
    validator: Option<String>,
}

impl Partial {
    fn clear(&mut self, path: &Path) -> Result<(), AptError> {
        self.file.as_file().set_len(0).map_err(io("emptying", path))?;
        self.file.rewind().map_err(io("emptying", path))?;
        (self.hash, self.length, self.validator) = (Sha256::new(), 0, None);
        Ok(())
    }
}

impl Fetcher {
    /// Fetches an entry to `path`.
    pub(super) fn download(
        &self,
        entry: &Entry,
        path: &Path,
        progress: &(dyn Fn(FetchEvent<'_>) + Sync),
    ) -> Result<(), AptError> {
        self.forbid_network(&entry.what, &entry.url)?;
        let mut partial = Partial {
            file: temporary_beside(path)?,
            hash: Sha256::new(),
            length: 0,
            validator: None,
        };
        let result = self.retry(&entry.url, |_| self.attempt(entry, path, &mut partial, progress));
        if result.is_err() {
            progress(FetchEvent::Discarded(partial.length));
        }
        result?;
        persist(partial.file, path)
    }

    /// One attempt, going on where the last one stopped if that can be done safely.
    fn attempt(
        &self,
        entry: &Entry,
        path: &Path,
        partial: &mut Partial,
        progress: &(dyn Fn(FetchEvent<'_>) + Sync),
    ) -> Result<(), Failure> {
        let resume = match &partial.validator {
            Some(validator) if partial.length > 0 && partial.length < entry.size => Some(Resume {
                offset: partial.length,
                size: entry.size,
                validator: validator.clone(),
            }),
            _ => None,
        };
        // Whatever happens before the next answer is complete, it is not resumed twice blindly.
        let validator = partial.validator.take();
        let mut body = self.transport.open(&entry.url, resume.as_ref())?;
        if body.offset == 0 {
            progress(FetchEvent::Discarded(partial.length));
            partial.clear(path)?;
            partial.validator = body.validator.take();
        } else {
            partial.validator = validator;
        }
        if let Some(length) = body.length
            && length != entry.size - partial.length
        {
            return Err(entry.wrong_length(&mut body, partial.length + length));
        }
        let resumed = partial.length > 0;
        let mut block = vec![0; BLOCK];
        let mut pace = Pace::new(&self.limits);
        let mut web_page = false;
        loop {
            self.check_cancelled()?;
            let asked = Instant::now();
            let n = body.read(&mut block)?;
            if n == 0 {
                break;
            }
            web_page |= partial.length == 0 && osb_http::is_web_page(&block[..n]);
            if n as u64 > entry.size - partial.length {
                return Err(match web_page {
                    true => entry.web_page(),
                    false => entry.size_error("more".to_owned()),
                });
            }
            partial.hash.update(&block[..n]);
            partial.file.write_all(&block[..n]).map_err(io("writing", path))?;
            partial.length += n as u64;
            progress(FetchEvent::Bytes(n as u64));
            pace.count(n, asked).map_err(Failure::Transient)?;
        }
        if partial.length < entry.size && web_page {
            return Err(entry.web_page());
        }
        if partial.length < entry.size {
            return Err(Failure::Transient(format!(
                "the connection ended after {} of {} bytes",
                partial.length, entry.size
            )));
        }
        let digest = <[u8; 32]>::from(partial.hash.clone().finalize());
        if digest == entry.sha256 {
            return Ok(());
        }
        // Two halves of different states of the file: take it whole once more.
        partial.validator = None;
        if resumed {
            return Err(Failure::Transient("the resumed file has a wrong digest".to_owned()));
        }
        if web_page {
            return Err(entry.web_page());
        }
        Err(Failure::Final(AptError::Digest {
            what: entry.what.clone(),
            url: entry.url.clone(),
            expected: entry.hex(),
            actual: to_hex(&digest),
        }))
    }
}

/// Writes a small file to the cache by rename.
pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<(), AptError> {
    let mut file = temporary_beside(path)?;
    file.write_all(bytes).map_err(io("writing", path))?;
    persist(file, path)
}

/// A temporary file in the folder of `path`, which is made if need be.
fn temporary_beside(path: &Path) -> Result<NamedTempFile, AptError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(io("making the folder", folder))?;
    tempfile::Builder::new()
        .prefix(".part")
        .tempfile_in(folder)
        .map_err(io("making a temporary file in", folder))
}

/// Gives the file its name. It is not synced: entries are hashed again when they are used, so a
/// power failure costs a download, not correctness.
fn persist(file: NamedTempFile, path: &Path) -> Result<(), AptError> {
    use std::os::unix::fs::PermissionsExt;
    let mode = fs::Permissions::from_mode(0o644);
    file.as_file().set_permissions(mode).map_err(io("setting the mode of", path))?;
    file.persist(path).map(|_| ()).map_err(|e| io("renaming to", path)(e.error))
}
