//! Copies that are still to be made: many at once, on all processors.

use std::fs::{File, Permissions};
use std::io;
use std::os::unix::fs::{PermissionsExt, fchown};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use rustix::fs::{Timespec, Timestamps, futimens};

use crate::overrides::Override;

/// Two open files each; a process may have a thousand.
const MOST: usize = 256;
/// Below this a thread costs more than it brings.
const PER_THREAD: usize = 16;

/// Copies to be made. The files exist: who looks at the tree sees them.
#[derive(Default)]
pub(crate) struct Pending {
    copies: Vec<Copy>,
}

/// One copy: the content, owner, mode and time of a new file.
pub(crate) struct Copy {
    pub(crate) from: File,
    pub(crate) to: File,
    pub(crate) stat: Override,
    /// Seconds since 1970.
    pub(crate) mtime: i64,
}

impl Pending {
    /// Notes a copy; makes all that are noted if they are many.
    pub(crate) fn add(&mut self, copy: Copy) -> io::Result<()> {
        self.copies.push(copy);
        if self.copies.len() < MOST { Ok(()) } else { self.make() }
    }

    /// Makes all copies that are noted.
    pub(crate) fn make(&mut self) -> io::Result<()> {
        let copies = std::mem::take(&mut self.copies);
        let most = thread::available_parallelism().map_or(1, usize::from);
        let threads = copies.len().div_ceil(PER_THREAD).clamp(1, most);
        let (next, failed) = (AtomicUsize::new(0), Mutex::new(None));
        let work = || {
            while let Some(copy) = copies.get(next.fetch_add(1, Ordering::Relaxed)) {
                if let Err(error) = copy.make() {
                    next.store(copies.len(), Ordering::Relaxed);
                    failed.lock().unwrap_or_else(|lock| lock.into_inner()).get_or_insert(error);
                }
            }
        };
        thread::scope(|scope| {
            for _ in 1..threads {
                scope.spawn(work);
            }
            work();
        });
        failed.into_inner().unwrap_or_else(|lock| lock.into_inner()).map_or(Ok(()), Err)
    }
}

impl Copy {
    fn make(&self) -> io::Result<()> {
        io::copy(&mut &self.from, &mut &self.to)?;
        set(&self.to, self.stat, self.mtime)
    }
}

/// Owner, mode and time. Giving a file away clears setuid: the mode comes after the owner.
pub(crate) fn set(file: &File, stat: Override, mtime: i64) -> io::Result<()> {
    fchown(file, Some(stat.uid), Some(stat.gid))?;
    file.set_permissions(Permissions::from_mode(stat.mode))?;
    Ok(futimens(file, &times(mtime))?)
}

/// The same time for access and modification.
pub(crate) fn times(seconds: i64) -> Timestamps {
    let time = Timespec { tv_sec: seconds, tv_nsec: 0 };
    Timestamps { last_access: time, last_modification: time }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn all_copies_are_made_with_their_own_facts() {
        let dir = tempfile::tempdir().unwrap();
        let mut pending = Pending::default();
        for number in 0..600_u32 {
            let (from, to) = (dir.path().join("from"), dir.path().join(number.to_string()));
            fs::write(&from, number.to_string()).unwrap();
            let stat = Override { uid: 0, gid: 0, mode: 0o600 + number % 8 };
            let (from_file, to) = (File::open(&from).unwrap(), File::create_new(to).unwrap());
            pending.add(Copy { from: from_file, to, stat, mtime: number.into() }).unwrap();
            fs::remove_file(from).unwrap();
        }
        pending.make().unwrap();
        for number in 0..600_u32 {
            let path = dir.path().join(number.to_string());
            let meta = fs::metadata(&path).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), number.to_string());
            assert_eq!((meta.mode() & 0o7777, meta.mtime()), (0o600 + number % 8, number.into()));
        }
    }

    #[test]
    fn a_copy_that_fails_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        fs::write(&path, "x").unwrap();
        let (from, to) = (File::open(&path).unwrap(), File::open(&path).unwrap());
        let mut pending = Pending::default();
        let stat = Override { uid: 0, gid: 0, mode: 0o600 };
        pending.add(Copy { from, to, stat, mtime: 0 }).unwrap();
        assert!(pending.make().is_err(), "it cannot be written");
    }
}
