//! Opening: what lies at a place, told by its content, compared with what is said of it.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use osb_checksum::Digest;
use osb_http::Limits;
use osb_image::{Compression, SeekTable, zstd_content_size};
use osb_sign::Keys;

use super::checked::Expected;
use super::error::SourceError;
use super::found::{About, Found, Trust, not_empty, sector_size};
use super::frames::Frames;
use super::place::Place;
use super::promise::{IMAGES, METADATA, MOST, Promise, SUMS, Word, same};
use super::raw::{Raw, Stamp};
use super::stream::{Input, Stream};
use super::{Image, Source, parts, remote, verify};

/// Bytes in which a partition table is looked for, and the first file systems, which tell the sector
/// size of a table that does not.
pub(super) const HEAD: u64 = 1 << 20;

/// How to open an image.
#[derive(Clone)]
pub struct Options<'a> {
    /// SHA-256 that the user has named: of the file as it lies there, compressed or not.
    pub digest: Option<Digest>,
    /// Keys of which one must have signed `SHA256SUMS`, which must name the image.
    pub keys: Option<&'a Keys>,
    /// Threads that hash and decompress, at least one.
    pub threads: usize,
    /// Setting it ends the work with [`SourceError::Interrupted`], and transfers later on.
    pub stop: &'a Arc<AtomicBool>,
    /// Is told how many bytes have been compared, and how many there are.
    pub progress: &'a (dyn Fn(u64, u64) + Sync),
    /// Bounds of transfers.
    pub limits: Limits,
}

/// Finds the image at a place, and compares it with what is said of it.
///
/// With keys, nothing is believed before the signature of `SHA256SUMS`.
///
/// In a folder that `osb build` has written, `metadata.json` is compared with `SHA256SUMS`, and the
/// image, `disk.img` or else `sd.img.zst`, with both; so is a file that such a folder names. A file
/// that nobody speaks of is foreign: it has no map. What comes from a server is compared while it
/// comes. Nothing is written anywhere.
///
/// # Errors
/// If there is nothing, it cannot be read, or it is not what it should be; the first link that does
/// not hold is named.
pub fn open(place: &Place, options: &Options) -> Result<Found, SourceError> {
    match place {
        Place::Url(url) => remote::open(url, options),
        Place::Path(path) if path.is_dir() => folder(path, options),
        Place::Path(path) => named(path, options),
    }
}

/// The best image of a folder.
fn folder(folder: &Path, options: &Options) -> Result<Found, SourceError> {
    let place = folder.display().to_string();
    let (sums, metadata) = (beside(folder, SUMS)?, beside(folder, METADATA)?);
    let is_there = |name: &&str| folder.join(name).is_file() || parts::are_there(folder, name);
    let image = IMAGES.into_iter().find(is_there);
    let Some(name) = image.filter(|_| sums.is_some() && metadata.is_some()) else {
        let missing = [
            sums.is_none().then_some(SUMS),
            metadata.is_none().then_some(METADATA),
            image.is_none().then_some("disk.img or sd.img.zst"),
        ];
        let missing = missing.into_iter().flatten().collect::<Vec<_>>().join(", no ");
        return Err(SourceError::Missing { place, missing });
    };
    let read = |name: &str| beside(folder, name);
    let promise = Promise::read(&place, sums.as_deref(), metadata.as_deref(), options.keys, read)?;
    let listed = promise.sums.as_ref().is_some_and(|sums| sums.get(name).is_some());
    let word = promise.of(&place, name)?;
    if !listed || word.map.is_none() {
        let link = format!("{place}: {SUMS} and {METADATA} do not both speak of {name}");
        return Err(SourceError::Contradiction { link });
    }
    match folder.join(name).is_file() {
        true => file(&folder.join(name), name, promise, word, options),
        false => parts::local(folder, name, promise, word, options),
    }
}

