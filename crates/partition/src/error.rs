//! Everything that can be wrong with a layout or its writing.

use std::io;

use crate::{Guid, Table};

/// Why a disk cannot be laid out or written.
#[derive(Debug, thiserror::Error)]
pub enum PartitionError {
    /// There is no partition, or more than the table holds.
    #[error("{count} partitions: {table} holds 1 to {}", table.most_partitions())]
    Count {
        /// The kind of table.
        table: Table,
        /// How many there are.
        count: usize,
    },
    /// The alignment would not leave room for every table.
    #[error("an alignment of {0} bytes: must be a multiple of 1048576 (1 MiB) and not zero")]
    Alignment(u64),
    /// A partition's length is zero or not whole sectors.
    #[error("partition {name:?}: {size} bytes: must be a multiple of {sector} and not zero")]
    Size {
        /// Name of the partition.
        name: String,
        /// Its length in bytes.
        size: u64,
        /// Bytes in a sector.
        sector: u64,
    },
    /// The partitions together are longer than the table, or byte offsets, can say.
    #[error(
        "partition {name:?} of {size} bytes would end beyond {limit} bytes ({} TiB), which {table} \
         cannot say",
        limit >> 40
    )]
    TooLarge {
        /// The partition that goes too far.
        name: String,
        /// Its length in bytes.
        size: u64,
        /// The kind of table.
        table: Table,
        /// Where the disk must end, in bytes.
        limit: u64,
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
