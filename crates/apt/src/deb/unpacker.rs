//! Puts entries into a directory that was empty, without ever leaving it.
//!
//! Every parent directory is opened with `openat2` and `RESOLVE_IN_ROOT` (Linux 5.6): absolute
//! links and `..` in links mean the root of the new tree, as they will for the programs in it. All
//! other calls take that directory and one plain name, so nothing can be redirected afterwards.

use std::io::{self, BufRead};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{
    AtFlags, CWD, Gid, Mode, OFlags, ResolveFlags, Timespec, Timestamps, Uid, chownat, fchmod,
    fchown, futimens, linkat, mkdirat, openat, openat2, symlinkat, utimensat,
};
use rustix::io::Errno;

use super::fault::DebFault;
use super::guard::parent_of;
use super::tar::{Entry, EntryKind};

/// An open root and what has to be done at the end.
pub(crate) struct Unpacker {
    root: OwnedFd,
    /// The parent of the last entry.
    parent: Option<(Vec<u8>, OwnedFd)>,
    /// Parents that were made because no entry before had made them.
    implied: u64,
    /// Directories made here, whose times are set when nothing is put into them any more.
    directories: Vec<(Vec<u8>, i64)>,
}

/// An error number and what was being done.
type Refused = (&'static str, Errno);

/// Attaches what was being done.
fn doing(action: &'static str) -> impl Fn(Errno) -> Refused {
    move |errno| (action, errno)
}

impl Unpacker {
    pub(crate) fn new(root: &Path) -> io::Result<Unpacker> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = openat(CWD, root, flags, Mode::empty())?;
        Ok(Unpacker { root, parent: None, implied: 0, directories: Vec::new() })
    }

    /// Makes one entry.
    pub(crate) fn put(&mut self, entry: &Entry, content: &mut dyn BufRead) -> Result<(), DebFault> {
        let fault = |(action, errno): Refused| unpack_fault(&entry.path, action, errno.into());
        self.enter(parent_of(&entry.path)).map_err(fault)?;
        let Some((_, parent)) = &self.parent else {
            return Err(fault(("opening its directory", Errno::NOENT)));
        };
        let parent = parent.as_fd();
        let name = name_of(&entry.path);
        match &entry.kind {
            EntryKind::File => put_file(parent, name, entry, content),
            EntryKind::Symlink(target) => put_symlink(parent, name, target, entry).map_err(fault),
            EntryKind::HardLink(target) => {
                let other = if parent_of(target) == parent_of(&entry.path) {
                    None
                } else {
                    Some(self.resolve(parent_of(target)).map_err(fault)?)
                };
                let from = other.as_ref().map_or(parent, AsFd::as_fd);
                put_hard_link(from, name_of(target), parent, name, entry).map_err(fault)
            }
            EntryKind::Directory => match mkdirat(parent, name, Mode::from(0o700)) {
                Ok(()) => {
                    set_directory(parent, name, entry).map_err(fault)?;
                    self.directories.push((entry.path.clone(), entry.mtime));
                    Ok(())
                }
                // Its own second entry, or a parent made for an earlier one.
                Err(Errno::EXIST) => self.resolve(&entry.path).map(drop).map_err(fault),
                Err(errno) => Err(fault(("making the directory", errno))),
            },
        }
    }

    /// How many directories were made that are no entries.
    pub(crate) fn implied(&self) -> u64 {
        self.implied
    }

    /// Sets the times of the directories.
    pub(crate) fn finish(self) -> Result<(), DebFault> {
        for (path, mtime) in self.directories.iter().rev() {
            let set = || {
                let parent = self.resolve(parent_of(path))?;
                let times = timestamps(*mtime);
                utimensat(&parent, name_of(path), &times, AtFlags::SYMLINK_NOFOLLOW)
                    .map_err(doing("setting its time"))
            };
            set().map_err(|(action, errno)| unpack_fault(path, action, errno.into()))?;
        }
        Ok(())
    }

    /// Makes `path` the current parent, creating what is missing.
    fn enter(&mut self, path: &[u8]) -> Result<(), Refused> {
        if self.parent.as_ref().is_none_or(|(current, _)| current != path) {
            let made = self.make(path)?;
            self.parent = Some((path.to_vec(), made));
        }
        Ok(())
    }

    /// Opens a directory inside the root.
    fn resolve(&self, path: &[u8]) -> Result<OwnedFd, Refused> {
        let path = if path.is_empty() { b"." } else { path };
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        loop {
            match openat2(&self.root, path, flags, Mode::empty(), resolve) {
                // A rename elsewhere made the kernel unsure about a ".."; openat2(2): try again.
                Err(Errno::AGAIN | Errno::INTR) => {}
                result => return result.map_err(doing("opening its directory")),
            }
        }
    }

    /// Opens a directory inside the root, making it and its parents where they are missing.
    fn make(&mut self, path: &[u8]) -> Result<OwnedFd, Refused> {
        match self.resolve(path) {
            Err((_, Errno::NOENT)) if !path.is_empty() => {}
            result => return result,
        }
        let parent = self.make(parent_of(path))?;
        mkdirat(&parent, name_of(path), Mode::from(0o755))
            .map_err(doing("making its directory"))?;
        self.implied += 1;
        // Not left to the umask of the caller.
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let made = openat(&parent, name_of(path), flags, Mode::empty())
            .map_err(doing("opening its directory"))?;
        fchmod(&made, Mode::from(0o755)).map_err(doing("setting its mode"))?;
        self.resolve(path)
    }
}

