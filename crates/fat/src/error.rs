//! Everything that can be wrong with a volume.

use std::io;

/// Why a tree cannot become a FAT32 volume, or the volume not be written.
#[derive(Debug, thiserror::Error)]
pub enum FatError {
    /// No disk has such sectors.
    #[error("a FAT32 volume cannot have sectors of {0} bytes: 512 or 4096")]
    Sector(u32),
    /// The volume's length is not whole sectors.
    #[error("a FAT32 volume cannot have {size} bytes: it must be a multiple of {sector_size}")]
    Uneven {
        /// The length asked for, in bytes.
        size: u64,
        /// Bytes in a sector.
        sector_size: u32,
    },
    /// The volume would have too few clusters.
    #[error(
        "{size} bytes ({} MiB) cannot be FAT32 with {sector_size}-byte sectors: at least {} MiB",
        size >> 20,
        least >> 20
    )]
    TooSmall {
        /// The length asked for, in bytes.
        size: u64,
        /// Bytes in a sector.
        sector_size: u32,
        /// The least length, in bytes.
        least: u64,
    },
    /// The volume would have too many sectors.
    #[error(
        "{size} bytes cannot be FAT32 with {sector_size}-byte sectors: less than {} TiB",
        u64::from(*sector_size) >> 8
    )]
    TooLarge {
        /// The length asked for, in bytes.
        size: u64,
        /// Bytes in a sector.
        sector_size: u32,
    },
    /// The volume label cannot be stored.
    #[error("volume label {label:?}: {reason}")]
    Label {
        /// The label asked for.
        label: String,
        /// The rule that it breaks.
        reason: &'static str,
    },
    /// FAT knows only directories and regular files.
    #[error("{path}: FAT cannot hold a {kind}; only directories and regular files")]
    Unsupported {
        /// Path in the tree.
        path: String,
        /// What stands there.
        kind: &'static str,
    },
    /// A name that FAT cannot store.
    #[error("{path}: {reason}")]
    Name {
        /// Path in the tree.
        path: String,
        /// The rule that it breaks.
        reason: &'static str,
    },
    /// Two names that are the same to FAT, which does not tell upper from lower case.
    #[error("{first} and {second} differ by case only, which FAT cannot tell apart; rename one")]
    SameName {
        /// Path of the one.
        first: String,
        /// Path of the other.
        second: String,
    },
    /// A file of 4 GiB or more.
    #[error("{path}: {size} bytes; a file on FAT has at most 4294967295")]
    FileTooLarge {
        /// Path in the tree.
        path: String,
        /// Its length in bytes.
        size: u64,
    },
    /// A directory with more entries than FAT allows.
    #[error("{path}: {entries} directory entries (long names take several); FAT allows 65536")]
    DirectoryTooLarge {
        /// Path in the tree.
        path: String,
        /// Number of 32-byte entries it would need.
        entries: usize,
    },
    /// The tree does not fit.
    #[error(
        "the tree does not fit: {needed} bytes needed (with the part that must stay free), \
         {available} available on a volume of {size}; make it at least {suggested} bytes ({} MiB)",
        suggested >> 20
    )]
    Full {
        /// Bytes of clusters that the tree needs, those to be left free included.
        needed: u64,
        /// Bytes of clusters that the volume has.
        available: u64,
        /// Length of the volume in bytes.
        size: u64,
        /// The least length, in whole MiB, that holds the tree, in bytes.
        suggested: u64,
    },
    /// A file's content could not be read.
    #[error("{path}: cannot read its content: {source}")]
    Read {
        /// Path in the tree.
        path: String,
        /// What the reader said.
        source: io::Error,
    },
    /// A file became shorter after the plan was made.
    #[error("{path}: its content ended after {got} of {size} bytes; was it changed meanwhile?")]
    Changed {
        /// Path in the tree.
        path: String,
        /// Bytes that were there.
        got: u64,
        /// Bytes that were planned.
        size: u64,
    },
    /// The volume could not be written.
    #[error("cannot write the FAT volume: {0}")]
    Write(#[from] io::Error),
}
