//! The seal: what belongs to the whole image rather than to a layer, once, on top of all.
//!
//! The recipe's settings become files, and dpkg is asked whether it is content.

use std::path::{Path, PathBuf};

use osb_tree::{Inode, Tree};

use crate::chamber::{Chamber, Setup, Workplace};
use crate::dressing::lay_files;
use crate::error::BuildError;
use crate::job::Job;
use crate::plan::Plan;
use crate::settings;

/// Makes the seal on the layers `below`.
pub(crate) fn seal(
    job: &Job,
    plan: &Plan,
    below: &[PathBuf],
    tools: &Path,
) -> Result<Workplace, BuildError> {
    let recipe = &job.options.project.recipe;
    let setup = Setup { layer: "seal", below, tools, shown: &[], epoch: plan.epoch };
    let place = Workplace::new(job, "seal")?;
    let mut chamber = Chamber::open(job, &setup, &place)?;
    let mut files = Tree::new();
    for (path, mode, bytes) in settings::files(recipe) {
        files.lay(&path, Inode::file(mode, bytes))?;
    }
    lay_files(&mut chamber, "laying settings", &files, plan.epoch)?;
    let audit = chamber.ask("asking dpkg for an audit", &["dpkg", "--audit"])?;
    if !audit.is_empty() {
        return Err(BuildError::Unexpected(vec![format!("dpkg --audit says: {audit}")]));
    }
    chamber.close()?;
    Ok(place)
}
