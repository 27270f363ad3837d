//! Removing entries, beside runs that use the cache.
//!
//! An entry is renamed into the work folder of this run, while no other run lives, and removed
//! there, while others go on: who is killed in between leaves whole entries or none.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use super::contents::{Usage, is_outdated, names, read, what};
use super::lease::{Claim, Patience};
use super::left::{Left, discard};
use super::{Bucket, Cache, FAILURE_LOG, LAYERS, Lease, Used, WORK, is_hidden};
use crate::error::BuildError;
use crate::ids;

/// The memory of what mirrors have shown: a few hundred kilobytes, and never too old.
const RELEASES: &str = "releases-v1";

/// Which entries stay, of those that this version of osb can use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// All.
    All,
    /// Those that are within limits.
    Within(Limits),
    /// None.
    Nothing,
}

/// What is kept for being used. All Releases stay, whatever the limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Which entries the limits are for; the others stay.
    pub scope: Scope,
    /// Those stay that a run has made or used within so many seconds; `None`: all.
    pub seconds: Option<u64>,
    /// Of these the last used stay that take so many bytes together; `None`: all.
    pub bytes: Option<u64>,
}

/// A choice of entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// In all folders.
    All,
    /// Finished halves of layers: they cost no download.
    Layers,
}

impl Scope {
    fn has(self, bucket: &str) -> bool {
        match self {
            Scope::All => bucket != RELEASES,
            Scope::Layers => bucket == LAYERS,
        }
    }
}

/// What to remove, and how.
#[derive(Debug)]
pub struct Pruning<'a> {
    /// The cache folder.
    pub cache: &'a Path,
    /// Which entries stay.
    pub keep: Keep,
    /// Only tell what would be removed.
    pub dry_run: bool,
    /// Wait until no other run uses the cache; else that is an error.
    pub wait: bool,
    /// The time now, seconds since 1970.
    pub now: i64,
    /// Set by the caller to stop.
    pub cancel: &'a AtomicBool,
}

/// Removes what no run can use: folders of former versions, what runs that were killed left; and
/// what `keep` does not keep. Returns what was removed, by folder.
///
/// # Errors
/// [`BuildError::Busy`] if other runs use the cache and `wait` is not set,
/// [`BuildError::Cancelled`], or the file system refused something.
pub fn prune(request: &Pruning, tell: &dyn Fn(String)) -> Result<Vec<Bucket>, BuildError> {
    let works = request.cache.join(WORK);
    if !works.is_dir() || !request.cache.join(ids::FILE).exists() {
        // No run has used it: it is no cache.
        return Ok(Vec::new());
    }
    let patience = Patience { cancel: request.cancel, tell, wait: request.wait };
    let mut removed = Tally::default();
    // What dead runs left goes whenever a run begins, this one too: it is counted before.
    let gate = Lease::take(&works, Claim::Alone, "another run is beginning", &patience)?;
    let left = Left::find(request.cache)?;
    // What was found has a lock of its own.
    drop(gate);
    for path in left.paths() {
        let folder = path.parent().and_then(Path::file_name).unwrap_or_default();
        removed.add(&folder.to_string_lossy(), path)?;
    }
    drop(left);
    if request.dry_run {
        for (bucket, path) in doomed(request, request.cache)? {
            removed.add(&bucket, &path)?;
        }
        return Ok(removed.buckets);
    }
    let cache = Cache::open_alone(request.cache, &patience)?;
    let trash = cache.scratch("pruned")?;
    let mut moved = Vec::new();
    for (number, (bucket, path)) in doomed(request, &cache.root)?.into_iter().enumerate() {
        let to = trash.join(number.to_string());
        fs::rename(&path, &to).map_err(BuildError::io("removing", path))?;
        moved.push((bucket, to));
    }
    // From here on other runs may begin: what they cannot see any more is removed beside them.
    let mut work = cache.open_to_others();
    for (bucket, path) in moved {
        if request.cancel.load(Ordering::Relaxed) {
            // To remove the rest is what was to stop: the next run sweeps the folder.
            drop(std::mem::take(&mut work.path));
            return Err(BuildError::Cancelled);
        }
        removed.add(&bucket, &path)?;
        discard(&path)?;
    }
    Ok(removed.buckets)
}

