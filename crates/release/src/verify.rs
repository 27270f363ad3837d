//! The whole chain.

use std::collections::BTreeSet;
use std::fmt;
use std::io::{self, Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use osb_checksum::{Digest, Sha256Writer, Sums, sha256, to_hex};
use osb_metadata::{Metadata, Provenance};
use osb_sign::{Keys, Kind};

use crate::chain::{PROVENANCE, SUMS, Signed, signature_name, signed};
use crate::error::ReleaseError;
use crate::join::Joined;
use crate::parts::{Manifest, is_of};
use crate::shelf::Shelf;
use crate::{METADATA, SMALL};

/// The lock, if it lies with what was built from it.
const LOCK: &str = "osb.lock";
/// Bytes that are read at a time.
const STEP: usize = 1 << 20;

/// How to verify.
#[derive(Clone, Copy)]
pub struct Options<'a> {
    /// The keys whose signature is wanted; without any, none is checked.
    pub keys: Option<&'a Keys>,
    /// Setting it ends the work with [`ReleaseError::Interrupted`].
    pub stop: &'a AtomicBool,
    /// Is told how many more bytes have been compared.
    pub progress: &'a dyn Fn(u64),
}

/// A release in which every link holds.
#[derive(Debug)]
pub struct Verified {
    /// Who vouches for `SHA256SUMS`.
    pub signed: Signed,
    /// The files that it names, by name.
    pub files: Vec<File>,
    /// What was built, if the release says so.
    pub metadata: Option<Metadata>,
    /// Who vouches for `provenance.json`, if there is one.
    pub provenance: Option<Signed>,
    /// What lies in the folder, too, and nobody vouches for.
    pub strangers: Vec<String>,
}

/// A file that is what it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Its name.
    pub name: String,
    /// Its size in bytes.
    pub size: u64,
    /// Its SHA-256.
    pub sha256: Digest,
    /// In how many parts it lies there; 0 if it is whole.
    pub parts: usize,
}

/// What is wrong with a file.
#[derive(Debug)]
pub enum Problem {
    /// There is none.
    Missing,
    /// It cannot be read, or its parts cannot be put together.
    Unreadable(String),
    /// It is another.
    Differs {
        /// The digest that is promised.
        expected: Digest,
        /// The digest of what is there.
        found: Digest,
    },
    /// The file `.sha256` beside it says another digest.
    OwnSum,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Problem::Missing => f.write_str("missing"),
            Problem::Unreadable(problem) => f.write_str(problem),
            Problem::Differs { expected, found } => {
                write!(f, "differs: expected {}, found {}", to_hex(expected), to_hex(found))
            }
            Problem::OwnSum => {
                f.write_str("the .sha256 beside it does not say what SHA256SUMS says")
            }
        }
    }
}

/// Follows the chain: the signature, `SHA256SUMS`, every file that it names, `metadata.json` and
/// `provenance.json`, which must speak of the same artifacts.
///
/// With keys `provenance.json` must be signed, too: nothing else vouches for it.
///
/// # Errors
/// The first link that does not hold; of the files, every one that is wrong.
pub fn verify(shelf: &Shelf, options: &Options) -> Result<Verified, ReleaseError> {
    let place = shelf.to_string();
    let text = shelf.small(SUMS)?.ok_or_else(|| ReleaseError::NoSums { place: place.clone() })?;
    let read = |name: &str| shelf.small(name);
    let signature = signed(&place, SUMS, &text, options.keys, read)?;
    let sums = Sums::parse(&String::from_utf8_lossy(&text))
        .map_err(|source| ReleaseError::Sums { place: place.clone(), source })?;
    let mut checking = Checking { shelf, options, metadata: None };
    let (mut files, mut problems) = (Vec::new(), Vec::new());
    for (name, expected) in sums.iter() {
        match checking.file(name, expected)? {
            Ok(file) => files.push(file),
            Err(problem) => problems.push((name.to_owned(), problem)),
        }
    }
    if !problems.is_empty() {
        let checked = sums.len();
        return Err(ReleaseError::Files { place, checked, problems });
    }
    let metadata = checking.metadata.map(|bytes| about(&place, &bytes, &files)).transpose()?;
    let provenance = match shelf.small(PROVENANCE)? {
        Some(bytes) => Some(provenance(&place, &bytes, &sums, options, read)?),
        None => None,
    };
    let strangers = strangers(shelf, &sums, provenance.is_some())?;
    Ok(Verified { signed: signature, files, metadata, provenance, strangers })
}

