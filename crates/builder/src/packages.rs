//! Packages on their way in: downloaded, checked, taken apart.

use std::io;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use osb_apt::{ARTIFACT_SOURCE, FetchEvent, LockedPackage, Wanted, join_url};
use osb_unpack::{Filter, Package, Store, UnpackError};

use crate::cache::entry;
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
        pinned: package.source == ARTIFACT_SOURCE,
    })
}

fn url(job: &Job, source: &str, path: &str) -> Result<String, BuildError> {
    if source == ARTIFACT_SOURCE {
        return Ok(path.to_owned());
    }
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

/// The store of the image's packages, with the recipe's trim rules.
pub(crate) fn store(job: &Job) -> Store {
    let excludes = job.options.project.recipe.trim.dpkg_excludes();
    job.cache.store(Filter::parse(excludes.iter().map(String::as_str)))
}

/// Takes packages apart: checks every path in them and keeps their files as files, so that no later
/// step needs to decompress, to copy, or to trust anything. Those that are there stay.
pub(crate) fn take_apart(
    job: &Job,
    stage: &'static str,
    store: &Store,
    packages: &[&LockedPackage],
    files: &[PathBuf],
) -> Result<(), BuildError> {
    let mut missing: Vec<(&LockedPackage, &PathBuf)> =
        packages.iter().copied().zip(files).filter(|(p, _)| !store.has(&p.sha256)).collect();
    missing.sort_by(|a, b| a.0.sha256.cmp(&b.0.sha256));
    missing.dedup_by(|a, b| a.0.sha256 == b.0.sha256);
    if missing.is_empty() {
        return Ok(());
    }
    // The largest first: none of them may be what all wait for in the end.
    missing.sort_by_key(|(package, _)| std::cmp::Reverse(package.size));
    let total = missing.iter().map(|(package, _)| package.size).sum();
    job.stage(stage, Some(total), || {
        let scratch = job.cache.scratch("packages")?;
        each(job, missing.len(), |index| {
            let (package, file) = missing[index];
            let folder = scratch.join(&package.sha256);
            store
                .take_apart(file, &folder, &|| job.go_on().map_err(io::Error::other))
                .map_err(|source| unpack_error(package, source))?;
            entry::seal(&folder)?;
            job.advance(package.size);
            Ok(())
        })?;
        job.cache.publish_all(
            missing
                .iter()
                .map(|(package, _)| (scratch.join(&package.sha256), store.folder(&package.sha256))),
        )?;
        Ok(((), format!("{} packages", missing.len())))
    })
}

/// Opens packages that were taken apart, in the same order.
pub(crate) fn open(store: &Store, packages: &[&LockedPackage]) -> Result<Vec<Package>, BuildError> {
    let open = |package: &&LockedPackage| {
        store.open(&package.sha256).map_err(|source| unpack_error(package, source))
    };
    packages.iter().map(open).collect()
}

fn unpack_error(package: &LockedPackage, source: UnpackError) -> BuildError {
    match source {
        UnpackError::Deb(source) => {
            BuildError::Package { package: format!("{} {}", package.name, package.version), source }
        }
        other => BuildError::Unpack(other),
    }
}

/// Calls `work` for the numbers below `count` on `jobs` threads; the error of the lowest wins.
fn each(
    job: &Job,
    count: usize,
    work: impl Fn(usize) -> Result<(), BuildError> + Sync,
) -> Result<(), BuildError> {
    let next = AtomicUsize::new(0);
    let failed: Mutex<Option<(usize, BuildError)>> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..job.options.jobs.clamp(1, count.max(1)) {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    if index >= count {
                        return;
                    }
                    let Err(error) = job.go_on().and_then(|()| work(index)) else {
                        continue;
                    };
                    // No thread takes up anything new.
                    next.store(count, Ordering::Relaxed);
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
