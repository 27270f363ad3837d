//! What was done, for the files of whoever did it.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::Identity;
use crate::engine::meter::{Counts, Meter};

/// What was done to one disk that now has the image. There is none for any other.
#[derive(Debug, Clone, Serialize)]
pub struct Receipt {
    /// What was written.
    pub image: ImageReceipt,
    /// To what; as the caller named it.
    pub target: String,
    /// Its length in bytes.
    pub target_size: u64,
    /// Bytes of its sectors.
    pub sector_size: u32,
    /// `whole`, `changed-only` or `resume`.
    pub mode: &'static str,
    /// How much was done.
    pub bytes: ByteCounts,
    /// Seconds of each phase.
    pub seconds: BTreeMap<&'static str, f64>,
    /// Identifiers, old and new; none without a partition table.
    pub identity: Option<Identity>,
    /// Always `verified`: all of the image was read back from the disk, and was right.
    pub result: &'static str,
    /// What went wrong and did no harm to what is on the disk.
    pub warnings: Vec<String>,
}

/// An image that was written.
#[derive(Debug, Clone, Serialize)]
pub struct ImageReceipt {
    /// Its path or address.
    pub name: String,
    /// Its SHA-256, hexadecimal: as it was given, or as it was read. With a map, it is that of
    /// the ranges that was compared.
    pub sha256: Option<String>,
    /// Its length in bytes.
    pub size: u64,
    /// Ranges that were compared on the disk.
    pub ranges: usize,
}

/// How much was done on one disk, in bytes.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct ByteCounts {
    /// Written, zeroes and tables among them.
    pub written: u64,
    /// Zeroed by the device itself.
    pub punched: u64,
    /// Found on the disk as they should be, before anything was written.
    pub unchanged: u64,
    /// Written by a run before this one, which was interrupted.
    pub resumed: u64,
    /// Of the image, and unused, so that they were passed over.
    pub skipped: u64,
    /// Read back and compared.
    pub verified: u64,
}

impl ByteCounts {
    pub(crate) fn new(meter: &Meter, resumed: u64, skipped: u64) -> ByteCounts {
        let Counts { written, punched, unchanged, verified } = meter.counts;
        ByteCounts { written, punched, unchanged, resumed, skipped, verified }
    }
}