/// A file, with what is said of it beside it.
fn named(path: &Path, options: &Options) -> Result<Found, SourceError> {
    // A link's own folder says nothing of what it leads to.
    let real = path.canonicalize().map_err(SourceError::io("opening", path))?;
    let (folder, name) = (real.parent(), real.file_name().and_then(|name| name.to_str()));
    let (Some(folder), Some(name)) = (folder, name) else {
        let promise = Promise::none();
        promise.vouches(&path.display().to_string(), "it", options.keys)?;
        return file(path, &path.to_string_lossy(), promise, Word::default(), options);
    };
    let place = folder.display().to_string();
    // Files of these names beside an image may be about something else.
    let sums = beside(folder, SUMS)?;
    let read = |name: &str| beside(folder, name);
    let promise = Promise::read(&place, sums.as_deref(), None, options.keys, read)?;
    promise.vouches(&place, name, options.keys)?;
    let of_build = promise.sums.as_ref().is_none_or(|sums| sums.get(name).is_some());
    let metadata = if of_build { beside(folder, METADATA)? } else { None };
    let promise = match metadata {
        Some(metadata) => promise.with_metadata(&place, &metadata)?,
        None => promise,
    };
    let word = promise.of(&place, name)?;
    file(path, name, promise, word, options)
}

/// A file of a folder; `None` if there is none.
pub(super) fn beside(folder: &Path, name: &str) -> Result<Option<Vec<u8>>, SourceError> {
    let path = folder.join(name);
    let file = match File::open(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file.map_err(SourceError::io("opening", &path))?,
    };
    let mut bytes = Vec::new();
    file.take(MOST + 1).read_to_end(&mut bytes).map_err(SourceError::io("reading", &path))?;
    if bytes.len() as u64 > MOST {
        let problem = io::Error::other(format!("it has more than {} MiB", MOST >> 20));
        return Err(SourceError::io("reading", &path)(problem));
    }
    Ok(Some(bytes))
}

/// Opens a file, and compares it with the word that there is of it.
fn file(
    path: &Path,
    name: &str,
    promise: Promise,
    word: Word,
    options: &Options,
) -> Result<Found, SourceError> {
    let place = path.display().to_string();
    // Looked at first: opening a pipe would wait for who writes to it.
    if !std::fs::metadata(path).map_err(SourceError::io("opening", path))?.is_file() {
        return Err(SourceError::NoFile { path: path.to_owned() });
    }
    let file = File::open(path).map_err(SourceError::io("opening", path))?;
    let metadata = file.metadata().map_err(SourceError::io("opening", path))?;
    let (size, stamp) = (metadata.len(), Stamp::of(&metadata));
    if let (Some(expected), Some(promised)) = (options.digest, word.digest) {
        same(expected, promised, || format!("{place}: {SUMS} or {METADATA} beside it"))?;
    }
    if let Some(expected) = word.size.filter(|expected| *expected != size) {
        let link = format!("{place} has {size} bytes, and {METADATA} says {expected}");
        return Err(SourceError::Contradiction { link });
    }
    let mut head = vec![0; usize::try_from(HEAD.min(size)).unwrap_or(0)];
    file.read_exact_at(&mut head, 0).map_err(SourceError::io("reading", path))?;
    not_empty(&place, &head)?;
    let compression = Compression::of(&head);
    let digest = options.digest.or(word.digest);
    match (&word.map, digest) {
        // Each range has its own digest; the user's is of the whole, as the promised one is.
        (Some(map), _) if compression.is_none() => {
            verify::ranges(path, &file, map, options)?;
            // The user's word stands above what lies beside the image, and is of the whole.
            if let Some(digest) = options.digest {
                let link = format!("{place} is not what the SHA-256 that was named says");
                verify::whole(path, &file, size, digest, &link, options)?;
            }
        }
        (_, Some(digest)) => {
            let says = if word.digest.is_some() { SUMS } else { "the SHA-256 that was named" };
            let link = format!("{place} is not what {says} says");
            verify::whole(path, &file, size, digest, &link, options)?;
        }
        (_, None) => {}
    }
    // It is compared once more while it is written.
    let word = Word { digest, ..word };
    let trust = match (&word.map, digest) {
        (Some(_), _) => Trust::Ranges,
        (None, Some(_)) => Trust::Sum,
        (None, None) => Trust::Nothing,
    };
    let mut warnings = Vec::new();
    if promise.sums.is_none() && word.map.is_some() {
        warnings.push(format!("{METADATA} beside {place} is not verified: there is no {SUMS}"));
    }
    if compression.is_none() {
        let compared = word.map.as_ref().map(|_| stamp);
        let source = Box::new(Raw::new(file, size, compared));
        let opened = Opened { source, compression, head, trust, warnings };
        return Ok(found(&place, name, opened, word, promise));
    }
    let (source, head) = decompressed(&place, file, size, compression, &word, options)
        .map_err(|source| SourceError::Beginning { place: place.clone(), source })?;
    not_empty(&place, &head)?;
    let opened = Opened { source, compression, head, trust, warnings };
    Ok(found(&place, name, opened, word, promise))
}

