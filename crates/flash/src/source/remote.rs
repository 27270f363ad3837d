//! An image of a server, which is compared with what is said of it while it is written.
//!
//! The small files beside it are read first. Over http whoever is between here and the server could
//! change the image, and those files with it: they show damage, not forgery, and the user is told so.
//! Without even them, or a digest that the user names, nothing would be shown at all, and the image
//! is refused. Over https the server vouches for it.

use std::io::{Cursor, Read};
use std::sync::Arc;

use osb_http::{Download, HttpError, is_web_page};
use osb_image::Compression;
use osb_release::{Joined, SUFFIX, Shelf, Signed};

use super::checked::Expected;
use super::error::SourceError;
use super::found::{Found, Trust, not_empty};
use super::open::{Opened, Options, found};
use super::parts;
use super::promise::{METADATA, MOST, Promise, SUMS, Word, same};
use super::stream::{Input, Stream};

/// The images that a folder may have, the one with fewer bytes to transfer first.
const IMAGES: [&str; 2] = ["sd.img.zst", "disk.img"];
/// Bytes that tell the compression, or a web page.
const START: u64 = 512;

/// Opens the image or the folder at `url`.
pub(super) fn open(url: &str, options: &Options) -> Result<Found, SourceError> {
    // What comes behind a question mark says which state of the file it is, or who asks.
    let (path, query) =
        url.split_once('?').map_or((url, None), |(path, query)| (path, Some(query)));
    let (folder, name) = path.rsplit_once('/').unwrap_or((path, ""));
    let is_folder = name.is_empty() || folder.ends_with(":/");
    let beside = |name: &str| {
        let query = query.map(|query| format!("?{query}")).unwrap_or_default();
        small(&format!("{folder}/{name}{query}"), options)
    };
    if is_folder {
        return self::folder(url, &path[..path.len() - name.len()], beside, options);
    }
    let promise = Promise::read(folder, beside(SUMS)?.as_deref(), None, options.keys, beside)?;
    promise.vouches(folder, name, options.keys)?;
    let of_build = promise.sums.as_ref().is_none_or(|sums| sums.get(name).is_some());
    let promise = match if of_build { beside(METADATA)? } else { None } {
        Some(metadata) => promise.with_metadata(folder, &metadata)?,
        None => promise,
    };
    let word = promise.of(folder, name)?;
    image(url, name, promise, word, options)
}

/// The best image of a folder, whose address ends with a slash.
fn folder(
    url: &str,
    folder: &str,
    beside: impl Fn(&str) -> Result<Option<Vec<u8>>, SourceError>,
    options: &Options,
) -> Result<Found, SourceError> {
    let missing = |missing: &str| {
        let (place, missing) = (url.to_owned(), missing.to_owned());
        SourceError::Missing { place, missing }
    };
    let sums = beside(SUMS)?.ok_or_else(|| missing(SUMS))?;
    let metadata = beside(METADATA)?.ok_or_else(|| missing(METADATA))?;
    let promise = Promise::read(folder, Some(&sums), Some(&metadata), options.keys, &beside)?;
    for name in IMAGES {
        let listed = promise.sums.as_ref().is_some_and(|sums| sums.get(name).is_some());
        let word = promise.of(folder, name)?;
        if listed && word.map.is_some() {
            return image(
                &url.replacen(folder, &format!("{folder}{name}"), 1),
                name,
                promise,
                word,
                options,
            );
        }
    }
    Err(missing("disk.img or sd.img.zst that its files speak of"))
}

/// A small file; `None` if there is none.
fn small(url: &str, options: &Options) -> Result<Option<Vec<u8>>, SourceError> {
    let open = || Download::open(url, options.limits.clone(), Arc::clone(options.stop));
    match open().and_then(|file| file.small(MOST)) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(HttpError::NotFound { .. }) => Ok(None),
        // Some servers have a page for every name.
        Err(HttpError::Page { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// A file of a server, whole or in parts, and its length.
fn download(
    url: &str,
    name: &str,
    options: &Options,
) -> Result<(Box<dyn Read + Send>, Option<u64>), SourceError> {
    let (limits, stop) = (options.limits.clone(), Arc::clone(options.stop));
    let error = match Download::open(url, limits, stop) {
        Ok(file) => {
            let size = file.size();
            return Ok((Box::new(file), size));
        }
        Err(error @ HttpError::NotFound { .. }) if !name.is_empty() => error,
        Err(error) => return Err(error.into()),
    };
    let (path, query) = url.split_once('?').unwrap_or((url, ""));
    let mark = if query.is_empty() { "" } else { "?" };
    let Some(text) = small(&format!("{path}{SUFFIX}{mark}{query}"), options)? else {
        return Err(error.into());
    };
    let folder = path.strip_suffix(name).unwrap_or(path);
    let manifest = parts::manifest(folder, name, &text)?;
    let (limits, cancel) = (options.limits.clone(), Arc::clone(options.stop));
    let shelf = Shelf::Url { url: format!("{folder}{mark}{query}"), limits, cancel };
    Ok((Box::new(Joined::new(shelf, &manifest)), Some(manifest.size)))
}

fn image(
    url: &str,
    name: &str,
    promise: Promise,
    word: Word,
    options: &Options,
) -> Result<Found, SourceError> {
    let digest = options.digest.or(word.digest);
    if let (Some(expected), Some(promised)) = (options.digest, word.digest) {
        same(expected, promised, || format!("{url}: {SUMS} or {METADATA} beside it"))?;
    }
    let secure = url.get(..8).is_some_and(|start| start.eq_ignore_ascii_case("https://"));
    if digest.is_none() && !secure {
        return Err(SourceError::Unprotected { url: url.to_owned() });
    }
    let mut warnings = Vec::new();
    let vouched = options.digest.is_some() || matches!(promise.signed, Signed::By(_));
    if !vouched && !secure {
        warnings.push(format!(
            "{url} comes over http, as {SUMS} does: damage will be noticed, a forged image will not"
        ));
    }
    let (mut download, length) = download(url, name, options)?;
    if let (Some(expected), Some(found)) = (word.size, length)
        && expected != found
    {
        let link = format!("{url} has {found} bytes, and {METADATA} says {expected}");
        return Err(SourceError::Contradiction { link });
    }
    let beginning = |source| SourceError::Beginning { place: url.to_owned(), source };
    let size = word.size.or(length);
    let mut start = Vec::new();
    download.by_ref().take(START).read_to_end(&mut start).map_err(beginning)?;
    if is_web_page(&start) {
        return Err(HttpError::Page { url: url.to_owned() }.into());
    }
    let compression = Compression::of(&start);
    let content_size = match compression {
        Some(_) => word.content_size,
        None => word.content_size.or(size),
    };
    let file = Expected { name: url.to_owned(), size, digest };
    let reader = Box::new(Cursor::new(start).chain(download));
    let input = Input { reader, file, compression, size: content_size };
    let stream = Stream::start(input).map_err(beginning)?;
    not_empty(url, stream.head())?;
    let trust = match (&word.map, digest) {
        (Some(_), _) => Trust::Ranges,
        (None, Some(_)) => Trust::Sum,
        (None, None) => Trust::Server,
    };
    let head = stream.head().to_vec();
    let opened = Opened { source: Box::new(stream), compression, head, trust, warnings };
    Ok(found(url, name, opened, word, promise))
}
