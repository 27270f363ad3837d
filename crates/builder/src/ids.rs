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

/// The file.
pub(crate) const FILE: &str = "ids";
/// How its name begins in the work folder, before it is whole.
pub(crate) const TEMPORARY: &str = "ids-";
/// An id that only a complete map has, and that is not the one that the kernel shows for unmapped
/// ones (65534).
const OWNER: u32 = 65533;

/// Checks the file, or makes it, in the folder `work` first, in a cache that has none.
pub(crate) fn check(cache: &Path, work: &Path) -> Result<(), BuildError> {
    if owner_shows(cache)? { Ok(()) } else { make(cache, work) }
}

/// Whether the files of a cache that may be there belong to whom they seem to.
///
/// # Errors
/// [`BuildError::OtherIds`] if not.
pub fn check_owner(cache: &Path) -> Result<(), BuildError> {
    owner_shows(cache).map(drop)
}

/// Whether the file is there; it is an error if its owner is not the one that it was given.
fn owner_shows(cache: &Path) -> Result<bool, BuildError> {
    let path = cache.join(FILE);
    match fs::symlink_metadata(&path) {
        Ok(stat) if (stat.uid(), stat.gid()) == (OWNER, OWNER) => Ok(true),
        Ok(_) => Err(BuildError::OtherIds(cache.to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(BuildError::io("looking at", path)(error)),
    }
}

fn no_owners(cache: &Path, error: &io::Error) -> Need {
    Need::missing(
        "user",
        format!("files in {} cannot be given to other users: {error}", cache.display()),
        "choose a folder on a local file system with --cache-dir or OSB_CACHE_DIR; a container must \
         have 65536 user and group ids",
    )
}

fn make(cache: &Path, work: &Path) -> Result<(), BuildError> {
    let temporary = tempfile::Builder::new()
        .prefix(TEMPORARY)
        .make_in(work, |path| File::create_new(path))
        .map_err(BuildError::io("making a file in", work))?;
    chown(temporary.path(), Some(OWNER), Some(OWNER))
        .map_err(|error| Missing::from(no_owners(cache, &error)))?;
    let path = cache.join(FILE);
    temporary.persist(&path).map(drop).map_err(|error| BuildError::io("making", path)(error.error))
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
        let check = || check(cache.path(), cache.path());
        check().unwrap();
        check().unwrap();
        chown(cache.path().join(FILE), Some(65534), Some(65534)).unwrap();
        let error = check().unwrap_err();
        assert!(matches!(error, BuildError::OtherIds(_)), "{error}");
        assert_eq!(fs::read_dir(cache.path()).unwrap().count(), 1);
    }
}
