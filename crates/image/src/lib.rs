//! Reads images back as values.
//!
//! [`open`] takes what a build writes (`disk.img`, `sd.img.zst`, `rootfs.tar.gz`), images that
//! others have made, a layer of the cache, or a folder, and gives a partition table and trees.
//! Nothing is mounted or unpacked: contents stay where they lie and are read when they are asked
//! for. What is compressed is decompressed into a file without a name first, but for zstd with a
//! seek table: that is decompressed where it is read.
//!
//! ```
//! # let folder = tempfile::tempdir().unwrap();
//! # let path = folder.path().join("root.tar");
//! # let mut tree = osb_tree::Tree::new();
//! # tree.insert("etc", osb_tree::Inode::directory(0o755)).unwrap();
//! # std::fs::write(&path, osb_archive::tar(&tree, Vec::new()).unwrap()).unwrap();
//! let options = osb_image::Options { scratch: folder.path(), limits: Default::default() };
//! let image = osb_image::open(&path, &options).unwrap();
//! assert!(image.volumes[0].tree.get("etc").is_some());
//! ```
//!
//! Invariants: an image is hostile until it is read: every offset is checked against the length,
//! every structure is read once or counted, and [`Limits`] bound memory, work and what
//! decompression may make. A damaged image is an error that says what is wrong and where.

mod bytes;
pub mod compare;
mod compression;
mod content_size;
mod error;
mod ext4;
mod fat;
mod limits;
mod open;
mod packages;
mod parts;
mod scratch;
mod seek_table;
mod seekable;
mod space;
mod table;
mod tar;
mod window;

#[cfg(feature = "fuzz")]
pub mod fuzz;

pub use compression::Compression;
pub use content_size::zstd_content_size;
pub use error::{Fault, ImageError};
pub use limits::Limits;
pub use open::{Form, Image, Options, System, Volume, open, table, table_in};
pub use packages::{Diversions, Installed, Owners, installed};
pub use seek_table::SeekTable;
pub use space::Space;
pub use table::{Kind as TableKind, Partition, Table};
