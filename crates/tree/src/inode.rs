//! What a path names: metadata and content.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::Arc;

use osb_checksum::{Digest, Fingerprint};

use crate::checked::{Checked, Damaged};
use crate::extents::Extents;

/// Index of an inode within its [`crate::Tree`]; stable while the tree lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InodeId(pub(crate) usize);

/// A point in time: seconds since 1970 (negative before) and nanoseconds (`0..1_000_000_000`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Time {
    /// Whole seconds since the epoch.
    pub secs: i64,
    /// Nanoseconds within the second.
    pub nanos: u32,
}

impl Time {
    /// Whole seconds since the epoch.
    pub const fn from_secs(secs: i64) -> Self {
        Time { secs, nanos: 0 }
    }
}

/// Owner, permissions, modification time and extended attributes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Meta {
    /// Permission bits, `0o7777` at most; the file type is in [`Kind`].
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Modification time.
    pub mtime: Time,
    /// Extended attributes by full name (`security.capability`), values as the system calls
    /// give them.
    pub xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
}

/// Number of a character or block device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Device {
    /// Major number.
    pub major: u32,
    /// Minor number.
    pub minor: u32,
}

/// Where the bytes of a regular file lie.
#[derive(Debug, Clone)]
pub enum Content {
    /// In memory.
    Bytes(Arc<[u8]>),
    /// In a file of the machine that builds. The file must not change while the tree is used.
    File {
        /// Path on the building machine.
        path: PathBuf,
        /// Length in bytes.
        size: u64,
        /// What the bytes must be, if that is known: whoever reads them all finds out.
        fingerprint: Option<Digest>,
    },
    /// In pieces within something larger: an image that is read back.
    Extents(Extents),
}

impl Content {
    /// Length in bytes.
    pub fn size(&self) -> u64 {
        match self {
            Content::Bytes(bytes) => bytes.len() as u64,
            Content::File { size, .. } => *size,
            Content::Extents(extents) => extents.size(),
        }
    }

    /// Where the bytes are: the same for clones of one content, while one of them lives.
    pub fn identity(&self) -> (usize, u64) {
        let address = match self {
            Content::Bytes(bytes) => bytes.as_ptr().addr(),
            Content::File { path, .. } => path.as_os_str().as_encoded_bytes().as_ptr().addr(),
            Content::Extents(extents) => extents.pieces().as_ptr().addr(),
        };
        (address, self.size())
    }

    /// A reader over the bytes. At the last of them it fails with [`Damaged`](crate::Damaged) if
    /// they are not the recorded ones.
    pub fn open(&self) -> io::Result<Box<dyn Read + '_>> {
        match self {
            Content::Bytes(bytes) => Ok(Box::new(&bytes[..])),
            Content::File { path, size, fingerprint } => match File::open(path) {
                Ok(file) => {
                    let file = file.take(*size);
                    Ok(match *fingerprint {
                        Some(expected) => {
                            Box::new(Checked { file, path, expected, seen: Fingerprint::new() })
                        }
                        None => Box::new(file),
                    })
                }
                // Another run may have found it damaged, and taken it away.
                Err(error) if fingerprint.is_some() && error.kind() == io::ErrorKind::NotFound => {
                    Err(io::Error::other(Damaged { path: path.clone() }))
                }
                Err(error) => {
                    Err(io::Error::new(error.kind(), format!("{}: {error}", path.display())))
                }
            },
            Content::Extents(extents) => Ok(Box::new(extents.reader())),
        }
    }

    /// All bytes, read into memory. Not for what an image from elsewhere holds: a file there may
    /// claim any size.
    pub fn read(&self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::with_capacity(self.size() as usize);
        self.open()?.read_to_end(&mut bytes)?;
        if bytes.len() as u64 != self.size() {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                format!("file changed while it was read: {} of {} bytes", bytes.len(), self.size()),
            ));
        }
        Ok(bytes)
    }
}

impl From<Vec<u8>> for Content {
    fn from(bytes: Vec<u8>) -> Self {
        Content::Bytes(bytes.into())
    }
}

/// The type of an inode, with what only that type has.
#[derive(Debug, Clone)]
pub enum Kind {
    /// A directory; its children are the paths below it.
    Directory,
    /// A regular file.
    File(Content),
    /// A symbolic link and its target, not interpreted.
    Symlink(Vec<u8>),
    /// A character device node.
    CharDevice(Device),
    /// A block device node.
    BlockDevice(Device),
    /// A named pipe.
    Fifo,
    /// A Unix socket.
    Socket,
}

/// One inode: metadata and kind.
#[derive(Debug, Clone)]
pub struct Inode {
    /// Owner, permissions, time, attributes.
    pub meta: Meta,
    /// Type and content.
    pub kind: Kind,
}

impl Inode {
    /// An inode of root's with the given permission bits, time zero and no attributes.
    pub fn new(mode: u32, kind: Kind) -> Self {
        Inode { meta: Meta { mode, ..Meta::default() }, kind }
    }

    /// A directory of root's.
    pub fn directory(mode: u32) -> Self {
        Inode::new(mode, Kind::Directory)
    }

    /// A regular file of root's.
    pub fn file(mode: u32, content: impl Into<Content>) -> Self {
        Inode::new(mode, Kind::File(content.into()))
    }

    /// A symbolic link of root's.
    pub fn symlink(target: impl Into<Vec<u8>>) -> Self {
        Inode::new(0o777, Kind::Symlink(target.into()))
    }

    /// Whether this is a directory.
    pub fn is_directory(&self) -> bool {
        matches!(self.kind, Kind::Directory)
    }

    /// The content, if this is a regular file.
    pub fn content(&self) -> Option<&Content> {
        match &self.kind {
            Kind::File(content) => Some(content),
            _ => None,
        }
    }
}