/// An image that was opened.
pub(super) struct Opened {
    pub(super) source: Box<dyn Source>,
    pub(super) compression: Option<Compression>,
    /// The first bytes of the content.
    pub(super) head: Vec<u8>,
    pub(super) trust: Trust,
    pub(super) warnings: Vec<String>,
}

/// Puts together what is known.
pub(super) fn found(
    place: &str,
    name: &str,
    opened: Opened,
    word: Word,
    promise: Promise,
) -> Found {
    let Opened { source, compression, head, trust, warnings } = opened;
    // Of another image than the one that it describes, the description says nothing.
    let metadata = promise.metadata.filter(|_| word.map.is_some());
    let described = metadata.as_ref().map(|metadata| metadata.partition_table.sector_size);
    // An image that is not compressed is its own content.
    let digest = word.content_digest.or(word.digest.filter(|_| compression.is_none()));
    Found {
        image: Image {
            name: place.to_owned(),
            source,
            map: word.map,
            digest,
            sector_size: described.or_else(|| sector_size(&head)),
        },
        file: name.to_owned(),
        compression: compression.map(|compression| match compression {
            Compression::Gzip => "gzip",
            Compression::Zstd => "zstd",
            Compression::Xz => "xz",
        }),
        about: metadata.as_ref().map(About::from),
        trust,
        signed: promise.signed,
        warnings,
    }
}

/// The content of a compressed file, and its first bytes.
fn decompressed(
    place: &str,
    file: File,
    size: u64,
    compression: Option<Compression>,
    word: &Word,
    options: &Options,
) -> io::Result<(Box<dyn Source>, Vec<u8>)> {
    let digest = options.digest.or(word.digest);
    if compression == Some(Compression::Zstd)
        && let Some(table) = SeekTable::read(&file, size)?
        // One that contradicts the promise is of no use.
        && word.content_size.is_none_or(|expected| expected == table.content_len())
        // Without a map only a reader of the whole file can compare it once more.
        && (word.map.is_some() || digest.is_none())
    {
        let mut frames = Frames::start(file, table, word.map.as_ref(), options.threads)?;
        let head = frames.head(HEAD)?;
        return Ok((Box::new(frames), head));
    }
    let told = match compression {
        Some(Compression::Zstd) => zstd_content_size(&file, size)?,
        _ => None,
    };
    let input = Input {
        reader: Box::new(file),
        // Once more: it may be changed after it was compared.
        file: Expected { name: place.to_owned(), size: Some(size), digest },
        compression,
        size: word.content_size.or(told),
    };
    let stream = Stream::start(input)?;
    let head = stream.head().to_vec();
    Ok((Box::new(stream), head))
}
