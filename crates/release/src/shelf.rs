//! Where the files of a release lie: a folder of this machine, or of a server.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use osb_http::{Download, HttpError, Limits};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, PercentEncode, utf8_percent_encode};

use crate::SMALL;
use crate::error::ReleaseError;

/// Everything but the unreserved characters of RFC 3986 and `/`.
const ENCODED: AsciiSet =
    NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

/// A folder with the files of a release.
#[derive(Debug, Clone)]
pub enum Shelf {
    /// Of this machine.
    Folder(PathBuf),
    /// Of a server.
    Url {
        /// Its address; names follow behind a slash.
        url: String,
        /// Bounds of transfers.
        limits: Limits,
        /// Setting it ends a transfer.
        cancel: Arc<AtomicBool>,
    },
}

/// A file that was opened.
pub struct Content {
    /// Its bytes.
    pub reader: Box<dyn Read + Send>,
    /// How many there are, if that is known.
    pub size: Option<u64>,
}

impl Shelf {
    /// Opens a file; `None` if there is none. `name` is relative and leads nowhere else
    /// ([`osb_checksum::Sums`] has only such names).
    ///
    /// # Errors
    /// If it is there and cannot be opened, or is no regular file.
    pub fn open(&self, name: &str) -> Result<Option<Content>, ReleaseError> {
        match self {
            Shelf::Folder(folder) => {
                let path = folder.join(name);
                // Looked at first: opening a pipe would wait for who writes to it.
                let size = match fs::metadata(&path) {
                    Ok(found) if found.is_file() => found.len(),
                    Ok(_) => {
                        let problem = io::Error::other("it is not a regular file");
                        return Err(ReleaseError::io("opening", &path)(problem));
                    }
                    Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                    Err(error) => return Err(ReleaseError::io("looking at", &path)(error)),
                };
                let file = File::open(&path).map_err(ReleaseError::io("opening", &path))?;
                Ok(Some(Content { reader: Box::new(file), size: Some(size) }))
            }
            Shelf::Url { limits, cancel, .. } => {
                let open = Download::open(&self.address(name), limits.clone(), Arc::clone(cancel));
                match open {
                    Ok(file) => {
                        let size = file.size();
                        Ok(Some(Content { reader: Box::new(file), size }))
                    }
                    // Some servers have a page for every name.
                    Err(HttpError::NotFound { .. } | HttpError::Page { .. }) => Ok(None),
                    Err(HttpError::Cancelled) => Err(ReleaseError::Interrupted),
                    Err(error) => Err(error.into()),
                }
            }
        }
    }

    /// Reads a small file that nobody has to have: a server that forbids it has none. Those that let
    /// nobody list their files say so of every name that is not there.
    ///
    /// # Errors
    /// As [`Shelf::small`].
    pub(crate) fn optional(&self, name: &str) -> Result<Option<Vec<u8>>, ReleaseError> {
        match self.small(name) {
            Err(ReleaseError::Http(HttpError::Forbidden { .. })) => Ok(None),
            other => other,
        }
    }

    /// Reads a small file, of at most [`SMALL`] bytes; `None` if there is none.
    ///
    /// # Errors
    /// If it is there and cannot be read, or has more bytes.
    pub fn small(&self, name: &str) -> Result<Option<Vec<u8>>, ReleaseError> {
        if let Shelf::Url { limits, cancel, .. } = self {
            let open = Download::open(&self.address(name), limits.clone(), Arc::clone(cancel));
            return match open.and_then(|file| file.small(SMALL)) {
                Ok(bytes) => Ok(Some(bytes)),
                Err(HttpError::NotFound { .. } | HttpError::Page { .. }) => Ok(None),
                Err(HttpError::Cancelled) => Err(ReleaseError::Interrupted),
                Err(error) => Err(error.into()),
            };
        }
        let Some(content) = self.open(name)? else { return Ok(None) };
        let mut bytes = Vec::new();
        let read = content.reader.take(SMALL + 1).read_to_end(&mut bytes);
        read.and_then(|_| match bytes.len() as u64 {
            0..=SMALL => Ok(()),
            _ => Err(io::Error::other(format!("it has more than {} MiB", SMALL >> 20))),
        })
        .map_err(|source| self.read_error(name, source))?;
        Ok(Some(bytes))
    }

    /// All names in a folder of this machine; none of a server, which does not tell.
    pub(crate) fn names(&self) -> Result<Vec<String>, ReleaseError> {
        let Shelf::Folder(folder) = self else { return Ok(Vec::new()) };
        let fail = || ReleaseError::io("reading", folder);
        let mut names = Vec::new();
        for entry in fs::read_dir(folder).map_err(fail())? {
            let name = entry.map_err(fail())?.file_name();
            names.push(name.to_string_lossy().into_owned());
        }
        names.sort();
        Ok(names)
    }

    pub(crate) fn read_error(&self, name: &str, source: io::Error) -> ReleaseError {
        let (place, name) = (self.to_string(), name.to_owned());
        ReleaseError::Read { place, name, source }
    }

    /// The address of a file of a server.
    fn address(&self, name: &str) -> String {
        let url = match self {
            Shelf::Folder(path) => path.display().to_string(),
            Shelf::Url { url, .. } => url.clone(),
        };
        // What comes behind a question mark says who asks, or which state is meant.
        let (folder, query) = url.split_once('?').unwrap_or((&url, ""));
        let mark = if query.is_empty() { "" } else { "?" };
        format!("{}/{}{mark}{query}", folder.trim_end_matches('/'), encoded(name))
    }
}

/// A name as part of an address.
fn encoded(name: &str) -> PercentEncode<'_> {
    utf8_percent_encode(name, &ENCODED)
}

/// An address without the user and password, and the query, that it may have: what may be shown.
/// Git's short form for ssh (`git@host:path`) has no password and stays as it is.
pub fn without_user(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    let end = rest.find('/').unwrap_or(rest.len());
    let host = rest[..end].rsplit('@').next().unwrap_or_default();
    format!("{scheme}://{host}{}", &rest[end..])
}

impl fmt::Display for Shelf {
    /// The place as it may be shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Shelf::Folder(path) => write!(f, "{}", path.display()),
            Shelf::Url { url, .. } => f.write_str(&without_user(url)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_folder_and_go_before_the_query() {
        let address = |url: &str| {
            let url = url.to_owned();
            Shelf::Url { url, limits: Limits::default(), cancel: Arc::default() }.address("a")
        };
        assert_eq!(address("https://example.org/x/"), "https://example.org/x/a");
        assert_eq!(address("https://example.org"), "https://example.org/a");
        assert_eq!(address("https://example.org/x?y=z"), "https://example.org/x/a?y=z");
        assert_eq!(address("https://me:pw@example.org/x"), "https://me:pw@example.org/x/a");
        assert_eq!(encoded("a b/c?ü#%.img").to_string(), "a%20b/c%3F%C3%BC%23%25.img");
    }

    #[test]
    fn passwords_and_queries_are_not_shown() {
        assert_eq!(without_user("https://me:p@ss@example.org/x@y"), "https://example.org/x@y");
        assert_eq!(without_user("http://ftp.debian.org/debian"), "http://ftp.debian.org/debian");
        assert_eq!(without_user("https://example.org?t=@x"), "https://example.org");
        assert_eq!(without_user("git@example.org:x.git"), "git@example.org:x.git");
    }
}
