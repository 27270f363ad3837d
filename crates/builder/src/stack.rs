//! The layer stack: every half that the cache lacks is built, then all are merged.

use std::path::{Path, PathBuf};

use osb_apt::LockedPackage;
use osb_tree::{Stack, Tree, scan_layer};

use crate::error::BuildError;
use crate::job::Job;
use crate::plan::Plan;
use crate::{artifacts, cache, chamber, dressing, install, packages, seal};

/// Downloads and takes apart the packages of the layers that must be built, and prepares their
/// artifacts; returns what [`artifacts::prepare`] does.
pub(crate) fn fetch(job: &Job, plan: &Plan) -> Result<PathBuf, BuildError> {
    let store = packages::store(job);
    let needed: Vec<&LockedPackage> = plan
        .layers
        .iter()
        .filter(|planned| !plan.folder(job, &planned.package_key).is_dir())
        .flat_map(|planned| planned.packages.iter().copied())
        .filter(|package| !store.has(&package.sha256))
        .collect();
    if !needed.is_empty() {
        let wanted = needed
            .iter()
            .map(|package| packages::wanted(job, package))
            .collect::<Result<Vec<_>, _>>()?;
        let files = packages::download(job, "download", &wanted)?;
        packages::take_apart(job, "unpack", &store, &needed, &files)?;
    }
    artifacts::prepare(job, plan)
}

/// Builds what the cache lacks, lowest first.
pub(crate) fn build(
    job: &Job,
    plan: &Plan,
    tools: &Path,
    prepared: &Path,
) -> Result<(), BuildError> {
    let folders = plan.folders(job);
    let count = plan.layers.len();
    for (index, planned) in plan.layers.iter().enumerate() {
        half(job, "install", &planned.layer.name, &folders[..=index], |below| {
            install::install(job, plan, planned, below, tools)?;
            Ok(format!("{} packages", planned.packages.len()))
        })?;
    }
    for (index, planned) in plan.layers.iter().enumerate() {
        half(job, "dress", &planned.layer.name, &folders[..=count + index], |below| {
            dressing::dress(job, plan, planned, below, tools, prepared)?;
            Ok(format!("{} files", planned.layer.files.len()))
        })?;
    }
    half(job, "seal", "image", &folders, |below| {
        seal::seal(job, plan, below, tools)?;
        Ok("initramfs made, dpkg content".to_owned())
    })
}

/// One stage, unless its folder (the last of `folders`) is in the cache.
fn half(
    job: &Job,
    stage: &'static str,
    name: &str,
    folders: &[PathBuf],
    make: impl FnOnce(&[PathBuf]) -> Result<String, BuildError>,
) -> Result<(), BuildError> {
    let Some((folder, below)) = folders.split_last() else { return Ok(()) };
    if cache::has(folder) {
        job.note(format!("{stage} {name}: unchanged"));
        return Ok(());
    }
    job.layer_stage(stage, name, || make(below))
}

/// Reads all layers back and folds them into one tree.
pub(crate) fn merge(job: &Job, plan: &Plan) -> Result<Tree, BuildError> {
    let mut stack = Stack::new();
    for root in chamber::roots(&plan.folders(job)) {
        stack.push(&scan_layer(&root)?)?;
    }
    Ok(stack.into_tree())
}
