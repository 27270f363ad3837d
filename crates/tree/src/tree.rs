//! The map itself.

use std::collections::BTreeMap;
use std::ops::Bound;

use crate::inode::{Inode, InodeId};

/// Why a path cannot be put into a tree.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    /// The path is absolute, has an empty component, `.` or `..`, or a NUL byte.
    #[error("not a plain relative path: {0:?}")]
    BadPath(String),
    /// The parent is missing or not a directory.
    #[error("no parent directory for {0:?}")]
    NoParent(String),
    /// Only files may have several names.
    #[error("cannot hard-link a directory: {0:?}")]
    LinkToDirectory(String),
}

fn show(path: &[u8]) -> String {
    String::from_utf8_lossy(path).into_owned()
}

/// A sorted map from paths to inodes; the empty path is the root.
#[derive(Debug, Clone)]
pub struct Tree {
    paths: BTreeMap<Box<[u8]>, InodeId>,
    inodes: Vec<Inode>,
    links: Vec<u32>,
}

impl Default for Tree {
    fn default() -> Self {
        Tree::new()
    }
}

impl Tree {
    /// A tree that holds the root directory only, mode 0755.
    pub fn new() -> Self {
        Tree {
            paths: BTreeMap::from([(Box::from(&b""[..]), InodeId(0))]),
            inodes: vec![Inode::directory(0o755)],
            links: vec![1],
        }
    }

    /// Puts a new inode at `path`, replacing what was there (and, if a directory is replaced by
    /// something else, all below it). A directory put onto a directory keeps the children.
    pub fn insert(&mut self, path: impl AsRef<[u8]>, inode: Inode) -> Result<InodeId, TreeError> {
        let path = path.as_ref();
        if path.is_empty() {
            if !inode.is_directory() {
                return Err(TreeError::BadPath(String::new()));
            }
            self.inodes[0] = inode;
            return Ok(InodeId(0));
        }
        self.check(path)?;
        if let Some(old) = self.id(path)
            && inode.is_directory()
            && self.inode(old).is_directory()
        {
            self.inodes[old.0] = inode;
            return Ok(old);
        }
        self.remove(path);
        let id = InodeId(self.inodes.len());
        self.inodes.push(inode);
        self.links.push(1);
        self.paths.insert(path.into(), id);
        Ok(id)
    }

    /// As [`Tree::insert`], after making the directories above that are missing: root's, 0755.
    pub fn lay(&mut self, path: impl AsRef<[u8]>, inode: Inode) -> Result<InodeId, TreeError> {
        let path = path.as_ref();
        for (at, _) in path.iter().enumerate().filter(|(_, byte)| **byte == b'/') {
            if self.get(&path[..at]).is_none() {
                self.insert(&path[..at], Inode::directory(0o755))?;
            }
        }
        self.insert(path, inode)
    }

    /// Gives the inode `id` one more name, replacing what was at `path`.
    pub fn link(&mut self, path: impl AsRef<[u8]>, id: InodeId) -> Result<(), TreeError> {
        let path = path.as_ref();
        self.check(path)?;
        if self.inode(id).is_directory() {
            return Err(TreeError::LinkToDirectory(show(path)));
        }
        self.links[id.0] += 1;
        self.remove(path);
        self.paths.insert(path.into(), id);
        Ok(())
    }

    /// Removes `path` and everything below it; whether anything was there.
    pub fn remove(&mut self, path: impl AsRef<[u8]>) -> bool {
        let path = path.as_ref();
        if path.is_empty() {
            self.remove_below(path);
            return true;
        }
        self.remove_below(path);
        match self.paths.remove(path) {
            Some(id) => {
                self.links[id.0] -= 1;
                true
            }
            None => false,
        }
    }

    /// Removes everything below the directory `path`, which stays.
    pub fn remove_below(&mut self, path: impl AsRef<[u8]>) {
        let below: Vec<Box<[u8]>> =
            self.descendants(path.as_ref()).map(|(path, _)| path.into()).collect();
        for path in below {
            if let Some(id) = self.paths.remove(&path) {
                self.links[id.0] -= 1;
            }
        }
    }

