//! Debian packages unpacked once for all layers, into the state in which dpkg would have left them.
//!
//! `dpkg --unpack` decompresses, copies and hashes every file of every package, one package after
//! the other, each time. Here every package is taken apart once, into a [`Store`], on all
//! processors; a layer gets its files as copies from there, in a directory that is only ever mounted
//! read-only *below* an overlay. What dpkg would have written into its database is written too, and
//! `dpkg --configure` goes on from there.
//!
//! Covered is what a *fresh* installation needs: conffiles, diversions, statoverrides,
//! `path-exclude`, triggers, `Replaces`, links to directories. There are no upgrades in an image
//! that is built: a path of another package without `Replaces` is an error, as it is for dpkg.
//!
//! Also unlike dpkg: a package of which others replaced every file does not disappear; a file does
//! not take the place of a directory; nothing is removed from finished layers; a missing parent
//! directory is made.
//!
//! Source of every rule: dpkg 1.22, src/main/{unpack,archives,filters}.c and lib/dpkg/triglib.c.

mod database;
mod error;
mod filter;
#[cfg(feature = "fuzz")]
pub mod fuzz;
mod lay;
mod notes;
mod order;
mod overrides;
mod owners;
mod pending;
mod store;
mod tree;
mod triggers;
mod view;

pub use error::UnpackError;
pub use filter::Filter;
pub use lay::{Layer, lay_plain};
pub use order::{essential, unpack_order, waves};
pub use store::{Entry, Kind, Package, Store};