fn put_file(
    parent: BorrowedFd<'_>,
    name: &[u8],
    entry: &Entry,
    content: &mut dyn BufRead,
) -> Result<(), DebFault> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let file = openat(parent, name, flags, Mode::from(0o600))
        .map_err(|errno| unpack_fault(&entry.path, "creating the file", errno.into()))?;
    fill(&file, entry, content)
}

/// Content, owner, mode and time of a file just created.
fn fill(file: &OwnedFd, entry: &Entry, content: &mut dyn BufRead) -> Result<(), DebFault> {
    let fault = |(action, errno): Refused| unpack_fault(&entry.path, action, errno.into());
    loop {
        let chunk = content.fill_buf().map_err(DebFault::io("reading its content"))?;
        if chunk.is_empty() {
            break;
        }
        let length = rustix::io::retry_on_intr(|| rustix::io::write(file, chunk))
            .map_err(doing("writing its content"))
            .map_err(fault)?;
        content.consume(length);
    }
    set_attributes(file, entry).map_err(fault)
}

/// Owner, mode and time.
fn set_attributes(file: &OwnedFd, entry: &Entry) -> Result<(), Refused> {
    // Giving a file away clears setuid: the mode comes after the owner.
    let (uid, gid) = owner(entry);
    fchown(file, Some(uid), Some(gid)).map_err(doing("setting its owner"))?;
    fchmod(file, Mode::from(entry.mode)).map_err(doing("setting its mode"))?;
    futimens(file, &timestamps(entry.mtime)).map_err(doing("setting its time"))
}

fn put_symlink(
    parent: BorrowedFd<'_>,
    name: &[u8],
    target: &[u8],
    entry: &Entry,
) -> Result<(), Refused> {
    symlinkat(target, parent, name).map_err(doing("making the link"))?;
    let (uid, gid) = owner(entry);
    chownat(parent, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)
        .map_err(doing("setting its owner"))?;
    utimensat(parent, name, &timestamps(entry.mtime), AtFlags::SYMLINK_NOFOLLOW)
        .map_err(doing("setting its time"))
}

/// Links to a file of the same package, which then gets what this entry says, as dpkg does it
/// (archives.c: `tarobject_set_perms`).
fn put_hard_link(
    from: BorrowedFd<'_>,
    target: &[u8],
    parent: BorrowedFd<'_>,
    name: &[u8],
    entry: &Entry,
) -> Result<(), Refused> {
    linkat(from, target, parent, name, AtFlags::empty()).map_err(doing("making the hard link"))?;
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file =
        openat(parent, name, flags, Mode::empty()).map_err(doing("opening the hard link"))?;
    set_attributes(&file, entry)
}

/// Owner and mode of a directory just made.
fn set_directory(parent: BorrowedFd<'_>, name: &[u8], entry: &Entry) -> Result<(), Refused> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let made =
        openat(parent, name, flags, Mode::empty()).map_err(doing("opening the directory"))?;
    let (uid, gid) = owner(entry);
    fchown(&made, Some(uid), Some(gid)).map_err(doing("setting its owner"))?;
    fchmod(&made, Mode::from(entry.mode)).map_err(doing("setting its mode"))
}

fn name_of(path: &[u8]) -> &[u8] {
    path.iter().rposition(|b| *b == b'/').map_or(path, |slash| &path[slash + 1..])
}

fn owner(entry: &Entry) -> (Uid, Gid) {
    (Uid::from_raw(entry.uid), Gid::from_raw(entry.gid))
}

fn timestamps(mtime: i64) -> Timestamps {
    let time = Timespec { tv_sec: mtime, tv_nsec: 0 };
    Timestamps { last_access: time, last_modification: time }
}

fn unpack_fault(path: &[u8], action: &'static str, source: io::Error) -> DebFault {
    DebFault::Unpack { entry: String::from_utf8_lossy(path).into_owned(), action, source }
}
