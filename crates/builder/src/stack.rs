//! The layer stack: raised half by half, from the cache where that has a half, else anew.

use std::path::{Path, PathBuf};

use osb_apt::{Lock, LockedPackage};
use osb_tree::{Layer, Manifest, Stack, Tree};

use crate::cache::entry::{self, Entry, Found, Part};
use crate::chamber::Workplace;
use crate::error::BuildError;
use crate::job::Job;
use crate::plan::{Half, Plan, PlannedLayer};
use crate::survey::{Survey, look_over, read_over};
use crate::{artifacts, dressing, initramfs, install, packages, seal, tools};

/// What halves are made from.
pub(crate) struct Supplies {
    /// The tools tree; empty if none is needed.
    tools: PathBuf,
    /// The folder of artifacts, as [`artifacts::prepare`] makes it.
    artifacts: PathBuf,
}

/// Downloads and takes apart the packages of the halves that must be built, the tools, and the
/// artifacts.
pub(crate) fn fetch(
    job: &Job,
    lock: &Lock,
    plan: &Plan,
    survey: &Survey,
) -> Result<Supplies, BuildError> {
    let tools = tools::unpack_for_layers(job, lock)?;
    let store = packages::store(job);
    let lacks = |(index, _): &(usize, _)| survey.lacks(Half::Packages(*index));
    let lacking = plan.layers.iter().enumerate().filter(lacks);
    let mut needed: Vec<&LockedPackage> = Vec::new();
    for package in lacking.flat_map(|(_, planned)| planned.packages.iter().copied()) {
        let what = format!("{} {}", package.name, package.version);
        if read_over(job, &what, &store.folder(&package.sha256))?.is_none() {
            needed.push(package);
        }
    }
    if !needed.is_empty() {
        let wanted = needed
            .iter()
            .map(|package| packages::wanted(job, package))
            .collect::<Result<Vec<_>, _>>()?;
        let files = packages::download(job, "download", &wanted)?;
        packages::take_apart(job, "unpack", &store, &needed, &files)?;
    }
    Ok(Supplies { tools, artifacts: artifacts::prepare(job, plan, survey)? })
}

/// All packages and dressings together, if the cache has every one of them, whole.
pub(crate) struct Standing {
    stack: Stack,
    dressings: Vec<Manifest>,
    /// Halves, the names of their folders, and what is in them, lowest first.
    pub(crate) parts: Vec<(Half, String, Layer)>,
    /// What the initramfs' half and the seal have, where the cache has them.
    pub(crate) crown: Vec<(&'static str, Layer)>,
}

impl Standing {
    /// What they make together.
    pub(crate) fn tree(&self) -> &Tree {
        self.stack.tree()
    }

    /// Whether the cache has the initramfs and the seal, too.
    pub(crate) fn is_complete(&self) -> bool {
        self.crown.iter().any(|(stage, _)| *stage == "seal") && self.has_initramfs()
    }

