//! The cache folder: everything in it can be made again.
//!
//! ```text
//! <cache>/
//!   debs-v1/SHA256.deb       packages as the archive has them        (osb-apt)
//!   artifacts-v1/SHA256      files that layers pin                   (osb-apt)
//!   indices-v1/SHA256        indices, by their signed digest         (osb-apt)
//!   releases-v1/SHA256       verified Releases, by their URL         (osb-apt)
//!   packages-v2/SHA256-RULES/  the same packages, checked and taken apart  (osb-unpack)
//!   tools-v2/KEY/tree/       unpacked tool sets of the host's architecture
//!   layers-v2/KEY/packages/  a finished layer: its packages' files
//!   layers-v2/KEY/root/      and, over them, what scripts have changed: an overlay's upper
//!   initramfs-v1/KEY/root/   what making the initramfs added, by all that went into it
//!   frames-v1/KEY            compressed pieces of artifacts, see frames.rs (osb-frames)
//!   records-v1/KEY           what a build into one output folder was made from, and how long it took
//!   sums-v1/packages         MD5 sums of contents, by fingerprint, see sums.rs
//!   ids                      shows who owns what here, see ids.rs
//!   failure.log              what the last program that failed had printed
//!   work/RUN/                what a run is making; a dead run's is removed by the next
//!   work/damaged-*/          a damaged entry that was taken away; goes when no run lives
//! ```
//! Beside each folder in an entry lies FOLDER.manifest, and `parts` lists them, see [`entry`].
//!
//! Entries appear by rename, whole, and disappear by rename, whole: what is between is below
//! `work`. They are never changed; only the time of an entry itself is that of its last use.
//!
//! Four locks keep runs apart ([`lease`]):
//!
//! | lock on | held | by |
//! |---|---|---|
//! | the cache folder | shared, for its life | every run: no entry that it has seen vanishes, unless it is damaged |
//! | | alone, while it renames entries away | [`prune()`] |
//! | `work` | alone, for a moment | who begins: nobody sees a folder that is not locked yet |
//! | a bucket | alone, for a moment | who takes a damaged entry away |
//! | `work/RUN` | alone, for its life | the run: a folder whose lock can be had is a dead one's |

mod contents;
pub(crate) mod entry;
mod frames;
pub(crate) mod lease;
mod left;
mod prune;
pub(crate) mod sums;
mod verify;

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use osb_tree::Damaged;
use osb_unpack::{Filter, Store};

pub use contents::{Bucket, Used, contents};
pub(crate) use frames::FrameStore;
pub use lease::Lease;
pub use prune::{Keep, Limits, Pruning, Scope, prune};
pub use verify::{Damage, Verification, Verified, verify};

use crate::error::BuildError;
use crate::ids;
use lease::{Claim, Patience};
use left::Left;

/// Folders whose entries are single files.
const FILES: [&str; 7] =
    ["debs-v1", "artifacts-v1", "indices-v1", "releases-v1", FRAMES, "records-v1", SUMS];
/// The bucket of finished halves of layers.
const LAYERS: &str = "layers-v2";
/// The bucket of compressed pieces.
const FRAMES: &str = "frames-v1";
/// The bucket of MD5 sums.
const SUMS: &str = "sums-v1";
/// Folders whose entries are folders.
const FOLDERS: [&str; 4] = ["packages-v2", "tools-v2", LAYERS, "initramfs-v1"];
/// Where runs make what becomes an entry.
const WORK: &str = "work";
/// What the names of runs' folders there begin with.
const RUN: &str = "run-";
/// What the last program that failed had printed.
const FAILURE_LOG: &str = "failure.log";

/// The folders of the cache, and this run's work folder.
pub(crate) struct Cache {
    pub(crate) root: PathBuf,
    work: Work,
    /// Tells others that entries are in use, or are being removed.
    in_use: Lease,
}

/// A work folder, which goes with its run.
struct Work {
    path: PathBuf,
    /// Tells others that the folder has an owner.
    _lease: Lease,
}

impl Drop for Work {
    fn drop(&mut self) {
        // What cannot be removed now is removed by the next run's sweep.
        let _ = fs::remove_dir_all(&self.path);
    }
}

impl Cache {
    /// Opens (and makes) the cache, removes what dead runs left, and takes a work folder.
    pub(crate) fn open(root: &Path, patience: &Patience) -> Result<Self, BuildError> {
        if !contents::may_be_cache(root)? {
            return Err(BuildError::NoCache(root.to_owned()));
        }
        // Layers hold shadow files and setuid programs of versions that age: for their owner only.
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(root)
            .map_err(BuildError::io("making", root))?;
        for folder in FILES.into_iter().chain(FOLDERS).chain([WORK]) {
            let folder = root.join(folder);
            fs::create_dir_all(&folder).map_err(BuildError::io("making", &folder))?;
            // A root that was there already may be open to others.
            fs::set_permissions(&folder, fs::Permissions::from_mode(0o700))
                .map_err(BuildError::io("closing", folder))?;
        }
        Cache::begin(root, Claim::Shared, "`osb cache prune` is removing entries", patience)
    }

