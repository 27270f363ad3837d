//! Writing: the packages' files into `files`, the database into `upper`.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File, Metadata, Permissions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, lchown, symlink};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, utimensat};

use crate::error::UnpackError;
use crate::overrides::Override;
use crate::pending::{self, Copy, Pending, times};
use crate::store::{Entry, Kind, Package};
use crate::view::{View, join, parent_of};

/// What dpkg appends to the names of conffiles until it configures their packages.
const NEW: &str = ".dpkg-new";

/// A layer's directories.
pub(crate) struct Tree {
    pub(crate) view: View,
    upper: PathBuf,
    files: PathBuf,
    /// Whether files are names of the store's, rather than copies. That shows (`st_nlink`): man-db
    /// looks for other names of a page that has two, so it is for trees that only lend programs.
    shares: bool,
    /// Copies of files with several names, by the store's inode.
    copies: HashMap<u64, PathBuf>,
    pending: Pending,
    /// Conffiles that are to be put into their places by `dpkg --configure`.
    new: HashSet<String>,
}

impl Tree {
    pub(crate) fn new(upper: &Path, files: &Path, below: &[PathBuf], shares: bool) -> Self {
        Tree {
            view: View::new(upper, files, below),
            upper: upper.to_owned(),
            files: files.to_owned(),
            shares,
            copies: HashMap::new(),
            pending: Pending::default(),
            new: HashSet::new(),
        }
    }

    /// To be called before a package's files are put.
    pub(crate) fn begin(&mut self) {
        self.copies.clear();
    }

    /// Puts the file or link of `entry` to `real`.
    pub(crate) fn put(
        &mut self,
        package: &Package,
        entry: &Entry,
        real: &str,
        stat: Override,
    ) -> Result<(), UnpackError> {
        self.make_parents(parent_of(real))?;
        self.view.uncover(real, false)?;
        let (source, target) = (package.data(entry), self.files.join(real));
        self.place(&source, &target, entry, stat).map_err(UnpackError::io("laying", target))
    }

    /// As [`Tree::put`], but beside the place, for `dpkg --configure`. If the place gets the file,
    /// too, this is one of its own: they would be two names of one file where the store's has more
    /// names than the package gives it.
    pub(crate) fn put_new(
        &mut self,
        package: &Package,
        entry: &Entry,
        real: &str,
        stat: Override,
        alone: bool,
    ) -> Result<(), UnpackError> {
        self.new.insert(real.to_owned());
        let others = if alone { std::mem::take(&mut self.copies) } else { HashMap::new() };
        let result = self.put(package, entry, &format!("{real}{NEW}"), stat);
        if alone {
            self.copies = others;
        }
        result
    }

    /// Whatever is put to `real` does away with what another package wants there (archives.c).
    pub(crate) fn drop_new(&mut self, real: &str) -> Result<(), UnpackError> {
        if !self.new.remove(real) {
            return Ok(());
        }
        let new = self.files.join(format!("{real}{NEW}"));
        remove(&new).map_err(UnpackError::io("removing", new))
    }

    fn place(
        &mut self,
        source: &Path,
        target: &Path,
        entry: &Entry,
        stat: Override,
    ) -> io::Result<()> {
        if self.shares {
            match link_over(source, target) {
                // The file system's limit of names for one file.
                Err(error) if error.kind() == ErrorKind::TooManyLinks => {}
                result => return result,
            }
        }
        remove(target)?;
        match &entry.kind {
            Kind::Symlink(to) => {
                symlink(to, target)?;
                lchown(target, Some(stat.uid), Some(stat.gid))?;
                set_time(target, entry.mtime)
            }
            _ => self.copy(source, target, entry, stat),
        }
    }

    /// Copies a file (by reference where the file system can), or links it to the copy of its first
    /// name. All names get what the last entry says (`tarobject_set_perms`).
    fn copy(
        &mut self,
        source: &Path,
        target: &Path,
        entry: &Entry,
        stat: Override,
    ) -> io::Result<()> {
        let from = File::open(source)?;
        let status = from.metadata()?;
        let first = (status.nlink() > 1).then(|| self.copies.get(&status.ino())).flatten();
        if let Some(first) = first {
            fs::hard_link(first, target)?;
            // What the first one gets must not come after what this one says.
            self.pending.make()?;
            return pending::set(&File::open(target)?, stat, entry.mtime);
        }
        let to = File::create_new(target)?;
        if status.nlink() > 1 {
            self.copies.insert(status.ino(), target.to_owned());
        }
        self.pending.add(Copy { from, to, stat, mtime: entry.mtime })
    }

