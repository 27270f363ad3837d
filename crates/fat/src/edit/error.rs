//! Why a file on a volume cannot be read or written.

use std::io;

/// Why a volume cannot be edited. Unless it is [`EditError::Io`], nothing of it was changed.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// The medium refused.
    #[error("cannot read or write the FAT volume: {0}")]
    Io(#[from] io::Error),
    /// Not a volume that this can edit.
    #[error("there is no FAT16 or FAT32 volume: {0}")]
    NotFat(String),
    /// The volume contradicts itself.
    #[error("the FAT volume is damaged: {0}; look at it with `fsck.vfat -n`")]
    Damaged(String),
    /// A path of which FAT cannot store a part.
    #[error("{path}: {reason}")]
    Name {
        /// The path asked for.
        path: String,
        /// The rule that it breaks.
        reason: &'static str,
    },
    /// A part of a path is a file.
    #[error("{path}: {part} is a file there, not a folder")]
    NotFolder {
        /// The path asked for.
        path: String,
        /// The part of it.
        part: String,
    },
    /// The path is that of a folder.
    #[error("{path}: there is a folder of that name")]
    IsFolder {
        /// The path asked for.
        path: String,
    },
    /// A folder has no room for one more name, and cannot grow.
    #[error("{path}: its folder is full (FAT has room for so many names only)")]
    FolderFull {
        /// The path asked for.
        path: String,
    },
    /// A file that is too long: for FAT to write, or to be read at once.
    #[error("{path}: {size} bytes; at most {most} are possible here")]
    TooLarge {
        /// The path asked for.
        path: String,
        /// The file's length in bytes.
        size: u64,
        /// The most that is possible.
        most: u64,
    },
    /// Too few clusters are free.
    #[error("{path}: {needed} more bytes are needed, and {free} are free on the boot partition")]
    Full {
        /// The path asked for.
        path: String,
        /// Bytes of clusters that are needed.
        needed: u64,
        /// Bytes of clusters that are free.
        free: u64,
    },
}

impl EditError {
    pub(super) fn damaged(problem: impl Into<String>) -> EditError {
        EditError::Damaged(problem.into())
    }
}
