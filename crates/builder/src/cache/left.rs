//! What runs that were killed have left.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::lease::{Claim, Lease};
use super::{FILES, RUN, WORK, contents, is_hidden};
use crate::error::BuildError;
use crate::ids;

/// What the names of folders in the work folder begin with that hold a damaged entry.
pub(super) const DAMAGED: &str = "damaged-";

/// What dead runs have left: found while nobody can begin, removed afterwards.
pub(super) struct Left {
    /// Work folders whose lock could be had, each with that lock: nobody else removes them.
    folders: Vec<(PathBuf, Lease)>,
    /// Temporary files among the entries, and damaged entries that were taken away; only if no run
    /// lives, else they may be its.
    files: Vec<PathBuf>,
}

impl Left {
    pub(super) fn find(root: &Path) -> Result<Left, BuildError> {
        let works = root.join(WORK);
        let (mut folders, mut alone) = (Vec::new(), true);
        for entry in contents::read(&works)?.iter().filter(|entry| is_run(entry)) {
            match Lease::try_take(&entry.path(), Claim::Alone) {
                Ok(Some(lease)) => folders.push((entry.path(), lease)),
                Ok(None) => alone = false,
                // Its run, or who swept it, has just removed it.
                Err(_) if !entry.path().exists() => {}
                Err(error) => return Err(error),
            }
        }
        let mut files = Vec::new();
        if alone {
            files = temporary(root)?;
            // Those that were alive may have been using them.
            let damaged = |entry: &&fs::DirEntry| starts_with(entry, DAMAGED);
            files.extend(contents::read(&works)?.iter().filter(damaged).map(fs::DirEntry::path));
        }
        Ok(Left { folders, files })
    }

    /// All of it.
    pub(super) fn paths(&self) -> impl Iterator<Item = &Path> {
        self.folders.iter().map(|(path, _)| path).chain(&self.files).map(PathBuf::as_path)
    }

    pub(super) fn remove(self) -> Result<(), BuildError> {
        for (folder, _lease) in &self.folders {
            discard(folder)?;
        }
        // One that is gone has been removed by another run that began at the same time.
        self.files.iter().try_for_each(|path| discard(path))
    }
}

/// Removes what nobody owns any more. The processes of a run that was killed may take a moment to
/// die, and write into its folder until then.
pub(super) fn discard(path: &Path) -> Result<(), BuildError> {
    let remove = || match fs::symlink_metadata(path) {
        Ok(stat) if stat.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    let mut tries = 40;
    loop {
        match remove() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty && tries > 0 => {}
            result => return result.map_err(BuildError::io("removing", path)),
        }
        tries -= 1;
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Files that are to become entries when they are whole: their names begin with a dot.
fn temporary(root: &Path) -> Result<Vec<PathBuf>, BuildError> {
    let mut found = Vec::new();
    for folder in FILES.map(|name| root.join(name)) {
        found.extend(contents::read(&folder)?.iter().filter(|e| is_hidden(e)).map(|e| e.path()));
    }
    Ok(found)
}

/// Whether this is the folder of a run, or what a run left that was killed before it had one.
fn is_run(entry: &fs::DirEntry) -> bool {
    starts_with(entry, RUN) || starts_with(entry, ids::TEMPORARY)
}

fn starts_with(entry: &fs::DirEntry, beginning: &str) -> bool {
    entry.file_name().as_encoded_bytes().starts_with(beginning.as_bytes())
}
