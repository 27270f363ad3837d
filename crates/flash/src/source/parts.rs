//! An image that lies there in parts, as `osb split` cuts it: read as if it were whole.

use std::io::{self, Read};
use std::path::Path;

use osb_image::Compression;
use osb_release::{Joined, Manifest, SUFFIX, Shelf};

use super::checked::Expected;
use super::error::SourceError;
use super::found::{Found, Trust, not_empty};
use super::open::{Opened, Options, beside, found};
use super::promise::{METADATA, Promise, SUMS, Word, same};
use super::stream::{Input, Stream};
use super::verify::check_stop;

/// Bytes that tell the compression.
const START: u64 = 512;
/// Bytes that are compared at a time.
const STEP: usize = 1 << 20;

/// Whether a folder has the image `name` in parts.
pub(super) fn are_there(folder: &Path, name: &str) -> bool {
    folder.join(Manifest::file_name(name)).is_file()
}

/// The manifest of the image `name`, from its text.
pub(super) fn manifest(place: &str, name: &str, text: &[u8]) -> Result<Manifest, SourceError> {
    Manifest::read(name, text)
        .map_err(|error| SourceError::Contradiction { link: format!("{place}: {error}") })
}

/// Opens an image in parts that lie in a folder of this machine. All of them are compared first,
/// with the manifest and the whole with the promise.
pub(super) fn local(
    folder: &Path,
    name: &str,
    promise: Promise,
    word: Word,
    options: &Options,
) -> Result<Found, SourceError> {
    let place = folder.join(name).display().to_string();
    let text = beside(folder, &format!("{name}{SUFFIX}"))?.unwrap_or_default();
    let manifest = manifest(&folder.display().to_string(), name, &text)?;
    if let Some(expected) = word.size.filter(|size| *size != manifest.size) {
        let size = manifest.size;
        let link = format!("{place} has {size} bytes in its parts, and {METADATA} says {expected}");
        return Err(SourceError::Contradiction { link });
    }
    let digest = options.digest.or(word.digest);
    if let (Some(named), Some(promised)) = (options.digest, word.digest) {
        same(named, promised, || format!("{place}: {SUMS} or {METADATA} beside it"))?;
    }
    let read = |source| SourceError::Parts { place: place.clone(), source };
    let shelf = Shelf::Folder(folder.to_owned());
    let mut reader = osb_checksum::Sha256Reader::new(Joined::new(shelf.clone(), &manifest));
    let (mut head, mut buffer, mut at) = (Vec::new(), vec![0; STEP], 0);
    loop {
        check_stop(options.stop)?;
        let len = match reader.read(&mut buffer) {
            Ok(len) => len,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(read(error)),
        };
        if len == 0 {
            break;
        }
        if at == 0 {
            head = buffer[..len.min(START as usize)].to_vec();
        }
        at += len as u64;
        (options.progress)(at, manifest.size);
    }
    let (_, whole, _) = reader.finish();
    same(manifest.sha256, whole, || {
        format!("{place}, put together, is not what {name}{SUFFIX} says")
    })?;
    if let Some(digest) = digest {
        same(digest, whole, || format!("{place}, put together, is not what {SUMS} says"))?;
    }
    let input = Input {
        reader: Box::new(Joined::new(shelf, &manifest)),
        // Once more: it may be changed after it was compared.
        file: Expected { name: place.clone(), size: Some(manifest.size), digest: Some(whole) },
        compression: Compression::of(&head),
        size: word.content_size,
    };
    let compression = input.compression;
    let stream = Stream::start(input).map_err(read)?;
    let trust = match (&word.map, digest) {
        (Some(_), _) => Trust::Ranges,
        (None, Some(_)) => Trust::Sum,
        // The manifest shows damage; whoever cut the parts wrote it.
        (None, None) => Trust::Nothing,
    };
    let head = stream.head().to_vec();
    not_empty(&place, &head)?;
    let source = Box::new(stream);
    let opened = Opened { source, compression, head, trust, warnings: Vec::new() };
    Ok(found(&place, name, opened, word, promise))
}
