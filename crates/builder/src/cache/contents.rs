//! What the cache holds, and how much room it takes.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::{FAILURE_LOG, FILES, FOLDERS, WORK, is_hidden};
use crate::error::BuildError;
use crate::ids;

/// One folder of the cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bucket {
    /// Its name.
    pub name: String,
    /// What its entries are, for people.
    pub what: &'static str,
    /// How many entries it has.
    pub entries: u64,
    /// The room that they take on the disk, in bytes; what has several names counts once.
    pub bytes: u64,
    /// When the entries were made or used, if there are any.
    pub used: Option<Used>,
}

/// Times of the last use of entries, seconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Used {
    /// The entry that was not used for the longest time.
    pub oldest: i64,
    /// The entry that was used last.
    pub newest: i64,
}

impl Used {
    /// Of these and one entry more.
    pub(super) fn with(used: Option<Used>, time: i64) -> Option<Used> {
        let Used { oldest, newest } = used.unwrap_or(Used { oldest: time, newest: time });
        Some(Used { oldest: oldest.min(time), newest: newest.max(time) })
    }
}

/// Lists the cache's folders; none if there is no cache.
///
/// # Errors
/// The file system refused something. What other runs remove meanwhile is no error.
pub fn contents(root: &Path) -> Result<Vec<Bucket>, BuildError> {
    let mut usage = Usage::default();
    let mut buckets = Vec::new();
    for name in names(root)? {
        let folder = root.join(&name);
        let (mut entries, mut used) = (0, None);
        for entry in read(&folder)?.into_iter().filter(|entry| !is_hidden(entry)) {
            entries += 1;
            // One that is gone meanwhile has no time.
            used = entry.metadata().map_or(used, |stat| Used::with(used, stat.mtime()));
        }
        let what = what(&name);
        buckets.push(Bucket { bytes: usage.of(&folder)?, name, what, entries, used });
    }
    Ok(buckets)
}

/// The folders of the cache, those of former versions of osb among them.
pub(super) fn names(root: &Path) -> Result<Vec<String>, BuildError> {
    let mut names: Vec<String> = read(root)?
        .into_iter()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| name == WORK || version(name).is_some())
        .collect();
    names.sort_by_key(|name| (order(name), name.clone()));
    Ok(names)
}

/// Whether runs may make entries here: in a folder that has the file of a cache, in one that has
/// nothing but what a cache has, or in none yet. Any other was named by mistake.
pub(super) fn may_be_cache(root: &Path) -> Result<bool, BuildError> {
    let known = |entry: &fs::DirEntry| {
        let name = entry.file_name();
        let name = name.to_str().unwrap_or_default();
        [WORK, FAILURE_LOG, ids::FILE].contains(&name) || version(name).is_some()
    };
    Ok(root.join(ids::FILE).exists() || read(root)?.iter().all(known))
}

/// Whether `name` is a folder of entries of a former version of osb. (A newer one's are its own.)
pub(super) fn is_outdated(name: &str) -> bool {
    let known = FILES.iter().chain(&FOLDERS).filter_map(|known| version(known));
    version(name).is_some_and(|(stem, number)| {
        known.into_iter().any(|(known, current)| known == stem && number < current)
    })
}

/// The name without its version, and that, of `debs-v1` and the like.
fn version(name: &str) -> Option<(&str, u32)> {
    let (stem, number) = name.rsplit_once("-v")?;
    let mut known = FILES.iter().chain(&FOLDERS).filter_map(|known| known.rsplit_once("-v"));
    let number = number.parse().ok()?;
    known.any(|(known, _)| known == stem).then_some((stem, number))
}

fn order(name: &str) -> usize {
    let all = FILES.iter().chain(&FOLDERS).position(|known| *known == name);
    all.unwrap_or(FILES.len() + FOLDERS.len())
}

/// What the entries of a folder are, for people.
pub(super) fn what(name: &str) -> &'static str {
    match name {
        _ if is_outdated(name) => "of a former version",
        FAILURE_LOG => "output of the last program that failed",
        WORK => "of runs under way or killed",
        _ => match version(name).map(|(stem, _)| stem) {
            Some("debs") => "packages as downloaded",
            Some("artifacts") => "files that layers pin",
            Some("indices") => "package lists",
            Some("releases") => "signed Releases",
            Some("packages") => "packages taken apart",
            Some("tools") => "tools trees",
            Some("layers") => "halves of layers",
            Some("initramfs") => "initramfs images",
            Some("records") => "records of builds",
            Some("sums") => "MD5 sums of packages' files",
            Some("frames") => "compressed pieces of artifacts",
            _ => "",
        },
    }
}

/// The entries of a folder; none if it is gone.
pub(super) fn read(folder: &Path) -> Result<Vec<fs::DirEntry>, BuildError> {
    match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        entries => Ok(entries.map_err(BuildError::io("reading", folder))?.flatten().collect()),
    }
}

/// Counts the room that trees take, as `du` does: a file with several names once.
#[derive(Default)]
pub(super) struct Usage {
    seen: HashSet<(u64, u64)>,
}

impl Usage {
    /// Bytes of everything at and below `path`.
    pub(super) fn of(&mut self, path: &Path) -> Result<u64, BuildError> {
        let Ok(stat) = fs::symlink_metadata(path) else { return Ok(0) };
        let counted = stat.nlink() > 1 && !stat.is_dir();
        if counted && !self.seen.insert((stat.dev(), stat.ino())) {
            return Ok(0);
        }
        // st_blocks is in units of 512 bytes, whatever the file system's are (stat(2)).
        let mut bytes = stat.blocks() * 512;
        if stat.is_dir() {
            for entry in read(path)? {
                bytes += self.of(&entry.path())?;
            }
        }
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_apart() {
        assert!(!is_outdated("layers-v2") && is_outdated("layers-v1"));
        assert!(!is_outdated("debs-v12"), "a newer osb's");
        for foreign in ["work", "layers", "layers-v", "layers-vx", "photos-v1", "-v1"] {
            assert!(!is_outdated(foreign), "{foreign}");
        }
    }

    #[test]
    fn entries_and_room_are_counted() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(contents(&dir.path().join("none")).unwrap(), []);
        let debs = dir.path().join("debs-v1");
        fs::create_dir_all(&debs).unwrap();
        fs::create_dir_all(dir.path().join("photos")).unwrap();
        fs::write(debs.join("a.deb"), vec![1; 100_000]).unwrap();
        fs::hard_link(debs.join("a.deb"), debs.join("b.deb")).unwrap();
        fs::write(debs.join(".part1"), "").unwrap();
        let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000);
        fs::write(debs.join("old.deb"), "").unwrap();
        fs::File::open(debs.join("old.deb")).unwrap().set_modified(time).unwrap();
        let buckets = contents(dir.path()).unwrap();
        let [Bucket { name, entries: 3, bytes, used: Some(used), .. }] = &buckets[..] else {
            panic!("{buckets:?}")
        };
        assert!(used.oldest == 1_000_000 && used.newest > 1_700_000_000, "{used:?}");
        assert_eq!(name, "debs-v1");
        assert!((100_000..200_000).contains(bytes), "{bytes}");
    }
}
