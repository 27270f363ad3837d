//! The layered build: plan → stack → tree → artifacts.
//!
//! [`build`] reads as the list of what happens. Data flows one way: a recipe is locked, layers
//! are built from the lock, the layers are merged into one tree, the tree is written out in
//! every form, and what was written is described.
//!
//! Invariants: nothing here parses arguments or prints; every output appears by rename, whole;
//! no stage reads the clock, the environment or Git.

mod artifacts;
mod background;
mod cache;
mod chamber;
mod clean;
mod describe;
mod dressing;
mod emit;
mod error;
mod event;
mod expect;
mod failed;
mod ids;
mod install;
mod job;
mod locking;
mod options;
mod packages;
mod partial;
mod plan;
mod seal;
mod settings;
mod sources;
mod space;
mod stack;
mod tools;
mod vault;

use std::path::PathBuf;

use osb_apt::{AptError, Lock};
use osb_sandbox::{Missing, Verdict};

use crate::emit::Emitted;
use crate::job::Job;

pub use cache::{Bucket, Keep, Lease, Pruning, contents, prune};
pub use error::BuildError;
pub use event::{Artifact, Event, Report, StageTime};
pub use failed::{FailedCommand, Outcome};
pub use ids::check_owner;
pub use locking::{LockReport, Moving};
pub use options::{Only, Options};
pub use osb_sandbox::{Kind, Program};
pub use settings::files as settings_files;
pub use tools::tool_packages;
pub use vault::import as vault_import;
pub use vault::{Export, FileKind, Import, VaultFile, VaultIndex, VaultReport};

/// Builds the image that the options describe, and reports what was written.
///
/// # Errors
/// See [`BuildError`]; nothing is left half-written.
pub fn build(options: &Options, events: &(dyn Fn(Event) + Sync)) -> Result<Report, BuildError> {
    let job = Job::new(options, events)?;
    can_run(&job)?;
    emit::sweep(&job)?;
    let report = job.stoppable(with_lock(&job, |lock| build_locked(&job, lock)))?;
    Ok(Report { stages: job.into_stages(), ..report })
}

/// Does `work` with the lock; if the archive has dropped a locked version since, once more with a
/// new lock, unless that is forbidden.
fn with_lock<T>(job: &Job, work: impl Fn(&Lock) -> Result<T, BuildError>) -> Result<T, BuildError> {
    match work(&locking::ensure(job)?) {
        Err(BuildError::Apt(AptError::Vanished { name, .. })) if !job.options.locked => {
            job.warn(format!("the archive no longer has {name}: locking anew"));
            work(&locking::renew(job)?)
        }
        result => result,
    }
}

fn build_locked(job: &Job, lock: &Lock) -> Result<Report, BuildError> {
    let plan = plan::plan(job, lock)?;
    space::check(job, lock, &plan)?;
    let tools = tools::unpack_for_layers(job, lock)?;
    let artifacts = stack::fetch(job, &plan)?;
    stack::build(job, &plan, &tools, &artifacts)?;
    let tree = job.stage("merge", None, || {
        let mut tree = stack::merge(job, &plan)?;
        clean::clean(&mut tree, plan.epoch)?;
        let summary = format!("{} paths", tree.len());
        Ok((tree, summary))
    })?;
    job.stage("expect", None, || {
        let checked = expect::check(&tree, &plan)?;
        Ok(((), format!("{checked} expectations hold")))
    })?;
    let written = match job.options.only {
        Some(Only::Tree) => Vec::new(),
        _ => write(job, lock, &plan, &tree)?,
    };
    let recipe = &job.options.project.recipe;
    Ok(Report {
        artifacts: written,
        stages: Vec::new(),
        packages: plan.packages.len(),
        name: recipe.image.name.clone(),
        version: recipe.image.version.clone(),
        architecture: recipe.image.arch.as_str().to_owned(),
        kubernetes: describe::kubernetes(&plan),
    })
}

fn write(
    job: &Job,
    lock: &Lock,
    plan: &plan::Plan,
    tree: &osb_tree::Tree,
) -> Result<Vec<Artifact>, BuildError> {
    // Two runs may write to one folder, one after the other.
    let _lease = emit::prepare_output(job)?;
    write_forms(job, lock, plan, tree)
}

fn write_forms(
    job: &Job,
    lock: &Lock,
    plan: &plan::Plan,
    tree: &osb_tree::Tree,
) -> Result<Vec<Artifact>, BuildError> {
    let boot = job.stage("boot files", None, || {
        let boot = emit::boot_files(job, plan, tree)?;
        let summary = format!("kernel {}", boot.kernel_version);
        Ok((boot, summary))
    })?;
    let disk = emit::plan_disk(&job.options.project.recipe, plan, tree, boot)?;
    let mut emitted: Vec<Emitted> = Vec::new();
    if job.options.only != Some(Only::Rootfs) {
        emitted.extend(emit::write_disk(job, &disk, tree)?);
    }
    if job.options.only.is_none_or(|only| only == Only::Rootfs) {
        emitted.push(emit::write_rootfs(job, tree, &disk.boot)?);
    }
    describe::publish(job, lock, plan, &disk, emitted)
}

/// Asks whether this host can run the image's programs, before any work.
fn can_run(job: &Job) -> Result<(), BuildError> {
    let scratch = job.cache.scratch("trial")?;
    let needs =
        osb_sandbox::examine(chamber::guest(job), &job.cache.root, &scratch, &job.options.launcher);
    for need in needs.iter().filter(|need| need.verdict == Verdict::Warning) {
        job.warn(format!("{}: {}", need.text, need.remedy.as_deref().unwrap_or_default()));
    }
    match Missing::among(&needs) {
        Some(missing) => Err(BuildError::Host(missing)),
        None => Ok(()),
    }
}

/// Makes the lock fit the recipe, or moves packages to newer versions. With `write` the lock is
/// written if it changed; without, it is only told what would change.
///
/// # Errors
/// See [`BuildError`].
pub fn lock(
    options: &Options,
    moving: &Moving,
    write: bool,
    events: &(dyn Fn(Event) + Sync),
) -> Result<LockReport, BuildError> {
    let job = Job::new(options, events)?;
    job.stoppable(locking::update(&job, moving, write).and_then(|report| match write {
        true => locking::upgrade(&job, report),
        false => Ok(report),
    }))
}

/// Writes everything that the lock names into a vault.
///
/// # Errors
/// See [`BuildError`]; nothing is left half-written.
pub fn vault_export(
    options: &Options,
    export: &Export,
    events: &(dyn Fn(Event) + Sync),
) -> Result<VaultReport, BuildError> {
    let job = Job::new(options, events)?;
    job.stoppable(vault::export(&job, export))
}

/// A tool set, unpacked.
#[derive(Debug)]
pub struct Tools {
    /// The folder that is the root of its tree.
    pub root: PathBuf,
    /// While this lives, the tree stays: nobody prunes it.
    pub lease: Lease,
}

/// Downloads and unpacks the locked tool set `set`.
///
/// # Errors
/// See [`BuildError`].
pub fn tools(
    options: &Options,
    set: &str,
    events: &(dyn Fn(Event) + Sync),
) -> Result<Tools, BuildError> {
    let job = Job::new(options, events)?;
    let root = job.stoppable(with_lock(&job, |lock| tools::unpack(&job, lock, set)))?;
    Ok(Tools { root, lease: job.cache.into_lease() })
}
