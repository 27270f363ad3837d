//! From the tree to the files that a node starts from: what they are, and where they will lie.
//!
//! `disk.rs` lays the disk out; `write.rs` then writes it.

use std::fs;

use osb_blockmap::BlockMap;
use osb_board::Boot;
use osb_release::{Kind, signature_name};
use osb_tree::Tree;

use crate::cache::Lease;
use crate::error::BuildError;
use crate::job::Job;
use crate::partial::Partial;
use crate::plan::Plan;
use crate::write;

/// Every artifact that a build can write.
pub(crate) const ARTIFACTS: [&str; 4] =
    ["disk.img", "disk.img.bmap", "rootfs.tar.gz", "sd.img.zst"];

/// What was built, for programs.
pub(crate) const METADATA: &str = osb_release::METADATA;
/// What it consists of.
pub(crate) const SBOM: &str = osb_release::SBOM;
/// The digests of all these.
pub(crate) const SUMS: &str = osb_release::SUMS;

/// A written file, still under its temporary name.
pub(crate) struct Emitted {
    pub(crate) name: &'static str,
    pub(crate) partial: Partial,
    pub(crate) size: u64,
    pub(crate) sha256: [u8; 32],
    /// For compressed files: length and digest of what they hold.
    pub(crate) content: Option<(u64, [u8; 32])>,
}

/// What a build has written.
#[derive(Default)]
pub(crate) struct Written {
    pub(crate) files: Vec<Emitted>,
    /// Of the disk, if that was written in any form.
    pub(crate) map: Option<BlockMap>,
}

/// Picks the boot files for the recipe's board.
pub(crate) fn boot_files(job: &Job, plan: &Plan, tree: &Tree) -> Result<Boot, BuildError> {
    let recipe = &job.options.project.recipe;
    let command_line = job.options.project.command_line();
    let mut boot = osb_board::boot(
        &recipe.image.board,
        &osb_board::Inputs {
            tree,
            arch: recipe.image.arch.as_str(),
            root_partuuid: &crate::disk::root_partuuid(recipe, plan),
            command_line: &command_line,
            version: &recipe.image.version,
            name: &recipe.image.name,
            gzip: &|bytes| write::gzip(job, bytes),
        },
    )?;
    let ids: Vec<_> = boot.files.iter().map(|(_, id, _)| id).collect();
    for id in ids {
        boot.files.inode_mut(id).meta.mtime = osb_tree::Time::from_secs(plan.epoch);
    }
    Ok(boot)
}

/// The temporary name of an artifact, in the folder where it will lie.
pub(crate) fn partial(job: &Job, name: &str) -> Partial {
    Partial::of(&job.options.output.join(name))
}

/// Removes what a run that was killed left in the output folder, unless somebody writes there now:
/// it may be gigabytes, and this run may never come to write.
pub(crate) fn sweep(job: &Job) -> Result<(), BuildError> {
    written().iter().try_for_each(|name| crate::partial::clear(&job.options.output.join(name)))
}

/// Makes the folder, takes it for this run alone, and removes what a run that was killed left there
/// under temporary names.
pub(crate) fn prepare_output(job: &Job) -> Result<Lease, BuildError> {
    let output = &job.options.output;
    fs::create_dir_all(output).map_err(BuildError::io("making", output))?;
    let busy = format!("another run of osb is writing to {}", output.display());
    let lease = job.claim(output, &busy)?;
    for name in written() {
        drop(partial(job, &name));
    }
    Ok(lease)
}

/// Everything that a build may write into its folder, the sums first.
pub(crate) fn written() -> Vec<String> {
    let mut names = vec![SUMS.to_owned()];
    let described = ARTIFACTS.into_iter().chain([METADATA, SBOM]);
    names.extend(described.flat_map(|name| [format!("{name}.sha256"), name.to_owned()]));
    names
}

/// What others make of that: whoever signs, and whoever keeps how it was built.
pub(crate) fn derived() -> Vec<String> {
    let provenance = osb_release::PROVENANCE;
    let signed = [SUMS, provenance].into_iter();
    let signatures = signed.flat_map(|name| Kind::ALL.map(|kind| signature_name(name, kind)));
    signatures.chain([provenance.to_owned()]).collect()
}