    /// The identifier at `path`.
    pub fn id(&self, path: impl AsRef<[u8]>) -> Option<InodeId> {
        self.paths.get(path.as_ref()).copied()
    }

    /// The inode at `path`.
    pub fn get(&self, path: impl AsRef<[u8]>) -> Option<&Inode> {
        self.id(path).map(|id| self.inode(id))
    }

    /// The inode at `path`, to be changed; a change is seen through all its names.
    pub fn get_mut(&mut self, path: impl AsRef<[u8]>) -> Option<&mut Inode> {
        let id = self.id(path)?;
        Some(&mut self.inodes[id.0])
    }

    /// The inode `id`.
    ///
    /// # Panics
    /// If `id` comes from another tree.
    pub fn inode(&self, id: InodeId) -> &Inode {
        &self.inodes[id.0]
    }

    /// The inode `id`, to be changed.
    ///
    /// # Panics
    /// If `id` comes from another tree.
    pub fn inode_mut(&mut self, id: InodeId) -> &mut Inode {
        &mut self.inodes[id.0]
    }

    /// How many paths name the inode `id` (1 for a directory).
    pub fn links(&self, id: InodeId) -> u32 {
        self.links[id.0]
    }

    /// All entries in byte order of their paths, the root (empty path) first.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], InodeId, &Inode)> {
        self.paths.iter().map(|(path, id)| (&path[..], *id, &self.inodes[id.0]))
    }

    /// The entries below the directory `path`, at any depth, in order.
    pub fn descendants<'a>(
        &'a self,
        path: &'a [u8],
    ) -> impl Iterator<Item = (&'a [u8], InodeId)> + 'a {
        let mut prefix = path.to_vec();
        if !prefix.is_empty() {
            prefix.push(b'/');
        }
        self.paths
            .range::<[u8], _>((Bound::Included(&prefix[..]), Bound::Unbounded))
            .map(|(path, id)| (&path[..], *id))
            .take_while(move |(path, _)| path.starts_with(&prefix))
            .filter(|(path, _)| !path.is_empty())
            .collect::<Vec<_>>()
            .into_iter()
    }

    /// The names and inodes directly inside the directory `path`, in order.
    pub fn children<'a>(
        &'a self,
        path: &'a [u8],
    ) -> impl Iterator<Item = (&'a [u8], InodeId)> + 'a {
        let skip = if path.is_empty() { 0 } else { path.len() + 1 };
        self.descendants(path)
            .map(move |(path, id)| (&path[skip..], id))
            .filter(|(name, _)| !name.contains(&b'/'))
    }

    /// What is in the directory `path`, as a tree of its own; `None` if there is no such directory.
    pub fn subtree(&self, path: impl AsRef<[u8]>) -> Option<Tree> {
        let path = path.as_ref();
        let root = self.get(path).filter(|inode| inode.is_directory())?;
        let skip = if path.is_empty() { 0 } else { path.len() + 1 };
        let mut tree = Tree::new();
        tree.inodes[0] = root.clone();
        let mut taken = BTreeMap::new();
        for (below, id) in self.descendants(path) {
            let new = *taken.entry(id).or_insert_with(|| {
                tree.inodes.push(self.inode(id).clone());
                tree.links.push(0);
                InodeId(tree.inodes.len() - 1)
            });
            tree.links[new.0] += 1;
            tree.paths.insert(below[skip..].into(), new);
        }
        Some(tree)
    }

    /// Number of paths, the root included.
    pub fn len(&self) -> usize {
        self.paths.len()
    }

    /// Whether there is nothing but the root.
    pub fn is_empty(&self) -> bool {
        self.paths.len() == 1
    }

    /// Sum of the sizes of regular files, each inode counted once, in bytes.
    pub fn content_size(&self) -> u64 {
        let mut seen = vec![false; self.inodes.len()];
        self.iter()
            .filter(|(_, id, _)| !std::mem::replace(&mut seen[id.0], true))
            .filter_map(|(_, _, inode)| inode.content())
            .map(crate::Content::size)
            .sum()
    }

    fn check(&self, path: &[u8]) -> Result<(), TreeError> {
        let plain = !path.contains(&0)
            && path.split(|byte| *byte == b'/').all(|part| !matches!(part, b"" | b"." | b".."));
        if !plain {
            return Err(TreeError::BadPath(show(path)));
        }
        let parent = path.iter().rposition(|byte| *byte == b'/').map_or(&b""[..], |at| &path[..at]);
        match self.get(parent) {
            Some(inode) if inode.is_directory() => Ok(()),
            _ => Err(TreeError::NoParent(show(path))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parents_must_exist_and_be_directories() {
        let mut tree = Tree::new();
        assert!(matches!(
            tree.insert("a/b", Inode::file(0o644, vec![])),
            Err(TreeError::NoParent(_))
        ));
        tree.insert("a", Inode::file(0o644, vec![])).unwrap();
        assert!(tree.insert("a/b", Inode::file(0o644, vec![])).is_err());
    }

    #[test]
    fn laying_makes_the_directories_that_are_missing() {
        let mut tree = Tree::new();
        tree.insert("a", Inode::directory(0o700)).unwrap();
        tree.lay("a/b/c", Inode::file(0o644, vec![])).unwrap();
        assert_eq!(tree.get("a").unwrap().meta.mode, 0o700);
        assert_eq!(tree.get("a/b").unwrap().meta.mode, 0o755);
        assert!(tree.lay("/a", Inode::file(0o644, vec![])).is_err());
        assert!(tree.lay("a/../x", Inode::file(0o644, vec![])).is_err());
        assert!(tree.lay("a/b/c/d", Inode::file(0o644, vec![])).is_err());
    }

    #[test]
    fn hostile_paths_are_refused() {
        for path in ["/a", "a/", "a//b", "..", "a/../b", "./a", "a\0b"] {
            assert!(Tree::new().insert(path, Inode::file(0o644, vec![])).is_err(), "{path:?}");
        }
    }

    #[test]
    fn replacing_a_directory_by_a_file_drops_its_children() {
        let mut tree = Tree::new();
        tree.insert("a", Inode::directory(0o755)).unwrap();
        tree.insert("a/b", Inode::file(0o644, vec![])).unwrap();
        tree.insert("a-c", Inode::file(0o644, vec![])).unwrap();
        tree.insert("a", Inode::file(0o644, vec![])).unwrap();
        let paths: Vec<&[u8]> = tree.iter().map(|entry| entry.0).collect();
        assert_eq!(paths, [&b""[..], b"a", b"a-c"]);
    }

    #[test]
    fn a_subtree_keeps_links_and_order() {
        let mut tree = Tree::new();
        let id = tree.lay("a/b/c", Inode::file(0o600, b"x".to_vec())).unwrap();
        tree.link("a/d", id).unwrap();
        tree.link("e", id).unwrap();
        let sub = tree.subtree("a").unwrap();
        let paths: Vec<&[u8]> = sub.iter().map(|entry| entry.0).collect();
        assert_eq!(paths, [&b""[..], b"b", b"b/c", b"d"]);
        assert_eq!(sub.links(sub.id("d").unwrap()), 2);
        assert!(tree.subtree("e").is_none() && tree.subtree("f").is_none());
        assert_eq!(tree.subtree("").unwrap().len(), tree.len());
    }

    #[test]
    fn a_link_to_its_own_path_keeps_the_inode() {
        let mut tree = Tree::new();
        let id = tree.insert("a", Inode::file(0o644, b"x".to_vec())).unwrap();
        tree.link("a", id).unwrap();
        assert_eq!(tree.links(id), 1);
        assert_eq!(tree.content_size(), 1);
    }
}
