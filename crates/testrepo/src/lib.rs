//! Makes tiny signed Debian repositories and serves them, for tests.
//!
//! Everything is real and small: OpenPGP keys, .debs with data that can be unpacked, indices,
//! signed Releases, HTTP over a local socket. What should go wrong can be made wrong: expired or
//! foreign keys, hostile tar entries, changed bytes, servers that stop in the middle.
//!
//! The same calls give the same bytes: keys come from a seed and time is given, never read.
//!
//! This crate is a dev-dependency only; it panics where a test has nothing better to do.
//!
//! ```
//! use osb_testrepo::{Deb, Key, NOW, Suite, TestRepo, serve};
//! let key = Key::new(1);
//! let repo = TestRepo::new();
//! repo.write(&Suite::new("trixie").package("main", Deb::new("hello", "1.0", "all")).signed_by(&key));
//! let server = serve(repo.path());
//! assert!(server.url().starts_with("http://127.0.0.1:"));
//! assert!(repo.read("dists/trixie/InRelease").starts_with(b"-----BEGIN PGP SIGNED MESSAGE-----"));
//! # let _ = NOW;
//! ```

// A helper for tests says what broke by panicking.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

mod compression;
mod date;
mod deb;
mod key;
mod repo;
mod server;
mod sign;
mod suite;
mod tarball;

pub use compression::Compression;
pub use date::release_date;
pub use deb::Deb;
pub use key::{Key, KeyBuilder};
pub use repo::TestRepo;
pub use server::{Fault, Server, serve};
pub use sign::{Hash, Signer, sign_detached, sign_inline};
pub use suite::{Signing, Suite};
pub use tarball::tarball;

/// The time that tests live in, in seconds since 1970: 2026-09-21. Keys are older by a year,
/// Releases by a day.
pub const NOW: i64 = 1_790_000_000;
