//! Packages on their way in: downloaded, checked, unwrapped.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use osb_apt::{FetchEvent, LockedPackage, Wanted, deb, join_url};

use crate::error::BuildError;
use crate::job::Job;
use crate::sources;

/// What to download for a locked package.
pub(crate) fn wanted(job: &Job, package: &LockedPackage) -> Result<Wanted, BuildError> {
    Ok(Wanted {
        name: format!("{} {}", package.name, package.version),
        sha256: package.sha256.clone(),
        size: package.size,
        url: url(job, &package.source, &package.path)?,
    })
}

fn url(job: &Job, source: &str, path: &str) -> Result<String, BuildError> {
    let sources = &job.options.project.recipe.sources;
    let source = sources.iter().find(|known| known.name == source).ok_or_else(|| {
        BuildError::LockDrift(format!(
            "the lock takes {path} from the source {source:?}, which the recipe does not have"
        ))
    })?;
    Ok(join_url(sources::base(source, &sources::mirrors(job)), path))
}

/// Downloads what the cache lacks, as a stage; returns the files in order.
pub(crate) fn download(
    job: &Job,
    stage: &'static str,
    wanted: &[Wanted],
) -> Result<Vec<PathBuf>, BuildError> {
    let fetcher = sources::fetcher(job);
    let total = wanted.iter().map(|wanted| wanted.size).sum();
    job.stage(stage, Some(total), || {
        let fresh = AtomicUsize::new(0);
        let files = fetcher.fetch_all(wanted, job.options.jobs.max(4), &|event: FetchEvent<
            '_,
        >| match event {
            FetchEvent::Bytes(bytes) => job.advance(bytes),
            FetchEvent::Started { name, .. } => job.detail(name),
            FetchEvent::Finished { cached: false, .. } => {
                fresh.fetch_add(1, Ordering::Relaxed);
            }
            FetchEvent::Finished { .. } | FetchEvent::Discarded(_) => {}
        })?;
        let fresh = fresh.into_inner();
        Ok((files, format!("{} packages, {fresh} of them downloaded", wanted.len())))
    })
}

/// Unwraps packages: checks every path in them and keeps them with their data not compressed,
/// so that no later step needs to decompress, or to trust, anything.
pub(crate) fn unwrap(
    job: &Job,
    packages: &[&LockedPackage],
    files: &[PathBuf],
) -> Result<(), BuildError> {
    let total = packages.iter().map(|package| package.size).sum();
    job.stage("unwrap", Some(total), || {
        let fresh = AtomicUsize::new(0);
        each(job, files, |index, file| {
            let package = packages[index];
            let plain = job.cache.plain(&package.sha256);
            if !plain.exists() {
                fresh.fetch_add(1, Ordering::Relaxed);
                deb::rewrap_plain(file, &plain, &deb::Limits::default()).map_err(|source| {
                    BuildError::Package {
                        package: format!("{} {}", package.name, package.version),
                        source,
                    }
                })?;
            }
            job.advance(package.size);
            Ok(())
        })?;
        Ok(((), format!("{} packages, {} of them new", packages.len(), fresh.into_inner())))
    })
}

/// Calls `work` for every file on `jobs` threads; the first error in the order of files wins.
pub(crate) fn each(
    job: &Job,
    files: &[PathBuf],
    work: impl Fn(usize, &Path) -> Result<(), BuildError> + Sync,
) -> Result<(), BuildError> {
    let next = AtomicUsize::new(0);
    let failed: Mutex<Option<(usize, BuildError)>> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..job.options.jobs.clamp(1, files.len().max(1)) {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(file) = files.get(index) else { return };
                    let Err(error) = job.go_on().and_then(|()| work(index, file)) else {
                        continue;
                    };
                    // No thread takes up anything new.
                    next.store(files.len(), Ordering::Relaxed);
                    let mut failed = failed.lock().unwrap_or_else(|lock| lock.into_inner());
                    if failed.as_ref().is_none_or(|(first, _)| index < *first) {
                        *failed = Some((index, error));
                    }
                }
            });
        }
    });
    match failed.into_inner().unwrap_or_else(|lock| lock.into_inner()) {
        Some((_, error)) => Err(error),
        None => Ok(()),
    }
}
