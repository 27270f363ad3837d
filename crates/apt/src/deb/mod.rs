//! Debian binary packages (deb(5)): read, checked, taken apart.
//!
//! A `.deb` is an `ar` archive of three members: the format version, `control.tar` (what the
//! package is and its maintainer scripts) and `data.tar` (its files), both usually compressed.
//! Everything in it is foreign: sizes, names, links and types are checked before they are used,
//! memory is bounded, and nothing here panics on any input.
//!
//! ```no_run
//! use osb_apt::deb::{Deb, Limits, explode};
//! use std::path::Path;
//! let deb = Deb::open(Path::new("hello_2.10-5_arm64.deb"))?;
//! assert_eq!(deb.control()?.get("Package"), Some("hello"));
//! let folder = Path::new("hello");
//! let entries = explode(Path::new("hello_2.10-5_arm64.deb"), folder, &Limits::default(), &|_| Ok(true))?;
//! println!("{} files in {}", entries.len(), folder.join("data").display());
//! # Ok::<(), osb_apt::deb::DebError>(())
//! ```

pub(crate) mod ar;
mod compression;
mod control;
mod explode;
pub(crate) mod fault;
pub(crate) mod guard;
pub(crate) mod package;
mod part;
mod pax;
pub(crate) mod tar;
pub(crate) mod unpacker;

pub use compression::Compression;
pub use control::Control;
pub use explode::explode;
pub use fault::{DebError, DebFault};
#[cfg(feature = "fuzz")]
pub(crate) use package::walk;
pub use package::{Deb, Limits};
pub use part::extract_files;
pub use tar::{Entry, EntryKind};

#[cfg(test)]
pub(crate) mod samples;
#[cfg(test)]
mod tests;
