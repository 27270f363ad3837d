//! What tells one disk from its clones.

use serde::Serialize;

/// Identifiers before and after, as `root=PARTUUID=` and `/dev/disk/by-partuuid` have them: lower
/// case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Identity {
    /// The disk's: a GUID, or the eight digits of an MBR's signature.
    pub disk: Renamed,
    /// Those of its partitions, with their numbers.
    pub partitions: Vec<(u32, Renamed)>,
}

/// An identifier that became another; or the same twice if it was to be kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Renamed {
    /// In the image.
    pub old: String,
    /// On the disk.
    pub new: String,
}
