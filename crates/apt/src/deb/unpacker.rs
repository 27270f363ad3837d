//! Puts entries into a root directory without ever leaving it.
//!
//! Every parent directory is opened with `openat2` and `RESOLVE_IN_ROOT` (Linux 5.6): absolute
//! links and `..` in links mean the root of the new tree, as they will for the programs in it. All
//! other calls take that directory and one plain name, so nothing can be redirected afterwards.

use std::io::{self, BufRead};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{
    AtFlags, CWD, Gid, Mode, OFlags, ResolveFlags, Timespec, Timestamps, Uid, chownat, fchmod,
    fchown, futimens, linkat, mkdirat, openat, openat2, readlinkat, renameat, statat, symlinkat,
    unlinkat, utimensat,
};
use rustix::io::Errno;

use super::fault::DebFault;
use super::guard::parent_of;
use super::tar::{Entry, EntryKind};

/// Links followed while making missing parents, as in the kernel's own path walk.
const MAX_LINKS: u32 = 40;

/// Numbers the temporary names of this process.
static SERIAL: AtomicU64 = AtomicU64::new(0);

/// An open root and what has to be done at the end.
pub(crate) struct Unpacker {
    root: OwnedFd,
    /// The parent of the last entry.
    parent: Option<(Vec<u8>, OwnedFd)>,
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
        Ok(Unpacker { root, parent: None, directories: Vec::new() })
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
                put_hard_link(from, name_of(target), parent, name).map_err(fault)
            }
            EntryKind::Directory => match mkdirat(parent, name, Mode::from(0o700)) {
                Ok(()) => {
                    set_directory(parent, name, entry).map_err(fault)?;
                    self.directories.push((entry.path.clone(), entry.mtime));
                    Ok(())
                }
                // A directory, a link to one, or a link to one that does not exist yet.
                Err(Errno::EXIST) => self.make(&entry.path, 0).map(drop).map_err(fault),
                Err(errno) => Err(fault(("making the directory", errno))),
            },
        }
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
            self.parent = Some((path.to_vec(), self.make(path, 0)?));
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
    fn make(&self, path: &[u8], links: u32) -> Result<OwnedFd, Refused> {
        match self.resolve(path) {
            Err((_, Errno::NOENT)) if !path.is_empty() => {}
            result => return result,
        }
        if links > MAX_LINKS {
            return Err(("making its directory", Errno::LOOP));
        }
        let parent = self.make(parent_of(path), links + 1)?;
        match mkdirat(&parent, name_of(path), Mode::from(0o755)) {
            Ok(()) => {
                // Not left to the umask of the caller.
                let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let made = openat(&parent, name_of(path), flags, Mode::empty())
                    .map_err(doing("opening its directory"))?;
                fchmod(&made, Mode::from(0o755)).map_err(doing("setting its mode"))?;
            }
            Err(Errno::EXIST) => {}
            Err(errno) => return Err(("making its directory", errno)),
        }
        match self.resolve(path) {
            Err((_, Errno::NOENT)) => {}
            result => return result,
        }
        // A link whose target does not exist yet, as /lib before anything is in /usr/lib.
        let target = readlinkat(&parent, name_of(path), Vec::new())
            .map_err(doing("following a link"))?
            .into_bytes();
        self.make(&link_target(parent_of(path), &target), links + 1)?;
        self.resolve(path)
    }
}

