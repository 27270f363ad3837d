//! The inventory that `osb nodes add` changes: locked while it does, replaced as a whole.

use std::fs::{self, File, Metadata, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, Gid, OFlags, Uid};
use tempfile::NamedTempFile;

use crate::exit::{FAILED, Failure, REFUSED};
use crate::input;

/// Where the entry goes.
pub(super) enum Target {
    /// A file that is not there yet.
    New(PathBuf),
    /// A file, locked against others that run `osb nodes add`.
    Known {
        /// Its name as given.
        name: PathBuf,
        /// Where it is, without links.
        path: PathBuf,
        /// Keeps the lock.
        file: File,
        /// What is in it.
        text: String,
    },
}

impl Target {
    /// Opens a file, and waits until nobody else changes it.
    ///
    /// # Errors
    /// Code 3 if it is nothing that can be replaced: no plain file, a link to nothing, a file with
    /// several names, or one that nobody may write; code 2 if it is no text.
    pub(super) fn open(name: &Path) -> Result<Target, Failure> {
        let failed = |error| failed(name, &error);
        loop {
            let path = match fs::canonicalize(name) {
                Ok(path) => path,
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    return match fs::symlink_metadata(name) {
                        Ok(_) => Err(refused(name, "it is a link to something that is not there")),
                        Err(_) => Ok(Target::New(name.to_owned())),
                    };
                }
                Err(error) => return Err(failed(error)),
            };
            // Before it is opened: that alone could do something to a device.
            check(name, &fs::metadata(&path).map_err(failed)?)?;
            let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
            let flags = i32::try_from(flags.bits()).unwrap_or_default();
            let file = OpenOptions::new().read(true).write(true).custom_flags(flags).open(&path);
            let file = file.map_err(failed)?;
            rustix::fs::flock(&file, FlockOperation::LockExclusive)
                .map_err(|error| failed(error.into()))?;
            let own = file.metadata().map_err(failed)?;
            // Whoever had the lock before may have replaced the file.
            match fs::metadata(&path) {
                Ok(found) if (found.dev(), found.ino()) == (own.dev(), own.ino()) => {}
                _ => continue,
            }
            check(name, &own)?;
            let text = input::text_of(&file, name)?;
            return Ok(Target::Known { name: name.to_owned(), path, file, text });
        }
    }

    /// What is in it now.
    pub(super) fn text(&self) -> &str {
        match self {
            Target::New(_) => "",
            Target::Known { text, .. } => text,
        }
    }

    /// Whether the file is not there yet.
    pub(super) fn is_new(&self) -> bool {
        matches!(self, Target::New(_))
    }

    /// Writes the file as a whole, with the owner and the mode that it has. False if it was to be
    /// made, and somebody else has made it.
    ///
    /// # Errors
    /// If it cannot be written; it is as it was, then.
    pub(super) fn replace(self, text: &str) -> Result<bool, Failure> {
        let (name, done) = match &self {
            Target::New(path) => (path, make(path, text)),
            Target::Known { name, path, file, .. } => {
                (name, exchange(path, file, text).map(|()| true))
            }
        };
        done.map_err(|error| failed(name, &error))
    }
}

fn make(path: &Path, text: &str) -> io::Result<bool> {
    let new = filled(path, text)?;
    new.as_file().set_permissions(Permissions::from_mode(0o644))?;
    new.as_file().sync_all()?;
    match new.persist_noclobber(path) {
        Ok(_) => Ok(true),
        Err(error) if error.error.kind() == ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error.error),
    }
}

fn exchange(path: &Path, old: &File, text: &str) -> io::Result<()> {
    let new = filled(path, text)?;
    let (has, had) = (new.as_file().metadata()?, old.metadata()?);
    if (has.uid(), has.gid()) != (had.uid(), had.gid()) {
        let (owner, group) = (Uid::from_raw(had.uid()), Gid::from_raw(had.gid()));
        rustix::fs::fchown(new.as_file(), Some(owner), Some(group)).map_err(|error| {
            io::Error::new(error.kind(), format!("its owner cannot be kept: {error}"))
        })?;
    }
    new.as_file().set_permissions(had.permissions())?;
    new.as_file().sync_all()?;
    new.persist(path).map(drop).map_err(|error| error.error)
}

/// A file beside `path` that has this text.
fn filled(path: &Path, text: &str) -> io::Result<NamedTempFile> {
    let folder = path.parent().filter(|folder| *folder != Path::new(""));
    let mut new = NamedTempFile::new_in(folder.unwrap_or(Path::new(".")))?;
    new.write_all(text.as_bytes())?;
    Ok(new)
}

/// Whether a file may be replaced by another one.
fn check(name: &Path, found: &Metadata) -> Result<(), Failure> {
    if !found.is_file() {
        return Err(refused(name, "it is no plain file"));
    }
    if found.nlink() > 1 {
        return Err(refused(
            name,
            "it has another name (a hard link), which would keep the old text",
        ));
    }
    // Root may write it all the same, but somebody wanted it to stay.
    if found.mode() & 0o222 == 0 {
        return Err(refused(name, "nobody may write it (chmod u+w)"));
    }
    Ok(())
}

fn refused(name: &Path, why: &str) -> Failure {
    let text = format!("{} is not replaced: {why}", name.display());
    Failure::new(REFUSED, text).with_hint("name the inventory itself; nothing was written")
}

fn failed(name: &Path, error: &io::Error) -> Failure {
    Failure::new(FAILED, format!("writing {}: {error}", name.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replaced(path: &Path, text: &str) -> Result<bool, Failure> {
        Target::open(path).and_then(|target| target.replace(text))
    }

    #[test]
    fn what_a_link_leads_to_is_replaced_with_its_mode_and_owner() {
        let dir = tempfile::tempdir().unwrap();
        let (file, link) = (dir.path().join("file"), dir.path().join("link"));
        fs::write(&file, "old").unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o640)).unwrap();
        let root = rustix::process::geteuid().is_root();
        if root {
            std::os::unix::fs::chown(&file, Some(1234), Some(1235)).unwrap();
        }
        std::os::unix::fs::symlink("file", &link).unwrap();
        assert_eq!(replaced(&link, "new"), Ok(true));
        assert_eq!(fs::read_to_string(&file).unwrap(), "new");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        let found = fs::metadata(&file).unwrap();
        assert_eq!(found.mode() & 0o777, 0o640);
        assert!(!root || (found.uid(), found.gid()) == (1234, 1235));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2, "nothing else is left");
    }

    #[test]
    fn a_file_that_somebody_else_made_first_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        let target = Target::open(&path).unwrap();
        assert!(target.is_new());
        fs::write(&path, "theirs").unwrap();
        assert_eq!(target.replace("ours"), Ok(false));
        assert_eq!(fs::read_to_string(&path).unwrap(), "theirs");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing else is left");
    }
}
