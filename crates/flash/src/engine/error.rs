//! What can go wrong while an image is written, and what it leaves behind.

use std::error::Error;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use osb_checksum::{Digest, to_hex};

use crate::engine::Phase;

/// Why a disk does not have the image.
#[derive(Debug, thiserror::Error)]
#[error("{}{cause}; {left}", self.place())]
pub struct EngineError {
    /// What happened.
    pub cause: Cause,
    /// When.
    pub phase: Phase,
    /// Where on the disk, in bytes.
    pub offset: u64,
    /// What is on the disk now.
    pub left: Left,
}

impl EngineError {
    /// When and where it happened, if anything had been done.
    fn place(&self) -> String {
        match self.phase {
            Phase::Check => String::new(),
            phase => format!("{phase}, at byte {}: ", self.offset),
        }
    }
}

/// What is on a disk that does not have the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Left {
    /// What was there before.
    Untouched,
    /// A part of the image, with a first MiB that no firmware boots from.
    Unbootable,
    /// Nobody knows: the first MiB could not be wiped, or not be read again.
    Unknown,
}

impl std::fmt::Display for Left {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Left::Untouched => "nothing was written",
            Left::Unbootable => "the disk does not boot: its first MiB is wiped",
            Left::Unknown => "what is on the disk is unknown: its first MiB could not be wiped",
        })
    }
}

/// What happened.
#[derive(Debug, thiserror::Error)]
pub enum Cause {
    /// The disk must not be written with this image, or not in this way.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The device did not do what it was asked to.
    #[error("the disk failed: {0}")]
    Device(#[source] io::Error),
    /// The device does not answer. A thread still waits for it, which nothing can end.
    #[error("the disk has not answered for {} s: disconnect it", .0.as_secs())]
    Hung(Duration),
    /// The image cannot be read, or is not what it should be.
    #[error(transparent)]
    Source(#[from] SourceFault),
    /// The disk has other bytes than were written.
    #[error("the disk has other bytes than were written, in a range of {len} bytes: it is broken")]
    Verification {
        /// Bytes of the range; where it begins, the error says.
        len: u64,
    },
    /// The disk could not be adapted.
    #[error("adapting its files: {0}")]
    Customise(#[source] Box<dyn Error + Send + Sync>),
    /// It was to stop.
    #[error("interrupted")]
    Interrupted,
    /// This machine has no thread left.
    #[error("starting a thread: {0}")]
    Threads(#[source] Arc<io::Error>),
}

/// Why a disk must not be written with this image, or not in this way.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It is too small.
    #[error("the disk has {size} bytes, and the image needs {needed}")]
    TooSmall {
        /// What it has.
        size: u64,
        /// What is needed; at least, if the image's length is not known.
        needed: u64,
    },
    /// The partition table counts in other sectors than the disk.
    #[error(
        "the image's partition table counts in sectors of {image} bytes, and the disk's have \
         {disk}: build one with `[disk] sector-size = {disk}`"
    )]
    SectorSize {
        /// The disk's.
        disk: u32,
        /// The image's.
        image: u32,
    },
    /// There is nothing to resume: no run was interrupted here.
    #[error("the disk does not say that an image was being written to it: write it from the start")]
    NoRecord,
    /// Another image was being written.
    #[error("another image was being written to the disk: write it from the start")]
    OtherImage,
    /// An image that has neither map nor digest: nothing tells whether it is the same.
    #[error("an image without a digest cannot be resumed: write what has changed instead")]
    Anonymous,
    /// Files of it are to be changed, and it has no partitions.
    #[error("the image has no partition table, so none of its files can be changed")]
    NoTable,
}

/// What is wrong with an image.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SourceFault {
    /// It cannot be read, or decompressed.
    #[error("reading the image at byte {offset}: {error}")]
    Read {
        /// Where in the image.
        offset: u64,
        /// What was said.
        #[source]
        error: Arc<io::Error>,
    },
    /// It has another length than its map.
    #[error("the image has {found} bytes, and its description says {expected}")]
    Length {
        /// What its description says.
        expected: u64,
        /// What it has; at least.
        found: u64,
    },
    /// A range has another digest than its map says.
    #[error("the image is damaged: its {len} bytes from byte {offset} on have another digest")]
    Range {
        /// Where in the image.
        offset: u64,
        /// Bytes of the range.
        len: u64,
    },
    /// All of it has another digest.
    #[error("the image is damaged: its SHA-256 is {}, not {}", to_hex(found), to_hex(expected))]
    Whole {
        /// What it should be.
        expected: Digest,
        /// What it is.
        found: Digest,
    },
}
