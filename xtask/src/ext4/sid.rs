//! e2fsck of Debian sid, as a second referee: what is clean today has to stay so.
//!
//! The statically linked one, so that it needs nothing else of sid; pinned by digest. Sid keeps one
//! version: when that has gone from the archive, the newer one has to be pinned here.

use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::{Context, Result, bail};
use osb_apt::{AptError, Fetcher, Mirrors, Wanted, join_url};
use osb_boot::Tools;

use crate::project::Project;

/// What is pinned.
pub(super) const VERSION: &str = "1.47.4-1+b2";
/// Architecture, size in bytes and SHA-256 of the package e2fsck-static.
const PINNED: [(&str, u64, &str); 2] = [
    ("amd64", 831_752, "29e414d2fa56bfd624e6d861d9c4a0205b7a0e72f1aeb2fccb93df9ddd78a90a"),
    ("arm64", 710_880, "f12775d289ce91c6e7516b4769707b463608ea20f9328bb5b7a4fa6172c8c676"),
];

/// The program in the package.
const PROGRAM: &str = "usr/sbin/e2fsck.static";

/// Sid's e2fsck, fetched and unpacked; `None` if the archive has it no more.
pub(super) fn e2fsck(project: &Project, tools: &Tools) -> Result<Option<PathBuf>> {
    let [amd64, arm64] = PINNED;
    let (architecture, size, sha256) = if cfg!(target_arch = "aarch64") { arm64 } else { amd64 };
    let file = format!("pool/main/e/e2fsprogs/e2fsck-static_{VERSION}_{architecture}.deb");
    let wanted = Wanted {
        name: "e2fsck-static".to_owned(),
        sha256: sha256.to_owned(),
        size,
        url: join_url(&Mirrors::discover(None).debian, &file),
        pinned: true,
    };
    let fetcher = Fetcher::new(&project.cache, Arc::new(AtomicBool::new(false)), false);
    let package = match fetcher.fetch_all(&[wanted], 1, &|_| {}) {
        Ok(paths) => paths.into_iter().next().context("one package was asked for")?,
        Err(AptError::NotFound { .. }) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let output = tools.command("dpkg-deb")?.arg("--fsys-tarfile").arg(&package).output()?;
    let mut archive = tar::Archive::new(&output.stdout[..]);
    for entry in archive.entries()? {
        let mut entry = entry?;
        if entry.path()?.ends_with(PROGRAM) {
            let path = project.work.join("ext4/e2fsck-of-sid");
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes)?;
            fs::write(&path, bytes)?;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
            return Ok(Some(path));
        }
    }
    bail!("the package has no {PROGRAM}")
}
