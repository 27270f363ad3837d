//! Files that get their names when they are whole.
//!
//! Until then a file `NAME` is `.NAME.partial` in the same folder. That name is always the same, so
//! that the next run finds what one that was killed has left; who writes holds a lock on the
//! folder ([`crate::job::Job::claim`]), so that no two runs use it at once.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::cache::lease::{Claim, Lease};
use crate::error::BuildError;

/// A file under its temporary name, which goes with it unless it was renamed.
pub(crate) struct Partial(PathBuf);

impl Partial {
    /// For the file that will be `path`; nothing is made yet.
    pub(crate) fn of(path: &Path) -> Partial {
        Partial(temporary(path))
    }

    /// Gives the file its final name.
    pub(crate) fn rename(self, to: &Path) -> io::Result<()> {
        fs::rename(&self.0, to)
    }
}

impl std::ops::Deref for Partial {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.0
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        // After a rename there is nothing to remove.
        let _ = fs::remove_file(&self.0);
    }
}

fn temporary(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.partial"))
}

/// Writes a small file whole.
pub(crate) fn write(path: &Path, text: &str) -> Result<(), BuildError> {
    let fail = |error| BuildError::io("writing", path)(error);
    let partial = Partial::of(path);
    let mut file = File::create(&*partial).map_err(fail)?;
    file.write_all(text.as_bytes()).map_err(fail)?;
    file.set_permissions(fs::Permissions::from_mode(0o644)).map_err(fail)?;
    file.sync_all().map_err(fail)?;
    partial.rename(path).map_err(fail)
}

/// The folder of a file, for a lock.
pub(crate) fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Removes what a run that was killed while it wrote `path` has left, unless somebody writes now.
pub(crate) fn clear(path: &Path) -> Result<(), BuildError> {
    if !temporary(path).exists() {
        return Ok(());
    }
    if let Some(_lease) = Lease::try_take(folder(path), Claim::Alone)? {
        drop(Partial::of(path));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_run_left_goes_unless_somebody_writes() {
        let dir = tempfile::tempdir().unwrap();
        let (path, left) = (dir.path().join("osb.lock"), dir.path().join(".osb.lock.partial"));
        write(&path, "whole").unwrap();
        assert!(!left.exists());
        fs::write(&left, "ha").unwrap();
        let writer = Lease::try_take(dir.path(), Claim::Alone).unwrap();
        clear(&path).unwrap();
        assert!(left.exists());
        drop(writer);
        clear(&path).unwrap();
        assert!(!left.exists());
        assert_eq!(fs::read_to_string(&path).unwrap(), "whole");
    }
}