    /// Whether the cache has the initramfs of this.
    pub(crate) fn has_initramfs(&self) -> bool {
        self.crown.iter().any(|(stage, _)| *stage == "initramfs")
    }
}

/// Reads what the cache has, and changes nothing.
pub(crate) fn standing(job: &Job, plan: &Plan) -> Result<Option<Standing>, BuildError> {
    let mut standing = Standing {
        stack: Stack::new(),
        dressings: Vec::new(),
        parts: Vec::new(),
        crown: Vec::new(),
    };
    for half in plan.halves().into_iter().filter(|half| *half != Half::Seal) {
        let Found::Whole(entry) = entry::open(&plan.folder(job, half))? else { return Ok(None) };
        for Part { name, layer, manifest } in entry.parts {
            standing.stack.push(&layer)?;
            if let Half::Dressing(_) = half {
                standing.dressings.push(manifest);
            }
            standing.parts.push((half, name, layer));
        }
    }
    let key = initramfs::make_key(plan, standing.tree(), &standing.dressings)?;
    let initramfs = ("initramfs", job.cache.initramfs(&plan.made(&key)));
    for (stage, folder) in [initramfs, ("seal", plan.folder(job, Half::Seal))] {
        if let Found::Whole(entry) = entry::open(&folder)? {
            for part in entry.parts {
                standing.stack.push(&part.layer)?;
                standing.crown.push((stage, part.layer));
            }
        }
    }
    Ok(Some(standing))
}

/// Builds what the cache lacks, lowest first, and folds all into one tree.
pub(crate) fn raise(
    job: &Job,
    plan: &Plan,
    survey: Survey,
    supplies: &Supplies,
) -> Result<Tree, BuildError> {
    let mut tower = Tower { job, folders: Vec::new(), stack: Stack::new(), dressings: Vec::new() };
    for (half, found) in plan.halves().into_iter().zip(survey.0) {
        if half == Half::Seal {
            tower.raise_initramfs(plan, supplies)?;
        }
        let (stage, name) = plan.stage(half);
        let make = |below: &[PathBuf]| make(job, plan, half, below, supplies);
        let entry = tower.raise(stage, name, plan.folder(job, half), found, make)?;
        if let Half::Dressing(_) = half {
            tower.dressings.extend(entry.parts.into_iter().map(|part| part.manifest));
        }
    }
    Ok(tower.stack.into_tree())
}

fn make(
    job: &Job,
    plan: &Plan,
    half: Half,
    below: &[PathBuf],
    Supplies { tools, artifacts }: &Supplies,
) -> Result<(Workplace, String), BuildError> {
    let layer = |index: usize| -> &PlannedLayer { &plan.layers[index] };
    match half {
        Half::Packages(index) => {
            let place = install::install(job, plan, layer(index), below, tools)?;
            Ok((place, format!("{} packages", layer(index).packages.len())))
        }
        Half::Dressing(index) => {
            let place = dressing::dress(job, plan, layer(index), below, tools, artifacts)?;
            Ok((place, format!("{} files", layer(index).layer.files.len())))
        }
        Half::Seal => Ok((seal::seal(job, plan, below, tools)?, "dpkg is content".to_owned())),
    }
}

/// What stands so far.
struct Tower<'a> {
    job: &'a Job<'a>,
    /// The cache folders of its halves, lowest first.
    folders: Vec<PathBuf>,
    /// Their trees, folded.
    stack: Stack,
    /// What the dressings among them have changed.
    dressings: Vec<Manifest>,
}

impl Tower<'_> {
    /// Puts one half on top: the one that was found, or a new one.
    fn raise(
        &mut self,
        stage: &'static str,
        name: &str,
        folder: PathBuf,
        found: Option<Entry>,
        make: impl FnOnce(&[PathBuf]) -> Result<(Workplace, String), BuildError>,
    ) -> Result<Entry, BuildError> {
        let entry = match found {
            Some(entry) => {
                self.job.note(format!("{stage} {name}: unchanged"));
                entry
            }
            None => {
                self.job.layer_stage(stage, name, || {
                    let (place, summary) = make(&self.folders)?;
                    place.publish(self.job, &folder)?;
                    Ok(summary)
                })?;
                match entry::open(&folder)? {
                    Found::Whole(entry) => entry,
                    Found::Missing => return Err(broken(&folder, "it is gone")),
                    Found::Damaged(mismatch) => {
                        return Err(broken(&folder, &mismatch.to_string()));
                    }
                }
            }
        };
        for part in &entry.parts {
            self.stack.push(&part.layer)?;
        }
        self.folders.push(folder);
        Ok(entry)
    }

    fn raise_initramfs(&mut self, plan: &Plan, supplies: &Supplies) -> Result<(), BuildError> {
        let key = initramfs::make_key(plan, self.stack.tree(), &self.dressings)?;
        let folder = self.job.cache.initramfs(&plan.made(&key));
        let found = look_over(self.job, "initramfs", &folder)?;
        let job = self.job;
        self.raise("initramfs", "image", folder, found, |below| {
            let place = initramfs::make(job, plan, below, &supplies.tools)?;
            Ok((place, "made".to_owned()))
        })?;
        Ok(())
    }
}

/// An entry that has just been made.
fn broken(entry: &Path, what: &str) -> BuildError {
    BuildError::io("reading back", entry)(std::io::Error::other(what.to_owned()))
}