/// Where a link in `directory` leads, inside the root and without `..`.
fn link_target(directory: &[u8], target: &[u8]) -> Vec<u8> {
    let start: &[u8] = if target.starts_with(b"/") { b"" } else { directory };
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in start.split(|b| *b == b'/').chain(target.split(|b| *b == b'/')) {
        match part {
            b"" | b"." => {}
            b".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join(&b'/')
}

fn put_file(
    parent: BorrowedFd<'_>,
    name: &[u8],
    entry: &Entry,
    content: &mut dyn BufRead,
) -> Result<(), DebFault> {
    let fault = |(action, errno): Refused| unpack_fault(&entry.path, action, errno.into());
    let create = |name: &[u8]| {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        openat(parent, name, flags, Mode::from(0o600))
    };
    // Nothing is there in most cases: no rename is needed then.
    let (file, temporary) = match create(name) {
        Ok(file) => (file, None),
        Err(Errno::EXIST) => {
            let temporary = temporary_name();
            (
                create(&temporary).map_err(doing("creating the file")).map_err(fault)?,
                Some(temporary),
            )
        }
        Err(errno) => return Err(fault(("creating the file", errno))),
    };
    let written = fill(&file, entry, content);
    drop(file);
    match temporary {
        None => written,
        Some(temporary) => {
            let moved = written.and_then(|()| replace(parent, &temporary, name).map_err(fault));
            if moved.is_err() {
                // The first error is the one to report.
                let _ = unlinkat(parent, &temporary, AtFlags::empty());
            }
            moved
        }
    }
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
    // Giving a file away clears setuid: the mode comes after the owner.
    let (uid, gid) = owner(entry);
    fchown(file, Some(uid), Some(gid)).map_err(doing("setting its owner")).map_err(fault)?;
    fchmod(file, Mode::from(entry.mode)).map_err(doing("setting its mode")).map_err(fault)?;
    futimens(file, &timestamps(entry.mtime)).map_err(doing("setting its time")).map_err(fault)
}

fn put_symlink(
    parent: BorrowedFd<'_>,
    name: &[u8],
    target: &[u8],
    entry: &Entry,
) -> Result<(), Refused> {
    let finish = |name: &[u8]| {
        let (uid, gid) = owner(entry);
        chownat(parent, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)
            .map_err(doing("setting its owner"))?;
        utimensat(parent, name, &timestamps(entry.mtime), AtFlags::SYMLINK_NOFOLLOW)
            .map_err(doing("setting its time"))
    };
    match symlinkat(target, parent, name) {
        Ok(()) => return finish(name),
        Err(Errno::EXIST) => {}
        Err(errno) => return Err(("making the link", errno)),
    }
    let existing =
        statat(parent, name, AtFlags::SYMLINK_NOFOLLOW).map_err(doing("looking at its name"))?;
    if rustix::fs::FileType::from_raw_mode(existing.st_mode).is_dir() {
        return Ok(());
    }
    let temporary = temporary_name();
    symlinkat(target, parent, &temporary).map_err(doing("making the link"))?;
    finish(&temporary)?;
    replace(parent, &temporary, name)
}

fn put_hard_link(
    from: BorrowedFd<'_>,
    target: &[u8],
    parent: BorrowedFd<'_>,
    name: &[u8],
) -> Result<(), Refused> {
    let make = |name: &[u8]| linkat(from, target, parent, name, AtFlags::empty());
    match make(name) {
        Err(Errno::EXIST) => {}
        result => return result.map_err(doing("making the hard link")),
    }
    let temporary = temporary_name();
    make(&temporary).map_err(doing("making the hard link"))?;
    replace(parent, &temporary, name)?;
    // rename(2) does nothing when both names are the same file already.
    match unlinkat(parent, &temporary, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(errno) => Err(("removing a temporary name", errno)),
    }
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

fn replace(parent: BorrowedFd<'_>, temporary: &[u8], name: &[u8]) -> Result<(), Refused> {
    renameat(parent, temporary, parent, name).map_err(doing("replacing what was there"))
}

fn temporary_name() -> Vec<u8> {
    let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
    format!(".osb-new-{}-{serial}", std::process::id()).into_bytes()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn link_targets_stay_inside() {
        for (directory, target, expected) in [
            ("", "usr/lib", "usr/lib"),
            ("usr/share", "../lib/x", "usr/lib/x"),
            ("usr", "/etc/x", "etc/x"),
            ("usr", "../../../etc", "etc"),
            ("a/b", "./c//d/", "a/b/c/d"),
            ("", "/", ""),
        ] {
            let got = link_target(directory.as_bytes(), target.as_bytes());
            assert_eq!(String::from_utf8_lossy(&got), expected);
        }
    }
}
