//! What was computed of contents, kept for the next image that has them.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use osb_tree::Content;

use crate::contents::{self, Mark};
use crate::parse::initramfs::Initramfs;
use crate::parse::kernel::Kernel;

/// MD5 sums by the fingerprints that trees carry.
pub type Sums = BTreeMap<[u8; 32], [u8; 16]>;

/// Results by content. For whoever checks several images that share contents: the variants of
/// one image.
#[derive(Debug, Default)]
pub struct Memo {
    md5: Map<[u8; 16]>,
    known: Sums,
    used: Mutex<Sums>,
    pub(crate) marks: Map<Arc<Scanned>>,
    pub(crate) kernels: Map<Arc<Kernel>>,
    pub(crate) initramfs: Map<Arc<Initramfs>>,
}

/// What looks like a secret in a content.
#[derive(Debug)]
pub(crate) struct Scanned {
    pub(crate) marks: Vec<Mark>,
    /// Why it could not be looked through to its end.
    pub(crate) unread: Option<String>,
}

impl Memo {
    /// With sums of contents that were read before. They need not be read again: an MD5 is a
    /// function of the content alone, and so is the fingerprint that names it.
    pub fn with_sums(known: Sums) -> Memo {
        Memo { known, ..Memo::default() }
    }

    /// The sums that were asked for, of contents that have a fingerprint.
    pub fn sums(&self) -> Sums {
        self.used.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The MD5 of a content, read if it is not known.
    pub(crate) fn md5(&self, content: &Content) -> io::Result<[u8; 16]> {
        let fingerprint = match content {
            Content::File { fingerprint, .. } => *fingerprint,
            Content::Bytes(_) | Content::Extents(_) => None,
        };
        let known = fingerprint.and_then(|name| self.known.get(&name).copied());
        let sum = match known.or_else(|| self.md5.get(content)) {
            Some(sum) => sum,
            None => contents::md5(content).inspect(|sum| self.md5.put(content, *sum))?,
        };
        if let Some(name) = fingerprint {
            self.used.lock().unwrap_or_else(PoisonError::into_inner).insert(name, sum);
        }
        Ok(sum)
    }
}

/// One kind of result. The content is kept with it: another one in its place in memory would
/// look the same.
#[derive(Debug)]
pub(crate) struct Map<T>(Mutex<HashMap<(usize, u64), (Content, T)>>);

impl<T> Default for Map<T> {
    fn default() -> Self {
        Map(Mutex::default())
    }
}

impl<T: Clone> Map<T> {
    /// The result for `content`, if it is known.
    pub(crate) fn get(&self, content: &Content) -> Option<T> {
        let map = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        map.get(&content.identity()).map(|(_, value)| value.clone())
    }

    /// Keeps a result.
    pub(crate) fn put(&self, content: &Content, value: T) {
        let mut map = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        map.insert(content.identity(), (content.clone(), value));
    }

    /// The result for `content`, made by `make` if it is not known.
    pub(crate) fn or_make(&self, content: &Content, make: impl FnOnce() -> T) -> T {
        if let Some(value) = self.get(content) {
            return value;
        }
        let value = make();
        self.put(content, value.clone());
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_that_is_known_is_not_read_again() {
        let content = |fingerprint| {
            let (path, size) = ("/nonexistent".into(), 5);
            Content::File { path, size, fingerprint: Some(fingerprint) }
        };
        let memo = Memo::with_sums(Sums::from([([1; 32], [7; 16]), ([2; 32], [8; 16])]));
        assert_eq!(memo.md5(&content([1; 32])).unwrap(), [7; 16]);
        assert!(memo.md5(&content([3; 32])).is_err(), "this one would have to be read");
        assert_eq!(memo.sums(), Sums::from([([1; 32], [7; 16])]), "what was not asked for goes");
    }
}
