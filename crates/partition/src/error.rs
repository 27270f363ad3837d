//! Everything that can be wrong with a layout or its writing.

use std::io;

use crate::Guid;

/// Why a disk cannot be laid out or written.
#[derive(Debug, thiserror::Error)]
pub enum PartitionError {
    /// There is no partition, or more than the table's 128 entries.
    #[error("{0} partitions: a disk needs 1 to 128")]
    Count(usize),
    /// A partition's length is zero or not whole sectors.
    #[error("partition {name:?}: {size} bytes: must be a multiple of 512 and not zero")]
    Size {
        /// Name of the partition.
        name: String,
        /// Its length in bytes.
        size: u64,
    },
    /// The partitions together are longer than byte offsets can say.
    #[error("partition {name:?}: {size} bytes: the disk would end beyond the largest file offset")]
    TooLarge {
        /// The partition that goes too far.
        name: String,
        /// Its length in bytes.
        size: u64,
    },
    /// A name that the table cannot hold.
    #[error("partition name {name:?}: {reason}")]
    Name {
        /// The name.
        name: String,
        /// The rule that it breaks.
        reason: &'static str,
    },
    /// The same identifier twice, or one that means "unused".
    #[error("GUID {guid} {reason}")]
    Guid {
        /// The identifier.
        guid: Guid,
        /// The rule that it breaks.
        reason: &'static str,
    },
    /// The tables could not be made.
    #[error("cannot make the partition tables: {0}")]
    Table(#[from] gpt::GptError),
    /// What was written into a partition is shorter or longer than the partition.
    #[error("partition {name:?} has {expected} bytes, but {written} were written into it")]
    Length {
        /// Name of the partition.
        name: String,
        /// Its length in bytes.
        expected: u64,
        /// What was written, in bytes; at least that many, if more than fits.
        written: u64,
    },
    /// The content of a partition could not be made or written.
    #[error("cannot write partition {name:?}: {source}")]
    Fill {
        /// Name of the partition.
        name: String,
        /// What was said.
        source: io::Error,
    },
    /// The disk image could not be written.
    #[error("cannot write the disk image: {0}")]
    Write(#[from] io::Error),
}