    /// Opens the cache, which is there, when no run uses it; none can begin while the result lives.
    pub(crate) fn open_alone(root: &Path, patience: &Patience) -> Result<Self, BuildError> {
        let work = root.join(WORK);
        fs::create_dir_all(&work).map_err(BuildError::io("making", work))?;
        Cache::begin(root, Claim::Alone, "other runs of osb are using the cache", patience)
    }

    fn begin(
        root: &Path,
        claim: Claim,
        busy: &str,
        patience: &Patience,
    ) -> Result<Self, BuildError> {
        let root = root.canonicalize().map_err(BuildError::io("finding", root))?;
        let in_use = Lease::take(&root, claim, busy, patience)?;
        let works = root.join(WORK);
        let gate = Lease::take(&works, Claim::Alone, "another run is beginning", patience)?;
        ids::check(&root, &works)?;
        let left = Left::find(&root)?;
        let work = tempfile::Builder::new()
            .prefix(RUN)
            .tempdir_in(&works)
            .map_err(BuildError::io("making a folder in", &works))?
            .keep();
        let lease = Lease::take(&work, Claim::Alone, "nobody knows it yet", patience)?;
        let work = Work { path: work, _lease: lease };
        drop(gate);
        // It is in nobody's way: the next run tries again.
        if let Err(error) = left.remove() {
            (patience.tell)(format!("left for the next run: {error}"));
        }
        Ok(Cache { root, work, in_use })
    }

    /// Gives up the work folder; the entries stay as they are while the result lives.
    pub(crate) fn into_lease(self) -> Lease {
        self.in_use
    }

    /// Lets other runs begin; what is below the work folder stays this run's while the result
    /// lives.
    fn open_to_others(self) -> Work {
        self.work
    }

    /// The packages that were taken apart, without what `filter` skips.
    pub(crate) fn store(&self, filter: Filter) -> Store {
        Store::new(self.root.join("packages-v2"), filter)
    }

    pub(crate) fn tools(&self, key: &str) -> PathBuf {
        self.root.join("tools-v2").join(key)
    }

    pub(crate) fn layer(&self, key: &str) -> PathBuf {
        self.root.join(LAYERS).join(key)
    }

    pub(crate) fn initramfs(&self, key: &str) -> PathBuf {
        self.root.join("initramfs-v1").join(key)
    }

    /// Where the package of this digest lies as it was downloaded, or will.
    pub(crate) fn deb(&self, sha256: &str) -> PathBuf {
        self.root.join("debs-v1").join(format!("{sha256}.deb"))
    }

    /// Where the pinned file of this digest lies, or will.
    pub(crate) fn artifact(&self, sha256: &str) -> PathBuf {
        self.root.join("artifacts-v1").join(sha256)
    }

    pub(crate) fn record(&self, key: &str) -> PathBuf {
        self.root.join("records-v1").join(key)
    }

    /// The compressed pieces of artifacts.
    pub(crate) fn frames(&self) -> FrameStore {
        FrameStore::new(self.root.join(FRAMES))
    }

    /// Where the sums of contents lie.
    pub(crate) fn sums(&self) -> PathBuf {
        self.root.join(SUMS).join("packages")
    }

    pub(crate) fn failure_log(&self) -> PathBuf {
        self.root.join(FAILURE_LOG)
    }

    /// A new folder below this run's work folder.
    pub(crate) fn scratch(&self, name: &str) -> Result<PathBuf, BuildError> {
        let path = self.work.path.join(name);
        if path.exists() {
            fs::remove_dir_all(&path).map_err(BuildError::io("clearing", &path))?;
        }
        fs::create_dir_all(&path).map_err(BuildError::io("making", &path))?;
        Ok(path)
    }

    /// Takes an entry away, if it is still damaged: another run may have made it anew meanwhile. One
    /// that uses it goes on with what it has opened: what was taken away is removed when no run lives.
    pub(crate) fn discard(
        &self,
        entry: &Path,
        patience: &Patience,
        is_damaged: impl FnOnce() -> Result<bool, BuildError>,
    ) -> Result<(), BuildError> {
        let bucket = entry.parent().unwrap_or(&self.root);
        let _gate =
            Lease::take(bucket, Claim::Alone, "another run is repairing the cache", patience)?;
        if !is_damaged()? {
            return Ok(());
        }
        let works = self.root.join(WORK);
        let place = tempfile::Builder::new()
            .prefix(left::DAMAGED)
            .tempdir_in(&works)
            .map_err(BuildError::io("making a folder in", &works))?
            .keep();
        match fs::rename(entry, place.join("entry")) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            result => result.map_err(BuildError::io("removing", entry)),
        }
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
        let work = &self.work.path;
        let folder = fs::File::open(work).map_err(BuildError::io("opening", work))?;
        rustix::fs::syncfs(&folder)
            .map_err(|error| BuildError::io("writing out", work)(error.into()))?;
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

/// Marks an entry as used now.
pub(crate) fn touch(path: &Path) {
    // A cache that cannot be written serves all the same; its entries only seem older.
    let now = rustix::fs::Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_NOW };
    let times = rustix::fs::Timestamps { last_access: now, last_modification: now };
    let _ = rustix::fs::utimensat(rustix::fs::CWD, path, &times, rustix::fs::AtFlags::empty());
}

