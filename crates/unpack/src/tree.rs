//! Writing: links to the store into `files`, the database into `upper`.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File, Metadata, Permissions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, lchown, symlink};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, utimensat};

use crate::error::UnpackError;
use crate::overrides::{Override, StatOverrides};
use crate::store::{Entry, Kind, Package};
use crate::view::{View, join, parent_of};

/// What dpkg appends to the names of conffiles until it configures their packages.
const NEW: &str = ".dpkg-new";

/// A layer's directories.
pub(crate) struct Tree {
    pub(crate) view: View,
    upper: PathBuf,
    files: PathBuf,
    /// Files of the store that the package at hand must not share, by inode.
    copied: HashSet<u64>,
    /// Their copies.
    copies: HashMap<u64, PathBuf>,
    /// Conffiles that are to be put into their places by `dpkg --configure`.
    new: HashSet<String>,
}

impl Tree {
    pub(crate) fn new(upper: &Path, files: &Path, below: &[PathBuf]) -> Self {
        Tree {
            view: View::new(upper, files, below),
            upper: upper.to_owned(),
            files: files.to_owned(),
            copied: HashSet::new(),
            copies: HashMap::new(),
            new: HashSet::new(),
        }
    }

    /// To be called before a package's files are put. All names of a file get what its last entry
    /// says (`tarobject_set_perms`), so one that is overridden makes the others copies as well.
    pub(crate) fn begin(
        &mut self,
        package: &Package,
        overrides: &StatOverrides,
    ) -> Result<(), UnpackError> {
        self.copied.clear();
        self.copies.clear();
        if overrides.is_empty() {
            return Ok(());
        }
        for entry in package.entries() {
            if !matches!(entry.kind, Kind::Directory) && overrides.of(&entry.path).is_some() {
                let source = package.data(entry);
                match fs::symlink_metadata(&source) {
                    Ok(stat) => drop(self.copied.insert(stat.ino())),
                    // Left out when the package was taken apart.
                    Err(error) if error.kind() == ErrorKind::NotFound => {}
                    Err(error) => return Err(UnpackError::io("reading", source)(error)),
                }
            }
        }
        Ok(())
    }

    /// Links, or copies where it must differ, the file of `entry` to `real`.
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
        self.link(&source, &target, entry, stat).map_err(UnpackError::io("laying", target))
    }

    /// As [`Tree::put`], but beside the place, for `dpkg --configure`.
    pub(crate) fn put_new(
        &mut self,
        package: &Package,
        entry: &Entry,
        real: &str,
        stat: Override,
    ) -> Result<(), UnpackError> {
        self.new.insert(real.to_owned());
        self.put(package, entry, &format!("{real}{NEW}"), stat)
    }

    /// Whatever is put to `real` does away with what another package wants there (archives.c).
    pub(crate) fn drop_new(&mut self, real: &str) -> Result<(), UnpackError> {
        if !self.new.remove(real) {
            return Ok(());
        }
        let new = self.files.join(format!("{real}{NEW}"));
        remove(&new).map_err(UnpackError::io("removing", new))
    }

    fn link(
        &mut self,
        source: &Path,
        target: &Path,
        entry: &Entry,
        stat: Override,
    ) -> io::Result<()> {
        if !(self.copied.is_empty() && self.copies.is_empty()) {
            let inode = fs::symlink_metadata(source)?.ino();
            if self.copied.contains(&inode) || self.copies.contains_key(&inode) {
                return self.copy(source, target, entry, stat);
            }
        }
        match link_over(source, target) {
            // The file system's limit of names for one file.
            Err(error) if error.kind() == ErrorKind::TooManyLinks => {
                self.copy(source, target, entry, stat)
            }
            result => result,
        }
    }

    fn copy(
        &mut self,
        source: &Path,
        target: &Path,
        entry: &Entry,
        stat: Override,
    ) -> io::Result<()> {
        let inode = fs::symlink_metadata(source)?.ino();
        match self.copies.get(&inode) {
            Some(first) => link_over(first, target)?,
            None => {
                remove(target)?;
                match &entry.kind {
                    Kind::Symlink(to) => symlink(to, target)?,
                    _ => drop(fs::copy(source, target)?),
                }
                self.copies.insert(inode, target.to_owned());
            }
        }
        // Giving a file away clears setuid: the mode comes after the owner.
        lchown(target, Some(stat.uid), Some(stat.gid))?;
        if matches!(entry.kind, Kind::File) {
            fs::set_permissions(target, Permissions::from_mode(stat.mode))?;
        }
        set_time(target, entry.mtime)
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

/// Removes what is not a directory, if it exists.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn set_time(path: &Path, seconds: i64) -> io::Result<()> {
    let time = Timespec { tv_sec: seconds, tv_nsec: 0 };
    let times = Timestamps { last_access: time, last_modification: time };
    Ok(utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW)?)
}
