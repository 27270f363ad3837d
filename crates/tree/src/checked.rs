//! Reading a file that has to be what it was.

use std::fs::File;
use std::io::{self, Read, Take};
use std::path::{Path, PathBuf};

use osb_checksum::{Digest, Fingerprint};

/// A file is not what it was when it was recorded; wrapped in an [`io::Error`] by the reader.
#[derive(Debug, thiserror::Error)]
#[error("{}: the content is not what was recorded of it", path.display())]
pub struct Damaged {
    /// The file, on the building machine.
    pub path: PathBuf,
}

impl Damaged {
    /// The file that an error is about, if it, or one of its causes, is of this kind.
    pub fn path_in<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a Path> {
        let mut next = Some(error);
        while let Some(error) = next {
            if let Some(damaged) = error.downcast_ref::<Damaged>() {
                return Some(&damaged.path);
            }
            // An I/O error made of another one has no source but that one's.
            next = match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
                Some(inner) => Some(inner as &(dyn std::error::Error + 'static)),
                None => error.source(),
            };
        }
        None
    }
}

/// Gives a file's bytes, and fails at the last of them if they are not the recorded ones.
pub(crate) struct Checked<'a> {
    pub(crate) file: Take<File>,
    pub(crate) path: &'a Path,
    pub(crate) expected: Digest,
    pub(crate) seen: Fingerprint,
}

impl Read for Checked<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.file.read(buffer)?;
        self.seen.update(&buffer[..length]);
        let short = length == 0 && !buffer.is_empty() && self.file.limit() > 0;
        let ended = length > 0 && self.file.limit() == 0;
        if short || ended && self.seen.finish() != self.expected {
            return Err(io::Error::other(Damaged { path: self.path.to_owned() }));
        }
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::Content;

    #[test]
    fn what_was_recorded_is_read_and_anything_else_is_damage() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        let text = "text of some length".repeat(1000);
        let fingerprint = Some(osb_checksum::fingerprint(text.as_bytes()));
        let content = Content::File { path: path.clone(), size: text.len() as u64, fingerprint };
        fs::write(&path, &text).unwrap();
        assert!(content.read().unwrap() == text.as_bytes());
        for damaged in [text.replace("some", "more"), text[..5000].to_owned(), String::new()] {
            fs::write(&path, damaged).unwrap();
            let error = content.read().unwrap_err();
            assert_eq!(Damaged::path_in(&error), Some(path.as_path()), "{error}");
        }
        // What came behind it is nobody's.
        fs::write(&path, format!("{text}more")).unwrap();
        assert!(content.read().unwrap() == text.as_bytes());
    }

    #[test]
    fn it_is_found_among_the_causes() {
        #[derive(Debug, thiserror::Error)]
        #[error("writing")]
        struct Writing(#[source] io::Error);
        let inner = io::Error::other(Damaged { path: "a".into() });
        let outer = io::Error::other(Writing(io::Error::other(inner)));
        assert_eq!(Damaged::path_in(&outer), Some(Path::new("a")));
        assert_eq!(Damaged::path_in(&Writing(io::ErrorKind::NotFound.into())), None);
    }
}
