//! A flat repository of exactly the locked packages, so that the referee has nothing to choose.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use osb_apt::{LockedPackage, deb};
use osb_recipe::Arch;
use sha2::{Digest, Sha256};

/// Writes `Packages` and links (or copies) the packages from osb's cache into `folder`. Their
/// digests stand in the index, and apt checks them: osb's cache is not believed.
///
/// The suite's name is in `Release`: mmdebstrap asks apt for the Essential packages of that suite.
/// It is not signed, since it is made here; mmdebstrap is told to trust it.
pub(crate) fn write(
    folder: &Path,
    suite: &str,
    architecture: Arch,
    packages: &[LockedPackage],
    debs: &Path,
) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    let mut index = String::new();
    for package in packages {
        let name = format!("{}_{}.deb", package.name, package.architecture);
        let from = debs.join(format!("{}.deb", package.sha256));
        let to = folder.join(&name);
        if fs::hard_link(&from, &to).is_err() {
            fs::copy(&from, &to).with_context(|| format!("copying {}", from.display()))?;
        }
        let control = deb::Deb::open(&to)?.control()?;
        for (name, value) in control.fields() {
            writeln!(index, "{name}: {value}")?;
        }
        let (size, sha256) = (package.size, &package.sha256);
        writeln!(index, "Filename: ./{name}\nSize: {size}\nSHA256: {sha256}\n")?;
    }
    let digest = hex::encode(Sha256::digest(&index));
    let release = format!(
        "Suite: {suite}\nCodename: {suite}\nArchitectures: {}\n\
         Date: Thu, 01 Jan 1970 00:00:00 UTC\nSHA256:\n {digest} {} Packages\n",
        architecture.as_str(),
        index.len()
    );
    fs::write(folder.join("Packages"), index).context("writing the index")?;
    fs::write(folder.join("Release"), release).context("writing the Release file")
}
