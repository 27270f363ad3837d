//! Reading of files that may be anything, in bounds.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::Read;

use osb_tree::{Content, Inode, Tree};

use crate::facts::mounted;

/// Most bytes of a file that is configuration.
const TEXT: u64 = 1 << 20;
/// Most bytes of all configuration in one folder.
const FOLDER: u64 = 16 << 20;

/// All bytes of a content, if they are no more than `limit`; else why not.
pub(crate) fn bytes(content: &Content, limit: u64) -> Result<Vec<u8>, String> {
    if content.size() > limit {
        return Err(format!("{} bytes; at most {limit} are read", content.size()));
    }
    let mut bytes = Vec::with_capacity(content.size() as usize);
    let read = content.open().and_then(|reader| reader.take(limit).read_to_end(&mut bytes));
    read.map_err(|error| format!("it cannot be read: {error}"))?;
    match bytes.len() as u64 == content.size() {
        true => Ok(bytes),
        false => Err(format!("it ends after {} of {} bytes", bytes.len(), content.size())),
    }
}

/// The content of a file, links followed.
pub(crate) fn content(tree: &Tree, path: impl AsRef<[u8]>) -> Option<&Content> {
    let path = path.as_ref();
    // Most paths are no links.
    match tree.get(path).and_then(Inode::content) {
        Some(content) => Some(content),
        None => tree.get(tree.resolve(path).ok()?).and_then(Inode::content),
    }
}

/// Reads texts, and keeps in mind which could not be read: rules take them for empty, and one of
/// them tells.
#[derive(Debug, Default)]
pub(crate) struct Files {
    unread: RefCell<BTreeMap<Vec<u8>, String>>,
}

impl Files {
    /// The text of a file, links followed; `None` if there is none, it is too large, or it cannot
    /// be read. What is no UTF-8 is replaced.
    pub(crate) fn text(&self, tree: &Tree, path: impl AsRef<[u8]>) -> Option<String> {
        self.limited(tree, path, TEXT)
    }

    /// The text of a file of the boot partition.
    pub(crate) fn of_boot(&self, boot: &Tree, path: impl AsRef<[u8]>) -> Option<String> {
        let path = path.as_ref();
        let bytes =
            bytes(content(boot, path)?, TEXT).map_err(|why| self.missed(&mounted(path), why));
        Some(String::from_utf8_lossy(&bytes.ok()?).into_owned())
    }

    /// The same, of at most `limit` bytes.
    pub(crate) fn limited(
        &self,
        tree: &Tree,
        path: impl AsRef<[u8]>,
        limit: u64,
    ) -> Option<String> {
        let path = path.as_ref();
        match bytes(content(tree, path)?, limit) {
            Ok(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
            Err(why) => {
                self.missed(path, why);
                None
            }
        }
    }

    /// The texts of the files in `folder` that end with `suffix`, with their paths, in order.
    pub(crate) fn texts(&self, tree: &Tree, folder: &str, suffix: &str) -> Vec<(String, String)> {
        let mut left = FOLDER;
        let names = tree.children(folder.as_bytes()).map(|(name, _)| name.to_vec());
        let names = names.filter(|name| name.ends_with(suffix.as_bytes()));
        let mut found = Vec::new();
        for name in names {
            let Ok(name) = String::from_utf8(name) else { continue };
            let path = format!("{folder}/{name}");
            if let Some(text) = self.limited(tree, &path, left.min(TEXT)) {
                left -= (text.len() as u64).min(left);
                found.push((path, text));
            }
        }
        found
    }

    /// The texts of the files in `folders` that end with `suffix`, with their paths, in the order of
    /// their names: of those of one name that of the first folder counts, and a link to `/dev/null`
    /// there stands for none.
    pub(crate) fn merged(
        &self,
        tree: &Tree,
        folders: &[&str],
        suffix: &str,
    ) -> Vec<(String, String)> {
        let mut paths: BTreeMap<String, String> = BTreeMap::new();
        for folder in folders {
            for (name, _) in tree.children(folder.as_bytes()) {
                let Ok(name) = std::str::from_utf8(name) else { continue };
                if name.ends_with(suffix) {
                    paths.entry(name.to_owned()).or_insert_with(|| format!("{folder}/{name}"));
                }
            }
        }
        let mut left = FOLDER;
        let mut found = Vec::new();
        for path in paths.into_values() {
            if let Some(text) = self.limited(tree, &path, left.min(TEXT)) {
                left -= (text.len() as u64).min(left);
                found.push((path, text));
            }
        }
        found
    }

    /// Keeps in mind that a file was not read to its end, and why.
    pub(crate) fn missed(&self, path: &[u8], why: String) {
        self.unread.borrow_mut().entry(path.to_vec()).or_insert(why);
    }

    /// The files that could not be read, and why.
    pub(crate) fn unread(&self) -> Vec<(Vec<u8>, String)> {
        self.unread.borrow().iter().map(|(path, why)| (path.clone(), why.clone())).collect()
    }
}