/// Everything that goes: the bucket it lies in, and its path.
fn doomed(request: &Pruning, root: &Path) -> Result<Vec<(String, PathBuf)>, BuildError> {
    let (mut doomed, mut limited) = (Vec::new(), Vec::new());
    for name in names(root)? {
        let folder = root.join(&name);
        if name == WORK {
            // Its folders are their runs'.
            continue;
        }
        if is_outdated(&name) {
            doomed.push((name, folder));
            continue;
        }
        // What is not whole yet goes with the dead run that left it.
        for entry in read(&folder)?.into_iter().filter(|entry| !is_hidden(entry)) {
            match request.keep {
                Keep::Nothing => doomed.push((name.clone(), entry.path())),
                Keep::Within(limits) if limits.scope.has(&name) => {
                    limited.push((used(&entry), name.clone(), entry.path()));
                }
                Keep::All | Keep::Within(_) => {}
            }
        }
    }
    if let Keep::Within(limits) = request.keep {
        doomed.extend(beyond(limits, request.now, limited)?);
    }
    let log = root.join(FAILURE_LOG);
    if request.keep == Keep::Nothing && log.exists() {
        doomed.push((FAILURE_LOG.to_owned(), log));
    }
    Ok(doomed)
}

/// Which of these entries, each with the time of its last use, are beyond the limits.
fn beyond(
    limits: Limits,
    now: i64,
    mut entries: Vec<(i64, String, PathBuf)>,
) -> Result<Vec<(String, PathBuf)>, BuildError> {
    // The last used first; among equals any order will do, but it is to be told before.
    entries.sort_by(|a, b| (b.0, &b.1, &b.2).cmp(&(a.0, &a.1, &a.2)));
    let (mut usage, mut beyond) = (Usage::default(), Vec::new());
    // How many bytes may still stay; from the first entry that has no room on, all go: what is older
    // is not worth more.
    let (mut room, mut full) = (limits.bytes, false);
    for (used, bucket, path) in entries {
        // One from the future was used now.
        let age = u64::try_from(now - used).unwrap_or(0);
        let mut stays = limits.seconds.is_none_or(|seconds| age < seconds);
        if let Some(left) = room.filter(|_| stays && !full) {
            match left.checked_sub(usage.of(&path)?) {
                Some(rest) => room = Some(rest),
                None => full = true,
            }
        }
        stays &= !full;
        if !stays {
            beyond.push((bucket, path));
        }
    }
    // The oldest first: who is interrupted has kept what is worth more.
    beyond.reverse();
    Ok(beyond)
}

/// When an entry was used last, seconds since 1970.
fn used(entry: &fs::DirEntry) -> i64 {
    // One that is gone is old enough.
    entry.metadata().map_or(i64::MIN / 2, |stat| stat.mtime())
}

/// Entries that go, by the bucket they lie in.
#[derive(Default)]
struct Tally {
    usage: Usage,
    buckets: Vec<Bucket>,
}

impl Tally {
    fn add(&mut self, bucket: &str, path: &Path) -> Result<(), BuildError> {
        let bytes = self.usage.of(path)?;
        let time = fs::symlink_metadata(path).map(|stat| stat.mtime()).ok();
        let with = |used| time.map_or(used, |time| Used::with(used, time));
        match self.buckets.iter_mut().find(|known| known.name == bucket) {
            Some(known) => {
                known.entries += 1;
                known.bytes += bytes;
                known.used = with(known.used);
            }
            None => {
                let (name, what) = (bucket.to_owned(), what(bucket));
                self.buckets.push(Bucket { name, what, entries: 1, bytes, used: with(None) });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
