//! Does the cache belong to whom it seems to?
//!
//! Layers hold files of many users. A user namespace shifts all their ids, and root's differ from an
//! ordinary user's: a cache that was filled under one map and read under another would give an image
//! in which everything belongs to the wrong users, without any error. So a file of a known owner
//! lies in the cache; if it seems to be another's, so does everything else.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::Path;

use osb_sandbox::{Missing, Need};

use crate::error::BuildError;

const FILE: &str = "ids";
/// An id that only a complete map has, and that is not the one that the kernel shows for unmapped
/// ones (65534).
const OWNER: u32 = 65533;

/// Checks the file, or makes it in a cache that has none.
pub(crate) fn check(cache: &Path) -> Result<(), BuildError> {
    let path = cache.join(FILE);
    let owner = match fs::symlink_metadata(&path) {
        Ok(stat) => (stat.uid(), stat.gid()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return make(cache, &path),
        Err(error) => return Err(BuildError::io("looking at", path)(error)),
    };
    if owner == (OWNER, OWNER) { Ok(()) } else { Err(BuildError::OtherIds(cache.to_owned())) }
}

/// Whether the files of a cache that may be there belong to whom they seem to.
///
/// # Errors
/// [`BuildError::OtherIds`] if not.
pub fn check_owner(cache: &Path) -> Result<(), BuildError> {
    if cache.join(FILE).exists() { check(cache) } else { Ok(()) }
}

fn no_owners(cache: &Path, error: &io::Error) -> Need {
    Need::missing(
        "user",
        format!("files in {} cannot be given to other users: {error}", cache.display()),
        "choose a folder on a local file system with --cache-dir or OSB_CACHE_DIR; a container must \
         have 65536 user and group ids",
    )
}

fn make(cache: &Path, path: &Path) -> Result<(), BuildError> {
    let temporary = tempfile::Builder::new()
        .prefix(".ids-")
        .make_in(cache, |path| File::create_new(path))
        .map_err(BuildError::io("making a file in", cache))?;
    chown(temporary.path(), Some(OWNER), Some(OWNER))
        .map_err(|error| Missing::from(no_owners(cache, &error)))?;
    temporary.persist(path).map(drop).map_err(|error| BuildError::io("making", path)(error.error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_others_are_noticed() {
        if !rustix::process::geteuid().is_root() {
            eprintln!("SKIPPED: only root can give files away");
            return;
        }
        let cache = tempfile::tempdir().unwrap();
        check(cache.path()).unwrap();
        check(cache.path()).unwrap();
        chown(cache.path().join(FILE), Some(65534), Some(65534)).unwrap();
        let error = check(cache.path()).unwrap_err();
        assert!(matches!(error, BuildError::OtherIds(_)), "{error}");
        assert_eq!(fs::read_dir(cache.path()).unwrap().count(), 1);
    }
}
