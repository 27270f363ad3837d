//! Numbers for the tree's inodes, in its order, and the directories' lists of names.

use std::collections::HashMap;

use osb_tree::{Inode, InodeId, Kind, Tree};

use crate::directory::{self, Directory, Entry};
use crate::error::{Ext4Error, show};
use crate::inode::{MOST_LINKS, TIMES};
use crate::own::{FIRST_INODE, LOST_FOUND, ROOT};

/// A tree whose inodes have numbers.
#[derive(Debug, Default)]
pub(crate) struct Numbered<'tree> {
    /// The root, then the others, the first of which has the number [`FIRST_INODE`].
    pub(crate) inodes: Vec<Named<'tree>>,
    /// Every directory, in the order of their numbers.
    pub(crate) directories: Vec<Directory<'tree>>,
}

/// An inode and the first of its names.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Named<'tree> {
    pub(crate) path: &'tree [u8],
    pub(crate) inode: &'tree Inode,
    /// Names of a file, subdirectories and 2 of a directory.
    pub(crate) links: u32,
}

/// Whether `path` is the directory that the file system makes itself, or below it.
pub(crate) fn is_lost_found(path: &[u8]) -> bool {
    path.strip_prefix(b"lost+found").is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
}

/// Parent directory and last component.
pub(crate) fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|byte| *byte == b'/') {
        Some(at) => (&path[..at], &path[at + 1..]),
        None => (b"", path),
    }
}

/// Numbers what is in `tree`.
pub(crate) fn number(tree: &Tree) -> Result<Numbered<'_>, Ext4Error> {
    let mut numbered = Numbered::default();
    let mut places: HashMap<&[u8], usize> = HashMap::new();
    let mut linked: HashMap<InodeId, u32> = HashMap::new();
    for (path, id, inode) in tree.iter() {
        if is_lost_found(path) {
            if path.contains(&b'/') || !inode.is_directory() {
                return Err(Ext4Error::LostFound(show(path)));
            }
            continue;
        }
        if path.is_empty() {
            places.insert(path, 0);
            numbered.add(path, inode, 1, ROOT)?;
            numbered.directories[0].entries.push(Entry {
                name: b"lost+found",
                inode: LOST_FOUND,
                kind: directory::DIRECTORY,
            });
            numbered.inodes[0].links += 1;
            continue;
        }
        let (parent, name) = split(path);
        if name.len() > 255 {
            let reason = "the name is longer than 255 bytes";
            return Err(Ext4Error::Name { path: show(path), reason });
        }
        let Some(&above) = places.get(parent) else {
            // The tree's own invariant; cheaper to say than to rely on.
            return Err(Ext4Error::Name { path: show(path), reason: "no parent directory" });
        };
        let number = match linked.get(&id) {
            Some(number) => *number,
            None => {
                let parent = numbered.directories[above].inode;
                let number = numbered.add(path, inode, tree.links(id), parent)?;
                if inode.is_directory() {
                    places.insert(path, numbered.directories.len() - 1);
                    numbered.inodes[index(parent)].links += 1;
                } else if tree.links(id) > 1 {
                    linked.insert(id, number);
                }
                number
            }
        };
        numbered.directories[above].entries.push(Entry { name, inode: number, kind: kind(inode) });
    }
    Ok(numbered)
}

impl<'tree> Numbered<'tree> {
    /// Gives `inode` the next number; `parent` is its directory's.
    fn add(
        &mut self,
        path: &'tree [u8],
        inode: &'tree Inode,
        links: u32,
        parent: u32,
    ) -> Result<u32, Ext4Error> {
        let secs = inode.meta.mtime.secs;
        if !TIMES.contains(&secs) {
            return Err(Ext4Error::Time { path: show(path), secs });
        }
        let number = match self.inodes.len() {
            0 => ROOT,
            count => u32::try_from(count - 1 + FIRST_INODE as usize).map_err(|_| {
                Ext4Error::Entry { path: show(path), reason: "more than 2^32 inodes".to_owned() }
            })?,
        };
        let is_directory = inode.is_directory();
        if !is_directory && links > MOST_LINKS {
            let reason = format!("{links} hard links, where ext4 has {MOST_LINKS} at most");
            return Err(Ext4Error::Entry { path: show(path), reason });
        }
        if is_directory {
            self.directories.push(Directory { inode: number, parent, entries: Vec::new() });
        }
        let links = if is_directory { 2 } else { links };
        self.inodes.push(Named { path, inode, links });
        Ok(number)
    }
}

/// Where [`Numbered::inodes`] has an inode of the tree.
pub(crate) fn index(number: u32) -> usize {
    if number == ROOT { 0 } else { (number - FIRST_INODE) as usize + 1 }
}

/// `EXT4_FT_*`: the type in a directory's entry.
fn kind(inode: &Inode) -> u8 {
    match inode.kind {
        Kind::File(_) => 1,
        Kind::Directory => directory::DIRECTORY,
        Kind::CharDevice(_) => 3,
        Kind::BlockDevice(_) => 4,
        Kind::Fifo => 5,
        Kind::Socket => 6,
        Kind::Symlink(_) => 7,
    }
}
