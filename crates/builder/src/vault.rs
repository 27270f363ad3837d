//! The vault: everything that a lock names, in one folder or one tar, for years without the archive.
//!
//! An archive keeps no old versions: a lock of last year cannot be built from it. A vault can give
//! the cache all that `osb build --offline --locked` needs. Its format is in docs/vault.md; the
//! index says what each file is, and every file is checked against it before it is believed.
//!
//! ```text
//! INDEX.json            what is here, first in a tar
//! osb.lock              the lock that it was made for
//! debs/SHA256.deb       packages: the image's, and tools of building machines
//! artifacts/SHA256      files that layers pin
//! releases/SOURCE.*     the signed Releases that the lock was made from, if they are kept still
//! ```

mod export;
mod import;
mod index;
mod read;

use std::path::PathBuf;

pub use export::Export;
pub(crate) use export::export;
pub use import::{Import, import};
pub use index::{FileKind, VaultFile, VaultIndex};

/// What a command did with a vault.
#[derive(Debug, Clone)]
pub struct VaultReport {
    /// The vault.
    pub path: PathBuf,
    /// What is in it.
    pub index: VaultIndex,
    /// Whether anything was written: not by a dry run, nor by a verification.
    pub written: bool,
}

impl VaultReport {
    /// The number of files of one kind, and their bytes.
    pub fn sum(&self, kind: FileKind) -> (usize, u64) {
        let of = self.index.files.iter().filter(|file| file.kind == kind);
        (of.clone().count(), of.map(|file| file.size).sum())
    }
}
