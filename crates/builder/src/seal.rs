//! The seal: what belongs to the whole image rather than to a layer, once, on top of all.
//!
//! The recipe's settings become files, the initramfs is made for the one kernel, and dpkg is
//! asked whether it is content.

use std::path::{Path, PathBuf};

use osb_tree::{Inode, Tree};

use crate::chamber::{Chamber, Setup, Workplace};
use crate::dressing::lay_files;
use crate::error::BuildError;
use crate::job::Job;
use crate::plan::Plan;
use crate::settings;

/// Builds the seal onto the layers `below`.
pub(crate) fn seal(
    job: &Job,
    plan: &Plan,
    below: &[PathBuf],
    tools: &Path,
) -> Result<(), BuildError> {
    let recipe = &job.options.project.recipe;
    let setup = Setup { layer: "seal", below, tools, shown: &[], epoch: plan.epoch };
    let place = Workplace::new(job, "seal")?;
    let mut chamber = Chamber::open(job, &setup, &place)?;
    let mut files = Tree::new();
    for (path, mode, bytes) in settings::files(recipe) {
        files.lay(&path, Inode::file(mode, bytes))?;
    }
    lay_files(&mut chamber, "laying settings", &files, plan.epoch)?;
    make_initramfs(&mut chamber)?;
    let audit = chamber.ask("asking dpkg for an audit", &["dpkg", "--audit"])?;
    if !audit.is_empty() {
        return Err(BuildError::Unexpected(vec![format!("dpkg --audit says: {audit}")]));
    }
    chamber.close()?;
    place.publish(job, &plan.folder(job, &plan.seal_key))
}

fn make_initramfs(chamber: &mut Chamber) -> Result<(), BuildError> {
    let listing = chamber.ask("looking for the kernel", &["ls", "/usr/lib/modules"])?;
    let versions: Vec<&str> = listing.split_whitespace().collect();
    let [version] = versions.as_slice() else {
        return Err(BuildError::Recipe(format!(
            "an image needs exactly one kernel; this one has {}: {}",
            versions.len(),
            versions.join(", ")
        )));
    };
    chamber.run("making the initramfs", &["update-initramfs", "-c", "-k", version]).map(drop)
}