/// A reader, and the number of parts that it puts together.
type Opened = (Box<dyn Read + Send>, usize);

struct Checking<'a> {
    shelf: &'a Shelf,
    options: &'a Options<'a>,
    /// The content of `metadata.json`, kept when it was compared: so it is read once, and nobody can
    /// change it between.
    metadata: Option<Vec<u8>>,
}

impl Checking<'_> {
    /// Compares one file, whole or in parts. The outer error ends everything.
    fn file(
        &mut self,
        name: &str,
        expected: &Digest,
    ) -> Result<Result<File, Problem>, ReleaseError> {
        let (reader, parts) = match self.open(name)? {
            Ok(opened) => opened,
            Err(problem) => return Ok(Err(problem)),
        };
        let mut kept = (name == METADATA).then(Vec::new);
        let (found, size) = match self.hash(name, reader, kept.as_mut())? {
            Ok(hashed) => hashed,
            Err(problem) => return Ok(Err(problem)),
        };
        if found != *expected {
            return Ok(Err(Problem::Differs { expected: *expected, found }));
        }
        self.metadata = self.metadata.take().or(kept);
        Ok(match self.own_sum(name, expected)? {
            true => Ok(File { name: name.to_owned(), size, sha256: found, parts }),
            false => Err(Problem::OwnSum),
        })
    }

    /// Opens a file, and tells in how many parts it lies there.
    fn open(&self, name: &str) -> Result<Result<Opened, Problem>, ReleaseError> {
        match self.shelf.open(name) {
            Ok(Some(content)) => return Ok(Ok((content.reader, 0))),
            Ok(None) => {}
            Err(error @ ReleaseError::Io { .. }) => {
                return Ok(Err(Problem::Unreadable(error.to_string())));
            }
            Err(error) => return Err(error),
        }
        let Some(text) = self.shelf.small(&Manifest::file_name(name))? else {
            return Ok(Err(Problem::Missing));
        };
        Ok(match Manifest::read(name, &text) {
            Ok(manifest) => {
                let joined = Joined::new(self.shelf.clone(), &manifest);
                Ok((Box::new(joined), manifest.parts.len()))
            }
            Err(error) => Err(Problem::Unreadable(error.to_string())),
        })
    }

    /// Reads a file to its end; returns its digest and size. The bytes go to `kept`, too, if there are
    /// no more than a small file has.
    fn hash(
        &self,
        name: &str,
        mut reader: Box<dyn Read + Send>,
        mut kept: Option<&mut Vec<u8>>,
    ) -> Result<Result<(Digest, u64), Problem>, ReleaseError> {
        let stopped = || self.options.stop.load(Ordering::Relaxed);
        let mut hash = Sha256Writer::new(io::sink());
        let mut buffer = vec![0; STEP];
        loop {
            if stopped() {
                return Err(ReleaseError::Interrupted);
            }
            let len = match reader.read(&mut buffer) {
                Ok(0) => break,
                Ok(len) => len,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) if stopped() => return Err(ReleaseError::Interrupted),
                // It is the transfer that failed, unless a part is not what it should be.
                Err(error)
                    if matches!(self.shelf, Shelf::Url { .. })
                        && error.kind() != io::ErrorKind::InvalidData =>
                {
                    return Err(self.shelf.read_error(name, error));
                }
                Err(error) => return Ok(Err(Problem::Unreadable(error.to_string()))),
            };
            hash.write_all(&buffer[..len]).map_err(|error| self.shelf.read_error(name, error))?;
            if let Some(bytes) = kept.as_mut().filter(|bytes| bytes.len() as u64 <= SMALL) {
                bytes.extend_from_slice(&buffer[..len]);
            }
            (self.options.progress)(len as u64);
        }
        let (_, found, size) = hash.finish();
        Ok(Ok((found, size)))
    }

    /// Whether the `.sha256` beside a file of this machine says the same, if there is one.
    fn own_sum(&self, name: &str, expected: &Digest) -> Result<bool, ReleaseError> {
        if matches!(self.shelf, Shelf::Url { .. }) {
            return Ok(true);
        }
        let Some(text) = self.shelf.small(&format!("{name}.sha256"))? else { return Ok(true) };
        let own = Sums::parse(&String::from_utf8_lossy(&text)).ok();
        Ok(own.is_some_and(|own| own.len() == 1 && own.get(name) == Some(expected)))
    }
}

