//! The folder of a build as somebody receives it: where it lies, its parts, who has signed it, and
//! whether every file of it is what it should be.
//!
//! ```text
//! key ─► SHA256SUMS.minisig | SHA256SUMS.sig ─► SHA256SUMS ─► every file
//!                                                   └─► metadata.json: the same artifacts
//! key ─► provenance.json.minisig | .sig ─► provenance.json: the same artifacts
//! ```
//!
//! [`verify`] follows the chain from its beginning and names the first link that does not hold; of
//! the files, every one. [`sign`] makes the first link. [`split`] cuts a file that is too large for a
//! server into parts, which change nothing in the chain: it is of the whole.
//!
//! ```no_run
//! # fn check(keys: osb_sign::Keys) -> Result<(), Box<dyn std::error::Error>> {
//! use osb_release::{Options, Shelf, verify};
//! let shelf = Shelf::Folder("out".into());
//! let options = Options { keys: Some(&keys), provenance: false, stop: &Default::default(), progress: &|_| () };
//! println!("{} files", verify(&shelf, &options)?.files.len());
//! # Ok(())
//! # }
//! ```
//!
//! Invariants: nothing of a file is believed before its digest is known to be the promised one; with
//! keys, no digest before the signature. Names come from a list that leaves its folder nowhere. No
//! clock is read: a signature has no date but what its maker says.

mod chain;
mod error;
mod join;
mod parts;
mod shelf;
mod sign;
mod split;
mod verify;

pub use chain::{PROVENANCE, SBOM, SUMS, Signed, signature_name, signed};
pub use error::{ChainError, ReleaseError};
pub use join::Joined;
pub use osb_sign::Kind;
pub use parts::{Manifest, Part, PartsError, SUFFIX, is_of};
pub use shelf::{Content, Shelf, without_user};
pub use sign::sign;
pub use split::{split, write_whole};
pub use verify::{File, Options, Problem, Verified, verify};

/// The description of a build.
pub const METADATA: &str = "metadata.json";
/// Most bytes of one of the small files: metadata of a disk of 64 GiB has a third of it.
pub const SMALL: u64 = 16 << 20;