/// The entry, and the file in it, whose content `error` found damaged.
pub(crate) fn damaged_file(root: &Path, error: &BuildError) -> Option<(PathBuf, PathBuf)> {
    let file = Damaged::path_in(error)?;
    let mut parts = file.strip_prefix(root).ok()?.components();
    let (bucket, entry) = (parts.next()?, parts.next()?);
    let known = FOLDERS.iter().any(|folder| bucket.as_os_str() == *folder);
    known.then(|| (root.join(bucket).join(entry), file.to_owned()))
}

fn is_hidden(entry: &fs::DirEntry) -> bool {
    entry.file_name().as_encoded_bytes().starts_with(b".")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicBool;

    pub(super) fn open(root: &Path) -> Cache {
        let patience = Patience { cancel: &AtomicBool::new(false), tell: &|_| {}, wait: false };
        Cache::open(root, &patience).unwrap()
    }

    #[test]
    fn temporary_files_are_removed_when_no_run_lives() {
        let dir = tempfile::tempdir().unwrap();
        let debs = dir.path().join("debs-v1");
        let (part, whole) = (debs.join(".partXYZ"), debs.join("abc.deb"));
        let first = open(dir.path());
        fs::write(&part, "").unwrap();
        fs::write(&whole, "").unwrap();
        drop(open(dir.path()));
        assert!(part.exists(), "it may be the living run's");
        drop(first);
        open(dir.path());
        assert!(!part.exists() && whole.exists());
    }

    #[test]
    fn what_a_dead_run_left_is_removed_and_a_living_ones_stays() {
        let dir = tempfile::tempdir().unwrap();
        let left = dir.path().join("work/run-dead/layer/root");
        let (file, foreign) = (dir.path().join("work/ids-dead"), dir.path().join("work/123"));
        for folder in [&left, &foreign] {
            fs::create_dir_all(folder).unwrap();
        }
        fs::write(&file, "").unwrap();
        let first = open(dir.path());
        assert!(!dir.path().join("work/run-dead").exists() && !file.exists());
        fs::remove_dir(foreign).unwrap();
        let layer = first.scratch("layer").unwrap();
        let second = open(dir.path());
        assert_ne!(first.work.path, second.work.path);
        assert!(layer.exists());
        drop((first, second));
        assert_eq!(fs::read_dir(dir.path().join("work")).unwrap().count(), 0);
    }

    #[test]
    fn a_folder_of_something_else_is_no_cache() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("work/run-3")).unwrap();
        fs::write(dir.path().join("notes"), "").unwrap();
        let patience = Patience { cancel: &AtomicBool::new(false), tell: &|_| {}, wait: false };
        let Err(error) = Cache::open(dir.path(), &patience) else { panic!("it was taken") };
        assert!(matches!(error, BuildError::NoCache(_)), "{error}");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
        assert!(dir.path().join("work/run-3").exists());
    }

    /// Many runs begin and end at once; none loses its folder to another's sweep.
    #[test]
    fn runs_that_begin_together_keep_their_folders() {
        let dir = tempfile::tempdir().unwrap();
        let cancel = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        let patience = Patience { cancel: &cancel, tell: &|_| {}, wait: true };
                        let cache = Cache::open(dir.path(), &patience).unwrap();
                        let path = cache.scratch("layer").unwrap();
                        fs::write(path.join("file"), "x").unwrap();
                    }
                });
            }
        });
    }

    /// A run that was killed while it made a layer, or before it gave it its name: what it had is
    /// no entry, goes, and is in nobody's way.
    #[test]
    fn half_a_layer_is_never_an_entry() {
        let dir = tempfile::tempdir().unwrap();
        let half = dir.path().join("work/run-dead/layer");
        fs::create_dir_all(&half).unwrap();
        fs::write(half.join("half"), "half").unwrap();
        let next = open(dir.path());
        let layer = next.layer("key");
        assert!(!half.exists() && !layer.exists());
        let whole = next.scratch("layer").unwrap();
        fs::write(whole.join("whole"), "whole").unwrap();
        assert!(!layer.exists());
        next.publish(&whole, &layer).unwrap();
        assert!(layer.join("whole").exists());
    }

    #[test]
    fn the_second_of_two_equal_entries_is_dropped() {
        let dir = tempfile::tempdir().unwrap();
        let (first, second) = (open(dir.path()), open(dir.path()));
        for (cache, text) in [(&first, "first"), (&second, "second")] {
            let folder = cache.scratch("layer").unwrap();
            fs::write(folder.join("by"), text).unwrap();
            cache.publish(&folder, &cache.layer("key")).unwrap();
        }
        let by = fs::read_to_string(first.layer("key").join("by")).unwrap();
        assert_eq!(by, "first");
    }
}
