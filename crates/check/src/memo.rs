//! What was computed of contents, kept for the next image that has them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use osb_tree::Content;

use crate::contents::Mark;
use crate::parse::initramfs::Initramfs;
use crate::parse::kernel::Kernel;

/// Results by content. For whoever checks several images that share contents: the variants of
/// one image.
#[derive(Debug, Default)]
pub struct Memo {
    pub(crate) md5: Map<[u8; 16]>,
    pub(crate) marks: Map<Arc<[Mark]>>,
    pub(crate) kernels: Map<Arc<Kernel>>,
    pub(crate) initramfs: Map<Arc<Initramfs>>,
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
