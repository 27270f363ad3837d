//! The file system as a value.
//!
//! A [`Tree`] is a sorted map from paths to inodes. Two paths that name the same inode are hard
//! links, as on a real file system, so owner, mode and content cannot differ between them.
//! Every writer of osb (ext4, FAT, tar) takes a `Tree` and nothing else.
//!
//! ```
//! use osb_tree::{Content, Inode, Kind, Meta, Tree};
//! let mut tree = Tree::new();
//! tree.insert("etc", Inode::directory(0o755)).unwrap();
//! let id = tree.insert("etc/hostname", Inode::file(0o644, b"node\n".to_vec())).unwrap();
//! tree.link("etc/also", id).unwrap();
//! assert_eq!(tree.links(id), 2);
//! ```
//!
//! Invariants: paths are relative, without `.`, `..` or empty components; the parent of every
//! path exists and is a directory; iteration is in byte order of the path, so parents come
//! before their children; a tree never names the place it will be written to.

mod checked;
pub mod diff;
mod extents;
mod inode;
mod manifest;
mod overlay;
mod resolve;
mod scan;
mod tree;

pub use checked::Damaged;
pub use extents::{Extent, Extents, ReadAt};
pub use inode::{Content, Device, Inode, InodeId, Kind, Meta, Time};
pub use manifest::{Manifest, Mismatch};
pub use overlay::{Layer, Stack};
pub use resolve::Lost;
pub use scan::{ScanError, scan, scan_layer};
pub use tree::{Tree, TreeError};
