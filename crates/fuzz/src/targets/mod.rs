//! One file a target, and the list of all.

mod ar;
mod archive;
mod certificate;
mod check;
mod cleartext;
mod console;
mod control;
mod deb;
mod deb822;
mod decompress;
mod dpkg;
mod edit;
mod explode;
mod filter;
mod frame;
mod image;
mod interpreter;
mod kernel;
mod lay;
mod layer;
mod lock;
mod metadata;
mod node;
mod packages;
mod packed;
mod recipe;
mod relations;
mod release;
mod signature;
mod signed;
mod sources;
mod sums;
mod tar;
mod version;

use crate::Target;

/// All targets, by name.
pub const TARGETS: &[Target] = &[
    ar::TARGET,
    image::ARCHIVE,
    archive::TARGET,
    certificate::TARGET,
    check::TARGET,
    cleartext::TARGET,
    console::TARGET,
    control::TARGET,
    deb::TARGET,
    deb822::TARGET,
    decompress::TARGET,
    dpkg::TARGET,
    edit::TARGET,
    explode::TARGET,
    image::EXT4,
    image::FAT,
    filter::TARGET,
    frame::TARGET,
    interpreter::TARGET,
    kernel::TARGET,
    lay::TARGET,
    layer::TARGET,
    lock::TARGET,
    metadata::TARGET,
    signed::SIGNATURE,
    node::NODE,
    node::NODES,
    packages::TARGET,
    packed::TARGET,
    signed::PARTS,
    signed::KEYS,
    recipe::RECIPE,
    recipe::SET,
    relations::TARGET,
    release::TARGET,
    signature::TARGET,
    sources::TARGET,
    sums::TARGET,
    image::TABLE,
    tar::TARGET,
    version::TARGET,
];
