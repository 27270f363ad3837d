//! Partition tables, alignment, identifiers, and the assembly of a disk image.
//!
//! A [`Layout`] is computed first, from sizes and identifiers only; [`Layout::write`] then emits
//! the disk from its first byte to its last, asking for each partition's content in turn.
//! Nothing is random: identifiers come from the caller, usually by [`Guid::from_digest`]. A
//! [`Format`] chooses between GPT and MBR, and between sectors of 512 and of 4096 bytes.
//!
//! ```
//! use osb_partition::{Guid, Layout, PartitionSpec, PartitionType};
//! let root = PartitionSpec {
//!     name: "root".into(),
//!     kind: PartitionType::LinuxRootArm64,
//!     guid: Guid::from_digest(b"sixteen bytes or more"),
//!     size: 4 << 20,
//! };
//! let layout = Layout::new(Guid::from_digest(b"another 16 bytes"), vec![root]).unwrap();
//! assert_eq!(layout.partitions()[0].start_bytes, 1 << 20);
//! assert_eq!(layout.disk_size(), 6 << 20);
//! ```

mod error;
mod format;
mod gpt;
mod guid;
mod kind;
mod layout;
mod mbr;
mod write;

pub use error::PartitionError;
pub use format::{ALIGNMENT, Format, SectorSize, Table};
pub use gpt::crc32;
pub use guid::Guid;
pub use kind::PartitionType;
pub use layout::{Layout, PartitionSpec, Placed};
