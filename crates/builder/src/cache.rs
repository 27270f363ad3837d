//! The cache folder: everything in it can be made again.
//!
//! ```text
//! <cache>/
//!   debs-v1/SHA256.deb       packages as the archive has them        (osb-apt)
//!   indices-v1/SHA256        indices, by their signed digest         (osb-apt)
//!   releases-v1/SHA256       verified Releases, by their URL         (osb-apt)
//!   packages-v1/SHA256-RULES/  the same packages, checked and taken apart  (osb-unpack)
//!   tools-v1/KEY/            unpacked tool sets of the host's architecture
//!   layers-v1/KEY/packages/  a finished layer: its packages' files
//!   layers-v1/KEY/root/      and, over them, what scripts have changed: an overlay's upper
//!   ids                      shows who owns what here, see ids.rs
//!   failure.log              what the last program that failed had printed
//!   work/RUN/                what a run is making; a dead run's is removed by the next
//! ```
//! Entries appear by rename, whole, and are never changed afterwards.

use std::fs::{self, File, TryLockError};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use osb_unpack::{Filter, Store};

use crate::error::BuildError;
use crate::ids;

/// Folders whose entries are single files.
const FILES: [&str; 3] = ["debs-v1", "indices-v1", "releases-v1"];

/// The folders of the cache, and this run's work folder.
pub(crate) struct Cache {
    pub(crate) root: PathBuf,
    work: PathBuf,
    /// Held while the run lives, so that others leave its work folder alone.
    _lock: File,
}

impl Cache {
    /// Opens (and makes) the cache, removes what dead runs left, and takes a work folder.
    pub(crate) fn open(root: &Path) -> Result<Self, BuildError> {
        // Layers hold shadow files and setuid programs of versions that age: for their owner only.
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(root)
            .map_err(BuildError::io("making", root))?;
        let works = root.join("work");
        for folder in FILES.into_iter().chain(["packages-v1", "tools-v1", "layers-v1", "work"]) {
            let folder = root.join(folder);
            fs::create_dir_all(&folder).map_err(BuildError::io("making", folder))?;
        }
        let root = root.canonicalize().map_err(BuildError::io("finding", root))?;
        ids::check(&root)?;
        sweep(&root, &works)?;
        let work = works.join(format!("{}", std::process::id()));
        fs::create_dir_all(&work).map_err(BuildError::io("making", &work))?;
        let lock_path = work.join("lock");
        let lock = File::create(&lock_path).map_err(BuildError::io("making", &lock_path))?;
        lock.lock().map_err(BuildError::io("locking", &lock_path))?;
        let work = work.canonicalize().map_err(BuildError::io("finding", &work))?;
        Ok(Cache { root, work, _lock: lock })
    }

    /// The packages that were taken apart, without what `filter` skips.
    pub(crate) fn store(&self, filter: Filter) -> Store {
        Store::new(self.root.join("packages-v1"), filter)
    }

    pub(crate) fn tools(&self, key: &str) -> PathBuf {
        self.root.join("tools-v1").join(key)
    }

    pub(crate) fn layer(&self, key: &str) -> PathBuf {
        self.root.join("layers-v1").join(key)
    }

    /// A new folder below this run's work folder.
    pub(crate) fn scratch(&self, name: &str) -> Result<PathBuf, BuildError> {
        let path = self.work.join(name);
        if path.exists() {
            fs::remove_dir_all(&path).map_err(BuildError::io("clearing", &path))?;
        }
        fs::create_dir_all(&path).map_err(BuildError::io("making", &path))?;
        Ok(path)
    }

    /// Makes the finished folder `from` the cache entry `to`. The data is on disk before the
    /// name is, so that a crash cannot leave a broken entry under a valid name.
    pub(crate) fn publish(&self, from: &Path, to: &Path) -> Result<(), BuildError> {
        self.publish_all([(from.to_owned(), to.to_owned())])
    }

    /// As [`Cache::publish`], for many at once.
    pub(crate) fn publish_all(
        &self,
        entries: impl IntoIterator<Item = (PathBuf, PathBuf)>,
    ) -> Result<(), BuildError> {
        let folder = File::open(&self.work).map_err(BuildError::io("opening", &self.work))?;
        rustix::fs::syncfs(&folder)
            .map_err(|error| BuildError::io("writing out", &self.work)(error.into()))?;
        for (from, to) in entries {
            match fs::rename(from, &to) {
                // Another run made the same entry first.
                Err(_) if to.is_dir() => {}
                result => result.map_err(BuildError::io("publishing", &to))?,
            }
        }
        Ok(())
    }
}

impl Drop for Cache {
    fn drop(&mut self) {
        // What cannot be removed now is removed by the next run's sweep.
        let _ = fs::remove_dir_all(&self.work);
    }
}

/// Removes the work folders of runs that no longer live: their lock can be taken. If no run
/// lives, no temporary file among the entries has an owner, either.
fn sweep(root: &Path, works: &Path) -> Result<(), BuildError> {
    // Listed first: whoever begins one later must not lose it.
    let temporary = temporary(root)?;
    let mut alone = true;
    for entry in fs::read_dir(works).map_err(BuildError::io("reading", works))?.flatten() {
        let lock = entry.path().join("lock");
        let alive = match File::open(&lock) {
            Ok(file) => matches!(file.try_lock(), Err(TryLockError::WouldBlock)),
            Err(_) => false,
        };
        if !alive {
            fs::remove_dir_all(entry.path()).map_err(BuildError::io("clearing", entry.path()))?;
        }
        alone &= !alive;
    }
    for path in temporary.iter().filter(|_| alone) {
        // One that is gone has been finished or removed by its owner.
        let _ = fs::remove_file(path);
    }
    Ok(())
}

/// Files that are to become entries when they are whole: their names begin with a dot.
fn temporary(root: &Path) -> Result<Vec<PathBuf>, BuildError> {
    let mut found = Vec::new();
    for folder in FILES {
        let folder = root.join(folder);
        let entries = fs::read_dir(&folder).map_err(BuildError::io("reading", folder))?;
        let hidden = |entry: &fs::DirEntry| entry.file_name().as_encoded_bytes().starts_with(b".");
        found.extend(entries.flatten().filter(hidden).map(|entry| entry.path()));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn temporary_files_are_removed_when_no_run_lives() {
        let dir = tempfile::tempdir().unwrap();
        let debs = dir.path().join("debs-v1");
        let (part, whole) = (debs.join(".partXYZ"), debs.join("abc.deb"));
        let first = Cache::open(dir.path()).unwrap();
        fs::write(&part, "").unwrap();
        fs::write(&whole, "").unwrap();
        sweep(&first.root, &first.root.join("work")).unwrap();
        assert!(part.exists(), "it may be the living run's");
        drop(first);
        Cache::open(dir.path()).unwrap();
        assert!(!part.exists() && whole.exists());
    }

    #[test]
    fn what_a_dead_run_left_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        let left = dir.path().join("work/12345/layer");
        fs::create_dir_all(&left).unwrap();
        fs::write(dir.path().join("work/12345/lock"), "").unwrap();
        let cache = Cache::open(dir.path()).unwrap();
        assert!(!left.exists());
        let work = cache.work.clone();
        assert!(work.exists());
        drop(cache);
        assert!(!work.exists());
    }
}