/// What `metadata.json` says, which must be of these files.
fn about(place: &str, bytes: &[u8], files: &[File]) -> Result<Metadata, ReleaseError> {
    let metadata = osb_metadata::from_json(&String::from_utf8_lossy(bytes))
        .map_err(|source| ReleaseError::Metadata { place: place.to_owned(), source })?;
    for artifact in &metadata.artifacts {
        let same = files.iter().any(|file| {
            (file.name.as_str(), file.size) == (artifact.name.as_str(), artifact.size)
                && to_hex(&file.sha256) == artifact.sha256
        });
        if !same {
            let link = format!("{METADATA} says another {:?} than {SUMS}", artifact.name);
            return Err(ReleaseError::Contradiction { place: place.to_owned(), link });
        }
    }
    Ok(metadata)
}

/// Who vouches for the provenance, whose subjects must be these files.
fn provenance(
    place: &str,
    bytes: &[u8],
    sums: &Sums,
    options: &Options,
    read: impl Fn(&str) -> Result<Option<Vec<u8>>, ReleaseError>,
) -> Result<Signed, ReleaseError> {
    let signature = signed(place, PROVENANCE, bytes, options.keys, &read)?;
    let statement = Provenance::read(bytes)
        .map_err(|source| ReleaseError::Provenance { place: place.to_owned(), source })?;
    let subjects: BTreeSet<(&str, String)> =
        statement.subjects().map(|(name, digest)| (name, digest.to_owned())).collect();
    let listed: BTreeSet<(&str, String)> =
        sums.iter().map(|(name, digest)| (name, to_hex(digest))).collect();
    // Whoever publishes it too, for a rebuild.
    if let Some(lock) = read(LOCK)?
        && statement.lock_sha256() != Some(to_hex(&sha256(&lock)).as_str())
    {
        let link = format!("{PROVENANCE} says another {LOCK}");
        return Err(ReleaseError::Contradiction { place: place.to_owned(), link });
    }
    let mut differing = subjects.symmetric_difference(&listed);
    match differing.next() {
        None => Ok(signature),
        Some((name, _)) => {
            let link = format!("{PROVENANCE} and {SUMS} do not say the same of {name:?}");
            Err(ReleaseError::Contradiction { place: place.to_owned(), link })
        }
    }
}

/// The names in a folder that are no part of the release.
fn strangers(shelf: &Shelf, sums: &Sums, explained: bool) -> Result<Vec<String>, ReleaseError> {
    let known = |name: &String| {
        let sum = name.strip_suffix(".sha256").unwrap_or(name);
        let own = [SUMS, PROVENANCE].iter().any(|file| {
            name == file || Kind::ALL.iter().any(|kind| *name == signature_name(file, *kind))
        });
        own || explained && name == LOCK
            || sums.get(name).is_some()
            || sums.get(sum).is_some()
            || sums.iter().any(|(whole, _)| is_of(whole, name))
    };
    Ok(shelf.names()?.into_iter().filter(|name| !known(name)).collect())
}
