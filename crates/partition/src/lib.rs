//! Partition tables, alignment, identifiers, and the assembly of a disk image.
//!
//! A [`Layout`] is computed first, from sizes and identifiers only; [`Layout::write`] then emits
//! the disk from its first byte to its last, asking for each partition's content in turn.
//! Nothing is random: identifiers come from the caller, usually by [`Guid::from_digest`].
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
mod guid;
mod kind;
mod layout;
mod table;
mod window;
mod write;

pub use error::PartitionError;
pub use guid::Guid;
pub use kind::PartitionType;
pub use layout::{ALIGNMENT, Layout, PartitionSpec, Placed, SECTOR};
