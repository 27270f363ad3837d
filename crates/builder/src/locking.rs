//! The lock: read, checked against the recipe, made anew where it must be.

use std::path::Path;

use osb_apt::{Change, Kind, Lock, LockEvent, LockRequest};

use crate::error::BuildError;
use crate::job::Job;
use crate::{partial, sources};

/// What `osb lock` did.
#[derive(Debug)]
pub struct LockReport {
    /// The lock as it stands now.
    pub lock: Lock,
    /// What moved, against the lock that was there.
    pub changes: Vec<Change>,
    /// Whether the file was written.
    pub written: bool,
}

/// The lock that is there, if it fits this recipe.
pub(crate) fn fitting(job: &Job) -> Result<Option<Lock>, BuildError> {
    let inputs = sources::lock_request(job, None)?.inputs_digest();
    Ok(read(&job.options.lock_path)?.filter(|lock| lock.inputs == inputs))
}

/// The lock that is there and fits, without which nothing can be told.
pub(crate) fn present(job: &Job) -> Result<Lock, BuildError> {
    fitting(job)?.ok_or_else(|| {
        let path = job.options.lock_path.display();
        BuildError::LockDrift(format!("there is no lock for this recipe as it is now in {path}"))
    })
}

/// The lock for this recipe: the one that is there if it still fits, else a new one.
pub(crate) fn ensure(job: &Job) -> Result<Lock, BuildError> {
    let path = &job.options.lock_path;
    let old = read(path)?;
    if let Some(lock) = &old
        && lock.inputs == sources::lock_request(job, None)?.inputs_digest()
    {
        return Ok(lock.clone());
    }
    if job.options.locked {
        return Err(BuildError::LockDrift(match old {
            Some(_) => format!(
                "{} was made for another recipe, or by another osb, and --locked forbids to change it",
                path.display()
            ),
            None => format!("there is no {}, and --locked forbids to make it", path.display()),
        }));
    }
    Ok(renew(job)?.lock)
}

/// Locks everything anew and writes the file if anything changed.
pub(crate) fn renew(job: &Job) -> Result<LockReport, BuildError> {
    let path = &job.options.lock_path;
    let old = match read(path) {
        Err(BuildError::Apt(error)) if error.kind() == Kind::Format => {
            job.warn(format!("{error}: it is made anew"));
            None
        }
        old => old?,
    };
    let fetcher = sources::fetcher(job);
    let lock = job.stage("lock", None, || {
        let request: LockRequest = sources::lock_request(job, Some(&fetcher))?;
        let lock = osb_apt::lock(&request, &fetcher, job.options.now, &|event: LockEvent| {
            job.detail(event.to_string());
        })?;
        let summary = format!(
            "{} packages and {} tools from {} sources",
            lock.packages.len(),
            lock.tools.len(),
            lock.sources.len()
        );
        Ok((lock, summary))
    })?;
    if let Some(old) = &old {
        no_older(old, &lock)?;
    }
    let changes = old.as_ref().map(|old| old.diff(&lock)).unwrap_or_default();
    for change in &changes {
        job.note(change.to_string());
    }
    let written = old.as_ref() != Some(&lock);
    if written {
        let folder = partial::folder(path);
        let busy = format!("another run of osb is writing to {}", folder.display());
        let _lease = job.claim(folder, &busy)?;
        // Another run may have written a newer one meanwhile; one that cannot be read is replaced.
        if let Ok(now) = Lock::read(path) {
            no_older(&now, &lock)?;
        }
        partial::write(path, &lock.to_toml())?;
    }
    Ok(LockReport { lock, changes, written })
}

/// Refuses a source that is older than the lock has seen it: its signature is good, but somebody
/// may be showing us yesterday's archive, without yesterday's security updates.
fn no_older(old: &Lock, new: &Lock) -> Result<(), BuildError> {
    for source in &new.sources {
        let seen = old.sources.iter().find(|o| o.name == source.name && o.suite == source.suite);
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

fn read(path: &Path) -> Result<Option<Lock>, BuildError> {
    partial::clear(path)?;
    if !path.exists() {
        return Ok(None);
    }
    Ok(Some(Lock::read(path)?))
}
