//! An image that was found, with all that a plan tells of it.

use osb_metadata::Metadata;
use osb_release::Signed;

use super::Image;
use super::error::SourceError;

/// An image that may be written, and what is known of it beside its bytes.
pub struct Found {
    /// The image.
    pub image: Image,
    /// Name of its file, such as `disk.img`.
    pub file: String,
    /// How it is compressed: `zstd`, `gzip`, `xz`; `None` if it is not.
    pub compression: Option<&'static str>,
    /// What osb's build says of it; `None` for images of others.
    pub about: Option<About>,
    /// What is known to be right.
    pub trust: Trust,
    /// Who vouches for that.
    pub signed: Signed,
    /// What a careful user should know before writing it, a sentence each.
    pub warnings: Vec<String>,
}

/// What a build says of its image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct About {
    /// Name of the image, as in the recipe.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Debian's name of the architecture.
    pub architecture: String,
    /// Name of the board.
    pub board: String,
    /// Identifier of the disk in the partition table.
    pub disk: String,
    /// Labels of the file systems, by number of their partitions.
    pub labels: Vec<String>,
}

/// What shows that an image is what somebody has made, the strongest last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trust {
    /// Nothing does. Reading it back shows only that the disk has what was read.
    Nothing,
    /// Its server was who it says it is (https).
    Server,
    /// A digest of the whole file, which is known at its end when it comes over the network, and
    /// before anything else when it lies on this machine.
    Sum,
    /// A digest of each range that is written: those of a file on this machine have been compared,
    /// those of another are while they are written.
    Ranges,
}

impl Trust {
    /// In words, for people.
    pub fn text(self) -> &'static str {
        match self {
            Trust::Nothing => "not verified: nothing says what it should be",
            Trust::Server => "not verified but for its server (https)",
            Trust::Sum => "verified by its SHA-256",
            Trust::Ranges => "verified range by range",
        }
    }
}

impl From<&Metadata> for About {
    fn from(metadata: &Metadata) -> About {
        let table = &metadata.partition_table;
        About {
            name: metadata.name.clone(),
            version: metadata.version.clone(),
            architecture: metadata.arch.clone(),
            board: metadata.board.clone(),
            disk: table.guid.clone(),
            labels: table.partitions.iter().map(|partition| partition.label.clone()).collect(),
        }
    }
}

/// The sector size in `head`, the first bytes of a disk; `None` if they show none. A damaged table is
/// whoever reads the disk's to judge.
pub(super) fn sector_size(head: &[u8]) -> Option<u32> {
    let bytes = std::sync::Arc::new(head.to_vec());
    let table = osb_image::table_in(bytes, head.len() as u64).ok()??;
    Some(table.sector_size)
}

/// Wants some bytes.
pub(super) fn not_empty(place: &str, head: &[u8]) -> Result<(), SourceError> {
    match head.is_empty() {
        true => Err(SourceError::Empty { place: place.to_owned() }),
        false => Ok(()),
    }
}