    /// Makes the copies that are still to be made.
    pub(crate) fn finish(&mut self) -> Result<(), UnpackError> {
        self.pending.make().map_err(UnpackError::io("copying files to", &self.files))
    }

    /// Makes a directory that a package brings.
    pub(crate) fn put_directory(
        &mut self,
        entry: &Entry,
        real: &str,
        stat: Override,
    ) -> Result<(), UnpackError> {
        self.make_parents(parent_of(real))?;
        self.create_directory(real, stat)?;
        // As dpkg does; what is put into it later changes it again.
        let folder = self.files.join(real);
        set_time(&folder, entry.mtime).map_err(UnpackError::io("setting the time of", folder))
    }

    /// Makes the directory `real` of `files` where it is missing, as what it is seen to be.
    fn make_parents(&mut self, real: &str) -> Result<(), UnpackError> {
        if self.view.is_made(real) {
            return Ok(());
        }
        self.make_parents(parent_of(real))?;
        let stat = self.directory_as_seen(real)?;
        self.create_directory(real, stat)
    }

    fn directory_as_seen(&mut self, real: &str) -> Result<Override, UnpackError> {
        match self.view.look(real)?.map(|found| found.stat) {
            Some(stat) if stat.is_dir() => Ok(override_of(&stat)),
            Some(_) => Err(UnpackError::database(real, "not a directory")),
            None => Ok(Override { uid: 0, gid: 0, mode: 0o755 }),
        }
    }

    fn create_directory(&mut self, real: &str, stat: Override) -> Result<(), UnpackError> {
        self.view.uncover(real, true)?;
        let folder = self.files.join(real);
        // What was there is another package's that is replaced.
        remove(&folder)
            .and_then(|()| new_directory(&folder, stat))
            .map_err(UnpackError::io("making", folder))?;
        self.view.note_made(real);
        Ok(())
    }

    /// The host's path of a directory in `files`, made if it is missing.
    pub(crate) fn directory(&mut self, path: &str) -> Result<PathBuf, UnpackError> {
        let real = self.view.directory(path)?;
        self.make_parents(&real)?;
        Ok(self.files.join(real))
    }

    /// Writes a file of the database. Scripts of packages have written into `upper`: no link of
    /// theirs is followed.
    pub(crate) fn write_upper(&mut self, path: &str, text: &str) -> Result<(), UnpackError> {
        let mut folder = String::new();
        for part in parent_of(path).split('/') {
            folder = join(&folder, part);
            let stat = self.directory_as_seen(&folder)?;
            let real = self.upper.join(&folder);
            match fs::symlink_metadata(&real) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    new_directory(&real, stat).map_err(UnpackError::io("making", real))?;
                    self.view.refresh();
                }
                Err(error) => return Err(UnpackError::io("looking at", real)(error)),
            }
        }
        let target = self.upper.join(path);
        remove(&target)
            .and_then(|()| write_new(&target, text))
            .map_err(UnpackError::io("writing", target))
    }
}

fn override_of(stat: &Metadata) -> Override {
    Override { uid: stat.uid(), gid: stat.gid(), mode: stat.mode() & 0o7777 }
}

fn new_directory(path: &Path, stat: Override) -> io::Result<()> {
    fs::create_dir(path)?;
    lchown(path, Some(stat.uid), Some(stat.gid))?;
    fs::set_permissions(path, Permissions::from_mode(stat.mode))
}

/// Writes a file that does not exist, readable by all.
pub(crate) fn write_new(path: &Path, text: &str) -> io::Result<()> {
    let mut file = File::create_new(path)?;
    file.write_all(text.as_bytes())?;
    file.set_permissions(Permissions::from_mode(0o644))
}

/// Links `source` to `target`, whatever non-directory is there.
fn link_over(source: &Path, target: &Path) -> io::Result<()> {
    match fs::hard_link(source, target) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            fs::remove_file(target).and_then(|()| fs::hard_link(source, target))
        }
        result => result,
    }
}

/// Copies a member of a control archive, with its mode and time.
pub(crate) fn copy_member(source: &Path, target: &Path) -> io::Result<()> {
    let mut from = File::open(source)?;
    let status = from.metadata()?;
    let mut to = File::create_new(target)?;
    io::copy(&mut from, &mut to)?;
    pending::set(&to, override_of(&status), status.mtime())
}

/// Removes what is not a directory, if it exists.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn set_time(path: &Path, seconds: i64) -> io::Result<()> {
    Ok(utimensat(CWD, path, &times(seconds), AtFlags::SYMLINK_NOFOLLOW)?)
}
