//! Recipes and layers: what is written in `osb.toml` and `layers/*/layer.toml`, checked and
//! completed.
//!
//! ```
//! use osb_recipe::{LoadOptions, load};
//! let directory = std::path::PathBuf::from("/nonexistent");
//! let project = load(&LoadOptions { directory, ..LoadOptions::default() })?;
//! assert_eq!(project.recipe.image.name, "rpi5-node");
//! assert_eq!(project.layers.len(), 3);
//! # Ok::<(), osb_recipe::RecipeError>(())
//! ```
//!
//! Formats come in two shapes: as written (`raw`, with the place of every value) and resolved
//! (what this crate hands out). Nothing outside sees the first.
//!
//! Invariants: no network; no file outside the project and the layers' folders; no clock, no
//! environment; a layer's digest is the same whether it was embedded or read from disk, and does
//! not depend on modes or times of its files.

mod check;
mod disk;
mod document;
mod error;
mod folder;
mod keys;
mod layer;
mod load;
mod origin;
mod raw;
mod raw_disk;
mod raw_layer;
mod recipe;
mod resolve;
mod resolve_artifact;
mod resolve_disk;
mod resolve_layer;
mod schema;
mod size;
mod trim;

pub use disk::{Data, Disk, FileSystem, Partition, PartitionContent, RootSize};
pub use error::{Place, Problem, RecipeError};
pub use layer::{Artifact, Expect, FileContent, Format, Layer, LayerFile, Script, Units, User};
pub use load::{LoadOptions, Project, load};
pub use origin::Origin;
pub use recipe::{
    Access, Arch, BOARDS, Image, Key, KeyMaterial, Kubernetes, Location, MirrorKind, Recipe, Source,
};
pub use schema::{layer_schema, recipe_schema};
pub use trim::Trim;
