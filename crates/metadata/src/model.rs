//! The document, one struct a JSON object.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::block_map::BlockMapInfo;

/// The version of the format that this crate writes and reads.
pub const SCHEMA_VERSION: u32 = 1;

/// Describes one build: what it is, what went in, what came out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "osb metadata.json")]
pub struct Metadata {
    /// Version of this format. A reader refuses versions that it does not know.
    #[schemars(schema_with = "crate::schema::version")]
    pub schema_version: u32,
    /// Name of the image, as in the recipe.
    pub name: String,
    /// Version of the image, as in the recipe.
    pub version: String,
    /// Debian's name of the architecture, such as `arm64`.
    pub arch: String,
    /// Name of the board, such as `rpi5`.
    pub board: String,
    /// Version of the upstream Kubernetes packages (kubelet's, without the Debian revision);
    /// null if the image has none.
    pub kubernetes: Option<String>,
    /// The time that the build takes for now: seconds since 1970-01-01 UTC.
    pub source_date_epoch: i64,
    /// Version of the osb that built.
    pub osb_version: String,
    /// The layers in build order, parents first.
    pub layers: Vec<LayerInfo>,
    /// The packages of the image, sorted by name.
    pub packages: Vec<PackageInfo>,
    /// The package sources in the order of the recipe.
    pub sources: Vec<SourceInfo>,
    /// Files from outside any package source that layers pin; absent if there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pinned: Vec<PinnedInfo>,
    /// The files that were built, sorted by name.
    pub artifacts: Vec<ArtifactInfo>,
    /// The partition table of the disk image.
    pub partition_table: PartitionTable,
    /// What of the disk image must be written; null if none was.
    #[serde(default)]
    pub block_map: Option<BlockMapInfo>,
}

/// A layer and the keys that name what it is made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LayerInfo {
    /// Name of the layer.
    pub name: String,
    /// Key of the layer's packages: SHA-256 over the parent's key and the packages' digests, in
    /// hexadecimal.
    pub package_key: String,
    /// Key of all else in the layer: SHA-256 over the parent's key, definition, files, scripts
    /// and pinned downloads, in hexadecimal.
    pub dressing_key: String,
    /// Number of packages that this layer adds.
    pub packages: u32,
}

/// A Debian package in the image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PackageInfo {
    /// Name of the binary package.
    pub name: String,
    /// Its Debian version.
    pub version: String,
    /// Its architecture: the image's, or `all`.
    pub architecture: String,
    /// SHA-256 of the .deb, in hexadecimal.
    pub sha256: String,
    /// Name of the layer that added it.
    pub layer: String,
    /// Name of the source that it came from.
    pub source: String,
}

/// A file that a layer pins by URL and digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PinnedInfo {
    /// Name of the layer.
    pub layer: String,
    /// Where it was downloaded from.
    pub url: String,
    /// SHA-256 of the download, in hexadecimal.
    pub sha256: String,
    /// Size of the download in bytes.
    pub size: u64,
}

/// A package source, pinned by its signed Release file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SourceInfo {
    /// Name of the source in the recipe.
    pub name: String,
    /// Suite, such as `trixie`; `/` for a flat repository.
    pub suite: String,
    /// The Release file's date: seconds since 1970-01-01 UTC.
    pub date: i64,
    /// SHA-256 of the Release file without its signature, in hexadecimal.
    pub release_sha256: String,
}

/// A file that was built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ArtifactInfo {
    /// File name, in the directory of metadata.json.
    pub name: String,
    /// Size in bytes.
    pub size: u64,
    /// SHA-256 of the file, in hexadecimal.
    pub sha256: String,
    /// Media type, such as `application/zstd`.
    pub media_type: String,
    /// For a compressed file: SHA-256 of its content after decompression, in hexadecimal;
    /// otherwise null.
    pub content_sha256: Option<String>,
    /// For a compressed file: size of its content after decompression, in bytes; otherwise null.
    pub content_size: Option<u64>,
}

/// The partition table of the disk image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PartitionTable {
    /// Kind of the table: `gpt`.
    pub kind: String,
    /// GUID of the disk, upper case with dashes.
    pub guid: String,
    /// Size of a logical sector in bytes.
    pub sector_size: u32,
    /// The partitions by number.
    pub partitions: Vec<PartitionInfo>,
}

/// A partition and the file system in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PartitionInfo {
    /// Number of the partition, from 1.
    pub number: u32,
    /// Name in the partition table.
    pub name: String,
    /// GUID of the partition's type.
    pub type_guid: String,
    /// GUID of the partition itself (its PARTUUID, upper case).
    pub guid: String,
    /// First sector.
    pub first_lba: u64,
    /// Last sector, which belongs to the partition.
    pub last_lba: u64,
    /// Kind of the file system: `vfat` or `ext4`.
    pub filesystem: String,
    /// Identifier of the file system, as `blkid` shows it.
    pub uuid: String,
    /// Label of the file system.
    pub label: String,
}

impl Metadata {
    /// The document as text: fields in the order of declaration, two spaces of indentation, a
    /// newline at the end.
    pub fn to_json(&self) -> String {
        // Serialising fails for maps with keys that are not text and for foreign Serialize
        // implementations only; the document has neither.
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        text
    }
}
