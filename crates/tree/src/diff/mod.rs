//! What differs between two trees.
//!
//! ```
//! use osb_tree::{Inode, Tree, diff};
//! let (mut a, mut b) = (Tree::new(), Tree::new());
//! a.insert("etc", Inode::directory(0o755)).unwrap();
//! b.insert("etc", Inode::directory(0o700)).unwrap();
//! b.insert("etc/new", Inode::directory(0o700)).unwrap();
//! let found = diff::diff(&a, &b, &diff::Scope::ALL).unwrap();
//! assert_eq!(found[0].path, b"etc");
//! assert!(matches!(found[1].change, diff::Change::Added));
//! ```
//!
//! Differences come in byte order of their paths. What is told of an inode is told at its first
//! path; a directory that is there on one side only is one difference, with the number of paths
//! below it.

mod content;
mod inode;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io;

pub use content::{ContentDifference, first_difference};
pub use inode::{Aspect, Links, Type};

use crate::inode::{Inode, InodeId, Kind};
use crate::tree::Tree;

/// How exact times are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Resolution {
    /// FAT: even seconds.
    TwoSeconds,
    /// Whole seconds.
    Seconds,
    /// Nanoseconds.
    Nanoseconds,
}

/// What is compared. Forms of an image differ in what they can express.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scope {
    /// Permissions, owners and extended attributes.
    pub owners: bool,
    /// Which paths are one inode.
    pub links: bool,
    /// Sockets.
    pub sockets: bool,
    /// Modification times, and how exact they are.
    pub times: Resolution,
}

impl Scope {
    /// Everything.
    pub const ALL: Scope =
        Scope { owners: true, links: true, sockets: true, times: Resolution::Nanoseconds };

    /// What both scopes have.
    #[must_use]
    pub fn and(self, other: Scope) -> Scope {
        Scope {
            owners: self.owners && other.owners,
            links: self.links && other.links,
            sockets: self.sockets && other.sockets,
            times: self.times.min(other.times),
        }
    }
}

/// One path that is not the same on both sides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The path; of several names of an inode the first.
    pub path: Vec<u8>,
    /// What it is on the side that has it, or on the second if both do.
    pub kind: Type,
    /// What happened on the way from the first tree to the second.
    pub change: Change,
    /// Paths below it that are added or removed with it.
    pub below: usize,
}

/// What happened to a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The second tree has it alone.
    Added,
    /// The first tree has it alone.
    Removed,
    /// Both have it, and it differs in these things, of which there is at least one.
    Changed(Vec<Aspect>),
}

/// What differences may take of memory, in bytes (an estimate): half a million, or so. Attributes
/// and targets count once for each inode of the other tree that they are compared with, so a small
/// image could make any number of bytes.
const MOST: usize = 256 << 20;

/// Why two trees could not be compared.
#[derive(Debug, thiserror::Error)]
pub enum DiffError {
    /// A content cannot be read.
    #[error("reading {path:?} to compare it: {source}")]
    Read {
        /// The path whose content it is.
        path: String,
        /// What was said.
        source: io::Error,
    },
    /// More differs than is told.
    #[error("what differs takes more than {} MiB: compare other images, or parts of them", .0 >> 20)]
    TooMuch(usize),
}

/// Everything in which `b` differs from `a`, as far as `scope` goes.
///
/// # Errors
/// If a content cannot be read, or the differences take more than 256 MiB of memory.
pub fn diff(a: &Tree, b: &Tree, scope: &Scope) -> Result<Vec<Difference>, DiffError> {
    within(a, b, scope, MOST)
}

/// [`diff`] with another limit.
fn within(a: &Tree, b: &Tree, scope: &Scope, most: usize) -> Result<Vec<Difference>, DiffError> {
    let mut walk = Walk {
        sides: [a, b],
        names: [names(a), names(b)],
        scope: *scope,
        compared: HashSet::new(),
        found: Vec::new(),
        most,
        left: most,
        places: HashMap::new(),
    };
    let visible = |(_, _, inode): &(&[u8], InodeId, &Inode)| {
        scope.sockets || !matches!(inode.kind, Kind::Socket)
    };
    let mut left = a.iter().filter(visible).peekable();
    let mut right = b.iter().filter(visible).peekable();
    loop {
        let order = match (left.peek(), right.peek()) {
            (None, None) => return Ok(walk.found),
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (Some(one), Some(other)) => one.0.cmp(other.0),
        };
        let one = if order.is_le() { left.next() } else { None };
        let other = if order.is_ge() { right.next() } else { None };
        match (one, other) {
            (Some((path, id, _)), Some((_, other, _))) => walk.both(path, id, other)?,
            (Some((path, _, inode)), None) => walk.alone(path, inode, 1, Change::Removed)?,
            (None, Some((path, _, inode))) => walk.alone(path, inode, 0, Change::Added)?,
            (None, None) => {}
        }
    }
}

