//! Reading a document back.

use serde::Deserialize;

use crate::block_map::BlockMapError;
use crate::model::{Metadata, SCHEMA_VERSION};

/// Why a metadata.json cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum MetadataError {
    /// Written by an osb with another format.
    #[error(
        "metadata.json has schema_version {found}, and this osb knows {SCHEMA_VERSION} only: use \
         the osb that wrote it, or a newer one"
    )]
    Version {
        /// The version that the document names.
        found: u64,
    },
    /// Not a JSON document of this form.
    #[error("metadata.json is not valid: {0}")]
    Json(#[from] serde_json::Error),
    /// Its block map is not one of a disk.
    #[error("metadata.json has a block_map that cannot be: {0}")]
    BlockMap(#[from] BlockMapError),
}

/// The one field that is the same in all versions.
#[derive(Deserialize)]
struct Version {
    schema_version: u64,
}

/// Reads a document. Unknown fields are ignored: later versions of osb may add some without a
/// new version of the format.
///
/// # Errors
/// If `text` is not JSON, lacks a field, has a `schema_version` that is not known here, or a block
/// map that is none. The version is looked at first, so a document of another version is not called
/// malformed.
pub fn from_json(text: &str) -> Result<Metadata, MetadataError> {
    let Version { schema_version } = serde_json::from_str(text)?;
    if schema_version != u64::from(SCHEMA_VERSION) {
        return Err(MetadataError::Version { found: schema_version });
    }
    let metadata: Metadata = serde_json::from_str(text)?;
    if let Some(map) = &metadata.block_map {
        map.to_map()?;
    }
    Ok(metadata)
}
