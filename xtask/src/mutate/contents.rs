//! Changes of contents.

use std::io::Read;

use anyhow::{Context, Result, ensure};
use osb_check::Subject;
use osb_tree::{Content, Inode, Kind, Tree};

/// Most bytes of a file that is changed.
const MOST: u64 = 256 << 20;

/// The bytes of a file.
pub(super) fn bytes(tree: &Tree, path: &str) -> Result<Vec<u8>> {
    let content = tree.get(path).and_then(Inode::content);
    let content = content.with_context(|| format!("no file {path}"))?;
    ensure!(content.size() <= MOST, "{path} is too large");
    Ok(content.read()?)
}

/// The text of a file.
pub(super) fn text(tree: &Tree, path: &str) -> Result<String> {
    String::from_utf8(bytes(tree, path)?).with_context(|| format!("{path} is no text"))
}

/// Gives the file at `path` another content; its mode and owner stay.
pub(super) fn replace(tree: &mut Tree, path: &str, bytes: Vec<u8>) {
    match tree.get_mut(path) {
        Some(inode) => inode.kind = Kind::File(Content::from(bytes)),
        None => put(tree, path, 0o644, bytes),
    }
}

/// A new file.
pub(super) fn put(tree: &mut Tree, path: &str, mode: u32, bytes: Vec<u8>) {
    // A folder in its place would be a mistake of whoever names mutants: the check then tells of
    // something else, and the list shows it.
    let _ = tree.lay(path, Inode::file(mode, bytes));
}

/// All names of `from` in `bytes` as `to`, of the same length; `None` if there are none.
pub(super) fn renamed(bytes: &[u8], from: &str, to: &str) -> Result<Option<Vec<u8>>> {
    ensure!(from.len() == to.len(), "names of different lengths");
    let name = regex::bytes::Regex::new(&format!("(?-u){}", regex::escape(from)))?;
    let changed = name.replace_all(bytes, regex::bytes::NoExpand(to.as_bytes()));
    Ok(match changed {
        std::borrow::Cow::Borrowed(_) => None,
        std::borrow::Cow::Owned(changed) => Some(changed),
    })
}

/// Unpacks gzip.
pub(super) fn gunzip(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut plain = Vec::new();
    flate2::read::GzDecoder::new(bytes).take(MOST).read_to_end(&mut plain)?;
    Ok(plain)
}

/// Packs with gzip.
pub(super) fn gzip(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut packed = Vec::new();
    let mut encoder = flate2::read::GzEncoder::new(bytes, flate2::Compression::fast());
    encoder.read_to_end(&mut packed)?;
    Ok(packed)
}

/// The root of a mutant, which the image that it comes from has.
pub(super) fn root(subject: &mut Subject) -> &mut Tree {
    subject.root.get_or_insert_default()
}

/// The boot files of a mutant.
pub(super) fn boot(subject: &mut Subject) -> &mut Tree {
    subject.boot.get_or_insert_default()
}
