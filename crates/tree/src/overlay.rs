//! Folding overlay layers into one tree.
//!
//! An overlay's upper directory says what a step added, changed and deleted. Two things differ
//! from what the step would have left on a plain file system, and are put right here: deleted
//! names are marked, and *copy-up breaks hard links*. When a program changes a file that has
//! several names in a lower layer, overlayfs copies it up under the one name that was used; the
//! others go on showing the old file. On a plain file system all names would show the change.
//! Overlayfs notes on the copy which inode it came from (`overlay.origin`, a file handle); if it
//! is the inode that the lower layer has at that very path, it is a copy, and the whole group
//! gets it. If it is not, the name was replaced by another file, and the group is left.
//!
//! The note is good as long as the folder below is the one that the layer was made on. So what it
//! says is recorded when the layer is finished ([`Manifest`](crate::Manifest)), and the note is not
//! asked again.

use std::collections::BTreeMap;

use crate::inode::{Content, Inode, InodeId};
use crate::tree::{Tree, TreeError};

/// What one layer adds, changes and deletes.
#[derive(Debug, Default)]
pub struct Layer {
    pub(crate) nodes: Vec<Node>,
    pub(crate) names: BTreeMap<Vec<u8>, Option<usize>>,
}

#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) inode: Inode,
    /// Inode number on the building machine.
    pub(crate) number: u64,
    /// A directory that hides what lower layers have in it.
    pub(crate) opaque: bool,
    pub(crate) origin: Origin,
}

/// Where a file of a layer came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    /// From the layer itself.
    Own,
    /// Overlayfs' note on it: from there, if the lower layer has that very inode at its path.
    Noted(Vec<u8>),
    /// It is a changed copy of what the lower layer has at its path.
    Copied,
}

impl Layer {
    pub(crate) fn add(
        &mut self,
        inode: Inode,
        number: u64,
        opaque: bool,
        origin: Option<Vec<u8>>,
    ) -> usize {
        let origin = origin.map_or(Origin::Own, Origin::Noted);
        self.nodes.push(Node { inode, number, opaque, origin });
        self.nodes.len() - 1
    }

    pub(crate) fn name(&mut self, path: Vec<u8>, node: usize) {
        self.names.insert(path, Some(node));
    }

    /// What the layer says of a path: nothing, that it is deleted (`Some(None)`), or what it is.
    pub fn at(&self, path: &[u8]) -> Option<Option<&Inode>> {
        let node = self.names.get(path)?;
        Some(node.map(|index| &self.nodes[index].inode))
    }

    /// The content of every file, once, with one of its names.
    pub fn contents(&self) -> impl Iterator<Item = (&[u8], &Content)> {
        let mut seen = vec![false; self.nodes.len()];
        self.names.iter().filter_map(move |(path, node)| {
            let index = (*node)?;
            let first = !std::mem::replace(&mut seen[index], true);
            let content = self.nodes[index].inode.content().filter(|_| first)?;
            Some((path.as_slice(), content))
        })
    }

    /// The paths that this layer deletes from those below it.
    pub fn deleted(&self) -> impl Iterator<Item = &[u8]> {
        self.names.iter().filter(|(_, node)| node.is_none()).map(|(path, _)| path.as_slice())
    }

    pub(crate) fn delete(&mut self, path: Vec<u8>) {
        self.names.insert(path, None);
    }
}

/// Layers folded so far, lowest first.
#[derive(Debug, Clone, Default)]
pub struct Stack {
    tree: Tree,
    /// Inode number on the building machine of what the tree holds.
    numbers: BTreeMap<InodeId, u64>,
}

impl Stack {
    /// No layer yet: an empty root.
    pub fn new() -> Self {
        Stack::default()
    }

    /// Lays `layer` on top.
    ///
    /// # Errors
    /// If a path's parent is not a directory, which overlayfs never leaves behind.
    pub fn push(&mut self, layer: &Layer) -> Result<(), TreeError> {
        let mut placed: Vec<Option<InodeId>> = vec![None; layer.nodes.len()];
        for (path, node) in &layer.names {
            let Some(index) = *node else {
                self.tree.remove(path);
                continue;
            };
            if let Some(id) = placed[index] {
                self.tree.link(path, id)?;
                continue;
            }
            let node = &layer.nodes[index];
            if node.opaque {
                self.tree.remove_below(path);
            }
            let id = match self.copied_from(path, node) {
                Some(id) => {
                    *self.tree.inode_mut(id) = node.inode.clone();
                    id
                }
                None => self.tree.insert(path, node.inode.clone())?,
            };
            self.numbers.insert(id, node.number);
            placed[index] = Some(id);
        }
        Ok(())
    }

    /// What the layers so far make together.
    pub fn tree(&self) -> &Tree {
        &self.tree
    }

