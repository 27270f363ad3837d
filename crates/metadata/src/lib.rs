//! metadata.json and its schema.
//!
//! Every build leaves a `metadata.json` beside its artifacts: what was built, from which
//! packages and sources, and what came out. Other programs read it, so its form is a public
//! interface: `docs/metadata.md` says what may change and `docs/metadata.schema.json`, made from
//! the types here, says what it is.
//!
//! ```
//! # let text = include_str!("../tests/golden/metadata.json");
//! let metadata = osb_metadata::from_json(text).unwrap();
//! assert_eq!(metadata.to_json(), text);
//! ```
//!
//! Invariants: nothing in a [`Metadata`] depends on anything but the lock, the recipe, the
//! layers and the version of osb: no clock, no machine, no mirror, no Git revision. Lists are
//! in the order that the fields' documentation gives, so two equal builds give equal text.

mod block_map;
mod model;
mod provenance;
mod read;
mod sbom;
mod schema;
mod time;

pub use block_map::{BlockMapError, BlockMapInfo, RangeInfo, RangeState};
pub use model::{
    ArtifactInfo, LayerInfo, Metadata, PackageInfo, PartitionInfo, PartitionTable, PinnedInfo,
    SCHEMA_VERSION, SourceInfo,
};
pub use provenance::{
    BUILD_TYPE, BuildRun, Provenance, ProvenanceError, Revision, UNKNOWN_BUILDER,
};
pub use read::{MetadataError, from_json};
pub use sbom::{PackageOrigin, Sbom, SbomInput, licences};
pub use schema::schema;