/// The names of every inode that has several.
type Names<'a> = BTreeMap<InodeId, Vec<&'a [u8]>>;

fn names(tree: &Tree) -> Names<'_> {
    let mut names = Names::new();
    for (path, id, _) in tree.iter().filter(|(_, id, _)| tree.links(*id) > 1) {
        names.entry(id).or_default().push(path);
    }
    names
}

struct Walk<'a> {
    sides: [&'a Tree; 2],
    names: [Names<'a>; 2],
    scope: Scope,
    /// Pairs of inodes that were compared at an earlier name.
    compared: HashSet<(InodeId, InodeId)>,
    found: Vec<Difference>,
    /// Memory that differences may take, and what is left of it.
    most: usize,
    left: usize,
    /// Where in `found` a path is that others may lie below.
    places: HashMap<&'a [u8], usize>,
}

impl<'a> Walk<'a> {
    /// A path that only one tree has; `other` is the index of the tree that does not.
    fn alone(
        &mut self,
        path: &'a [u8],
        inode: &Inode,
        other: usize,
        change: Change,
    ) -> Result<(), DiffError> {
        let other = self.sides[other];
        let parent = parent(path);
        if !other.get(parent).is_some_and(Inode::is_directory) {
            // The directory above is not there either, or is something else: that was told.
            let mut above = Some(parent);
            while let Some(path) = above {
                if let Some(place) = self.places.get(path) {
                    self.found[*place].below += 1;
                    return Ok(());
                }
                above = (!path.is_empty()).then(|| self::parent(path));
            }
        }
        self.tell(path, inode, change)
    }

    fn both(&mut self, path: &'a [u8], a: InodeId, b: InodeId) -> Result<(), DiffError> {
        let [one, other] = [self.sides[0].inode(a), self.sides[1].inode(b)];
        let mut aspects = Vec::new();
        let several = self.names[0].contains_key(&a) || self.names[1].contains_key(&b);
        if !several || self.compared.insert((a, b)) {
            aspects = inode::compare(one, other, &self.scope).map_err(|source| {
                DiffError::Read { path: String::from_utf8_lossy(path).into_owned(), source }
            })?;
            if several && self.scope.links {
                let own = [path];
                let paths =
                    |side: usize, id| self.names[side].get(&id).map_or(&own[..], Vec::as_slice);
                let (a, b) = (paths(0, a), paths(1, b));
                if a != b {
                    aspects.push(Aspect::Links { a: Links::of(a), b: Links::of(b) });
                }
            }
        }
        if aspects.is_empty() {
            return Ok(());
        }
        self.tell(path, other, Change::Changed(aspects))
    }

    fn tell(&mut self, path: &'a [u8], inode: &Inode, change: Change) -> Result<(), DiffError> {
        let aspects: usize = match &change {
            Change::Changed(aspects) => aspects.iter().map(Aspect::memory).sum(),
            Change::Added | Change::Removed => 0,
        };
        // The path, its place among the others, and the difference itself.
        let memory = 2 * path.len() + 256 + aspects;
        self.left = self.left.checked_sub(memory).ok_or(DiffError::TooMuch(self.most))?;
        self.places.insert(path, self.found.len());
        self.found.push(Difference {
            path: path.to_vec(),
            kind: Type::of(inode),
            change,
            below: 0,
        });
        Ok(())
    }
}

/// The path without its last component; the root's is the root.
fn parent(path: &[u8]) -> &[u8] {
    path.iter().rposition(|byte| *byte == b'/').map_or(b"", |at| &path[..at])
}

#[cfg(test)]
mod tests;