    /// The merged tree.
    pub fn into_tree(self) -> Tree {
        self.tree
    }

    /// The lower inode of a hard-link group that `node` is a changed copy of.
    pub(crate) fn copied_from(&self, path: &[u8], node: &Node) -> Option<InodeId> {
        let id = self.tree.id(path)?;
        if self.tree.links(id) < 2 {
            return None;
        }
        match &node.origin {
            Origin::Own => None,
            Origin::Copied => Some(id),
            Origin::Noted(origin) => match (inode_number(origin), self.numbers.get(&id)) {
                (Some(origin), Some(lower)) => (origin == *lower).then_some(id),
                // A file system whose handles we cannot read: a copy is far likelier than a rename.
                _ => Some(id),
            },
        }
    }
}

/// The inode number within an `overlay.origin` value.
///
/// `struct ovl_fb` (fs/overlayfs/overlayfs.h): version, magic 0xfb, length, flags, handle type,
/// a 16-byte file system UUID, then the handle. Types 1 and 2 (`FILEID_INO32_GEN[_PARENT]`,
/// include/linux/exportfs.h; ext4, tmpfs and others) begin with a 32-bit inode number, types 0x81
/// and 0x82 (`FILEID_INO64_GEN[_PARENT]`; XFS) with a 64-bit one, in the machine's byte order.
fn inode_number(origin: &[u8]) -> Option<u64> {
    const MAGIC: u8 = 0xfb;
    const HEADER: usize = 21;
    if origin.get(1) != Some(&MAGIC) {
        return None;
    }
    let handle = origin.get(HEADER..)?;
    match origin.get(4)? {
        1 | 2 => Some(u64::from(u32::from_ne_bytes(*handle.first_chunk()?))),
        0x81 | 0x82 => Some(u64::from_ne_bytes(*handle.first_chunk()?)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> Inode {
        Inode::file(0o644, text.as_bytes().to_vec())
    }

    fn origin(number: u32) -> Option<Vec<u8>> {
        let mut value = vec![0, 0xfb, 29, 0, 1];
        value.extend([0; 16]);
        value.extend(number.to_ne_bytes());
        value.extend([0; 4]);
        Some(value)
    }

    fn text(tree: &Tree, path: &str) -> String {
        String::from_utf8(tree.get(path).unwrap().content().unwrap().read().unwrap()).unwrap()
    }

    fn lower() -> Layer {
        let mut layer = Layer::default();
        let root = layer.add(Inode::directory(0o755), 1, false, None);
        layer.name(vec![], root);
        let node = layer.add(file("old"), 7, false, None);
        layer.name(b"a".to_vec(), node);
        layer.name(b"b".to_vec(), node);
        layer
    }

    fn fold(upper: impl FnOnce(&mut Layer)) -> Tree {
        let mut layer = Layer::default();
        let root = layer.add(Inode::directory(0o755), 2, false, None);
        layer.name(vec![], root);
        upper(&mut layer);
        let mut stack = Stack::new();
        stack.push(&lower()).unwrap();
        stack.push(&layer).unwrap();
        stack.into_tree()
    }

    #[test]
    fn a_copy_changes_every_name_of_its_group() {
        let tree = fold(|layer| {
            let node = layer.add(file("new"), 9, false, origin(7));
            layer.name(b"a".to_vec(), node);
        });
        assert_eq!((text(&tree, "a"), text(&tree, "b")), ("new".into(), "new".into()));
        assert_eq!(tree.id("a"), tree.id("b"));
    }

    #[test]
    fn a_replacement_leaves_the_group() {
        for origin in [None, origin(8)] {
            let tree = fold(|layer| {
                let node = layer.add(file("new"), 9, false, origin);
                layer.name(b"a".to_vec(), node);
            });
            assert_eq!((text(&tree, "a"), text(&tree, "b")), ("new".into(), "old".into()));
            assert_eq!(tree.links(tree.id("b").unwrap()), 1);
        }
    }

    #[test]
    fn deleted_names_and_hidden_directories_go() {
        let mut stack = Stack::new();
        let mut low = lower();
        let dir = low.add(Inode::directory(0o755), 11, false, None);
        low.name(b"d".to_vec(), dir);
        let inner = low.add(file("inner"), 12, false, None);
        low.name(b"d/x".to_vec(), inner);
        stack.push(&low).unwrap();
        let mut high = Layer::default();
        let root = high.add(Inode::directory(0o755), 2, false, None);
        high.name(vec![], root);
        high.delete(b"a".to_vec());
        let dir = high.add(Inode::directory(0o700), 13, true, None);
        high.name(b"d".to_vec(), dir);
        stack.push(&high).unwrap();
        let tree = stack.into_tree();
        assert!(tree.get("a").is_none() && tree.get("d/x").is_none());
        assert_eq!(tree.get("d").unwrap().meta.mode, 0o700);
    }
}
