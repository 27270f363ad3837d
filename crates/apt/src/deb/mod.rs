//! Debian binary packages (deb(5)): read, checked, re-wrapped without compression, unpacked.
//!
//! A `.deb` is an `ar` archive of three members: the format version, `control.tar` (what the
//! package is and its maintainer scripts) and `data.tar` (its files), both usually compressed.
//! Everything in it is foreign: sizes, names, links and types are checked before they are used,
//! memory is bounded, and nothing here panics on any input.
//!
//! ```no_run
//! use osb_apt::deb::{Deb, Limits, rewrap_plain};
//! use std::path::Path;
//! let deb = Deb::open(Path::new("hello_2.10-5_arm64.deb"))?;
//! assert_eq!(deb.control()?.get("Package"), Some("hello"));
//! rewrap_plain(deb.path(), Path::new("hello-plain.deb"), &Limits::default())?;
//! # Ok::<(), osb_apt::deb::DebError>(())
//! ```

mod ar;
mod compression;
mod control;
mod explode;
mod extract;
mod fault;
mod guard;
mod package;
mod part;
mod rewrap;
mod tar;
mod unpacker;

pub(crate) use compression::Compression;
pub use control::Control;
pub use explode::explode;
pub use extract::extract;
pub use fault::{DebError, DebFault};
pub use package::{Deb, Limits};
pub use part::extract_files;
pub use rewrap::{Summary, rewrap_plain};
pub use tar::{Entry, EntryKind};

#[cfg(test)]
pub(crate) mod samples;
#[cfg(test)]
mod tests;
