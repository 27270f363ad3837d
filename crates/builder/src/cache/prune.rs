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
    let _work = cache.open_to_others();
    for (bucket, path) in moved {
        if request.cancel.load(Ordering::Relaxed) {
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
    let (mut usage, mut room, mut beyond) = (Usage::default(), limits.bytes, Vec::new());
    for (used, bucket, path) in entries {
        // One from the future was used now.
        let age = u64::try_from(now - used).unwrap_or(0);
        let mut stays = limits.seconds.is_none_or(|seconds| age < seconds);
        if let Some(left) = room.filter(|_| stays) {
            // From the first that has no room on, all go: what is older is not worth more.
            let rest = left.checked_sub(usage.of(&path)?);
            room = Some(rest.unwrap_or_default());
            stays = rest.is_some();
        }
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
mod tests {
    use super::*;
    use crate::cache::tests::open;

    const NOW: i64 = 2_000_000_000;

    fn request(cache: &Path, keep: Keep) -> Pruning<'_> {
        static GO_ON: AtomicBool = AtomicBool::new(false);
        Pruning { cache, keep, dry_run: false, wait: false, now: NOW, cancel: &GO_ON }
    }

    fn within(seconds: u64) -> Keep {
        Keep::Within(Limits { scope: Scope::All, seconds: Some(seconds), bytes: None })
    }

    /// A cache with an entry in most buckets, one of a former version, one half-written, and what
    /// a dead run left; `debs-v1/old.deb` was used long ago.
    fn filled() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        drop(open(dir.path()));
        for file in [
            "debs-v1/new.deb",
            "debs-v1/old.deb",
            "debs-v1/.partX",
            "releases-v1/old",
            "layers-v2/key/root/etc",
            "layers-v1/key/root/etc",
            "work/run-dead/layer/file",
            "photos-v1/mine",
            "failure.log",
        ] {
            let path = dir.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, "x").unwrap();
            let age = if file.contains("old") { 40 * 86_400 } else { 86_400 };
            let then = std::time::UNIX_EPOCH + std::time::Duration::from_secs(NOW as u64 - age);
            let opened = fs::File::options().append(true).open(&path).unwrap();
            opened.set_modified(then).unwrap();
        }
        let now = std::time::UNIX_EPOCH + std::time::Duration::from_secs(NOW as u64);
        let layer = fs::File::open(dir.path().join("layers-v2/key")).unwrap();
        layer.set_modified(now).unwrap();
        dir
    }

    fn there(dir: &tempfile::TempDir) -> Vec<&'static str> {
        let all = [
            "debs-v1/new.deb",
            "debs-v1/old.deb",
            "debs-v1/.partX",
            "releases-v1/old",
            "layers-v2/key/root/etc",
            "layers-v1",
            "work/run-dead",
            "photos-v1/mine",
            "failure.log",
        ];
        all.into_iter().filter(|path| dir.path().join(path).exists()).collect()
    }

    #[test]
    fn what_no_run_can_use_goes() {
        let dir = filled();
        let removed = prune(&request(dir.path(), Keep::All), &|_| {}).unwrap();
        let names: Vec<_> = removed.iter().map(|bucket| bucket.name.as_str()).collect();
        assert_eq!(names, ["work", "debs-v1", "layers-v1"]);
        assert_eq!(
            there(&dir),
            [
                "debs-v1/new.deb",
                "debs-v1/old.deb",
                "releases-v1/old",
                "layers-v2/key/root/etc",
                "photos-v1/mine",
                "failure.log"
            ]
        );
        assert_eq!(fs::read_dir(dir.path().join("work")).unwrap().count(), 0);
    }

    #[test]
    fn what_was_not_used_goes_if_asked() {
        let dir = filled();
        prune(&request(dir.path(), within(30 * 86_400)), &|_| {}).unwrap();
        let left = there(&dir);
        assert!(!left.contains(&"debs-v1/old.deb"), "{left:?}");
        assert!(left.contains(&"debs-v1/new.deb") && left.contains(&"releases-v1/old"));
        assert!(left.contains(&"layers-v2/key/root/etc"));
        prune(&request(dir.path(), within(0)), &|_| {}).unwrap();
        assert_eq!(there(&dir), ["releases-v1/old", "photos-v1/mine", "failure.log"]);
        prune(&request(dir.path(), Keep::Nothing), &|_| {}).unwrap();
        assert_eq!(there(&dir), ["photos-v1/mine"]);
    }

    /// Five entries of 40 KiB, used 1 to 5 days ago, and two layers, used 2 and 6 days ago.
    fn of_five_days() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        drop(open(dir.path()));
        let used = |path: &Path, days: u64| {
            let time = std::time::Duration::from_secs(NOW as u64 - days * 86_400);
            fs::File::open(path).unwrap().set_modified(std::time::UNIX_EPOCH + time).unwrap();
        };
        for day in 1..=5 {
            let path = dir.path().join(format!("frames-v1/{day}"));
            fs::write(&path, vec![1; 40 << 10]).unwrap();
            used(&path, day);
        }
        for day in [2, 6] {
            let path = dir.path().join(format!("layers-v2/{day}"));
            fs::create_dir(&path).unwrap();
            fs::write(path.join("file"), vec![1; 40 << 10]).unwrap();
            used(&path, day);
        }
        dir
    }

    fn left(dir: &tempfile::TempDir) -> Vec<String> {
        let names = |bucket: &str| -> Vec<String> {
            let entries = fs::read_dir(dir.path().join(bucket)).unwrap().flatten();
            entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
        };
        let mut left = names("frames-v1");
        left.extend(names("layers-v2").iter().map(|name| format!("layer {name}")));
        left.sort();
        left
    }

    #[test]
    fn what_was_used_last_stays_within_a_size() {
        // Room for three and a half: 1, 2 and a layer of 2.
        let limits =
            |scope, seconds, bytes| Keep::Within(Limits { scope, seconds, bytes: Some(bytes) });
        let dir = of_five_days();
        prune(&request(dir.path(), limits(Scope::All, None, 1 << 30)), &|_| {}).unwrap();
        assert_eq!(left(&dir).len(), 7, "all have room");
        let keep = limits(Scope::All, None, 150 << 10);
        prune(&request(dir.path(), keep), &|_| {}).unwrap();
        assert_eq!(left(&dir), ["1", "2", "layer 2"]);
        prune(&request(dir.path(), keep), &|_| {}).unwrap();
        assert_eq!(left(&dir), ["1", "2", "layer 2"], "there is nothing more to do");
        // The younger of two limits counts.
        let keep = limits(Scope::All, Some(2 * 86_400), 150 << 10);
        prune(&request(dir.path(), keep), &|_| {}).unwrap();
        assert_eq!(left(&dir), ["1"]);
        prune(&request(dir.path(), limits(Scope::All, None, 0)), &|_| {}).unwrap();
        assert_eq!(left(&dir), [""; 0]);
    }

    #[test]
    fn layers_alone_go_if_asked() {
        let frames = ["1", "2", "3", "4", "5"];
        let layers = |seconds, bytes| Limits { scope: Scope::Layers, seconds, bytes };
        let dir = of_five_days();
        let old = Keep::Within(layers(Some(4 * 86_400), None));
        prune(&request(dir.path(), old), &|_| {}).unwrap();
        assert_eq!(left(&dir), [&frames[..], &["layer 2"]].concat());
        prune(&request(dir.path(), Keep::Within(layers(None, Some(0)))), &|_| {}).unwrap();
        assert_eq!(left(&dir), frames);
    }

    #[test]
    fn a_dry_run_tells_the_same_and_removes_nothing() {
        let dir = filled();
        let before = there(&dir);
        let dry = Pruning { dry_run: true, ..request(dir.path(), Keep::Nothing) };
        let told = prune(&dry, &|_| {}).unwrap();
        assert_eq!(there(&dir), before);
        let done = prune(&request(dir.path(), Keep::Nothing), &|_| {}).unwrap();
        let counts = |buckets: &[Bucket]| -> Vec<_> {
            buckets.iter().map(|bucket| (bucket.name.clone(), bucket.entries)).collect()
        };
        assert_eq!(counts(&told), counts(&done));
        let expected =
            [("work", 1), ("debs-v1", 3), ("releases-v1", 1), ("layers-v2", 1), ("layers-v1", 1)];
        let expected = expected.into_iter().chain([("failure.log", 1)]);
        assert!(counts(&told).iter().map(|(name, count)| (name.as_str(), *count)).eq(expected));
    }

    #[test]
    fn a_folder_that_is_no_cache_stays_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let folders = ["work/run-ning", "tools-v2/mine", "tools-v0/mine"];
        folders.iter().for_each(|folder| fs::create_dir_all(dir.path().join(folder)).unwrap());
        assert_eq!(prune(&request(dir.path(), Keep::Nothing), &|_| {}).unwrap(), []);
        assert!(folders.iter().all(|folder| dir.path().join(folder).exists()));
    }

    #[test]
    fn nothing_is_removed_while_a_run_lives() {
        let dir = filled();
        let run = open(dir.path());
        let before = there(&dir);
        let all = request(dir.path(), Keep::Nothing);
        assert!(matches!(prune(&all, &|_| {}), Err(BuildError::Busy(_))));
        assert_eq!(there(&dir), before);
        // One that only holds the tools it runs counts, too.
        let lease = run.into_lease();
        assert!(matches!(prune(&all, &|_| {}), Err(BuildError::Busy(_))));
        drop(lease);
        prune(&all, &|_| {}).unwrap();
        assert_eq!(there(&dir), ["photos-v1/mine"]);
    }
}
