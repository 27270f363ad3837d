//! What differs between two inodes.

use std::io;

use super::content::{ContentDifference, first_difference};
use super::{Resolution, Scope};
use crate::inode::{Device, Inode, Kind, Time};

/// What kind of thing a path names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// A directory.
    Directory,
    /// A regular file.
    File,
    /// A symbolic link.
    Symlink,
    /// A character device node.
    CharDevice,
    /// A block device node.
    BlockDevice,
    /// A named pipe.
    Fifo,
    /// A Unix socket.
    Socket,
}

impl Type {
    /// The type of `inode`.
    pub fn of(inode: &Inode) -> Type {
        match inode.kind {
            Kind::Directory => Type::Directory,
            Kind::File(_) => Type::File,
            Kind::Symlink(_) => Type::Symlink,
            Kind::CharDevice(_) => Type::CharDevice,
            Kind::BlockDevice(_) => Type::BlockDevice,
            Kind::Fifo => Type::Fifo,
            Kind::Socket => Type::Socket,
        }
    }

    /// Its name for people.
    pub fn name(self) -> &'static str {
        match self {
            Type::Directory => "directory",
            Type::File => "file",
            Type::Symlink => "symlink",
            Type::CharDevice => "character device",
            Type::BlockDevice => "block device",
            Type::Fifo => "named pipe",
            Type::Socket => "socket",
        }
    }
}

/// One thing in which an inode differs; `a` is how it was, `b` how it is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "every field is one of the two sides, or what the variant says")]
pub enum Aspect {
    /// Something else altogether. Contents are not compared then.
    Type { a: Type, b: Type },
    /// Permission bits.
    Mode { a: u32, b: u32 },
    /// Owner and group.
    Owner { a: (u32, u32), b: (u32, u32) },
    /// Modification time.
    Mtime { a: Time, b: Time },
    /// Length of a regular file, in bytes.
    Size { a: u64, b: u64 },
    /// Bytes of a regular file.
    Content(ContentDifference),
    /// Target of a symbolic link.
    Target { a: Vec<u8>, b: Vec<u8> },
    /// Number of a device.
    Device { a: Device, b: Device },
    /// An extended attribute; `None` where it is not there.
    Xattr { name: Vec<u8>, a: Option<Vec<u8>>, b: Option<Vec<u8>> },
    /// The paths of the inode.
    Links { a: Links, b: Links },
}

/// The paths of an inode: how many, and the first few.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Links {
    /// How many there are.
    pub count: usize,
    /// The first, in order. All of them would make differences grow with the square of the paths.
    pub first: Vec<Vec<u8>>,
}

impl Links {
    /// Most paths in [`Links::first`].
    pub const FIRST: usize = 4;

    pub(super) fn of(paths: &[&[u8]]) -> Self {
        let first = paths.iter().take(Self::FIRST).map(|path| path.to_vec()).collect();
        Links { count: paths.len(), first }
    }
}

impl Aspect {
    /// What it takes of memory, in bytes (an estimate).
    pub(super) fn memory(&self) -> usize {
        let value = |value: &Option<Vec<u8>>| value.as_ref().map_or(0, Vec::len);
        let paths = |links: &Links| links.first.iter().map(Vec::len).sum::<usize>();
        let variable = match self {
            Aspect::Content(content) => content.a.len() + content.b.len(),
            Aspect::Target { a, b } => a.len() + b.len(),
            Aspect::Xattr { name, a, b } => name.len() + value(a) + value(b),
            Aspect::Links { a, b } => paths(a) + paths(b),
            _ => 0,
        };
        size_of::<Aspect>() + variable
    }
}

/// Everything but the names.
pub(super) fn compare(a: &Inode, b: &Inode, scope: &Scope) -> io::Result<Vec<Aspect>> {
    let mut found = Vec::new();
    let (one, other) = (Type::of(a), Type::of(b));
    if one != other {
        found.push(Aspect::Type { a: one, b: other });
    }
    let (m, n) = (&a.meta, &b.meta);
    if scope.owners {
        // The mode of a symbolic link means nothing, and writers differ over it.
        if m.mode != n.mode && (one, other) != (Type::Symlink, Type::Symlink) {
            found.push(Aspect::Mode { a: m.mode, b: n.mode });
        }
        if (m.uid, m.gid) != (n.uid, n.gid) {
            found.push(Aspect::Owner { a: (m.uid, m.gid), b: (n.uid, n.gid) });
        }
    }
    if rounded(m.mtime, scope.times) != rounded(n.mtime, scope.times) {
        found.push(Aspect::Mtime { a: m.mtime, b: n.mtime });
    }
    if scope.owners {
        for name in
            m.xattrs.keys().chain(n.xattrs.keys().filter(|name| !m.xattrs.contains_key(*name)))
        {
            let (a, b) = (m.xattrs.get(name), n.xattrs.get(name));
            if a != b {
                found.push(Aspect::Xattr { name: name.clone(), a: a.cloned(), b: b.cloned() });
            }
        }
    }
    match (&a.kind, &b.kind) {
        (Kind::File(a), Kind::File(b)) => {
            if a.size() != b.size() {
                found.push(Aspect::Size { a: a.size(), b: b.size() });
            }
            found.extend(first_difference(a, b)?.map(Aspect::Content));
        }
        (Kind::Symlink(a), Kind::Symlink(b)) if a != b => {
            found.push(Aspect::Target { a: a.clone(), b: b.clone() });
        }
        (Kind::CharDevice(a), Kind::CharDevice(b))
        | (Kind::BlockDevice(a), Kind::BlockDevice(b))
            if a != b =>
        {
            found.push(Aspect::Device { a: *a, b: *b });
        }
        _ => {}
    }
    Ok(found)
}

fn rounded(time: Time, resolution: Resolution) -> (i64, u32) {
    match resolution {
        Resolution::Nanoseconds => (time.secs, time.nanos),
        Resolution::Seconds => (time.secs, 0),
        Resolution::TwoSeconds => (time.secs.div_euclid(2), 0),
    }
}
