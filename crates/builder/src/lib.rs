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
mod bill;
mod cache;
mod chamber;
mod check;
mod clean;
mod describe;
mod disk;
mod dressing;
mod emit;
mod error;
mod event;
mod expect;
mod failed;
mod forecast;
mod ids;
mod initramfs;
mod inputs;
mod install;
mod job;
mod locking;
mod options;
mod packages;
mod partial;
mod plan;
mod record;
mod seal;
mod settings;
mod sources;
mod space;
mod stack;
mod survey;
mod tools;
mod vault;
mod why;
mod write;

use std::path::PathBuf;

use osb_apt::{AptError, Lock};
use osb_sandbox::{Missing, Verdict};

use crate::job::Job;

pub use cache::{
    Bucket, Damage, Keep, Lease, Limits, Pruning, Scope, Used, Verification, Verified, contents,
    prune, verify,
};
pub use check::wanted;
pub use error::BuildError;
pub use event::{Artifact, Event, Report, StageTime};
pub use failed::{FailedCommand, Outcome};
pub use forecast::{Forecast, State, Step};
pub use ids::check_owner;
pub use locking::{LockReport, Moving};
pub use options::{Only, Options};
pub use osb_sandbox::{Kind, Program};
pub use settings::files as settings_files;
pub use sources::bases;
pub use tools::tool_packages;
pub use vault::import as vault_import;
pub use vault::{Export, FileKind, Import, VaultFile, VaultIndex, VaultReport};
pub use why::{Cause, Changed, HalfWhy, LayerWhy, Link, Origin, PackageWhy, PathWhy, Why};
pub use write::{ROOTFS_FORM, SD_FORM};

/// How many damaged entries a build replaces before it gives up: a disk that damages more is not to
/// be built on.
const DAMAGED_ENTRIES: usize = 8;

/// Builds the image that the options describe, and reports what was written.
///
/// # Errors
/// See [`BuildError`]; nothing is left half-written.
pub fn build(options: &Options, events: &(dyn Fn(Event) + Sync)) -> Result<Report, BuildError> {
    let job = Job::new(options, events)?;
    emit::sweep(&job)?;
    if let Some(report) = nothing_to_do(&job)? {
        return Ok(report);
    }
    can_run(&job)?;
    let report = job.stoppable(with_lock(&job, |lock| build_whole(&job, lock)))?;
    Ok(Report { stages: job.into_stages(), ..report })
}

/// The report of the last build, if its artifacts are what this one would make.
fn nothing_to_do(job: &Job) -> Result<Option<Report>, BuildError> {
    // Whatever is wrong with the lock, the build will tell.
    let Ok(lock) = locking::fitting(job) else { return Ok(None) };
    let plan = plan::plan(job, &lock)?;
    let Some(artifacts) = record::still_good(job, &lock, &plan) else { return Ok(None) };
    record::touch(job);
    Ok(Some(Report { unchanged: true, ..describe::report(job, &plan, artifacts) }))
}

/// Builds; if a file of the cache turns out to be damaged when its content is read, once more
/// without the entry that it is in.
fn build_whole(job: &Job, lock: &Lock) -> Result<Report, BuildError> {
    for _ in 0..DAMAGED_ENTRIES {
        match build_locked(job, lock) {
            Err(error) => match cache::damaged_file(&job.cache.root, &error) {
                Some((entry, file)) => {
                    let file = file.display();
                    job.warn(format!(
                        "{file}: the content is not what was recorded of it; the entry of the cache is made anew"
                    ));
                    job.discard(&entry)?;
                }
                None => return Err(error),
            },
            built => return built,
        }
    }
    build_locked(job, lock)
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
    let survey = survey::survey(job, &plan)?;
    space::check(job, lock, &plan, &survey)?;
    let supplies = stack::fetch(job, lock, &plan, &survey)?;
    let mut tree = stack::raise(job, &plan, survey, &supplies)?;
    let tree = job.stage("clean", None, || {
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
    if written.is_empty() {
        remember(job, lock, &plan, &[]);
    }
    Ok(describe::report(job, &plan, written))
}

fn write(
    job: &Job,
    lock: &Lock,
    plan: &plan::Plan,
    tree: &osb_tree::Tree,
) -> Result<Vec<Artifact>, BuildError> {
    // Two runs may write to one folder, one after the other.
    let _lease = emit::prepare_output(job)?;
    let written = write_forms(job, lock, plan, tree)?;
    // While nobody else writes there: what is remembered of the files is what they are.
    remember(job, lock, plan, &written);
    Ok(written)
}

/// Keeps the record of this build. It is no more than a memory: the artifacts are good without it.
fn remember(job: &Job, lock: &Lock, plan: &plan::Plan, written: &[Artifact]) {
    if let Err(error) = record::keep(job, lock, plan, written) {
        job.warn(format!("this build will not be remembered: {error}"));
    }
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
    let recipe = &job.options.project.recipe;
    if let Some(remark) = disk::remark(recipe) {
        job.warn(remark);
    }
    let disk = disk::plan_disk(recipe, plan, tree, boot)?;
    let written = match job.options.check {
        true => write_and_check(job, &disk, tree)?,
        false => write::artifacts(job, &disk, tree)?,
    };
    describe::publish(job, lock, plan, &disk, tree, written)
}

/// Writes the artifacts, and checks the image meanwhile: nothing gets its name that is not fit to
/// start.
fn write_and_check(
    job: &Job,
    disk: &disk::Disk,
    tree: &osb_tree::Tree,
) -> Result<emit::Written, BuildError> {
    std::thread::scope(|scope| {
        let checking = scope.spawn(|| check::check(job, disk, tree));
        let written = write::artifacts(job, disk, tree)?;
        job.stage("check", None, || {
            let report = checking.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            let summary = check::judge(job, &report)?;
            Ok((written, summary))
        })
    })
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

/// Tells what a build with these options would do, and changes nothing.
///
/// # Errors
/// There is no lock for this recipe yet; and see [`BuildError`].
pub fn forecast(
    options: &Options,
    events: &(dyn Fn(Event) + Sync),
) -> Result<Forecast, BuildError> {
    let job = Job::new(options, events)?;
    let lock = locking::fitting(&job)?;
    let plan = plan::plan(&job, &lock)?;
    job.stoppable(forecast::forecast(&job, &lock, &plan))
}

/// Tells why `what` is there or is built anew: a path (which has a slash), a layer, or a package.
///
/// # Errors
/// There is no such thing in the image, the cache does not have what would tell, or there is no lock
/// for this recipe; and see [`BuildError`].
pub fn why(
    options: &Options,
    what: &str,
    events: &(dyn Fn(Event) + Sync),
) -> Result<Why, BuildError> {
    let job = Job::new(options, events)?;
    let lock = locking::fitting(&job)?;
    let plan = plan::plan(&job, &lock)?;
    job.stoppable(why::why(&job, &lock, &plan, what))
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
