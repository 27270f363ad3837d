//! Writes a FAT32 file system, deterministically, in one pass; and edits one that is there.
//!
//! [`Plan::new`] lays everything out: short names, directory entries, a contiguous run of clusters
//! for each directory and file. [`Plan::write`] then emits every byte once, in order. Because
//! runs are contiguous and in order, the allocation table is computed while it is written and
//! no file is held in memory.
//!
//! [`edit`] is for a volume that is there already: it reads and writes single files.
//!
//! The format is that of Microsoft's "FAT32 File System Specification" 1.03 (2000), called "the
//! specification" in this crate. Two volumes made from equal trees and [`Options`] are equal.
//!
//! ```
//! use osb_fat::{Options, Plan};
//! use osb_tree::{Inode, Tree};
//! let mut tree = Tree::new();
//! tree.insert("config.txt", Inode::file(0o644, b"arm_64bit=1\n".to_vec())).unwrap();
//! let options = Options {
//!     size: 33 << 20,
//!     sector_size: 512,
//!     label: "OSBBOOT".into(),
//!     volume_id: 0x1234_5678,
//!     timestamp: 1_700_000_000,
//!     hidden_sectors: 2048,
//! };
//! let plan = Plan::new(&tree, &options).unwrap();
//! let mut image = osb_sink::WriteSink::new(Vec::new());
//! plan.write(&mut image).unwrap();
//! assert_eq!(image.into_inner().len(), 33 << 20);
//! ```

mod boot;
mod directory;
pub mod edit;
mod error;
mod geometry;
mod layout;
mod name;
mod short;
mod time;
mod write;

pub use error::FatError;
pub use geometry::check_size;
pub use layout::Plan;

/// What a volume is told from outside; everything else follows from the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Length of the volume in bytes, which [`check_size`] accepts: whole sectors, fewer than 2^32,
    /// at least 33 MiB (257 MiB with long sectors).
    pub size: u64,
    /// Bytes in a logical sector of the disk: 512 or 4096.
    pub sector_size: u32,
    /// Volume label: at most 11 printable ASCII characters, no lower-case letters; empty for none.
    pub label: String,
    /// Volume id, the number that Linux shows as `UUID=1234-5678`.
    pub volume_id: u32,
    /// Seconds since 1970, UTC: the time of the label and the creation time of everything.
    /// Modification times are the tree's.
    pub timestamp: i64,
    /// First sector of the partition on its disk, in sectors.
    pub hidden_sectors: u32,
}
