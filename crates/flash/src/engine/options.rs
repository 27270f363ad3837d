//! How an image is to be written.

use std::error::Error;
use std::time::Duration;

use osb_image::Table;

use crate::{Identity, Overlay};

/// What changes a disk after its copy was verified: the target's number (from 0, in the order in
/// which they were given), the disk, its identifiers, its partitions.
pub type Customise<'a> = dyn Fn(usize, &mut Overlay<'_>, &Identity, &Table) -> Result<(), Box<dyn Error + Send + Sync>>
    + Sync
    + 'a;

/// How much is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// Everything that the map names.
    #[default]
    Whole,
    /// What is not on the disk already.
    ChangedOnly,
    /// What a run that was interrupted has not written, if the disk says that this very image
    /// was being written to it.
    Resume,
}

impl Mode {
    /// Its name in receipts.
    pub fn as_str(self) -> &'static str {
        match self {
            Mode::Whole => "whole",
            Mode::ChangedOnly => "changed-only",
            Mode::Resume => "resume",
        }
    }
}

/// How an image is to be written.
pub struct Options<'a> {
    /// How much is written.
    pub mode: Mode,
    /// Leaves the identifiers of disk and partitions as they are in the image. Two such disks in
    /// one machine get in each other's way.
    pub keep_ids: bool,
    /// What new identifiers are made of, with the name and the number of the target; random, unless
    /// they are to be the same again.
    pub seed: [u8; 32],
    /// Changes files of the disk.
    pub customise: Option<&'a Customise<'a>>,
    /// Bytes after which the disk notes how far it is. Each note costs a flush of its cache.
    pub note_every: u64,
    /// How long a device may take for one request before it is given up.
    pub patience: Duration,
}

impl Default for Options<'_> {
    fn default() -> Self {
        Options {
            mode: Mode::default(),
            keep_ids: false,
            seed: [0; 32],
            customise: None,
            note_every: 256 << 20,
            patience: Duration::from_secs(300),
        }
    }
}
