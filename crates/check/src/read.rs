//! Reading of files that may be anything, in bounds.

use std::io::Read;

use osb_tree::{Content, Inode, Tree};

/// Most bytes of a file that is configuration.
pub(crate) const TEXT: u64 = 1 << 20;

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

/// The text of a file, links followed; `None` if there is none, it is too large, or it cannot be
/// read. What is no UTF-8 is replaced.
pub(crate) fn text(tree: &Tree, path: impl AsRef<[u8]>) -> Option<String> {
    let bytes = bytes(content(tree, path)?, TEXT).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// The texts of the files in `folder` that end with `suffix`, with their paths, in order.
pub(crate) fn texts(tree: &Tree, folder: &str, suffix: &str) -> Vec<(String, String)> {
    let mut left = 16 * TEXT;
    let names = tree.children(folder.as_bytes()).map(|(name, _)| name.to_vec());
    let names = names.filter(|name| name.ends_with(suffix.as_bytes()));
    let mut found = Vec::new();
    for name in names {
        let Ok(name) = String::from_utf8(name) else { continue };
        let path = format!("{folder}/{name}");
        if let Some(text) = text(tree, &path)
            && text.len() as u64 <= left
        {
            left -= text.len() as u64;
            found.push((path, text));
        }
    }
    found
}
