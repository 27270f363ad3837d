//! Debian repositories: signatures, indices, versions, resolution, the lock, the package cache.
//!
//! The way of a byte: [`open`] fetches a repository's `InRelease` (or `Release` and its detached
//! signature), checks it against the keys that the source names by fingerprint, and reads the
//! `Packages` indices that the signed text vouches for. [`resolve`] picks packages from all
//! repositories together, [`lock`] writes the choice down with its digests, and
//! [`Fetcher::fetch_all`] brings exactly those .debs into a cache named by digest.
//!
//! Invariants: nothing that is not covered by a checked signature, by size and SHA-256, leaves this
//! crate; SHA-256 is the only digest believed (MD5 and SHA-1 are not even read); every body is
//! bounded by its signed size; no function here reads the clock or prints.

mod archive;
mod date;
mod deb822;
mod error;
mod fetch;
#[cfg(feature = "fuzz")]
pub mod fuzz;
mod index;
mod mirror;
mod openpgp;
mod release;
mod repository;
mod version;

pub mod deb;
mod lock;
mod locking;
pub mod relation;
mod resolve;
mod universe;

pub use archive::{ArchiveError, ArchiveLimits, unpack_tar, walk_tar};
pub use deb822::{Deb822Error, Field, Stanza, Stanzas};
pub use error::{AptError, Kind};
pub use fetch::{FetchEvent, Fetcher, Limits, Shelf, Wanted};
pub use index::{MultiArch, Priority, Record, parse_packages};
pub use lock::{
    ARTIFACT_SOURCE, Change, LOCK_VERSION, Lock, LockError, LockedArtifact, LockedLayer,
    LockedPackage, LockedSource, LockedTool, Subject,
};
pub use locking::{Drift, Forced, LockEvent, LockRequest, Part, lock, relock};
pub use mirror::{KeySpec, Mirrors, Pin, SourceSpec};
pub use openpgp::{Keyring, Refusal, SignatureError, Verified};
pub use release::{IndexEntry, Release};
pub use repository::{Repository, join_url, kept_release, open};
pub use resolve::{Chosen, Request, ResolveError, resolve};
pub use universe::Universe;
pub use version::{Version, VersionError};
