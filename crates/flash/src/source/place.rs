//! Where an image is looked for.

use std::ffi::OsStr;
use std::fmt;
use std::path::PathBuf;

/// A file, a folder, or an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A file or a folder of this machine.
    Path(PathBuf),
    /// An image or a folder (with a slash at the end), over http or https.
    Url(String),
}

impl Place {
    /// What a user has named: an address if it begins like one, else a path.
    pub fn of(text: &OsStr) -> Place {
        match text.to_str() {
            Some(url) if is_url(url) => Place::Url(url.to_owned()),
            _ => Place::Path(PathBuf::from(text)),
        }
    }
}

fn is_url(text: &str) -> bool {
    ["http://", "https://"].iter().any(|scheme| {
        text.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    })
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Path(path) => write!(f, "{}", path.display()),
            Place::Url(url) => f.write_str(url),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_begins_like_one() {
        let place = |text: &str| Place::of(OsStr::new(text));
        assert!(matches!(place("https://example.org/"), Place::Url(_)));
        assert!(matches!(place("HTTP://example.org/sd.img.zst"), Place::Url(_)));
        for path in ["out", "./http", "http:/x", "", "file:///x"] {
            assert_eq!(place(path), Place::Path(PathBuf::from(path)));
        }
    }
}
