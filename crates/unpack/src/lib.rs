//! Debian packages unpacked by hard links, into the state in which dpkg would have left them.
//!
//! `dpkg --unpack` decompresses, copies and hashes every file of every package, one package after
//! the other, each time. Here every package is taken apart once, into a [`Store`], on all
//! processors; a layer gets its files as hard links to there, in a directory that is only ever
//! mounted read-only *below* an overlay, so that no program can change the store. What dpkg would
//! have written into its database is written too, and `dpkg --configure` goes on from there.
//!
//! Covered is what a *fresh* installation needs: conffiles, diversions, statoverrides,
//! `path-exclude`, triggers, `Replaces`, links to directories. There are no upgrades in an image
//! that is built: a path of another package without `Replaces` is an error, as it is for dpkg.
//!
//! Source of every rule: dpkg 1.22, src/main/{unpack,archives,filters}.c and lib/dpkg/triglib.c.

mod database;
mod error;
mod filter;
mod lay;
mod order;
mod overrides;
mod store;
mod triggers;
mod view;

pub use error::UnpackError;
pub use filter::Filter;
pub use lay::{Layer, lay_plain};
pub use order::{essential, unpack_order, waves};
pub use store::{Entry, Kind, Package, Store};
