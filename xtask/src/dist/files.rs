//! Files of root's, all with one time, as a tree that the archive writers take.

use std::path::Path;

use anyhow::{Context, Result};
use osb_tree::{Inode, Time, Tree};

/// Files to be packed.
#[derive(Debug)]
pub(crate) struct Files {
    tree: Tree,
    epoch: i64,
}

impl Files {
    /// No files, which will have been changed at `epoch`, in seconds since 1970.
    pub(crate) fn new(epoch: i64) -> Self {
        let mut tree = Tree::new();
        let root = dated(Inode::directory(0o755), epoch);
        // The empty path is the root, which any tree has.
        if let Some(inode) = tree.get_mut("") {
            *inode = root;
        }
        Self { tree, epoch }
    }

    /// Adds a file, and the folders it is in.
    pub(crate) fn put(&mut self, path: &str, mode: u32, bytes: Vec<u8>) -> Result<()> {
        let folders: Vec<&Path> = Path::new(path).ancestors().skip(1).collect();
        for folder in folders.into_iter().rev().filter_map(Path::to_str) {
            if self.tree.get(folder).is_none() {
                let inode = dated(Inode::directory(0o755), self.epoch);
                self.tree.insert(folder, inode).with_context(|| folder.to_owned())?;
            }
        }
        let inode = dated(Inode::file(mode, bytes), self.epoch);
        self.tree.insert(path, inode).with_context(|| path.to_owned())?;
        Ok(())
    }

    /// What was added.
    pub(crate) fn tree(&self) -> &Tree {
        &self.tree
    }

    /// The time of all files.
    pub(crate) fn epoch(&self) -> i64 {
        self.epoch
    }
}

fn dated(mut inode: Inode, epoch: i64) -> Inode {
    inode.meta.mtime = Time { secs: epoch, nanos: 0 };
    inode
}
