//! The lock: read, checked against the recipe, changed where it must be or is asked to be.

use std::collections::BTreeSet;
use std::path::Path;

use osb_apt::{
    Change, Drift, Forced, Kind, Lock, LockEvent, LockRequest, LockedSource, Part, Subject,
};

use crate::error::BuildError;
use crate::job::Job;
use crate::{partial, sources};

/// Which packages may get another version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Moving {
    /// Those that must, because the recipe changed or there is no lock.
    Needed,
    /// All.
    All,
    /// Those of these names, and what they force to move.
    Named(BTreeSet<String>),
}

/// What `osb lock` did, or would do.
#[derive(Debug)]
pub struct LockReport {
    /// The lock as it stands now, or would.
    pub lock: Lock,
    /// How the recipe differs from the one that the lock was made for, in words.
    pub drift: Vec<String>,
    /// What moved, against the lock that was there; nothing if there was none.
    pub changes: Vec<Change>,
    /// Packages that were to stay and had to move, with the reasons.
    pub forced: Vec<Forced>,
    /// Whether there was a lock.
    pub existed: bool,
    /// Whether the file was written.
    pub written: bool,
}

/// The lock for this recipe: the one that is there if it still fits, else one that fits.
pub(crate) fn ensure(job: &Job) -> Result<Lock, BuildError> {
    let report = update(job, &Moving::Needed, true)?;
    tell(job, &report);
    Ok(report.lock)
}

/// The lock, which is there and fits.
pub(crate) fn fitting(job: &Job) -> Result<Lock, BuildError> {
    let path = &job.options.lock_path;
    let lock = read(path)?.ok_or_else(|| BuildError::NoLock(path.clone()))?;
    no_drift(path, &sources::lock_request(job, None)?.drift(&lock), "")?;
    Ok(lock)
}

/// A lock without the versions that are gone; all others stay.
pub(crate) fn renew(job: &Job) -> Result<Lock, BuildError> {
    let report = update(job, &Moving::Named(BTreeSet::new()), true)?;
    tell(job, &report);
    Ok(report.lock)
}

/// Changes the lock as far as `moving` says, and writes it if `write` and if anything changed.
pub(crate) fn update(job: &Job, moving: &Moving, write: bool) -> Result<LockReport, BuildError> {
    let path = &job.options.lock_path;
    let old = match read(path) {
        // What cannot be read cannot be kept.
        Err(BuildError::Apt(error)) if error.kind() == Kind::Format && *moving == Moving::All => {
            job.warn(format!("{error}: it is made anew"));
            None
        }
        old => old?,
    };
    let drift = match &old {
        Some(old) => sources::lock_request(job, None)?.drift(old),
        None => Vec::new(),
    };
    if job.options.locked {
        if old.is_none() {
            let path = path.display();
            let text = format!("there is no {path}, and it must not be made here (--locked)");
            return Err(BuildError::LockDrift(text));
        }
        no_drift(path, &drift, ", and must not be changed here (--locked)")?;
    }
    let existed = old.is_some();
    let words = drift.iter().map(|drift| drift.text.clone()).collect();
    let (lock, forced) = match (&old, moving) {
        (Some(old), Moving::Needed) if drift.is_empty() => {
            // Another format says the same; it is not rewritten in passing, by a build.
            let report = LockReport {
                lock: old.clone(),
                drift: words,
                changes: Vec::new(),
                forced: Vec::new(),
                existed,
                written: false,
            };
            return Ok(report);
        }
        (None, Moving::Named(_)) => return Err(BuildError::NoLock(path.clone())),
        (Some(_), Moving::Named(_)) if anew(&drift) => return Err(too_different(path, &drift)),
        (Some(old), Moving::Named(names)) => {
            known(old, names)?;
            choose(job, Some((old, names)))?
        }
        // Other sources, other priorities: what is locked says nothing about what they prefer.
        (Some(old), Moving::Needed) if !anew(&drift) => choose(job, Some((old, &BTreeSet::new())))?,
        (_, Moving::Needed | Moving::All) => choose(job, None)?,
    };
    if let Some(old) = &old {
        no_older(old, &lock)?;
    }
    let changes = old.as_ref().map(|old| old.diff(&lock)).unwrap_or_default();
    let moved = |forced: &Forced| changes.iter().any(|change| is_about(change, forced));
    let forced = forced.into_iter().filter(moved).collect();
    let written = write && old.as_ref() != Some(&lock);
    if written {
        put(job, path, old.as_ref(), &lock)?;
    }
    Ok(LockReport { lock, drift: words, changes, forced, existed, written })
}

/// Writes a lock that fits, but is of an older format, in today's.
pub(crate) fn upgrade(job: &Job, report: LockReport) -> Result<LockReport, BuildError> {
    let path = &job.options.lock_path;
    if report.written || report.lock.version == osb_apt::LOCK_VERSION {
        return Ok(report);
    }
    let lock = report.lock.upgraded(&sources::lock_request(job, None)?);
    job.note(format!("{} is written in today's format", path.display()));
    put(job, path, Some(&report.lock), &lock)?;
    Ok(LockReport { lock, written: true, ..report })
}

