//! Folding overlay layers into one tree.
//!
//! An overlay's upper directory says what a step added, changed and deleted; deleted names are
//! marked. Folding gives what the programs of the next step saw.
//!
//! That differs from a plain file system in one point: *copy-up breaks hard links*. When a program
//! changes a file that has several names in a lower layer, overlayfs copies it up under the one name
//! that was used; the others go on showing the old file. Nothing tells such a copy from a file that
//! was put in place of the name: for files with several names the kernel notes no origin, and in a
//! user namespace an empty one for all (fs/overlayfs/copy_up.c, `ovl_set_origin_fh`). So the tree is
//! what every program saw, and `cargo xtask equivalence` finds it equal to one that was made on a
//! plain file system.

use std::collections::BTreeMap;

use crate::inode::{Content, Inode};
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
    /// A directory that hides what lower layers have in it.
    pub(crate) opaque: bool,
}

impl Layer {
    pub(crate) fn add(&mut self, inode: Inode, opaque: bool) -> usize {
        self.nodes.push(Node { inode, opaque });
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
        let mut placed: Vec<Option<crate::InodeId>> = vec![None; layer.nodes.len()];
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
            let id = self.tree.insert(path, node.inode.clone())?;
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
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> Inode {
        Inode::file(0o644, text.as_bytes().to_vec())
    }

    fn text(tree: &Tree, path: &str) -> String {
        String::from_utf8(tree.get(path).unwrap().content().unwrap().read().unwrap()).unwrap()
    }

    fn lower() -> Layer {
        let mut layer = Layer::default();
        let root = layer.add(Inode::directory(0o755), false);
        layer.name(vec![], root);
        let node = layer.add(file("old"), false);
        layer.name(b"a".to_vec(), node);
        layer.name(b"b".to_vec(), node);
        layer
    }

    /// What a program that changed the file under one of its names left: a file of its own.
    #[test]
    fn a_changed_name_leaves_its_group() {
        let mut layer = Layer::default();
        let root = layer.add(Inode::directory(0o755), false);
        layer.name(vec![], root);
        let node = layer.add(file("new"), false);
        layer.name(b"a".to_vec(), node);
        let mut stack = Stack::new();
        stack.push(&lower()).unwrap();
        stack.push(&layer).unwrap();
        let tree = stack.into_tree();
        assert_eq!((text(&tree, "a"), text(&tree, "b")), ("new".into(), "old".into()));
        assert_eq!(tree.links(tree.id("b").unwrap()), 1);
    }

    #[test]
    fn deleted_names_and_hidden_directories_go() {
        let mut stack = Stack::new();
        let mut low = lower();
        let dir = low.add(Inode::directory(0o755), false);
        low.name(b"d".to_vec(), dir);
        let inner = low.add(file("inner"), false);
        low.name(b"d/x".to_vec(), inner);
        stack.push(&low).unwrap();
        let mut high = Layer::default();
        let root = high.add(Inode::directory(0o755), false);
        high.name(vec![], root);
        high.delete(b"a".to_vec());
        let dir = high.add(Inode::directory(0o700), true);
        high.name(b"d".to_vec(), dir);
        stack.push(&high).unwrap();
        let tree = stack.into_tree();
        assert!(tree.get("a").is_none() && tree.get("d/x").is_none());
        assert_eq!(tree.get("d").unwrap().meta.mode, 0o700);
    }
}