/// Whether a change is the move of a package that had to.
fn is_about(change: &Change, forced: &Forced) -> bool {
    let same = match (&change.subject, &forced.tool) {
        (Subject::Package(_), None) => true,
        (Subject::Tool(set, host), Some((its_set, its_host))) => (set, host) == (its_set, its_host),
        _ => false,
    };
    same && change.name == forced.name && change.from.is_some()
}

/// Whether everything is chosen anew because of such a difference.
fn anew(drift: &[Drift]) -> bool {
    let all =
        |drift: &Drift| matches!(drift.part, Part::Sources | Part::Architecture | Part::Unknown);
    drift.iter().any(all)
}

/// What is to stay was chosen from other sources, or for another architecture.
fn too_different(path: &Path, drift: &[Drift]) -> BuildError {
    BuildError::LockDrift(format!(
        "{} was made for another recipe: its packages cannot stay beside those that are to move; \
         what differs:{}",
        path.display(),
        listed(drift)
    ))
}

/// Differences, one a line.
fn listed(drift: &[Drift]) -> String {
    drift.iter().map(|drift| format!("\n  {}", drift.text)).collect()
}

/// Refuses a lock that does not fit; `more` is said of it besides.
fn no_drift(path: &Path, drift: &[Drift], more: &str) -> Result<(), BuildError> {
    if drift.is_empty() {
        return Ok(());
    }
    Err(BuildError::LockDrift(format!(
        "{} was made for another recipe, or by another osb{more}; what differs:{}",
        path.display(),
        listed(drift)
    )))
}

/// Refuses names that the lock does not have.
fn known(lock: &Lock, names: &BTreeSet<String>) -> Result<(), BuildError> {
    let Some(name) = names.iter().find(|name| !lock.has(name)) else { return Ok(()) };
    let near = lock.nearest_names(name);
    Err(BuildError::NotLocked { name: name.clone(), near })
}

/// Resolves, keeping what `keep` has but for the names beside it.
fn choose(
    job: &Job,
    keep: Option<(&Lock, &BTreeSet<String>)>,
) -> Result<(Lock, Vec<Forced>), BuildError> {
    let fetcher = sources::fetcher(job);
    job.stage("lock", None, || {
        let request: LockRequest = sources::lock_request(job, Some(&fetcher))?;
        let (now, tell) = (job.options.now, |event: LockEvent| job.detail(event.to_string()));
        let (lock, forced) = match keep {
            Some((old, moving)) => osb_apt::relock(&request, old, moving, &fetcher, now, &tell)?,
            None => (osb_apt::lock(&request, &fetcher, now, &tell)?, Vec::new()),
        };
        let summary = format!(
            "{} packages and {} tools from {} sources",
            lock.packages.len(),
            lock.tools.len(),
            lock.sources.len()
        );
        Ok(((lock, forced), summary))
    })
}

/// Writes a lock that was made from `old`, if that is still what is there.
fn put(job: &Job, path: &Path, old: Option<&Lock>, lock: &Lock) -> Result<(), BuildError> {
    let folder = partial::folder(path);
    let busy = format!("another run of osb is writing to {}", folder.display());
    let _lease = job.claim(folder, &busy)?;
    // What another run has changed meanwhile would be lost; what cannot be read is replaced.
    match Lock::read(path) {
        Ok(now) if now == *lock => return Ok(()),
        Ok(now) if Some(&now) != old => {
            let text = format!("another run of osb has changed {} meanwhile", path.display());
            return Err(BuildError::Busy(text));
        }
        _ => {}
    }
    partial::write(path, &lock.to_toml())
}

/// Tells what a build that changed the lock did to it: image packages one by one, tools as a sum.
fn tell(job: &Job, report: &LockReport) {
    if !report.written || !report.existed {
        return;
    }
    for drift in &report.drift {
        job.note(format!("the recipe changed since the lock: {drift}"));
    }
    let mut tools = 0;
    for change in &report.changes {
        match change.subject {
            Subject::Tool(..) => tools += 1,
            _ => job.note(change.to_string()),
        }
    }
    if tools > 0 {
        job.note(format!("{tools} changes of tools"));
    }
}

/// Refuses a source that is older than the lock has seen it: its signature is good, but somebody
/// may be showing us yesterday's archive, without yesterday's security updates. Another URL, as of a
/// release before, is another archive, and may be older.
fn no_older(old: &Lock, new: &Lock) -> Result<(), BuildError> {
    for source in &new.sources {
        let same = |o: &&LockedSource| {
            let inputs = o.inputs.is_none() || o.inputs == source.inputs;
            o.name == source.name && o.suite == source.suite && inputs
        };
        let seen = old.sources.iter().find(same);
        if let Some(seen) = seen
            && source.date < seen.date
        {
            return Err(BuildError::Rollback {
                source_name: source.name.clone(),
                offered: source.date,
                seen: seen.date,
            });
        }
    }
    Ok(())
}

pub(crate) fn read(path: &Path) -> Result<Option<Lock>, BuildError> {
    partial::clear(path)?;
    if !path.exists() {
        return Ok(None);
    }
    Ok(Some(Lock::read(path)?))
}
